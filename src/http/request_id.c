#include "http/request_id.h"

#include <sodium.h>

#define ID_BYTES 16

static void fill(struct request_id_pool *pool) {
    uint8_t seed[randombytes_SEEDBYTES];
    randombytes_buf(seed, sizeof seed);
    randombytes_buf_deterministic(pool->bytes, sizeof pool->bytes, seed);
    sodium_memzero(seed, sizeof seed);
    pool->left = sizeof pool->bytes;
}

void request_id_make(struct request_id_pool *pool, char id[REQUEST_ID_SIZE]) {
    if (pool->left == 0)
        fill(pool);
    pool->left -= ID_BYTES;
    sodium_bin2hex(id, REQUEST_ID_SIZE, pool->bytes + pool->left, ID_BYTES);
}
