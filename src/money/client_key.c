#include "money/client_key.h"

#include <stdio.h>
#include <string.h>

#include <nettle/sha2.h>
#include <sodium.h>

#define PREFIX       "sy_"
#define PREFIX_SIZE  3
#define SECRET_SIZE  32
#define SECRET_CHARS 43
#define ENCODING     sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* Whose calls are made while nobody has to say who they are. */
static const char reserved_id[] = "anonymous";

bool client_id_is_valid(const char *id) {
    size_t size = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return size >= 1 && size <= CLIENT_ID_MOST && id[size] == '\0' && id[0] != '-' &&
           strcmp(id, reserved_id) != 0;
}

static void hash_text(const char *text, struct client_key_hash *hash) {
    struct sha256_ctx state;
    sha256_init(&state);
    sha256_update(&state, strlen(text), (const uint8_t *)text);
    sha256_digest(&state, sizeof hash->bytes, hash->bytes);
    sodium_memzero(&state, sizeof state);
}

void client_key_make(const char *client_id, char text[CLIENT_KEY_TEXT_SIZE],
                     struct client_key_hash *hash) {
    uint8_t secret[SECRET_SIZE];
    char encoded[SECRET_CHARS + 1];
    randombytes_buf(secret, sizeof secret);
    sodium_bin2base64(encoded, sizeof encoded, secret, sizeof secret, ENCODING);
    snprintf(text, CLIENT_KEY_TEXT_SIZE, PREFIX "%s_%s", client_id, encoded);
    hash_text(text, hash);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(encoded, sizeof encoded);
}

static bool is_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* RFC 4648, 5. The last of the 43 has two bits too many, which must be zero: each key has one
 * spelling. It needs no decoding: what is compared is the hash of the text. */
static bool is_secret(const char *text) {
    static const char last[] = "AEIMQUYcgkosw048";
    size_t size = 0;
    while (is_digit(text[size]))
        size++;
    return size == SECRET_CHARS && text[size] == '\0' && strchr(last, text[size - 1]) != NULL;
}

bool client_key_read(const char *text, char client_id[CLIENT_ID_MOST + 1],
                     struct client_key_hash *hash) {
    char id[CLIENT_ID_MOST + 1];
    if (strncmp(text, PREFIX, PREFIX_SIZE) != 0)
        return false;
    const char *begin = text + PREFIX_SIZE;
    const char *end = strchr(begin, '_');
    if (end == NULL || (size_t)(end - begin) >= sizeof id)
        return false;
    memcpy(id, begin, (size_t)(end - begin));
    id[end - begin] = '\0';
    if (!client_id_is_valid(id) || !is_secret(end + 1))
        return false;
    memcpy(client_id, id, strlen(id) + 1);
    hash_text(text, hash);
    return true;
}

bool client_key_equal(const struct client_key_hash *a, const struct client_key_hash *b) {
    _Static_assert(sizeof a->bytes == crypto_verify_32_BYTES, "a hash has another size");
    return crypto_verify_32(a->bytes, b->bytes) == 0;
}
