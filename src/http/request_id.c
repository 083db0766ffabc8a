#include "http/request_id.h"

#include <sodium.h>

#define ID_BYTES 16

void request_id_make(struct request_id_pool *pool, char id[REQUEST_ID_SIZE]) {
    if (pool->left == 0) {
        randombytes_buf(pool->bytes, sizeof pool->bytes);
        pool->left = sizeof pool->bytes;
    }
    pool->left -= ID_BYTES;
    sodium_bin2hex(id, REQUEST_ID_SIZE, pool->bytes + pool->left, ID_BYTES);
}
