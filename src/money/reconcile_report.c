#include "money/reconcile_report.h"

#include "runtime/civil.h"
#include "runtime/clock.h"

static void look_at_edges(struct reconcile_outcome *outcome) {
    const struct usage_export *theirs = outcome->theirs;
    const struct reconcile_report *report = &outcome->report;
    for (size_t i = 0; i < report->count; i++) {
        const struct reconcile_window *window = &report->windows[i];
        if (window->begin_s < theirs->windows[0].begin_s) {
            outcome->total.ours -= window->ours_only;
            outcome->total.ours_only -= window->ours_only;
        } else if (window->begin_s == theirs->windows[theirs->count - 1].begin_s) {
            outcome->pending = window->ours_only;
        }
    }
    outcome->total.ours_only -= outcome->pending;
}

bool reconcile_judge(const struct usage_window *ours, size_t ours_count,
                     const struct usage_export *theirs, struct reconcile_outcome *outcome,
                     struct complaint *complaint) {
    *outcome = (struct reconcile_outcome){.theirs = theirs};
    if (!reconcile_compare(ours, ours_count, theirs->windows, theirs->count, &outcome->report,
                           complaint))
        return false;
    outcome->total = outcome->report.total;
    if (theirs->count > 0)
        look_at_edges(outcome);
    outcome->differs =
        outcome->total.ours_only > 0 || outcome->total.theirs_only > 0 || theirs->fault_count > 0;
    return true;
}

void reconcile_outcome_free(struct reconcile_outcome *outcome) {
    reconcile_free(&outcome->report);
}

void reconcile_format_time(int64_t unix_s, char text[RECONCILE_TIME_SIZE]) {
    civil_format_plain(unix_s * 1000, text);
}

static void add_counts(cJSON *object, const struct reconcile_window *window) {
    cJSON_AddNumberToObject(object, "ours", (double)window->ours);
    cJSON_AddNumberToObject(object, "theirs", (double)window->theirs);
    cJSON_AddNumberToObject(object, "agreed", (double)window->agreed);
    cJSON_AddNumberToObject(object, "late", (double)window->moved);
    cJSON_AddNumberToObject(object, "oursOnly", (double)window->ours_only);
    cJSON_AddNumberToObject(object, "theirsOnly", (double)window->theirs_only);
}

static void add_windows(cJSON *windows, const struct reconcile_outcome *outcome, bool all) {
    char begin[RECONCILE_TIME_SIZE];
    for (size_t i = 0; i < outcome->report.count; i++) {
        const struct reconcile_window *window = &outcome->report.windows[i];
        if (!all && window->ours_only == 0 && window->theirs_only == 0)
            continue;
        cJSON *one = cJSON_CreateObject();
        reconcile_format_time(window->begin_s, begin);
        cJSON_AddStringToObject(one, "begin", begin);
        add_counts(one, window);
        cJSON_AddItemToArray(windows, one);
    }
}

static void add_faults(cJSON *faults, const struct usage_export *theirs) {
    for (size_t i = 0; i < theirs->fault_count && i < USAGE_FAULTS_MAX; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddNumberToObject(one, "line", (double)theirs->faults[i].line);
        cJSON_AddStringToObject(one, "cause", theirs->faults[i].cause);
        cJSON_AddItemToArray(faults, one);
    }
}

cJSON *reconcile_show(const struct reconcile_outcome *outcome, bool all) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddBoolToObject(object, "agree", !outcome->differs);
    add_counts(cJSON_AddObjectToObject(object, "total"), &outcome->total);
    cJSON_AddNumberToObject(object, "pending", (double)outcome->pending);
    cJSON_AddNumberToObject(object, "malformed", (double)outcome->theirs->fault_count);
    add_faults(cJSON_AddArrayToObject(object, "malformedLines"), outcome->theirs);
    add_windows(cJSON_AddArrayToObject(object, "windows"), outcome, all);
    return object;
}

char *reconcile_remember(const struct reconcile_outcome *outcome, int64_t now_ms) {
    char at[CLOCK_RFC3339_SIZE];
    int64_t difference = outcome->total.ours_only - outcome->total.theirs_only;
    clock_format_rfc3339(now_ms / 1000, at);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "at", at);
    cJSON_AddNumberToObject(object, "ours", (double)outcome->total.ours);
    cJSON_AddNumberToObject(object, "theirs", (double)outcome->total.theirs);
    cJSON_AddNumberToObject(object, "difference", (double)difference);
    char *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}
