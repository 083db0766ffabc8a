#pragma once
/*
 * request_id: the names that requests get which bring none of their own.
 *
 * Random, 128 bits, as 32 hexadecimal digits. The system is asked for a seed only now and then: a
 * call for each request would cost a hit more than its look into the cache. One thread.
 */
#include <stddef.h>
#include <stdint.h>

#define REQUEST_ID_SIZE 65 /* also of those that are brought */

#define REQUEST_ID_POOL ((size_t)16 * 256)

/* All zero at first. */
struct request_id_pool {
    size_t left; /* bytes still to be used */
    uint8_t bytes[REQUEST_ID_POOL];
};

void request_id_make(struct request_id_pool *pool, char id[REQUEST_ID_SIZE]);
