#pragma once
/*
 * redis_link: one connection to Redis that keeps itself up. One thread: its loop's.
 *
 * It resolves names on libuv's threads (hiredis would stand still), connects, logs in, chooses the
 * database, loads the scripts, checks that this server is a master that takes writes, and then is
 * up. When anything goes wrong it lets go of the connection, calls every pending command back with
 * no reply, and tries again after a jittered delay, asking the sentinels anew where there are any.
 *
 * - A command is sent in one pipeline with all others of the same turn, and is answered, or called
 *   back with NULL, at most `timeout_ms` after it was sent: a connection on which one command is
 *   that late is dropped, since a late reply must never be taken for another command's.
 * - NULL means nobody knows: the command may have run.
 * - Replies that say the server is not to be used (READONLY, LOADING, MASTERDOWN, NOAUTH, …) are
 *   handed over as they are, and the connection is dropped behind them.
 * - While it is not up no command is taken.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>
#include <uv.h>

#include "runtime/complaint.h"
#include "store/redis_url.h"

struct redis_link;

struct redis_script {
    const char *name; /* for messages */
    const char *text;
};

/* What the server said of itself when the link came up. */
struct redis_server_facts {
    char version[32];
    bool persistent;         /* has an append-only file, or saves snapshots */
    bool append_only;        /* the former */
    bool evicting;           /* has a memory limit and a policy that drops keys at it */
    bool evicting_permanent; /* … also keys without a TTL */
    int64_t max_memory;      /* bytes, 0: none */
    char policy[32];
    int64_t unix_ms; /* its clock; 0: it did not say */
};

/* Borrowed for the link's life: everything pointed to. */
struct redis_link_settings {
    const struct redis_url *url;
    const char *ca_file; /* TLS; NULL or empty: the system's authorities */
    int64_t timeout_ms;  /* for connecting and for each command */
    const struct redis_script *scripts;
    int script_count;
    const char *channel; /* not NULL: it only listens to this channel, and takes no commands */
    /* It came up (after which commands are taken), or went down with a reason to be read by an
     * operator ("connection refused", "no reply within 200 ms", "READONLY …": never an address with
     * a password). `down` is called once for each `up`, and once more, with the reason, for each
     * failed attempt; pending commands are called back before. */
    void (*up)(void *arg, const struct redis_server_facts *facts);
    void (*down)(void *arg, const char *reason);
    void (*message)(void *arg, const char *bytes, size_t size); /* from the channel */
    void *arg;
};

/* `reply` is hiredis's, RESP2, valid until the function returns. NULL: no reply will come. */
typedef void redis_replied(void *arg, const redisReply *reply);

/* The scheme needs what this program was built without (TLS): false with a complaint. */
bool redis_link_supported(const struct redis_url *url, struct complaint *complaint);

/* Begins connecting. NULL when memory is out. */
struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_link_settings *settings);

/* Calls back what is pending, with NULL, and `gone` on a later turn of the loop, after which what
 * the settings point to may be freed. No `up` or `down` is called any more. The lookup of a name
 * that is under way keeps only the loop, until it ends. From any callback, too. */
void redis_link_free(struct redis_link *link, void (*gone)(void *arg));

bool redis_link_is_up(const struct redis_link *link);

/* Drops the connection, or the attempt, as if it had failed, for `reason`; from any callback, too.
 * Nothing happens while it waits to try again. */
void redis_link_drop(struct redis_link *link, const char *reason);

/*
 * Sends a command. The arguments are copied. False, and `replied` is never called, when the link is
 * not up (or too much is waiting already); otherwise `replied` is called exactly once, never before
 * this returns.
 */
bool redis_link_send(struct redis_link *link, redis_replied *replied, void *arg, int argc,
                     const char *const *argv, const size_t *sizes)
    __attribute__((warn_unused_result));

/* Runs the script (its index in the settings) on `keys` keys, which come first in argv, and the
 * arguments behind them. When the server has forgotten the script it is sent whole, once. */
bool redis_link_eval(struct redis_link *link, redis_replied *replied, void *arg, int script,
                     int keys, int argc, const char *const *argv, const size_t *sizes)
    __attribute__((warn_unused_result));
