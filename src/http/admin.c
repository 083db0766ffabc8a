#include "http/admin.h"

#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "http/problem.h"

#define SCHEME "Bearer "

static void hash(const char *text, uint8_t digest[crypto_hash_sha256_BYTES]) {
    crypto_hash_sha256(digest, (const unsigned char *)text, strlen(text));
}

/* Digests have one length, so that not even the token's is told by the time this takes. */
static bool is_token(const char *given, const char *token) {
    uint8_t given_digest[crypto_hash_sha256_BYTES];
    uint8_t token_digest[crypto_hash_sha256_BYTES];
    hash(given, given_digest);
    hash(token, token_digest);
    bool same = sodium_memcmp(given_digest, token_digest, sizeof given_digest) == 0;
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
    if (bearer && is_token(given + strlen(SCHEME), token))
        return true;
    problem_answer(request, PROBLEM_UNAUTHENTICATED,
                   "Send the admin token (setting admin.token) as Authorization: Bearer.",
                   BILLED_NO);
    return false;
}
