#pragma once
/*
 * redis_sentinel: asks the sentinels where the master is. One thread.
 *
 * They are asked in turn until one knows, each within `timeout_ms`; the next time the one behind it
 * begins, so that a sentinel with stale news is not believed for ever. A sentinel that wants a
 * password gets the servers'. Like a dial it has no timer: redis_sentinel_late() at
 * redis_sentinel_due_ms().
 */
#include <stdint.h>

#include <uv.h>

#include "store/redis_dial.h"
#include "store/redis_url.h"

struct redis_sentinel_events {
    void (*found)(void *arg, const struct redis_address *master);
    void (*failed)(void *arg, const char *reason); /* none of them knows */
};

/* Filled by redis_sentinel_init; stays in place while it asks. */
struct redis_sentinel {
    const struct redis_url *url;
    const struct redis_sentinel_events *events;
    void *arg;

    struct redis_dial dial;
    struct redis_wire *wire; /* to the one that is being asked */
    int64_t due_ms;
    int next;
    int left; /* to be asked this time */
    bool logging_in;
    bool logged_in;
    char reason[REDIS_REASON_SIZE];
};

void redis_sentinel_init(struct redis_sentinel *sentinel, uv_loop_t *loop,
                         const struct redis_url *url, int64_t timeout_ms,
                         const struct redis_sentinel_events *events, void *arg);

/* May call `failed` before it returns. */
void redis_sentinel_ask(struct redis_sentinel *sentinel);

int64_t redis_sentinel_due_ms(const struct redis_sentinel *sentinel);
void redis_sentinel_late(struct redis_sentinel *sentinel);

/* No event comes any more, until it asks again. */
void redis_sentinel_stop(struct redis_sentinel *sentinel);
