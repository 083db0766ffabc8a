#pragma once
/*
 * metrics: counters, gauges and histograms, one row per worker, summed when read.
 *
 * Each worker writes its own row only, so counting costs no contention and no lock; a reader sees a
 * sum that may be a moment old. What is counted by client or by credential stands in a block for
 * each of them, made when there is something to count. Names of clients and credentials get a
 * number each, for the process's life: METRICS_CLIENTS_MOST and METRICS_CREDENTIALS_MOST of them,
 * the rest is `other`. What a cell of a block means, whoever counts knows (http/measure,
 * upstream/tally). Labels come from closed sets and from names in settings and documents: never a
 * person's data, never a caller's text. The numbers of names are global, like the logger.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/text.h"

/* METRIC(enumerator, family, labels, help); rows of one family stand together. */
#define METRICS(METRIC)                                                                            \
    METRIC(COLLAPSED, "sanyao_collapsed_total", "",                                                \
           "Questions that waited for another one's call")                                         \
    METRIC(NUMBER_CLOSED, "sanyao_number_window_closed_total", "",                                 \
           "Questions that made no call since their number was asked about too often")             \
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

/* GAUGE(enumerator, family, help): of each worker, and summed. */
#define GAUGES(GAUGE)                                                                              \
    GAUGE(CACHE_ENTRIES, "sanyao_cache_entries", "Answers in the workers' memory")                 \
    GAUGE(CONNECTIONS, "sanyao_connections", "Connections of callers")                             \
    GAUGE(WAITING, "sanyao_questions_waiting", "Questions whose answer was not at hand")           \
    GAUGE(LEASES, "sanyao_leases", "Questions for which this process makes the call")              \
    GAUGE(FOLLOWERS, "sanyao_followers", "Questions that wait for a call and do not lead it")      \
    GAUGE(CALLS, "sanyao_upstream_calls_under_way", "Calls to upstream that have not ended")

enum gauge {
#define GAUGE_ENUMERATOR(name, family, help) GAUGE_##name,
    GAUGES(GAUGE_ENUMERATOR)
#undef GAUGE_ENUMERATOR
        GAUGE_COUNT
};

/* Where an answer came from; `none`: there is none. */
#define METRICS_SOURCES 7

/* Kinds of operations of the store. */
#define METRICS_STORE_OPS 16

#define METRICS_BUCKETS 16 /* with the last one, which has no bound */

struct metrics_histogram {
    _Atomic uint64_t buckets[METRICS_BUCKETS]; /* each without those below it */
    _Atomic uint64_t sum_us;
};

/* The numbers of clients. A client may have the name of one of the three: it is one with it. */
enum {
    METRICS_CLIENT_NONE, /* nobody knows who it was */
    METRICS_CLIENT_OTHER,
    METRICS_CLIENT_ANONYMOUS,
    METRICS_CLIENT_FIRST
};
#define METRICS_CLIENTS_MOST 1000
#define METRICS_CLIENTS      (METRICS_CLIENT_FIRST + METRICS_CLIENTS_MOST)

#define METRICS_CREDENTIAL_OTHER 0
#define METRICS_CREDENTIALS_MOST 64
#define METRICS_CREDENTIALS      (1 + METRICS_CREDENTIALS_MOST)

#define METRICS_REQUEST_CELLS 472
#define METRICS_CALL_CELLS    80

/* No two workers write into one line of a processor's cache. */
#define METRICS_LINE 64

struct metrics_client {
    _Atomic uint64_t requests[METRICS_REQUEST_CELLS];
} __attribute__((aligned(METRICS_LINE)));

struct metrics_credential {
    _Atomic uint64_t calls[METRICS_CALL_CELLS];
    struct metrics_histogram seconds;
} __attribute__((aligned(METRICS_LINE)));

struct metrics_row {
    int rows; /* in the table; read-only */
    _Atomic uint64_t counters[METRIC_COUNT];
    _Atomic uint64_t gauges[GAUGE_COUNT];
    struct metrics_histogram requests[METRICS_SOURCES];
    struct metrics_histogram store[METRICS_STORE_OPS];
    _Atomic(struct metrics_client *) clients[METRICS_CLIENTS]; /* NULL: nothing counted yet */
    _Atomic(struct metrics_credential *) credentials[METRICS_CREDENTIALS];
} __attribute__((aligned(METRICS_LINE)));

/* Room for `rows` workers, all zero. NULL when memory is out. */
struct metrics_row *metrics_new(int rows);
void metrics_free(struct metrics_row *rows);

/* The number of a name, now and ever after: the same for the same name. Any thread. */
int metrics_client_number(const char *name);
int metrics_credential_number(const char *name);
const char *metrics_client_name(int number);
const char *metrics_credential_name(int number);
/* How many numbers are given. */
int metrics_clients(void);
int metrics_credentials(void);

/* --- counting: the row's own thread --- */

void metrics_count(struct metrics_row *row, enum metric metric);
void metrics_set(struct metrics_row *row, enum gauge gauge, uint64_t value);

/* For durations: monotonic nanoseconds. */
uint64_t metrics_now_ns(void);

/* `client` is its number, `source` and `cell` are the caller's (http/measure). */
void metrics_count_request(struct metrics_row *row, int client, int cell, int source,
                           uint64_t took_ns);
/* A call to upstream; `took_ms` < 0: nothing was sent. */
void metrics_count_call(struct metrics_row *row, int credential, int cell, int64_t took_ms);
void metrics_observe_store(struct metrics_row *row, int op, uint64_t took_ns);

/* --- reading: any thread --- */

/* Fills `cells` with the sums of all rows. False: nothing was ever counted. */
bool metrics_sum_requests(const struct metrics_row *rows, int client,
                          uint64_t cells[METRICS_REQUEST_CELLS]);
bool metrics_sum_calls(const struct metrics_row *rows, int credential,
                       uint64_t cells[METRICS_CALL_CELLS]);

/* What follows writes Prometheus text exposition format 0.0.4. */

/* All counters, or all gauges. */
void metrics_print_counters(const struct metrics_row *rows, struct text *text);
void metrics_print_gauges(const struct metrics_row *rows, struct text *text);

/* Histograms in which something was counted; `names` by index. That of calls is of one credential,
 * and without its family's head. */
void metrics_print_request_seconds(const struct metrics_row *rows, const char *const *names,
                                   struct text *text);
void metrics_print_store_seconds(const struct metrics_row *rows, const char *const *names,
                                 int count, struct text *text);
#define METRICS_UPSTREAM_SECONDS "sanyao_upstream_duration_seconds"
void metrics_print_upstream_seconds(const struct metrics_row *rows, int credential,
                                    struct text *text);

/* The two lines before a family's samples. */
void metrics_print_head(const char *family, const char *type, const char *help, struct text *text);
/* `name="value"`, with what must be escaped escaped. */
void metrics_print_label(const char *name, const char *value, struct text *text);
/* A whole family of one sample without labels. */
void metrics_print_number(const char *family, const char *type, const char *help, int64_t value,
                          struct text *text);
/* The same, of milliseconds, in seconds; a gauge. */
void metrics_print_seconds(const char *family, const char *help, int64_t ms, struct text *text);
