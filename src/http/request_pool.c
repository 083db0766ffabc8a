#include "http/request_pool.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "http/request.h"

/* Some 4 KB each. Where none waits for the store, one or two are in use at once. */
#define SPARES_MOST 256

struct request *request_pool_take(struct request_pool *pool) {
    struct request *request = pool->spare;
    if (request == NULL)
        return calloc(1, sizeof *request);
    pool->spare = request->next_spare;
    pool->spares--;
    request->next_spare = NULL;
    return request;
}

static void free_request(struct request *request) {
    free(request->work);
    free(request);
}

/* Its lists, of which mostly nothing is used, are not zeroed behind their first byte. */
static void wipe(struct request *request) {
    void *work = request->work;
    size_t work_room = request->work_room;
    if (request->work_size > 0)
        sodium_memzero(request->work, request->work_size);
    sodium_memzero(request, offsetof(struct request, cache_control));
    sodium_memzero(request->cache_control, strlen(request->cache_control));
    sodium_memzero(request->prefer, strlen(request->prefer));
    request->work = work;
    request->work_room = work_room;
}

void request_pool_give(struct request_pool *pool, struct request *request) {
    wipe(request);
    if (pool->spares == SPARES_MOST) {
        free_request(request);
        return;
    }
    request->next_spare = pool->spare;
    pool->spare = request;
    pool->spares++;
}

void request_pool_free(struct request_pool *pool) {
    while (pool->spare != NULL) {
        struct request *request = pool->spare;
        pool->spare = request->next_spare;
        free_request(request);
    }
    pool->spares = 0;
}

void *request_pool_work(struct request *request, size_t size) {
    if (size > request->work_room) {
        free(request->work);
        request->work = calloc(1, size);
        request->work_room = request->work != NULL ? size : 0;
    }
    request->work_size = request->work != NULL ? size : 0;
    return request->work;
}
