#pragma once
/*
 * metrics: counters, one row per worker, summed when read.
 *
 * Each worker writes its own row only, so counting costs no contention; a reader sees a sum that
 * may be a moment old. Labels come from closed sets, fixed at compile time: never a person's data,
 * never a caller's text. (Breakers print themselves, by the names in the settings.) The registry is
 * global, like the logger.
 */
#include <stdint.h>

#include "runtime/text.h"

/* METRIC(enumerator, family, labels, help); rows of one family stand together. */
#define METRICS(METRIC)                                                                            \
    METRIC(REQUESTS_UPSTREAM, "sanyao_requests_total", "source=\"upstream\"",                      \
           "Questions answered or refused, by where the answer came from")                         \
    METRIC(REQUESTS_CACHE, "sanyao_requests_total", "source=\"cache\"", "")                        \
    METRIC(REQUESTS_STALE, "sanyao_requests_total", "source=\"stale\"", "")                        \
    METRIC(REQUESTS_INFERRED, "sanyao_requests_total", "source=\"inferred\"", "")                  \
    METRIC(REQUESTS_GUARD, "sanyao_requests_total", "source=\"guard\"", "")                        \
    METRIC(REQUESTS_LOCAL, "sanyao_requests_total", "source=\"local\"", "")                        \
    METRIC(REQUESTS_FAILED, "sanyao_requests_total", "source=\"none\"", "")                        \
    METRIC(COLLAPSED, "sanyao_collapsed_total", "",                                                \
           "Questions that waited for another one's call")                                         \
    METRIC(CALLS_SETTLED, "sanyao_upstream_calls_total", "state=\"settled\"",                      \
           "Calls to upstream, by the state of their ledger row")                                  \
    METRIC(CALLS_RELEASED, "sanyao_upstream_calls_total", "state=\"released\"", "")                \
    METRIC(CALLS_UNKNOWN, "sanyao_upstream_calls_total", "state=\"unknown\"", "")                  \
    METRIC(RESENDS_PREVENTED, "sanyao_upstream_resends_prevented_total", "",                       \
           "Times the HTTP client wanted to send a paid call again by itself")                     \
    METRIC(ECHO_CONTRADICTED, "sanyao_upstream_echo_contradicted_total", "",                       \
           "Replies whose masked echo contradicts the question")                                   \
    METRIC(STATUS_UNKNOWN, "sanyao_upstream_status_unknown_total", "",                             \
           "Replies with a status that is not in the seller's guide")                              \
    METRIC(STORE_AWAY, "sanyao_store_away_total", "", "Store operations that failed")              \
    METRIC(ALERTS_FIRED, "sanyao_alerts_fired_total", "",                                          \
           "Alerts that this process was first to tell")                                           \
    METRIC(ALERTS_DELIVERED, "sanyao_alert_deliveries_total", "outcome=\"delivered\"",             \
           "Messages to webhooks, by what came of them")                                           \
    METRIC(ALERTS_NOT_DELIVERED, "sanyao_alert_deliveries_total", "outcome=\"failed\"", "")

enum metric {
#define METRIC_ENUMERATOR(name, family, labels, help) METRIC_##name,
    METRICS(METRIC_ENUMERATOR)
#undef METRIC_ENUMERATOR
        METRIC_COUNT
};

struct metrics_row {
    _Atomic uint64_t counters[METRIC_COUNT];
} __attribute__((aligned(64)));

/* Room for `rows` workers, all zero. NULL when memory is out. */
struct metrics_row *metrics_new(int rows);
void metrics_free(struct metrics_row *rows);

void metrics_count(struct metrics_row *row, enum metric metric);

/* A gauge in seconds, in the same format, of a value that is kept elsewhere. */
void metrics_print_seconds(const char *family, const char *help, int64_t ms, struct text *text);

/* Prometheus text exposition format 0.0.4. */
void metrics_print(const struct metrics_row *rows, int count, struct text *text);
