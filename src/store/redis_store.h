#pragma once
/*
 * redis_store: what the clients of one process share of the shared store: its settings, the
 * journal, and whether anything may be admitted.
 *
 * The gate: whatever this process knows and the shared store does not (calls that ended while it
 * was away, also in an earlier run) is delivered before anything new is admitted. `behind` is said
 * when that may be so: at the start, when a connection came up, when a write failed; and only the
 * courier, having delivered everything, unsays it. Any thread, but open and close. Private to this
 * room.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "runtime/clock.h"
#include "store/backend.h"
#include "store/journal.h"
#include "store/redis_link.h"
#include "store/redis_reply.h"
#include "store/redis_url.h"

struct redis_client;

struct redis_store {
    struct store store;
    const struct clock *clock;
    struct journal *journal;
    struct redis_url url;
    struct redis_url ledger_url;
    bool ledger_apart; /* money is on a Redis of its own */
    char *ca_file_owned;
    int64_t timeout_ms;
    int64_t number_window_ms;
    void (*hear)(int64_t unix_ms); /* NULL: nobody listens */

    uv_mutex_t mutex; /* guards what follows */
    struct redis_client *clients;
    int client_count;
    int up_count;
    bool behind;
    uint64_t behind_since; /* grows with each saying of it */
    bool couriering;
    bool stuck;
    int64_t sweep_at;
    struct ledger_id forgetting; /* the last one that was heard of */
    bool was_away;               /* as it was logged */
    bool facts_told[2];          /* of the answers' server, of the ledger's */
    char reason[REDIS_REASON_SIZE];
};

void redis_store_add(struct redis_store *store, struct redis_client *client);
void redis_store_remove(struct redis_store *store, struct redis_client *client, bool up);

/* A client's connections are all up, or one is not any more (`reason`; for an operator). */
void redis_store_client_up(struct redis_store *store);
void redis_store_client_down(struct redis_store *store, const char *reason);
/* It could not be reached at all, again. */
void redis_store_failed(struct redis_store *store, const char *reason);

bool redis_store_is_behind(struct redis_store *store);
/* Did the last try to catch up fail? Else it is soon over. */
bool redis_store_is_stuck(struct redis_store *store);
/* `reason` NULL: only to be sure; empty: nobody answered, and the connection's end will say why. */
void redis_store_fall_behind(struct redis_store *store, const char *reason);

/* True: the caller is the process's courier till it ends. `since` is to be handed back. */
bool redis_store_begin_courier(struct redis_store *store, uint64_t *since);
/* `all`: everything was delivered. True: and that still holds, so the gate is open. */
bool redis_store_end_courier(struct redis_store *store, uint64_t since, bool all,
                             const char *reason);
/* The courier goes away undone, with its client: somebody else is to begin anew. */
void redis_store_leave_courier(struct redis_store *store);

/* Once a second in the whole process. */
bool redis_store_claim_sweep(struct redis_store *store, int64_t now_ms);

/* Is the process's first client to hear of this one? Of several at once it may be asked again. */
bool redis_store_claim_forgetting(struct redis_store *store, const struct ledger_id *id);

/* Wakes every client on its own loop. */
void redis_store_wake_all(struct redis_store *store);

/* Says in the log, once, what is wrong with how a server is set up. */
void redis_store_judge(struct redis_store *store, bool ledger,
                       const struct redis_server_facts *facts);

bool redis_store_ready(struct redis_store *store, struct complaint *complaint);
