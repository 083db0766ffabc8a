#include "command/admin_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>

#include "runtime/authority.h"

#define CONNECT_TIMEOUT_MS 5000L
#define STALLED_AFTER_S    120L /* without a single byte */
#define URL_SIZE           8192
#define REFUSAL_SIZE       4096
#define UNIX_PREFIX        "unix:"

struct exchange {
    CURL *curl;
    admin_take *take;
    void *arg;
    bool unwanted; /* `take` wants no more */
    char refusal[REFUSAL_SIZE];
    size_t refusal_size;
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
    return curl_easy_setopt(exchange->curl, CURLOPT_URL, url) == CURLE_OK;
}

static size_t keep_refusal(struct exchange *exchange, const char *bytes, size_t size) {
    size_t room = sizeof exchange->refusal - exchange->refusal_size;
    size_t kept = size < room ? size : room;
    memcpy(exchange->refusal + exchange->refusal_size, bytes, kept);
    exchange->refusal_size += kept;
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *arg) {
    (void)one;
    struct exchange *exchange = arg;
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return keep_refusal(exchange, bytes, size);
    exchange->unwanted = !exchange->take(exchange->arg, bytes, size);
    return exchange->unwanted ? 0 : size;
}

static bool prepare(struct exchange *exchange, const struct config *config, const char *target) {
    CURL *curl = exchange->curl;
    return set_address(exchange, config->admin_listen, target) &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALLED_AFTER_S) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, config->admin_token) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK;
}

/* --- what came of it --- */

static bool complain_of_refusal(const struct exchange *exchange, long status,
                                struct complaint *complaint) {
    if (status == 401)
        return complain(complaint, "the service refuses the token: is admin.token the same here "
                                   "as where it was started?");
    cJSON *problem = cJSON_ParseWithLength(exchange->refusal, exchange->refusal_size);
    const char *title = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "title"));
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "detail"));
    if (title != NULL && detail != NULL)
        complain(complaint, "the service refuses: %s: %s", title, detail);
    else
        complain(complaint, "what answers at admin.listen is not sanyao's admin API (HTTP %ld)",
                 status);
    cJSON_Delete(problem);
    return false;
}

static bool judge(const struct exchange *exchange, const struct config *config, CURLcode code,
                  struct complaint *complaint) {
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
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
    return status == 200 || complain_of_refusal(exchange, status, complaint);
}

bool admin_get(const struct config *config, const char *target, admin_take *take, void *arg,
               struct complaint *complaint) {
    struct exchange exchange = {.take = take, .arg = arg};
    if (!check_settings(config, complaint))
        return false;
    exchange.curl = curl_easy_init();
    if (exchange.curl == NULL || !prepare(&exchange, config, target)) {
        curl_easy_cleanup(exchange.curl);
        return complain(complaint, "the HTTP client could not be set up");
    }
    CURLcode code = curl_easy_perform(exchange.curl);
    bool good = judge(&exchange, config, code, complaint);
    curl_easy_cleanup(exchange.curl);
    return good;
}

char *admin_add_parameter(char *target, const char *name, const char *value) {
    char *escaped = curl_easy_escape(NULL, value, 0);
    char *longer = NULL;
    const char *before = strchr(target, '?') == NULL ? "?" : "&";
    if (escaped == NULL || asprintf(&longer, "%s%s%s=%s", target, before, name, escaped) < 0)
        longer = NULL;
    curl_free(escaped);
    free(target);
    return longer;
}
