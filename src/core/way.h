#pragma once
/*
 * way: whom a question's next call goes to.
 *
 * Providers are asked in the order of the settings. Each has its own AppCodes, so a plan
 * (money/budget) is cut to the lines of the provider that is asked, without those whose AppCode has
 * been refused in this question already or is left alone by its breaker. A question goes down the
 * order and never back. One thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/failure.h"
#include "money/budget.h"
#include "upstream/breaker.h"
#include "upstream/provider.h"

#define WAY_AVOIDED_MOST 8

/* How far a question has come. All zero: at the beginning. */
struct way {
    int provider; /* in the order of the settings */
    int again;    /* how often its call was made again */
    int avoided_count;
    char avoided[WAY_AVOIDED_MOST][LEDGER_NAME_SIZE]; /* AppCodes that were refused */
};

/* What there is to choose from; borrowed. */
struct way_offer {
    struct budget_plan *plan;
    const struct provider *providers;
    int provider_count;
    struct breaker_board *breakers;
};

/* Where it goes on. */
struct way_step {
    struct budget_plan *plan_owned; /* only lines of the provider; one reference */
    struct breaker_pass pass;       /* of the provider's breaker, to be given back */
    enum failure barred; /* where there is none: what the breakers say; FAILURE_NONE: they do not
                            bar the way */
    int64_t wait_ms;     /* then: how long it is no use to ask again; 0: unknown */
};

/* The provider to ask now, at or behind the one it has come to. False: there is none, or no memory.
 */
bool way_find(struct way *way, const struct way_offer *offer, struct way_step *step)
    __attribute__((warn_unused_result));

/* This AppCode is not asked again in this question. */
void way_avoid(struct way *way, const char *credential);

/* The provider has failed: the next one. */
void way_pass_on(struct way *way);

/* Would there be anybody else to ask, were `credential` avoided (NULL: were the provider passed
 * by)? A breaker may still say no. */
bool way_has_other(const struct way *way, const struct way_offer *offer, const char *credential);
