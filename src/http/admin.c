#include "http/admin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "http/body.h"
#include "http/response.h"
#include "runtime/clock.h"

#define SCHEME "Bearer "

static void hash(const char *text, uint8_t digest[crypto_hash_sha256_BYTES]) {
    crypto_hash_sha256(digest, (const unsigned char *)text, strlen(text));
}

/* Digests have one length, so that not even the token's is told by the time this takes. */
static bool is_token(const char *given, const char *token, char fingerprint[REQUEST_TOKEN_SIZE]) {
    uint8_t given_digest[crypto_hash_sha256_BYTES];
    uint8_t token_digest[crypto_hash_sha256_BYTES];
    hash(given, given_digest);
    hash(token, token_digest);
    bool same = sodium_memcmp(given_digest, token_digest, sizeof given_digest) == 0;
    if (same)
        sodium_bin2hex(fingerprint, REQUEST_TOKEN_SIZE, token_digest, (REQUEST_TOKEN_SIZE - 1) / 2);
    sodium_memzero(given_digest, sizeof given_digest);
    sodium_memzero(token_digest, sizeof token_digest);
    return same;
}

bool admin_admit(struct request *request, const struct service *service) {
    const char *token = service->config->admin_token;
    if (token == NULL) {
        problem_answer(request, PROBLEM_ADMIN_DISABLED, NULL, BILLED_NO);
        return false;
    }
    const char *given = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                    MHD_HTTP_HEADER_AUTHORIZATION);
    bool bearer = given != NULL && strncasecmp(given, SCHEME, strlen(SCHEME)) == 0;
    if (bearer && is_token(given + strlen(SCHEME), token, request->token))
        return true;
    problem_answer(request, PROBLEM_UNAUTHENTICATED,
                   "Send the admin token (setting admin.token) as Authorization: Bearer.",
                   BILLED_NO);
    return false;
}

bool admin_refuse(struct request *request, enum problem problem, const char *detail) {
    problem_answer(request, problem, detail, BILLED_NO);
    return false;
}

bool admin_begin(struct request *request, const struct service *service) {
    if (!admin_admit(request, service))
        return false;
    if (service->ending)
        return admin_refuse(request, PROBLEM_SHUTTING_DOWN, NULL);
    if (service->directory == NULL || directory_now(service->directory)->version < 0)
        return admin_refuse(request, PROBLEM_STORE_UNAVAILABLE,
                            "Clients and packages could not be read yet.");
    return true;
}

void *admin_work(struct request *request, size_t size) {
    if (request_pool_work(request, size) == NULL)
        admin_refuse(request, PROBLEM_OVERLOADED, "There is no memory for it.");
    return request->work;
}

void admin_wait(struct service *service) {
    service->pages++;
}

void admin_waited(struct service *service) {
    service->pages--;
}

void admin_answer(struct request *request, unsigned http_status, cJSON *json_owned) {
    char *body = cJSON_PrintUnformatted(json_owned);
    struct MHD_Response *response = NULL;
    if (body != NULL) {
        size_t size = strlen(body);
        response = response_new(request, "application/json; charset=utf-8", body, size);
        sodium_memzero(body, size); /* it may be a new key */
    }
    cJSON_free(body);
    body_free(json_owned);
    request_answer(request, http_status, response);
}

void admin_answer_nothing(struct request *request) {
    request_answer(request, MHD_HTTP_NO_CONTENT, response_new_empty(request));
}

void admin_add_number(cJSON *object, const char *name, int64_t number) {
    cJSON_AddNumberToObject(object, name, (double)number);
}

void admin_add_time(cJSON *object, const char *name, int64_t unix_ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(unix_ms / 1000, text);
    cJSON_AddStringToObject(object, name, text);
}

void admin_add_time_or_null(cJSON *object, const char *name, int64_t unix_ms) {
    if (unix_ms != 0)
        admin_add_time(object, name, unix_ms);
    else
        cJSON_AddNullToObject(object, name);
}
