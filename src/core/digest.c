#include "core/digest.h"

#include <string.h>

/* With its zero byte, so that no two fields run together into one text. */
static void add_field(crypto_auth_hmacsha256_state *state, const char *field) {
    crypto_auth_hmacsha256_update(state, (const uint8_t *)field, strlen(field) + 1);
}

static void init_domain(crypto_auth_hmacsha256_state *state, const uint8_t secret[DIGEST_KEY_SIZE],
                        const char *domain) {
    crypto_auth_hmacsha256_init(state, secret, DIGEST_KEY_SIZE);
    add_field(state, domain);
}

void digest_key_init(struct digest_key *key, const uint8_t secret[DIGEST_KEY_SIZE]) {
    init_domain(&key->triple, secret, "sanyao triple 1");
    init_domain(&key->number, secret, "sanyao number 1");
    init_domain(&key->secret, secret, "sanyao secret 1");
}

static struct digest finish(crypto_auth_hmacsha256_state *state) {
    uint8_t full[crypto_auth_hmacsha256_BYTES];
    struct digest digest;
    crypto_auth_hmacsha256_final(state, full);
    memcpy(digest.bytes, full, sizeof digest.bytes);
    sodium_memzero(state, sizeof *state);
    return digest;
}

struct digest digest_triple(const struct digest_key *key, const struct triple *triple) {
    crypto_auth_hmacsha256_state state = key->triple;
    add_field(&state, triple->name);
    add_field(&state, triple->id_card);
    add_field(&state, triple->mobile);
    return finish(&state);
}

struct digest digest_number(const struct digest_key *key, const struct triple *triple) {
    crypto_auth_hmacsha256_state state = key->number;
    add_field(&state, triple->mobile);
    return finish(&state);
}

struct digest digest_secret(const struct digest_key *key, const char *secret) {
    crypto_auth_hmacsha256_state state = key->secret;
    add_field(&state, secret);
    return finish(&state);
}

bool digest_equal(const struct digest *a, const struct digest *b) {
    return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

void digest_short(const struct digest *digest, char text[DIGEST_SHORT_SIZE]) {
    sodium_bin2hex(text, DIGEST_SHORT_SIZE, digest->bytes, 8);
}
