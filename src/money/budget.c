#include "money/budget.h"

#include <stdlib.h>

struct budget_plan *budget_plan_new(int count) {
    struct budget_plan *plan = calloc(1, sizeof *plan + (size_t)count * sizeof plan->lines[0]);
    if (plan == NULL)
        return NULL;
    plan->count = count;
    atomic_init(&plan->refs, 1);
    return plan;
}

void budget_plan_retain(struct budget_plan *plan) {
    atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
}

void budget_plan_release(struct budget_plan *plan) {
    if (plan != NULL && atomic_fetch_sub_explicit(&plan->refs, 1, memory_order_acq_rel) == 1)
        free(plan);
}

struct sums {
    int first; /* in force; -1: none */
    bool metered;
    int64_t bought; /* by lines in force */
    int64_t left;
    int64_t all; /* by lines that have not expired */
    int64_t all_used;
};

static struct sums add_up(const struct budget_plan *plan, const int64_t *used, int64_t now_ms) {
    struct sums sums = {.first = -1, .metered = true};
    for (int i = 0; i < plan->count; i++) {
        const struct budget_line *line = &plan->lines[i];
        if (line->expires_at_ms != 0 && line->expires_at_ms <= now_ms)
            continue;
        bool metered = line->calls >= 0;
        sums.all += metered ? line->calls : 0;
        sums.all_used += metered ? used[i] : 0;
        if (metered && used[i] >= line->calls)
            continue;
        if (sums.first < 0)
            sums.first = i;
        sums.metered = sums.metered && metered;
        sums.bought += metered ? line->calls : 0;
        sums.left += metered ? line->calls - used[i] : 0;
    }
    return sums;
}

static void find(struct budget_finding *finding, enum budget_bound bound, int64_t limit,
                 int64_t used, int64_t resets_at_ms) {
    finding->bound = bound;
    finding->limit = limit;
    finding->used = used;
    finding->resets_at_ms = resets_at_ms;
}

int budget_judge(const struct budget *budget, const int64_t *used, int64_t day_ends_at_ms,
                 int64_t month_ends_at_ms, int64_t now_ms, struct budget_finding *finding) {
    const struct budget_limits *limits = &budget->limits;
    const struct sums sums = add_up(budget->plan, used, now_ms);
    int64_t kept = (sums.bought * limits->reserve_percent + 99) / 100;
    find(finding, BUDGET_FITS, 0, 0, 0);
    if (limits->day_calls >= 0 && finding->day_used >= limits->day_calls)
        find(finding, BUDGET_DAY, limits->day_calls, finding->day_used, day_ends_at_ms);
    else if (limits->month_calls >= 0 && finding->month_used >= limits->month_calls)
        find(finding, BUDGET_MONTH, limits->month_calls, finding->month_used, month_ends_at_ms);
    if (finding->bound != BUDGET_FITS && !limits->shadow)
        return -1;
    if (sums.first < 0) {
        find(finding, BUDGET_EXHAUSTED, sums.all, sums.all_used, 0);
        return -1;
    }
    if (sums.metered && sums.left - 1 < kept && finding->bound == BUDGET_FITS)
        find(finding, BUDGET_RESERVED, sums.bought - kept, sums.bought - sums.left, 0);
    return finding->bound == BUDGET_FITS || limits->shadow ? sums.first : -1;
}
