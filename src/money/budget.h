#pragma once
/*
 * budget: what a reservation has to keep within: the client's quotas, and what was bought.
 *
 * A plan says what may be drawn from, in which order; it is made from the documents of packages and
 * credentials (money/directory) and belongs to one version of them. A store decides by it and by
 * what it has counted, in one step with the reservation; it refuses a plan of another version than
 * its own as outdated. What is counted: calls reserved, answered and billed, or unknown.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "money/ledger.h"

#define BUDGET_LINES_MOST 64

/* One package, or a credential without any. */
struct budget_line {
    char package[LEDGER_NAME_SIZE]; /* empty: none is registered, the balance is unmetered */
    char credential[LEDGER_NAME_SIZE];
    int64_t calls;         /* bought; -1: unmetered */
    int64_t expires_at_ms; /* Unix; 0: never */
    int provider; /* whose AppCode it is, in the order of the settings; stores pass it by */
};

/* Immutable once shared, but for the count of who has it. */
struct budget_plan {
    atomic_int refs;
    int64_t version; /* of the documents that it was made from */
    int count;
    struct budget_line lines[]; /* in the order in which they are drawn */
};

/* With one reference and room for `count` lines, all zero. NULL without memory. */
struct budget_plan *budget_plan_new(int count);
/* Any thread. */
void budget_plan_retain(struct budget_plan *plan);
void budget_plan_release(struct budget_plan *plan); /* NULL is accepted */

/* A client's. */
struct budget_limits {
    int64_t day_calls;       /* -1: none */
    int64_t month_calls;     /* -1: none */
    int64_t reserve_percent; /* of what is in force: not for this client */
    bool shadow;             /* all three are only reported */
};

#define BUDGET_NO_LIMITS ((struct budget_limits){.day_calls = -1, .month_calls = -1})

struct budget {
    struct budget_plan *plan; /* borrowed until the reservation is done; NULL: no money is
                                       looked at, and the account given is written as it is */
    struct budget_limits limits;
};

enum budget_bound {
    BUDGET_FITS,
    BUDGET_DAY,
    BUDGET_MONTH,
    BUDGET_EXHAUSTED, /* no package in force has a call left */
    BUDGET_RESERVED,  /* what is left is kept for others */
    BUDGET_BOUNDS
};

/* What a decision was made on. */
struct budget_finding {
    enum budget_bound bound; /* what refused; where it was not refused: what would have, but for
                                `shadow` */
    int64_t limit;           /* of the bound */
    int64_t used;
    int64_t resets_at_ms; /* Unix; 0: not by time */
    int64_t day_used; /* the client's counts, with the call where it was reserved; -1: unknown */
    int64_t month_used;
};

/*
 * The rule, as every store applies it, looked at in this order: day, month, exhausted, reserved.
 *
 * A line is in force while it has not expired and, where metered, has a call left (used[i] <
 * calls). The first in force is drawn from. BUDGET_EXHAUSTED tells the sums over all lines that
 * have not expired. With metered lines only, a client with a reserve of R % may not take what is
 * left below ceil(R % of the calls of the lines in force): BUDGET_RESERVED tells as limit how many
 * of those calls are for this client, and as used how many of them are gone.
 *
 * `finding` comes with day_used and month_used filled (what was counted before), which are not
 * changed. Returns the line's index, -1: refused. Pure.
 */
int budget_judge(const struct budget *budget, const int64_t *used, int64_t day_ends_at_ms,
                 int64_t month_ends_at_ms, int64_t now_ms, struct budget_finding *finding);
