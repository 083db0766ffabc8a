#pragma once
/*
 * redis_dial: from a host's name to a connected wire. One thread.
 *
 * Names are looked up on libuv's threads, and the addresses found are tried in turn, each for
 * `timeout_ms`. It has no timer: its owner calls redis_dial_late() when `due_ms` has passed, which
 * moves whenever an address fails.
 */
#include <stdint.h>

#include <uv.h>

#include "store/redis_wire.h"

/* A lookup is given this long even where less is allowed for a command: what is asked for once is
 * remembered by nobody, so that a slow name server would never be waited for. */
#define REDIS_LOOKUP_MS 5000

struct redis_dial_events {
    void (*connected)(void *arg, struct redis_wire *wire); /* the receiver's, to be handed over */
    void (*failed)(void *arg, const char *reason);
};

struct redis_lookup;

/* Filled by redis_dial_init; a dial that runs stays in place. */
struct redis_dial {
    uv_loop_t *loop;
    int64_t timeout_ms;
    const struct redis_dial_events *events;
    void *arg;
    int64_t due_ms; /* by redis_dial_now_ms */

    struct redis_lookup *lookup;
    struct addrinfo *found;
    struct addrinfo *next; /* to be tried */
    struct redis_wire *wire;
    struct redis_tls *tls;
    char host[256];
    int port;
    char reason[REDIS_REASON_SIZE]; /* of the last failure */
};

/* The clock of all deadlines here. The loop's own stands still while the loop is busy. */
int64_t redis_dial_now_ms(void);

void redis_dial_init(struct redis_dial *dial, uv_loop_t *loop, int64_t timeout_ms,
                     const struct redis_dial_events *events, void *arg);

/* Both copy what they need, and may call `failed` before they return. `tls` NULL: in clear. */
void redis_dial_host(struct redis_dial *dial, const char *host, int port, struct redis_tls *tls);
void redis_dial_path(struct redis_dial *dial, const char *path);

/* `due_ms` has passed. */
void redis_dial_late(struct redis_dial *dial);

/* No event comes any more, until it dials again. */
void redis_dial_stop(struct redis_dial *dial);
