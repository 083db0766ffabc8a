#pragma once
/*
 * verifier: a question's way, from the canonical triple to a verdict. One per worker.
 *
 *   ask ─ check ─ digest ─ memory ─ store_find ─┬─ kept and fresh enough ────────────────→ verdict
 *                                               └─ flight ─ way ─── store_admit ─┬─ answered →
 * verdict ↑                  ├─ refused ─→ verdict a newer snapshot of the directory ───┼────────
 * parked ──┴─ lead ─ upstream_start another call may do ───┴── lease is held ── store_settle ← done
 *                                                                                      └──────→
 * verdict
 *
 * What holds here: nothing is sent that store_admit did not admit; a call that was sent goes to its
 * end whoever still waits; the answer is durable before anybody is told, or the store is away and
 * keeps it for later. Exactly one verdict per asker.
 *
 * A flight asks for the money of the client who leads it. Where that is refused, those of the same
 * client are told, and the next one leads. It is parked, and asks again with a newer snapshot of
 * the directory, when its plan was outdated. What follows when a call ended without an answer is in
 * core/course.h: the same provider again after a rest, another AppCode, another provider; the lease
 * is held meanwhile, so that nobody else leads.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/answer.h"
#include "core/digest.h"
#include "core/failure.h"
#include "core/freshness.h"
#include "core/novelty.h"
#include "core/triple.h"
#include "core/verdict.h"
#include "money/budget.h"
#include "money/directory.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "runtime/metrics.h"
#include "store/memory.h"
#include "store/store.h"
#include "upstream/breaker.h"
#include "upstream/call.h"

struct verifier;

/* On whose account a question is asked. */
struct asker_client {
    char id[LEDGER_NAME_SIZE];
    struct budget_limits limits;
    struct meter *meter; /* borrowed; lives as long as the directory */
};

/* One caller. Owned by the caller, in place until it has its verdict. */
struct asker {
    void (*answered)(struct asker *asker, const struct verdict *verdict);
    struct asker_client client;
    struct triple triple; /* canonical */
    struct freshness_wish wish;
    int64_t wait_ms;        /* how long it is willing to wait */
    const char *request_id; /* borrowed, for the log: who asks; NULL: nobody says */
    const char *trace_id;   /* the same */
    struct digest digest;   /* of the question, from verifier_ask; zero: it was refused by our own
                               checks */
};

/* All borrowed for the verifier's life; `config` until there is another. */
struct verifier_parts {
    uv_loop_t *loop;
    const struct clock *clock;
    const struct config *config;
    const struct digest_key *key;
    struct store_client *store;
    struct directory_reader *directory;
    struct memory *memory;
    struct upstream *upstream;
    struct breaker_board *breakers;
    struct metrics_row *metrics;
    struct novelty *novelty; /* NULL: nobody is told of statuses that are not in the guide */
};

/* NULL: no memory. */
struct verifier *verifier_new(const struct verifier_parts *parts);

/* Other settings from now on; between two turns of its loop. */
void verifier_set_config(struct verifier *verifier, const struct config *config);

/* It must be idle. The loop must run once more for libuv to let go. */
void verifier_free(struct verifier *verifier);

/* True: `verdict` is filled, now. False: `answered` will be called, never before this returns. */
bool verifier_ask(struct verifier *verifier, struct asker *asker, struct verdict *verdict)
    __attribute__((warn_unused_result));

/* A new snapshot was taken, or a refresh that was asked for is over: flights that waited for it ask
 * again. */
void verifier_directory_changed(struct verifier *verifier);

/* From now on only what is kept, or already under way, is answered. */
void verifier_drain(struct verifier *verifier);

/* For the metrics: how many askers wait for their verdict, and how many questions are led here. */
size_t verifier_waiters(const struct verifier *verifier);
size_t verifier_leases(const struct verifier *verifier);

/* Is nothing under way? */
bool verifier_is_idle(const struct verifier *verifier);
