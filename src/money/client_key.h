#pragma once
/*
 * client_key: the keys that callers identify themselves with: sy_<client id>_<43 of base64url>.
 *
 * The last part is 32 random bytes. Only the SHA-256 of the whole text is ever kept. Value types;
 * any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_ID_MOST       40 /* [a-z0-9-], not beginning with a hyphen */
#define CLIENT_KEY_TEXT_SIZE (3 + CLIENT_ID_MOST + 1 + 43 + 1)
#define CLIENT_KEY_HASH_SIZE 32

struct client_key_hash {
    uint8_t bytes[CLIENT_KEY_HASH_SIZE];
};

/* May it be a client's (or a package's, or a credential's) id? */
bool client_id_is_valid(const char *id);

/* A new one; wipe `text` when it was told. */
void client_key_make(const char *client_id, char text[CLIENT_KEY_TEXT_SIZE],
                     struct client_key_hash *hash);

/* The id in a key, and its hash; false: it has not the form of a key. */
bool client_key_read(const char *text, char client_id[CLIENT_ID_MOST + 1],
                     struct client_key_hash *hash) __attribute__((warn_unused_result));

/* In constant time. */
bool client_key_equal(const struct client_key_hash *a, const struct client_key_hash *b);
