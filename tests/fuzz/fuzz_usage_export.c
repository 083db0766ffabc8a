/*
 * Arbitrary bytes as the seller's usage export. What is read is in order and adds up, faults are
 * named by line, and a failure says why; what was read agrees with itself, and with itself billed
 * one window later.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "money/reconcile.h"
#include "money/usage_export.h"
#include "runtime/utf8.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_windows(const struct usage_export *usage) {
    int64_t calls = 0;
    for (size_t i = 0; i < usage->count; i++) {
        const struct usage_window *window = &usage->windows[i];
        MUST(window->begin_s > 0 && window->begin_s % USAGE_WINDOW_S == 1);
        MUST(i == 0 || window->begin_s > usage->windows[i - 1].begin_s);
        MUST(window->count > 0);
        calls += window->count;
    }
    MUST(calls == usage->calls);
}

static void check_faults(const struct usage_export *usage) {
    for (size_t i = 0; i < usage->fault_count && i < USAGE_FAULTS_MAX; i++) {
        MUST(usage->faults[i].cause != NULL);
        MUST(usage->faults[i].line > (i == 0 ? 1 : usage->faults[i - 1].line));
    }
}

static void check_agrees(const struct usage_export *usage, int64_t late_s) {
    struct reconcile_report report;
    struct complaint complaint;
    struct usage_window *theirs = calloc(usage->count + 1, sizeof *theirs);
    MUST(theirs != NULL);
    for (size_t i = 0; i < usage->count; i++)
        theirs[i] =
            (struct usage_window){usage->windows[i].begin_s + late_s, usage->windows[i].count};
    MUST(
        reconcile_compare(usage->windows, usage->count, theirs, usage->count, &report, &complaint));
    MUST(report.total.agreed == usage->calls);
    MUST(report.total.ours_only == 0 && report.total.theirs_only == 0);
    MUST(late_s == 0 ? report.total.moved == 0 : report.total.moved == usage->calls);
    reconcile_free(&report);
    free(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct usage_export usage;
    struct complaint complaint = {""};
    if (!usage_export_read((const char *)data, size, &usage, &complaint)) {
        MUST(complaint.text[0] != '\0');
        MUST(utf8_valid(complaint.text, strlen(complaint.text)));
        MUST(usage.windows == NULL && usage.count == 0);
        return 0;
    }
    check_windows(&usage);
    check_faults(&usage);
    check_agrees(&usage, 0);
    check_agrees(&usage, USAGE_WINDOW_S);
    usage_export_free(&usage);
    return 0;
}
