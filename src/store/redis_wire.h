#pragma once
/*
 * redis_wire: one connection of hiredis's on a libuv loop, from connect to close. One thread.
 *
 * It hides what is dangerous in hiredis's asynchronous contexts: they free themselves on errors,
 * call back from where they must not be freed, and call everything back once more with NULL. Here
 * callbacks come only while the wire is open, and closing it is allowed from anywhere.
 *
 * It has no deadlines; they are its owner's. It writes once a turn of the loop, and meanwhile
 * whenever some commands have gathered.
 */
#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>
#include <uv.h>

#include "store/redis_reply.h"
#include "store/redis_tls.h"

struct redis_wire;

struct redis_wire_events {
    void (*connected)(void *arg);                        /* once, unless lost before */
    void (*replied)(void *arg, const redisReply *reply); /* in the order of the commands */
    void (*lost)(void *arg, const char *reason);         /* the wire is closed already */
};

struct redis_wire_target {
    const char *host; /* an address, not a name; NULL: `path` */
    int port;
    const char *path;        /* of a unix socket */
    struct redis_tls *tls;   /* NULL: in clear */
    const char *server_name; /* what the certificate must be for */
};

/* Begins connecting. NULL with a reason when that failed at once. Events come on a later turn. */
struct redis_wire *redis_wire_open(uv_loop_t *loop, const struct redis_wire_target *target,
                                   const struct redis_wire_events *events, void *arg,
                                   char reason[REDIS_REASON_SIZE]);

/* No event comes any more. NULL is allowed. */
void redis_wire_close(struct redis_wire *wire);

/* From now on the events go there. */
void redis_wire_hand_over(struct redis_wire *wire, const struct redis_wire_events *events,
                          void *arg);

/* False when memory is out; then no reply will come. The arguments are copied. */
bool redis_wire_send(struct redis_wire *wire, int argc, const char *const *argv,
                     const size_t *sizes) __attribute__((warn_unused_result));

/* The same for zero-terminated arguments; the copy made for sending is wiped. */
bool redis_wire_say(struct redis_wire *wire, int argc, const char *const *argv)
    __attribute__((warn_unused_result));

/* Reads what has arrived, before the loop would. Not from a callback of this wire. */
void redis_wire_read(struct redis_wire *wire);
