#include "command/admin_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <sodium.h>

#include "runtime/authority.h"

#define CONNECT_TIMEOUT_MS 5000L
#define STALLED_AFTER_S    120L /* without a single byte */
#define URL_SIZE           8192
#define BODY_MOST          ((size_t)64 * 1024 * 1024)
#define UNIX_PREFIX        "unix:"

struct exchange {
    CURL *curl;
    struct curl_slist *headers;
    admin_take *take; /* of a 200's body; NULL: it is kept, too */
    void *arg;
    bool unwanted; /* `take` wants no more */
    struct admin_reply *reply;
    size_t room; /* of its body */
};

/* --- where and how --- */

static bool is_unix(const char *address) {
    return strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
}

static bool check_settings(const struct config *config, struct complaint *complaint) {
    const char *address = config->admin_listen;
    struct authority authority;
    if (address[0] == '\0')
        return complain(complaint, "admin.listen is empty, so the service has no admin API");
    if (config->admin_token == NULL)
        return complain(complaint, "admin.token is not set: give the service's own, with "
                                   "SANYAO_ADMIN_TOKEN_FILE or in the settings file");
    if (!is_unix(address) && authority_parse(address, strlen(address), &authority) &&
        authority.port == 0)
        return complain(complaint, "admin.listen has port 0, which is another one at each start: "
                                   "name the service's real one");
    return true;
}

static bool set_address(const struct exchange *exchange, const char *address, const char *target) {
    char url[URL_SIZE];
    const char *host = is_unix(address) ? "localhost" : address;
    int size = snprintf(url, sizeof url, "http://%s%s", host, target);
    if (size < 0 || (size_t)size >= sizeof url)
        return false;
    if (is_unix(address) && curl_easy_setopt(exchange->curl, CURLOPT_UNIX_SOCKET_PATH,
                                             address + strlen(UNIX_PREFIX)) != CURLE_OK)
        return false;
    return curl_easy_setopt(exchange->curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(exchange->curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
}

/* Not by realloc, which would leave a key behind where it was. */
static bool make_room(struct exchange *exchange, size_t size) {
    struct admin_reply *reply = exchange->reply;
    size_t room = 2 * (reply->size + size) + 1;
    char *body = malloc(room);
    if (body == NULL)
        return false;
    size_t kept = reply->size;
    if (kept > 0)
        memcpy(body, reply->body, kept);
    admin_reply_free(reply);
    reply->body = body;
    reply->size = kept;
    exchange->room = room;
    return true;
}

static size_t keep(struct exchange *exchange, const char *bytes, size_t size) {
    struct admin_reply *reply = exchange->reply;
    if (size > BODY_MOST - reply->size)
        return 0;
    if (reply->size + size >= exchange->room && !make_room(exchange, size))
        return 0;
    memcpy(reply->body + reply->size, bytes, size);
    reply->size += size;
    reply->body[reply->size] = '\0';
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *arg) {
    (void)one;
    struct exchange *exchange = arg;
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (exchange->take == NULL || status != 200)
        return keep(exchange, bytes, size);
    exchange->unwanted = !exchange->take(exchange->arg, bytes, size);
    return exchange->unwanted ? 0 : size;
}

static bool set_transport(const struct exchange *exchange) {
    CURL *curl = exchange->curl;
    return curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALLED_AFTER_S) == CURLE_OK;
}

static bool set_header(struct exchange *exchange, const char *header) {
    struct curl_slist *headers = curl_slist_append(exchange->headers, header);
    if (headers == NULL)
        return false;
    exchange->headers = headers;
    return true;
}

static bool set_headers(struct exchange *exchange, const struct admin_request *request) {
    char type[128];
    snprintf(type, sizeof type, "Content-Type: %s", request->type != NULL ? request->type : "");
    /* Without a body no Content-Type goes out; and nobody is asked whether a body is welcome. */
    return set_header(exchange, "Expect:") &&
           set_header(exchange, request->type != NULL ? type : "Content-Type:") &&
           (request->header == NULL || set_header(exchange, request->header)) &&
           curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, exchange->headers) == CURLE_OK;
}

/* What is sent, where it is no mere GET. */
static bool set_request(struct exchange *exchange, const struct admin_request *request) {
    CURL *curl = exchange->curl;
    if (strcmp(request->method, "GET") == 0)
        return true;
    if (curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) != CURLE_OK ||
        !set_headers(exchange, request))
        return false;
    if (request->type == NULL && strcmp(request->method, "POST") != 0)
        return true;
    return curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                            (curl_off_t)(request->type != NULL ? request->size : 0)) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->type != NULL ? request->body : "") ==
               CURLE_OK;
}

static bool prepare(struct exchange *exchange, const struct config *config,
                    const struct admin_request *request) {
    CURL *curl = exchange->curl;
    return set_address(exchange, config->admin_listen, request->target) &&
           set_transport(exchange) && set_request(exchange, request) &&
           curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, config->admin_token) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK;
}

/* --- what came of it --- */

static bool complain_of_refusal(const struct admin_reply *reply, struct complaint *complaint) {
    if (reply->status == 401)
        return complain(complaint, "the service refuses the token: is admin.token the same here "
                                   "as where it was started?");
    cJSON *problem = cJSON_ParseWithLength(reply->size > 0 ? reply->body : "", reply->size);
    const char *title = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "title"));
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "detail"));
    if (title != NULL && detail != NULL)
        complain(complaint, "the service refuses: %s: %s", title, detail);
    else
        complain(complaint, "what answers at admin.listen is not sanyao's admin API (HTTP %ld)",
                 reply->status);
    cJSON_Delete(problem);
    return false;
}

static bool judge(const struct exchange *exchange, const struct config *config, CURLcode code,
                  struct complaint *complaint) {
    const struct admin_reply *reply = exchange->reply;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return complain(complaint,
                        "the service cannot be reached at %s (admin.listen): does it "
                        "run, and with these settings?",
                        config->admin_listen);
    if (exchange->unwanted)
        return complain(complaint, "what came could not be written");
    if (code != CURLE_OK)
        return complain(complaint, "the service's reply broke off (%s): what came is not whole",
                        curl_easy_strerror(code));
    bool good =
        exchange->take != NULL ? reply->status == 200 : reply->status >= 200 && reply->status < 300;
    return good || complain_of_refusal(reply, complaint);
}

static bool is_broken(CURLcode code) {
    return code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
           code == CURLE_PARTIAL_FILE;
}

/* `broken`: the connection was there and ended before its time. */
static bool perform(struct exchange *exchange, const struct config *config,
                    const struct admin_request *request, bool *broken,
                    struct complaint *complaint) {
    CURLcode code = CURLE_FAILED_INIT;
    exchange->curl = curl_easy_init();
    bool ready = exchange->curl != NULL && prepare(exchange, config, request);
    if (ready) {
        code = curl_easy_perform(exchange->curl);
        curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &exchange->reply->status);
    }
    curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    *broken = is_broken(code);
    if (*broken)
        exchange->reply->status = 0;
    return ready ? judge(exchange, config, code, complaint)
                 : complain(complaint, "the HTTP client could not be set up");
}

bool admin_get(const struct config *config, const char *target, admin_take *take, void *arg,
               struct complaint *complaint) {
    const struct admin_request request = {.method = "GET", .target = target};
    struct admin_reply reply = {0};
    struct exchange exchange = {.take = take, .arg = arg, .reply = &reply};
    bool broken;
    bool good = check_settings(config, complaint) &&
                perform(&exchange, config, &request, &broken, complaint);
    admin_reply_free(&reply);
    return good;
}

bool admin_send(const struct config *config, const struct admin_request *request,
                struct admin_reply *reply, struct complaint *complaint) {
    bool broken;
    *reply = (struct admin_reply){0};
    if (!check_settings(config, complaint))
        return false;
    struct exchange first = {.reply = reply};
    bool good = perform(&first, config, request, &broken, complaint);
    if (!broken || !request->again)
        return good;
    admin_reply_free(reply);
    *reply = (struct admin_reply){.again = true};
    struct exchange second = {.reply = reply};
    return perform(&second, config, request, &broken, complaint);
}

void admin_reply_free(struct admin_reply *reply) {
    if (reply->body != NULL)
        sodium_memzero(reply->body, reply->size);
    free(reply->body);
    reply->body = NULL;
    reply->size = 0;
}

/* --- targets --- */

static char *append(char *target, const char *before, const char *value) {
    char *escaped = target != NULL ? curl_easy_escape(NULL, value, 0) : NULL;
    char *longer = NULL;
    if (escaped == NULL || asprintf(&longer, "%s%s%s", target, before, escaped) < 0)
        longer = NULL;
    curl_free(escaped);
    free(target);
    return longer;
}

char *admin_add_parameter(char *target, const char *name, const char *value) {
    char before[64];
    bool first = target == NULL || strchr(target, '?') == NULL;
    snprintf(before, sizeof before, "%s%s=", first ? "?" : "&", name);
    return append(target, before, value);
}

char *admin_add_word(char *target, const char *word) {
    return append(target, "/", word);
}
