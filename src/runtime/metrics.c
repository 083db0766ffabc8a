#include "runtime/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME_SIZE 64
#define NS_PER_US 1000

static const struct {
    const char *family;
    const char *labels;
    const char *help;
} metric_table[METRIC_COUNT] = {
#define METRIC_ROW(name, family, labels, help) [METRIC_##name] = {family, labels, help},
    METRICS(METRIC_ROW)
#undef METRIC_ROW
};

static const struct {
    const char *family;
    const char *help;
} gauge_table[GAUGE_COUNT] = {
#define GAUGE_ROW(name, family, help) [GAUGE_##name] = {family, help},
    GAUGES(GAUGE_ROW)
#undef GAUGE_ROW
};

/* --- histograms --- */

struct bound {
    uint32_t us;      /* inclusive; 0: none any more */
    const char *text; /* the same in seconds, as `le` says it */
};

static const struct bound request_bounds[METRICS_BUCKETS] = {
    {500, "0.0005"},  {1000, "0.001"},    {2500, "0.0025"},   {5000, "0.005"},
    {10000, "0.01"},  {25000, "0.025"},   {50000, "0.05"},    {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},    {1000000, "1.0"},   {2500000, "2.5"},
    {5000000, "5.0"}, {10000000, "10.0"}, {15000000, "15.0"}, {0, "+Inf"},
};

static const struct bound upstream_bounds[METRICS_BUCKETS] = {
    {10000, "0.01"},  {25000, "0.025"},   {50000, "0.05"},    {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},    {1000000, "1.0"},   {2500000, "2.5"},
    {5000000, "5.0"}, {10000000, "10.0"}, {15000000, "15.0"}, {0, "+Inf"},
};

static const struct bound store_bounds[METRICS_BUCKETS] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"}, {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"}, {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},  {1000000, "1.0"}, {0, "+Inf"},
};

/* One writer per row: a load and a store cost less than a locked addition. */
static void add(_Atomic uint64_t *counter, uint64_t number) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + number, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void observe(struct metrics_histogram *histogram, const struct bound *bounds, uint64_t us) {
    int bucket = 0;
    while (bounds[bucket].us != 0 && us > bounds[bucket].us)
        bucket++;
    add(&histogram->buckets[bucket], 1);
    add(&histogram->sum_us, us);
}

static void add_histogram(struct metrics_histogram *sum, const struct metrics_histogram *one) {
    for (int i = 0; i < METRICS_BUCKETS; i++)
        add(&sum->buckets[i], load(&one->buckets[i]));
    add(&sum->sum_us, load(&one->sum_us));
}

/* Nothing where nothing was counted. */
static void print_histogram(const char *family, const char *label, const char *value,
                            const struct metrics_histogram *sum, const struct bound *bounds,
                            struct text *text) {
    uint64_t counted = 0;
    for (int i = 0; i < METRICS_BUCKETS; i++)
        counted += load(&sum->buckets[i]);
    if (counted == 0)
        return;
    uint64_t up_to_here = 0;
    bool more = true;
    for (int i = 0; more; i++) {
        up_to_here += load(&sum->buckets[i]);
        more = bounds[i].us != 0;
        text_addf(text, "%s_bucket{", family);
        metrics_print_label(label, value, text);
        text_addf(text, ",le=\"%s\"} %llu\n", bounds[i].text, (unsigned long long)up_to_here);
    }
    text_addf(text, "%s_sum{", family);
    metrics_print_label(label, value, text);
    text_addf(text, "} %.6f\n%s_count{", (double)load(&sum->sum_us) / 1e6, family);
    metrics_print_label(label, value, text);
    text_addf(text, "} %llu\n", (unsigned long long)counted);
}

/* --- names --- */

struct names {
    pthread_mutex_t mutex; /* for whoever adds one */
    atomic_int count;      /* published; what is below it never changes */
    int most;
    int other; /* the number of what has no room */
    char (*names)[NAME_SIZE];
};

static char client_names[METRICS_CLIENTS][NAME_SIZE] = {"none", "other", "anonymous"};
static char credential_names[METRICS_CREDENTIALS][NAME_SIZE] = {"other"};

static struct names clients = {PTHREAD_MUTEX_INITIALIZER, METRICS_CLIENT_FIRST, METRICS_CLIENTS,
                               METRICS_CLIENT_OTHER, client_names};
static struct names credentials = {PTHREAD_MUTEX_INITIALIZER, 1, METRICS_CREDENTIALS,
                                   METRICS_CREDENTIAL_OTHER, credential_names};

static int count_of(const struct names *names) {
    return atomic_load_explicit(&names->count, memory_order_acquire);
}

/* -1: it is not among them. */
static int find(const struct names *names, const char *name, int from, int to) {
    for (int i = from; i < to; i++) {
        if (strcmp(names->names[i], name) == 0)
            return i;
    }
    return -1;
}

static int take_number(struct names *names, const char *name, int seen) {
    pthread_mutex_lock(&names->mutex);
    int count = count_of(names);
    int number = find(names, name, seen, count);
    if (number < 0 && count == names->most)
        number = names->other;
    if (number < 0) {
        number = count;
        snprintf(names->names[number], NAME_SIZE, "%s", name);
        atomic_store_explicit(&names->count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&names->mutex);
    return number;
}

static int number_of(struct names *names, const char *name) {
    int seen = count_of(names);
    int number = find(names, name, 0, seen);
    return number >= 0 ? number : take_number(names, name, seen);
}

int metrics_client_number(const char *name) {
    return number_of(&clients, name);
}

int metrics_credential_number(const char *name) {
    return number_of(&credentials, name);
}

const char *metrics_client_name(int number) {
    return client_names[number];
}

const char *metrics_credential_name(int number) {
    return credential_names[number];
}

int metrics_clients(void) {
    return count_of(&clients);
}

int metrics_credentials(void) {
    return count_of(&credentials);
}

/* --- rows --- */

/* NULL: no memory. */
static void *zeroed(size_t size) {
    void *block = aligned_alloc(METRICS_LINE, size);
    if (block != NULL)
        memset(block, 0, size);
    return block;
}

/* Those who cannot be given a block of their own for want of memory are counted in this one. */
static bool make_others(struct metrics_row *row) {
    struct metrics_client *client = zeroed(sizeof *client);
    struct metrics_credential *credential = zeroed(sizeof *credential);
    atomic_store(&row->clients[METRICS_CLIENT_OTHER], client);
    atomic_store(&row->credentials[METRICS_CREDENTIAL_OTHER], credential);
    return client != NULL && credential != NULL;
}

struct metrics_row *metrics_new(int rows) {
    struct metrics_row *table = zeroed((size_t)rows * sizeof *table);
    bool made = true;
    if (table == NULL)
        return NULL;
    for (int i = 0; i < rows; i++) {
        table[i].rows = rows;
        made = make_others(&table[i]) && made;
    }
    if (made)
        return table;
    metrics_free(table);
    return NULL;
}

void metrics_free(struct metrics_row *rows) {
    for (int i = 0; rows != NULL && i < rows->rows; i++) {
        for (int client = 0; client < METRICS_CLIENTS; client++)
            free(atomic_load(&rows[i].clients[client]));
        for (int credential = 0; credential < METRICS_CREDENTIALS; credential++)
            free(atomic_load(&rows[i].credentials[credential]));
    }
    free(rows);
}

/* --- counting --- */

void metrics_count(struct metrics_row *row, enum metric metric) {
    add(&row->counters[metric], 1);
}

void metrics_set(struct metrics_row *row, enum gauge gauge, uint64_t value) {
    atomic_store_explicit(&row->gauges[gauge], value, memory_order_relaxed);
}

uint64_t metrics_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct metrics_client *client_block(struct metrics_row *row, int number) {
    struct metrics_client *block =
        atomic_load_explicit(&row->clients[number], memory_order_relaxed);
    if (block != NULL)
        return block;
    block = zeroed(sizeof *block);
    if (block == NULL)
        return atomic_load_explicit(&row->clients[METRICS_CLIENT_OTHER], memory_order_relaxed);
    atomic_store_explicit(&row->clients[number], block, memory_order_release);
    return block;
}

void metrics_count_request(struct metrics_row *row, int client, int cell, int source,
                           uint64_t took_ns) {
    add(&client_block(row, client)->requests[cell], 1);
    observe(&row->requests[source], request_bounds, took_ns / NS_PER_US);
}

static struct metrics_credential *credential_block(struct metrics_row *row, int number) {
    struct metrics_credential *block =
        atomic_load_explicit(&row->credentials[number], memory_order_relaxed);
    if (block != NULL)
        return block;
    block = zeroed(sizeof *block);
    if (block == NULL)
        return atomic_load_explicit(&row->credentials[METRICS_CREDENTIAL_OTHER],
                                    memory_order_relaxed);
    atomic_store_explicit(&row->credentials[number], block, memory_order_release);
    return block;
}

void metrics_count_call(struct metrics_row *row, int credential, int cell, int64_t took_ms) {
    struct metrics_credential *block = credential_block(row, credential);
    add(&block->calls[cell], 1);
    if (took_ms >= 0)
        observe(&block->seconds, upstream_bounds, (uint64_t)took_ms * 1000);
}

void metrics_observe_store(struct metrics_row *row, int op, uint64_t took_ns) {
    observe(&row->store[op], store_bounds, took_ns / NS_PER_US);
}

/* --- reading --- */

bool metrics_sum_requests(const struct metrics_row *rows, int client,
                          uint64_t cells[METRICS_REQUEST_CELLS]) {
    bool any = false;
    memset(cells, 0, METRICS_REQUEST_CELLS * sizeof cells[0]);
    for (int i = 0; i < rows->rows; i++) {
        const struct metrics_client *block =
            atomic_load_explicit(&rows[i].clients[client], memory_order_acquire);
        for (int cell = 0; block != NULL && cell < METRICS_REQUEST_CELLS; cell++)
            cells[cell] += load(&block->requests[cell]);
        any = any || block != NULL;
    }
    return any;
}

bool metrics_sum_calls(const struct metrics_row *rows, int credential,
                       uint64_t cells[METRICS_CALL_CELLS]) {
    bool any = false;
    memset(cells, 0, METRICS_CALL_CELLS * sizeof cells[0]);
    for (int i = 0; i < rows->rows; i++) {
        const struct metrics_credential *block =
            atomic_load_explicit(&rows[i].credentials[credential], memory_order_acquire);
        for (int cell = 0; block != NULL && cell < METRICS_CALL_CELLS; cell++)
            cells[cell] += load(&block->calls[cell]);
        any = any || block != NULL;
    }
    return any;
}

void metrics_print_head(const char *family, const char *type, const char *help, struct text *text) {
    text_addf(text, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

void metrics_print_label(const char *name, const char *value, struct text *text) {
    text_addf(text, "%s=\"", name);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\\' || *at == '"')
            text_addf(text, "\\%c", *at);
        else if (*at == '\n')
            text_add(text, "\\n");
        else
            text_add_bytes(text, at, 1);
    }
    text_add(text, "\"");
}

void metrics_print_counters(const struct metrics_row *rows, struct text *text) {
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        const char *family = metric_table[metric].family;
        const char *labels = metric_table[metric].labels;
        uint64_t total = 0;
        for (int i = 0; i < rows->rows; i++)
            total += load(&rows[i].counters[metric]);
        if (metric == 0 || strcmp(family, metric_table[metric - 1].family) != 0)
            metrics_print_head(family, "counter", metric_table[metric].help, text);
        text_add(text, family);
        if (labels[0] != '\0')
            text_addf(text, "{%s}", labels);
        text_addf(text, " %llu\n", (unsigned long long)total);
    }
}

void metrics_print_gauges(const struct metrics_row *rows, struct text *text) {
    for (int gauge = 0; gauge < GAUGE_COUNT; gauge++) {
        uint64_t total = 0;
        for (int i = 0; i < rows->rows; i++)
            total += load(&rows[i].gauges[gauge]);
        metrics_print_number(gauge_table[gauge].family, "gauge", gauge_table[gauge].help,
                             (int64_t)total, text);
    }
}

void metrics_print_request_seconds(const struct metrics_row *rows, const char *const *names,
                                   struct text *text) {
    static const char family[] = "sanyao_request_duration_seconds";
    metrics_print_head(family, "histogram",
                       "From a request's first line to its answer, by where that came from", text);
    for (int source = 0; source < METRICS_SOURCES; source++) {
        struct metrics_histogram sum = {0};
        for (int i = 0; i < rows->rows; i++)
            add_histogram(&sum, &rows[i].requests[source]);
        print_histogram(family, "source", names[source], &sum, request_bounds, text);
    }
}

void metrics_print_store_seconds(const struct metrics_row *rows, const char *const *names,
                                 int count, struct text *text) {
    static const char family[] = "sanyao_store_duration_seconds";
    metrics_print_head(family, "histogram", "Operations of the store, by kind", text);
    for (int op = 0; op < count; op++) {
        struct metrics_histogram sum = {0};
        for (int i = 0; i < rows->rows; i++)
            add_histogram(&sum, &rows[i].store[op]);
        print_histogram(family, "op", names[op], &sum, store_bounds, text);
    }
}

void metrics_print_upstream_seconds(const struct metrics_row *rows, int credential,
                                    struct text *text) {
    struct metrics_histogram sum = {0};
    for (int i = 0; i < rows->rows; i++) {
        const struct metrics_credential *block =
            atomic_load_explicit(&rows[i].credentials[credential], memory_order_acquire);
        if (block != NULL)
            add_histogram(&sum, &block->seconds);
    }
    print_histogram(METRICS_UPSTREAM_SECONDS, "credential", metrics_credential_name(credential),
                    &sum, upstream_bounds, text);
}

void metrics_print_number(const char *family, const char *type, const char *help, int64_t value,
                          struct text *text) {
    metrics_print_head(family, type, help, text);
    text_addf(text, "%s %lld\n", family, (long long)value);
}

void metrics_print_seconds(const char *family, const char *help, int64_t ms, struct text *text) {
    metrics_print_head(family, "gauge", help, text);
    text_addf(text, "%s %.3f\n", family, (double)ms / 1000);
}
