#include "runtime/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *family;
    const char *labels;
    const char *help;
} metric_table[METRIC_COUNT] = {
#define METRIC_ROW(name, family, labels, help) [METRIC_##name] = {family, labels, help},
    METRICS(METRIC_ROW)
#undef METRIC_ROW
};

struct metrics_row *metrics_new(int rows) {
    size_t size = (size_t)rows * sizeof(struct metrics_row);
    struct metrics_row *table = aligned_alloc(_Alignof(struct metrics_row), size);
    if (table != NULL)
        memset(table, 0, size);
    return table;
}

void metrics_free(struct metrics_row *rows) {
    free(rows);
}

/* One writer per row: a load and a store cost less than a locked addition. */
void metrics_count(struct metrics_row *row, enum metric metric) {
    _Atomic uint64_t *counter = &row->counters[metric];
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

static uint64_t sum(const struct metrics_row *rows, int count, int metric) {
    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        total += atomic_load_explicit(&rows[i].counters[metric], memory_order_relaxed);
    return total;
}

void metrics_print(const struct metrics_row *rows, int count, struct text *text) {
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        const char *family = metric_table[metric].family;
        const char *labels = metric_table[metric].labels;
        if (metric == 0 || strcmp(family, metric_table[metric - 1].family) != 0)
            text_addf(text, "# HELP %s %s\n# TYPE %s counter\n", family, metric_table[metric].help,
                      family);
        text_add(text, family);
        if (labels[0] != '\0')
            text_addf(text, "{%s}", labels);
        text_addf(text, " %llu\n", (unsigned long long)sum(rows, count, metric));
    }
}

void metrics_print_seconds(const char *family, const char *help, int64_t ms, struct text *text) {
    text_addf(text, "# HELP %s %s\n# TYPE %s gauge\n%s %.3f\n", family, help, family, family,
              (double)ms / 1000);
}
