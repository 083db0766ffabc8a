#include "core/digest.h"

#include <string.h>

#include <sodium.h>

/* With its zero byte, so that no two fields run together into one text. */
static void add_field(struct hmac_sha256_ctx *state, const char *field) {
    hmac_sha256_update(state, strlen(field) + 1, (const uint8_t *)field);
}

static void init_domain(struct hmac_sha256_ctx *state, const uint8_t secret[DIGEST_KEY_SIZE],
                        const char *domain) {
    hmac_sha256_set_key(state, DIGEST_KEY_SIZE, secret);
    add_field(state, domain);
}

void digest_key_init(struct digest_key *key, const uint8_t secret[DIGEST_KEY_SIZE]) {
    init_domain(&key->triple, secret, "sanyao triple 1");
    init_domain(&key->number, secret, "sanyao number 1");
    init_domain(&key->secret, secret, "sanyao secret 1");
}

static struct digest finish(struct hmac_sha256_ctx *state) {
    struct digest digest;
    hmac_sha256_digest(state, sizeof digest.bytes, digest.bytes);
    sodium_memzero(state, sizeof *state);
    return digest;
}

struct digest digest_triple(const struct digest_key *key, const struct triple *triple) {
    struct hmac_sha256_ctx state = key->triple;
    add_field(&state, triple->name);
    add_field(&state, triple->id_card);
    add_field(&state, triple->mobile);
    return finish(&state);
}

struct digest digest_number(const struct digest_key *key, const struct triple *triple) {
    struct hmac_sha256_ctx state = key->number;
    add_field(&state, triple->mobile);
    return finish(&state);
}

struct digest digest_secret(const struct digest_key *key, const char *secret) {
    struct hmac_sha256_ctx state = key->secret;
    add_field(&state, secret);
    return finish(&state);
}

bool digest_equal(const struct digest *a, const struct digest *b) {
    return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

void digest_short(const struct digest *digest, char text[DIGEST_SHORT_SIZE]) {
    sodium_bin2hex(text, DIGEST_SHORT_SIZE, digest->bytes, 8);
}
