#include "core/verdict.h"

#include <stdio.h>

const char *const source_name[SOURCES] = {
    [SOURCE_UPSTREAM] = "upstream", [SOURCE_CACHE] = "cache", [SOURCE_STALE] = "stale",
    [SOURCE_INFERRED] = "inferred", [SOURCE_LOCAL] = "local", [SOURCE_GUARD] = "guard",
    [SOURCE_NONE] = "none",
};

void verdict_of_kept(struct verdict *verdict, const struct answer *answer, enum source source) {
    verdict->failure = FAILURE_NONE;
    verdict->billed = BILLED_NO;
    verdict->source = source;
    verdict->kind = result_of(answer->status);
    verdict->forward = FORWARD_NONE;
    verdict->stored = false;
    verdict->collapsed = false;
    verdict->kept = true;
    verdict->retry_after_s = 0;
    if (answer != &verdict->answer)
        verdict->answer = *answer;
}

bool verdict_judge_kept(struct verdict *verdict, const struct answer *answer,
                        const struct freshness_wish *wish, int64_t now_s) {
    switch (freshness_judge(answer, wish, now_s)) {
    case FRESHNESS_FRESH:
        verdict_of_kept(verdict, answer, SOURCE_CACHE);
        return true;
    case FRESHNESS_STALE:
        verdict_of_kept(verdict, answer, SOURCE_STALE);
        return true;
    case FRESHNESS_REFUSED:
        return false;
    }
    return false;
}

void verdict_of_our_own(struct verdict *verdict, enum source source, enum result_kind kind,
                        int64_t now_s) {
    *verdict = (struct verdict){
        .source = source,
        .kind = kind,
        .forward = FORWARD_BYPASS,
    };
    snprintf(verdict->answer.status, sizeof verdict->answer.status, "%s",
             result_table[kind].status);
    verdict->answer.checked_at = now_s;
}

static bool needed_no_call(const struct verdict *verdict) {
    return verdict->failure == FAILURE_NONE &&
           (verdict->collapsed || verdict->source == SOURCE_CACHE ||
            verdict->source == SOURCE_STALE || verdict->source == SOURCE_INFERRED);
}

void verdict_count(const struct verdict *verdict, struct meter *meter,
                   struct metrics_row *metrics) {
    if (verdict->collapsed)
        metrics_count(metrics, METRIC_COLLAPSED);
    if (needed_no_call(verdict))
        atomic_fetch_add_explicit(&meter->hits, 1, memory_order_relaxed);
}
