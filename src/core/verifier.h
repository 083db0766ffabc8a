#pragma once
/*
 * verifier: a question's way, from the canonical triple to a verdict. One per worker.
 *
 *   ask ─ check ─ digest ─ memory ─ store_find ─┬─ kept and fresh enough ───────────────→ verdict
 *                                               └─ flight ─ store_admit ─┬─ answered ───→ verdict
 *                                                                        └─ lead ─ upstream_start
 *                                                        verdict ← store_settle ← done ─┘
 *
 * What holds here: nothing is sent that store_admit did not admit; a call that was sent goes to its
 * end whoever still waits; the answer is durable before anybody is told, or the store is away and
 * keeps it for later. Exactly one verdict per asker.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/answer.h"
#include "core/digest.h"
#include "core/failure.h"
#include "core/freshness.h"
#include "core/triple.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "runtime/metrics.h"
#include "store/memory.h"
#include "store/store.h"
#include "upstream/call.h"

struct verifier;

enum source {
    SOURCE_UPSTREAM,
    SOURCE_CACHE,
    SOURCE_STALE,
    SOURCE_INFERRED, /* the number is proven to be another's */
    SOURCE_LOCAL,    /* refused by our own checks */
    SOURCE_GUARD,    /* the number's window is closed */
};

/* Why it was not simply served from the cache (RFC 9211, 2.2). */
enum forward { FORWARD_NONE, FORWARD_MISS, FORWARD_STALE, FORWARD_REQUEST, FORWARD_BYPASS };

struct verdict {
    enum failure failure; /* not FAILURE_NONE: there is no answer */
    enum billed billed;   /* by this question: YES for the asker who led a billed call only */
    enum source source;   /* the rest only with an answer */
    enum result_kind kind;
    enum forward forward;
    bool stored;           /* the answer was put into the cache by this call */
    bool collapsed;        /* it is the answer to another asker's call */
    bool kept;             /* expires_at holds */
    int64_t retry_after_s; /* with SOURCE_GUARD */
    struct answer answer;
};

/* One caller. Owned by the caller, in place until it has its verdict. */
struct asker {
    void (*answered)(struct asker *asker, const struct verdict *verdict);
    struct triple triple; /* canonical */
    struct freshness_wish wish;
    int64_t wait_ms; /* how long it is willing to wait */
};

/* All borrowed for the verifier's life; `config` until there is another. */
struct verifier_parts {
    uv_loop_t *loop;
    const struct clock *clock;
    const struct config *config;
    const struct digest_key *key;
    struct store_client *store;
    struct memory *memory;
    struct upstream *upstream;
    struct metrics_row *metrics;
};

/* NULL: no memory. */
struct verifier *verifier_new(const struct verifier_parts *parts);

/* Other settings from now on; between two turns of its loop. */
void verifier_set_config(struct verifier *verifier, const struct config *config);

/* It must be idle. */
void verifier_free(struct verifier *verifier);

/* True: `verdict` is filled, now. False: `answered` will be called, never before this returns. */
bool verifier_ask(struct verifier *verifier, struct asker *asker, struct verdict *verdict)
    __attribute__((warn_unused_result));

/* From now on only what is kept, or already under way, is answered. */
void verifier_drain(struct verifier *verifier);

/* Is nothing under way? */
bool verifier_is_idle(const struct verifier *verifier);
