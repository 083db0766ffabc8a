#pragma once
/*
 * reconcile_report: what came of a comparison with the seller's export, and how programs are told.
 *
 * The file speaks only of its own windows. What the window before it has left over is another
 * export's matter, and what its last window has too few of may be in the next: neither is a
 * difference. Pure; value types.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "money/reconcile.h"
#include "money/usage_export.h"
#include "runtime/complaint.h"

struct reconcile_outcome {
    const struct usage_export *theirs; /* borrowed */
    struct reconcile_report report;
    struct reconcile_window total; /* without what is beyond the file's edges */
    int64_t pending;               /* ours of the last window that may be in the next export */
    bool differs;
};

/* Ours begin one window before theirs. False without memory, with nothing to free. */
bool reconcile_judge(const struct usage_window *ours, size_t ours_count,
                     const struct usage_export *theirs, struct reconcile_outcome *outcome,
                     struct complaint *complaint) __attribute__((warn_unused_result));

void reconcile_outcome_free(struct reconcile_outcome *outcome);

/* As `sanyao reconcile --json` prints it; `all`: also the windows that agree. NULL without memory.
 */
cJSON *reconcile_show(const struct reconcile_outcome *outcome, bool all);

/*
 * What is remembered of the last one: a document of kind STORE_REPORT,
 * {"at","ours","theirs","difference"}. The difference is how many calls more our books have than
 * the seller billed, without the pending ones; below 0 where it billed more.
 */
#define RECONCILED_ID "reconciled"
char *reconcile_remember(const struct reconcile_outcome *outcome, int64_t now_ms);

/* "2018-03-19 10:50:01", in China Standard Time. */
#define RECONCILE_TIME_SIZE 40
void reconcile_format_time(int64_t unix_s, char text[RECONCILE_TIME_SIZE]);
