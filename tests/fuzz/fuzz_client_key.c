/* Arbitrary bytes as a key. What is taken has one id, one spelling, one hash. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "money/client_key.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_taken(const char *text, const char *id, const struct client_key_hash *hash) {
    uint8_t sha256[crypto_hash_sha256_BYTES];
    char again[CLIENT_KEY_TEXT_SIZE];
    struct client_key_hash other;
    MUST(client_id_is_valid(id));
    MUST(strlen(text) == 3 + strlen(id) + 1 + 43);
    MUST(memcmp(text + 3, id, strlen(id)) == 0);
    crypto_hash_sha256(sha256, (const uint8_t *)text, strlen(text));
    MUST(memcmp(sha256, hash->bytes, sizeof sha256) == 0);
    client_key_make(id, again, &other);
    MUST(strlen(again) == strlen(text));
    MUST(!client_key_equal(&other, hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char id[CLIENT_ID_MOST + 1];
    struct client_key_hash hash;
    char *text = malloc(size + 1);
    MUST(text != NULL && sodium_init() >= 0);
    memcpy(text, data, size);
    text[size] = '\0';
    if (client_key_read(text, id, &hash))
        check_taken(text, id, &hash);
    free(text);
    return 0;
}
