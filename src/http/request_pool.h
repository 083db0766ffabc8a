#pragma once
/*
 * request_pool: the memory of requests, kept from one to the next.
 *
 * A request and what its route keeps for it are too large for the allocator's quick ways. Whatever
 * is given back is wiped first. One thread.
 */
#include <stddef.h>

#include "http/request_id.h"

struct request;

/* All zero at first. */
struct request_pool {
    struct request *spare; /* the first of them */
    size_t spares;
    struct request_id_pool ids;
};

/* Zero, but for the room of its work; NULL: no memory. */
struct request *request_pool_take(struct request_pool *pool);

/* Wipes it. */
void request_pool_give(struct request_pool *pool, struct request *request);

void request_pool_free(struct request_pool *pool);

/* `size` zero bytes at request->work, which are wiped with the request; NULL: no memory. Once for
 * each request. */
void *request_pool_work(struct request *request, size_t size) __attribute__((warn_unused_result));
