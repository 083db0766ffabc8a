#pragma once
/*
 * world: everything the sandbox knows, behind one lock: settings, AppCodes, behaviours, the 24-hour
 * windows, the counters, the journal and the clock.
 *
 * A call's fate is decided whole at its arrival (world_arrive), so that packages and limits are
 * exact however many calls come at once; waiting and answering happen outside the lock. Every
 * function may be called from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "sandbox/behaviour.h"
#include "sandbox/call.h"
#include "sandbox/options.h"
#include "sandbox/reason.h"
#include "sandbox/settings.h"

struct world;

/* What is to be done about one call. */
struct plan {
    const struct gateway_refusal *refusal; /* the gateway answers; NULL: the seller does */
    char status[BEHAVIOUR_STATUS_MAX + 1]; /* the seller's; "" when the gateway answers */
    enum call_shape shape;
    bool billed;
    const char *carrier;
    struct seller_echo echo;
    char trace_id[40];
    char request_id[40];
    struct behaviour *behaviour; /* with a reference, dropped by world_leave(); NULL for none */
    bool hang;
    long latency_ms;
};

/* Borrows the options, which must outlive it. NULL when memory is out. */
struct world *world_new(const struct options *options) __attribute__((warn_unused_result));
void world_free(struct world *world);

/* Decides, counts and logs a call, which it takes over. Each arrival needs one world_leave(). */
void world_arrive(struct world *world, struct call *call, struct plan *plan);

/*
 * Waits as the plan says: while it hangs, and for its latency. `socket` is watched while it hangs.
 * False when the caller hung up or the world stops, and there is nobody to answer.
 */
bool world_wait(struct world *world, const struct plan *plan, int socket);

void world_leave(struct world *world, struct plan *plan);

/* Ends all waiting, now and from now on. */
void world_stop(struct world *world);

/* Connections: is the next one to be refused; one opened (its number, from 1); one closed. */
bool world_refuses_connection(struct world *world);
uint64_t world_connect(struct world *world);
void world_disconnect(struct world *world, bool had_calls);

/* For the control endpoint. JSON is for the caller to delete; NULL when memory is out. */
cJSON *world_stats(struct world *world) __attribute__((warn_unused_result));
cJSON *world_log(struct world *world, size_t limit) __attribute__((warn_unused_result));
cJSON *world_calls(struct world *world, const struct seller_question *question)
    __attribute__((warn_unused_result));

/* The behaviours in force. */
cJSON *world_behaviours(struct world *world) __attribute__((warn_unused_result));

/* Takes the behaviour over and returns its number. */
unsigned world_behave(struct world *world, struct behaviour *behaviour);

/* Changes settings; false, changing nothing, when a member will not do. */
bool world_set(struct world *world, const cJSON *json, struct reason *reason)
    __attribute__((warn_unused_result));
cJSON *world_settings(struct world *world) __attribute__((warn_unused_result));

/* Moves the clock forward and returns how far it is ahead, in seconds. */
int64_t world_advance(struct world *world, int64_t seconds);

/* Lets hanging calls go on; returns how many. */
unsigned world_release(struct world *world);

enum world_part {
    WORLD_BEHAVIOURS = 1 << 0, /* hanging calls go on, too */
    WORLD_COUNTERS = 1 << 1,   /* and the journal */
    WORLD_NUMBERS = 1 << 2,    /* the 24-hour windows */
    WORLD_PACKAGES = 1 << 3,   /* full again */
    WORLD_SETTINGS = 1 << 4,   /* as on the command line */
    WORLD_CLOCK = 1 << 5,      /* the true time, and the 24-hour windows empty */
    WORLD_ALL = (1 << 6) - 1,
};

/* `parts` is a sum of enum world_part. */
void world_reset(struct world *world, unsigned parts);
