#include "command/service_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "command/table.h"
#include "runtime/authority.h"
#include "runtime/secret.h"
#include "upstream/easy.h"

#define KEY_VARIABLE       "SANYAO_KEY"
#define UNIX_PREFIX        "unix:"
#define CONNECT_TIMEOUT_MS 3000L
#define IDLE_MOST_S        10L /* of a connection that is used again */
#define REFUSED_FIRST      400
#define REFUSED_LAST       499
#define PATIENCE_MS        30000L /* beyond what the service itself may take */

/* --- where it is --- */

static bool keep(char **text, char *copy, struct complaint *complaint) {
    *text = copy;
    return copy != NULL || complain(complaint, "no memory for the service's address");
}

static bool take_socket(struct service_client *client, const char *path,
                        struct complaint *complaint) {
    return keep(&client->socket_path, strdup(path), complaint) &&
           keep(&client->url, strdup("http://localhost"), complaint);
}

static bool take_listen(struct service_client *client, const char *address,
                        struct complaint *complaint) {
    struct authority authority;
    char *url = NULL;
    if (authority_parse(address, strlen(address), &authority) && authority.port == 0)
        return complain(complaint, "listen has port 0, which is another one at each start: name "
                                   "the service's real one, with --url or in the settings");
    if (asprintf(&url, "http://%s", address) < 0)
        url = NULL;
    return keep(&client->url, url, complaint);
}

static bool take_url(struct service_client *client, const char *url, struct complaint *complaint) {
    size_t size = strlen(url);
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return complain(complaint, "the service's address must begin with http://, https:// or "
                                   "unix:");
    if (strpbrk(url, "?#@") != NULL)
        return complain(complaint, "the service's address has no query and no password in it");
    while (size > 0 && url[size - 1] == '/')
        size--;
    return keep(&client->url, strndup(url, size), complaint);
}

bool service_client_find(struct service_client *client, const struct config *config,
                         const char *url, struct complaint *complaint) {
    const char *address = url != NULL ? url : config->listen[0];
    *client = (struct service_client){0};
    bool good = strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0
                    ? take_socket(client, address + strlen(UNIX_PREFIX), complaint)
                : url != NULL ? take_url(client, url, complaint)
                              : take_listen(client, address, complaint);
    if (!good)
        service_client_free(client);
    return good;
}

/* --- who asks --- */

static bool is_visible(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}

bool service_client_take_key(struct service_client *client, const char *file,
                             struct complaint *complaint) {
    const char *variable = getenv(KEY_VARIABLE);
    struct secret secret = {0};
    if (file != NULL) {
        if (secret_read(file, &secret, complaint) != SECRET_READ)
            return false;
        client->key = secret.text;
    } else if (variable != NULL && variable[0] != '\0') {
        client->key = secret_copy(variable);
        if (client->key == NULL)
            return complain(complaint, "no memory for the client key");
    }
    return client->key == NULL || is_visible(client->key) ||
           complain(complaint, "what is given as the client key is none: sy_, the client's name, "
                               "_ and 43 characters");
}

void service_client_free(struct service_client *client) {
    free(client->url);
    free(client->socket_path);
    secret_free(client->key);
    *client = (struct service_client){0};
}

/* --- one request --- */

static int on_sending(void *arg, char *to_address, char *from_address, int to_port, int from_port) {
    (void)to_address;
    (void)from_address;
    (void)to_port;
    (void)from_port;
    struct service_ask *ask = arg;
    if (ask->sent)
        return CURL_PREREQFUNC_ABORT;
    ask->sent = true;
    return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *arg) {
    (void)one;
    struct service_ask *ask = arg;
    if (size > sizeof ask->body - ask->size)
        return CURL_WRITEFUNC_ERROR;
    memcpy(ask->body + ask->size, bytes, size);
    ask->size += size;
    return size;
}

static bool add_header(struct service_ask *ask, const char *name, const char *value) {
    char line[256];
    if (value == NULL)
        return true;
    int size = snprintf(line, sizeof line, "%s:%s%s", name, value[0] != '\0' ? " " : "", value);
    struct curl_slist *headers =
        size > 0 && (size_t)size < sizeof line ? curl_slist_append(ask->headers, line) : NULL;
    if (headers != NULL)
        ask->headers = headers;
    return headers != NULL;
}

static bool add_headers(struct service_ask *ask, const struct service_request *request) {
    return add_header(ask, "Expect", "") &&
           add_header(ask, "Content-Type", request->body != NULL ? "application/json" : NULL) &&
           add_header(ask, "Cache-Control", request->cache_control) &&
           add_header(ask, "Prefer", request->prefer);
}

static bool set_options(struct service_ask *ask, const struct service_client *client,
                        const struct service_request *request, const char *url) {
    CURL *easy = ask->easy;
    bool set = easy_secure(easy);
#define SET(option, value) set = set && curl_easy_setopt(easy, (option), (value)) == CURLE_OK
    SET(CURLOPT_URL, url);
    SET(CURLOPT_UNIX_SOCKET_PATH, client->socket_path);
    SET(CURLOPT_HTTPHEADER, ask->headers);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(CURLOPT_TIMEOUT_MS, request->timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, IDLE_MOST_S);
    SET(CURLOPT_PREREQFUNCTION, on_sending);
    SET(CURLOPT_PREREQDATA, ask);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, ask);
    if (request->body != NULL) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
        SET(CURLOPT_POSTFIELDS, request->body);
    }
    if (client->key != NULL) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        SET(CURLOPT_XOAUTH2_BEARER, client->key);
    }
#undef SET
    return set;
}

bool service_ask_prepare(struct service_ask *ask, const struct service_client *client,
                         const struct service_request *request, struct complaint *complaint) {
    char *url = NULL;
    service_ask_free(ask);
    ask->easy = curl_easy_init();
    bool good = ask->easy != NULL && asprintf(&url, "%s%s", client->url, request->path) >= 0 &&
                add_headers(ask, request) && set_options(ask, client, request, url);
    free(url);
    return good || complain(complaint, "the HTTP client could not be set up");
}

enum service_outcome service_ask_end(struct service_ask *ask, CURLcode code) {
    curl_off_t after = 0;
    curl_easy_getinfo(ask->easy, CURLINFO_RESPONSE_CODE, &ask->status);
    curl_easy_getinfo(ask->easy, CURLINFO_RETRY_AFTER, &after);
    ask->retry_after_s = after;
    if (code == CURLE_OK && json_scan_strict(ask->body, ask->size))
        return SERVICE_REPLIED;
    if (code == CURLE_OK && ask->status >= REFUSED_FIRST && ask->status <= REFUSED_LAST)
        return SERVICE_FOREIGN;
    return ask->sent ? SERVICE_LOST : SERVICE_UNREACHABLE;
}

const char *service_client_place(const struct service_client *client) {
    return client->socket_path != NULL ? client->socket_path : client->url;
}

static void complain_of_none(const struct service_client *client, enum service_outcome outcome,
                             CURLcode code, struct complaint *complaint) {
    const char *where = service_client_place(client);
    if (outcome == SERVICE_UNREACHABLE)
        complain(complaint,
                 "the service cannot be reached at %s (%s): does it run, and with these "
                 "settings?",
                 where, curl_easy_strerror(code));
    else if (code == CURLE_OK)
        complain(complaint, "what answers at %s is not sanyao", where);
    else
        complain(complaint, "the reply of the service at %s did not come whole (%s)", where,
                 curl_easy_strerror(code));
}

enum service_outcome service_ask_perform(struct service_ask *ask,
                                         const struct service_client *client,
                                         const struct service_request *request,
                                         struct complaint *complaint) {
    if (!service_ask_prepare(ask, client, request, complaint))
        return SERVICE_UNREACHABLE;
    CURLcode code = curl_easy_perform(ask->easy);
    enum service_outcome outcome = service_ask_end(ask, code);
    if (outcome != SERVICE_REPLIED)
        complain_of_none(client, outcome, code, complaint);
    return outcome;
}

void service_ask_free(struct service_ask *ask) {
    curl_easy_cleanup(ask->easy);
    curl_slist_free_all(ask->headers);
    sodium_memzero(ask->body, ask->size);
    ask->easy = NULL;
    ask->headers = NULL;
    ask->sent = false;
    ask->status = 0;
    ask->size = 0;
}

/* --- what it says --- */

struct json_span service_ask_body(const struct service_ask *ask) {
    return (struct json_span){ask->body, ask->size};
}

void service_ask_text(const struct service_ask *ask, const char *member, char *text, size_t room) {
    struct json_span value = json_scan_find(service_ask_body(ask), member);
    text[0] = '\0';
    if (value.size < 2 || value.at[0] != '"' || value.size - 2 >= room ||
        memchr(value.at, '\\', value.size) != NULL)
        return;
    memcpy(text, value.at + 1, value.size - 2);
    text[value.size - 2] = '\0';
}

static const char *advice_of(const char *code) {
    static const struct {
        const char *code;
        const char *advice;
    } advice[] = {
        {"unauthenticated", "give the client's key with --key-file or SANYAO_KEY"},
        {"client_disabled", "the operator can let it in: sanyao client set ID --disabled no"},
        {"refresh_not_allowed", "the operator can allow it: sanyao client set ID --refresh yes"},
        {"rate_limited", "ask more slowly, or raise the client's rate"},
        {"client_quota_exhausted", "wait for the next day or month, or raise the client's quota"},
        {"package_exhausted", "buy a package and register it: sanyao package add"},
        {"upstream_refused_credential", "see sanyao balance, and the service's appcode"},
        {"upstream_timeout", "ask again later: the answer is kept when it comes"},
        {"upstream_unavailable", "ask again later"},
        {"store_unavailable", "ask again when the store is back"},
        {"overloaded", "ask again shortly"},
        {"shutting_down", "ask again"},
        {"not_cached", "without --only-if-cached it is asked, and may be paid for"},
    };
    for (size_t i = 0; i < sizeof advice / sizeof advice[0]; i++) {
        if (strcmp(code, advice[i].code) == 0)
            return advice[i].advice;
    }
    return "see the service's log";
}

bool service_complain(const struct service_ask *ask, struct complaint *complaint) {
    char code[64];
    struct json_span billed = json_scan_find(service_ask_body(ask), "billed");
    service_ask_text(ask, "code", code, sizeof code);
    if (code[0] == '\0')
        return complain(complaint, "what answers there is not sanyao (HTTP %ld)", ask->status);
    char *detail = table_cell(TABLE_TEXT, json_scan_find(service_ask_body(ask), "detail"));
    complain(complaint, "%s (%s; billed: %.*s): %s", detail != NULL ? detail : "", code,
             (int)billed.size, billed.at, advice_of(code));
    free(detail);
    return false;
}

long service_timeout_ms(const struct config *config) {
    int64_t longest = config->upstream_timeout_ms > config->request_timeout_ms
                          ? config->upstream_timeout_ms
                          : config->request_timeout_ms;
    return (long)longest + PATIENCE_MS;
}
