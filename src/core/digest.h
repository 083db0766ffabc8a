#pragma once
/*
 * digest: what stands for a person outside this process.
 *
 * HMAC-SHA-256 under the hash key, domain-separated (a triple's digest and a number's can never be
 * equal), truncated to 16 bytes. Phone and ID numbers can be guessed, so an unkeyed hash would be
 * no protection. A key is read-only once made and may be shared by all threads.
 */
#include <stdbool.h>
#include <stdint.h>

#include <nettle/hmac.h>

#include "core/triple.h"

#define DIGEST_SIZE     16
#define DIGEST_KEY_SIZE 32

struct digest {
    uint8_t bytes[DIGEST_SIZE];
};

/* The hash key with its first block already mixed in; wipe with sodium_memzero. */
struct digest_key {
    struct hmac_sha256_ctx triple;
    struct hmac_sha256_ctx number;
    struct hmac_sha256_ctx secret;
};

void digest_key_init(struct digest_key *key, const uint8_t secret[DIGEST_KEY_SIZE]);

struct digest digest_triple(const struct digest_key *key, const struct triple *triple);
struct digest digest_number(const struct digest_key *key, const struct triple *triple);

/* Of an AppCode: tells one from another without telling any. */
struct digest digest_secret(const struct digest_key *key, const char *secret);

bool digest_equal(const struct digest *a, const struct digest *b);

/* The first 8 bytes as hexadecimal: for logs and the ledger, enough to follow one question. */
#define DIGEST_SHORT_SIZE 17
void digest_short(const struct digest *digest, char text[DIGEST_SHORT_SIZE]);
