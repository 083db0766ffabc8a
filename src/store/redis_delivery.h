#pragma once
/*
 * redis_delivery: the end of one call, written to the number's slot and to the ledger's.
 *
 * Both halves are idempotent by the call's id, so whoever does not know whether a delivery happened
 * delivers again. One thread. Private to this room.
 */
#include "store/redis_commands.h"

struct redis_delivery {
    /* The caller's; to be filled in before. */
    struct redis_link *answers;
    struct redis_link *ledger;
    const struct store_settle *settle; /* unchanged till done */
    int64_t window_ms;
    int64_t now_ms; /* Unix */
    uint32_t sender;
    void (*done)(struct redis_delivery *delivery);
    void *arg;

    /* out: */
    bool delivered;
    bool booked;                     /* the ledger did not have this end yet */
    char trouble[REDIS_REASON_SIZE]; /* when not; see redis_trouble */

    int pending; /* its own */
};

/* Calls `done` exactly once; before this returns where no link takes anything. */
void redis_deliver(struct redis_delivery *delivery);
