#pragma once
/*
 * verdict: what one asker is told. Value type; no threads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/failure.h"
#include "core/freshness.h"
#include "core/result.h"
#include "money/budget.h"
#include "money/meter.h"
#include "runtime/metrics.h"

enum source {
    SOURCE_UPSTREAM,
    SOURCE_CACHE,
    SOURCE_STALE,
    SOURCE_INFERRED, /* the number is proven to be another's */
    SOURCE_LOCAL,    /* refused by our own checks */
    SOURCE_GUARD,    /* the number's window is closed */
    SOURCE_NONE,     /* there is no answer */
    SOURCES
};

/* The `source` of the API. */
extern const char *const source_name[SOURCES];

/* Why it was not simply served from the cache (RFC 9211, 2.2). */
enum forward { FORWARD_NONE, FORWARD_MISS, FORWARD_STALE, FORWARD_REQUEST, FORWARD_BYPASS };

struct verdict {
    enum failure failure; /* not FAILURE_NONE: there is no answer */
    enum billed billed;   /* by this question: YES for the asker who led a billed call only */
    enum source source;   /* the rest only with an answer */
    enum result_kind kind;
    enum forward forward;
    bool stored;                   /* the answer was put into the cache by this call */
    bool collapsed;                /* it is the answer to another asker's call */
    bool kept;                     /* expires_at holds */
    int64_t retry_after_s;         /* with SOURCE_GUARD; with a failure where it is known, else 0 */
    struct budget_finding finding; /* with FAILURE_CLIENT_QUOTA_EXHAUSTED; with
                                      FAILURE_PACKAGE_EXHAUSTED where its bound is not FITS */
    struct answer answer;
};

/* A kept answer, fresh or stale; it may stand in the verdict already. */
void verdict_of_kept(struct verdict *verdict, const struct answer *answer, enum source source);

/* The same, where it satisfies the wish; false: it does not, and `verdict` is untouched. */
bool verdict_judge_kept(struct verdict *verdict, const struct answer *answer,
                        const struct freshness_wish *wish, int64_t now_s)
    __attribute__((warn_unused_result));

/* An answer of our own making, in the seller's words. */
void verdict_of_our_own(struct verdict *verdict, enum source source, enum result_kind kind,
                        int64_t now_s);

/* Counts it as a hit of its client where it needed no call, and in the metrics where it waited for
 * another one's. */
void verdict_count(const struct verdict *verdict, struct meter *meter, struct metrics_row *metrics);
