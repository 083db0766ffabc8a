#include "upstream/post.h"

#include <string.h>

#include <curl/curl.h>

#include "upstream/easy.h"

static size_t on_body(char *bytes, size_t one, size_t size, void *arg) {
    (void)one;
    struct post *post = arg;
    if (size > sizeof post->reply - post->reply_size)
        return CURL_WRITEFUNC_ERROR;
    memcpy(post->reply + post->reply_size, bytes, size);
    post->reply_size += size;
    return size;
}

static int on_progress(void *arg, curl_off_t to_read, curl_off_t read, curl_off_t to_send,
                       curl_off_t sent) {
    (void)to_read;
    (void)read;
    (void)to_send;
    (void)sent;
    const struct post *post = arg;
    return atomic_load(post->cancelled) ? 1 : 0;
}

static bool set_options(CURL *easy, struct post *post, struct curl_slist *headers) {
    bool set = easy_secure(easy);
#define SET(option, value) set = set && curl_easy_setopt(easy, (option), (value)) == CURLE_OK
    SET(CURLOPT_URL, post->url);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_POSTFIELDS, post->body);
    SET(CURLOPT_NOSIGNAL, 1L);
    /* A resolver that hangs is left behind; without this its thread is joined. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)post->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)post->timeout_ms);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, post);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, post);
#undef SET
    return set;
}

/* Without "Expect", since some robots do not know what to say to it. */
static struct curl_slist *make_headers(void) {
    static const char *const lines[] = {"Content-Type: application/json; charset=utf-8", "Expect:"};
    struct curl_slist *headers = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct curl_slist *more = curl_slist_append(headers, lines[i]);
        if (more == NULL) {
            curl_slist_free_all(headers);
            return NULL;
        }
        headers = more;
    }
    return headers;
}

bool post_send(struct post *post) {
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;
    post->reply_size = 0;
    struct curl_slist *headers = make_headers();
    CURL *easy = headers != NULL ? curl_easy_init() : NULL;
    if (easy != NULL && set_options(easy, post, headers))
        code = curl_easy_perform(easy);
    if (easy != NULL)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    post->http_status = code == CURLE_OK ? (int)status : 0;
    post->cause = curl_easy_strerror(code);
    return code == CURLE_OK;
}
