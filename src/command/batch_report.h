#pragma once
/*
 * batch_report: what a batch says while it runs, and at its end. Main thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "command/batch_price.h"
#include "command/batch_results.h"

struct batch_progress {
    int64_t begun_ms;
    int64_t begun_with; /* lines that were done already */
    int64_t shown_ms;
    int64_t total;
    const struct batch_price *price;
    bool terminal; /* standard error is one: one line, written again and again */
};

struct batch_progress batch_progress_begin(int64_t now_ms, int64_t done, int64_t total,
                                           const struct batch_price *price);

/* On standard error, when it is time. */
void batch_progress_show(struct batch_progress *progress, int64_t now_ms, int64_t done,
                         int64_t billed);

/* So that something else can be written. */
void batch_progress_end(const struct batch_progress *progress);

struct batch_summary {
    const struct batch_results *results;
    const struct batch_price *price;
    int64_t rows;
    int64_t billed;      /* calls of this run */
    const char *stopped; /* why; NULL: it went through */
};

/* On standard output. False: no memory. */
bool batch_summary_print(const struct batch_summary *summary, bool json)
    __attribute__((warn_unused_result));
