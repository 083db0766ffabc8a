#include "core/digest.h"

#include <string.h>

void digest_key_init(struct digest_key *key, const uint8_t secret[DIGEST_KEY_SIZE]) {
    static const char triple_domain[] = "sanyao triple 1";
    static const char number_domain[] = "sanyao number 1";
    crypto_auth_hmacsha256_init(&key->triple, secret, DIGEST_KEY_SIZE);
    crypto_auth_hmacsha256_update(&key->triple, (const uint8_t *)triple_domain,
                                  sizeof triple_domain);
    crypto_auth_hmacsha256_init(&key->number, secret, DIGEST_KEY_SIZE);
    crypto_auth_hmacsha256_update(&key->number, (const uint8_t *)number_domain,
                                  sizeof number_domain);
}

/* With its zero byte, so that no two triples run together into one text. */
static void add_field(crypto_auth_hmacsha256_state *state, const char *field) {
    crypto_auth_hmacsha256_update(state, (const uint8_t *)field, strlen(field) + 1);
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

bool digest_equal(const struct digest *a, const struct digest *b) {
    return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

void digest_short(const struct digest *digest, char text[DIGEST_SHORT_SIZE]) {
    sodium_bin2hex(text, DIGEST_SHORT_SIZE, digest->bytes, 8);
}
