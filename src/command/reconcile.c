#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "command/run.h"
#include "money/reconcile_report.h"
#include "money/usage_export.h"
#include "runtime/clock.h"

#define FILE_MOST ((size_t)64 * 1024 * 1024)
#define CHINA_S   (8 * 3600) /* the seller's clock before UTC */
#define LINE_SIZE 256

enum { ALL, ROWS };

static const struct options_row rows[ROWS] = {
    [ALL] = {.name = "all", .help = "every window, not only those that differ"},
};

static const struct options_form form = {
    .command = "reconcile",
    .words = "FILE",
    .about = "Compares the seller's usage export (CSV, UTF-8 or GBK, as its console gives it) with "
             "the\n"
             "ledger of the running service, ten-minute window by ten-minute window. A call that "
             "was under\n"
             "way at the end of a window may have been billed in the next. What the file's last "
             "window has\n"
             "too few of may be in the next export, and is no difference.\n",
    .rows = rows,
    .row_count = ROWS,
    .exits = "3 they differ, or lines of the file could not be read",
};

/* --- theirs --- */

static char *read_file(const char *path, size_t *size, struct complaint *complaint) {
    FILE *file = fopen(path, "rb");
    char *bytes = file != NULL ? malloc(FILE_MOST + 1) : NULL;
    *size = bytes != NULL ? fread(bytes, 1, FILE_MOST + 1, file) : 0;
    bool good = bytes != NULL && !ferror(file);
    int error = errno;
    if (file != NULL)
        fclose(file);
    if (good && *size <= FILE_MOST)
        return bytes;
    free(bytes);
    if (good)
        complain(complaint, "%s is larger than 64 MiB: export a shorter time", path);
    else
        complain(complaint, "%s cannot be read: %s", path, strerror(error));
    return NULL;
}

static bool read_theirs(const char *path, struct usage_export *theirs,
                        struct complaint *complaint) {
    size_t size;
    char *bytes = read_file(path, &size, complaint);
    if (bytes == NULL)
        return false;
    bool good = usage_export_read(bytes, size, theirs, complaint);
    free(bytes);
    if (good && theirs->count == 0 && theirs->fault_count == 0) {
        usage_export_free(theirs);
        return complain(complaint, "%s has no row to compare", path);
    }
    return good;
}

/* --- ours, as the service tells it line by line --- */

struct ours {
    struct usage_window *windows;
    size_t count;
    size_t room;
    char line[LINE_SIZE];
    size_t size;
};

static bool add_window(struct ours *ours, struct usage_window window) {
    if (ours->count == ours->room) {
        size_t room = ours->room > 0 ? ours->room * 2 : 256;
        struct usage_window *windows = realloc(ours->windows, room * sizeof *windows);
        if (windows == NULL)
            return false;
        ours->windows = windows;
        ours->room = room;
    }
    ours->windows[ours->count++] = window;
    return true;
}

/* "2018-03-19 10:50:01 - …" in China's time. */
static bool read_begin(const char *text, int64_t *begin_s) {
    struct tm china = {0};
    const char *rest = strptime(text, "%Y-%m-%d %H:%M:%S", &china);
    if (rest == NULL || strncmp(rest, " - ", 3) != 0)
        return false;
    *begin_s = (int64_t)timegm(&china) - CHINA_S;
    return true;
}

static bool take_line(struct ours *ours) {
    cJSON *line = cJSON_ParseWithLength(ours->line, ours->size);
    const cJSON *window = cJSON_GetObjectItemCaseSensitive(line, "window");
    const cJSON *count = cJSON_GetObjectItemCaseSensitive(line, "count");
    struct usage_window one = {0};
    bool good = cJSON_IsString(window) && cJSON_IsNumber(count) &&
                read_begin(window->valuestring, &one.begin_s);
    one.count = good ? (int64_t)count->valuedouble : 0;
    cJSON_Delete(line);
    return good && add_window(ours, one);
}

static bool take_bytes(void *arg, const char *bytes, size_t size) {
    struct ours *ours = arg;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (ours->size == sizeof ours->line)
                return false;
            ours->line[ours->size++] = bytes[i];
            continue;
        }
        if (!take_line(ours))
            return false;
        ours->size = 0;
    }
    return true;
}

/* From one window before theirs: its calls may have been billed late. */
static bool read_ours(const struct config *config, const struct usage_export *theirs,
                      struct ours *ours, struct complaint *complaint) {
    char from[CLOCK_RFC3339_SIZE];
    char to[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(theirs->windows[0].begin_s - USAGE_WINDOW_S, from);
    clock_format_rfc3339(theirs->windows[theirs->count - 1].begin_s + USAGE_WINDOW_S, to);
    char *target = strdup("/admin/v1/ledger?window=10m&format=ndjson");
    target = target != NULL ? admin_add_parameter(target, "from", from) : NULL;
    target = target != NULL ? admin_add_parameter(target, "to", to) : NULL;
    bool good = target != NULL ? admin_get(config, target, take_bytes, ours, complaint)
                               : complain(complaint, "no memory for the question");
    free(target);
    return good;
}

/* --- what came of it --- */

static void print_window(const struct reconcile_window *window) {
    char begin[RECONCILE_TIME_SIZE];
    reconcile_format_time(window->begin_s, begin);
    printf("%-19s  %8lld  %8lld  %8lld  %8lld  %9lld  %11lld\n", begin, (long long)window->ours,
           (long long)window->theirs, (long long)window->agreed, (long long)window->moved,
           (long long)window->ours_only, (long long)window->theirs_only);
}

static void print_faults(const struct usage_export *theirs) {
    for (size_t i = 0; i < theirs->fault_count && i < USAGE_FAULTS_MAX; i++)
        fprintf(stderr, "line %zu: %s\n", theirs->faults[i].line, theirs->faults[i].cause);
    if (theirs->fault_count > USAGE_FAULTS_MAX)
        fprintf(stderr, "and %zu more lines\n", theirs->fault_count - USAGE_FAULTS_MAX);
}

static void print_human(const struct options *options, const struct reconcile_outcome *outcome) {
    const struct reconcile_window *total = &outcome->total;
    bool titled = false;
    for (size_t i = 0; i < outcome->report.count; i++) {
        const struct reconcile_window *window = &outcome->report.windows[i];
        if (options->values[ALL] == NULL && window->ours_only == 0 && window->theirs_only == 0)
            continue;
        if (!titled)
            puts("WINDOW (CHINA)           OURS    THEIRS    AGREED      LATE  OURS ONLY  "
                 "THEIRS ONLY");
        titled = true;
        print_window(window);
    }
    printf(
        "%lld of ours, %lld of theirs: %lld agreed (%lld of them billed a window late), %lld ours "
        "only, %lld theirs only\n",
        (long long)total->ours, (long long)total->theirs, (long long)total->agreed,
        (long long)total->moved, (long long)total->ours_only, (long long)total->theirs_only);
    if (outcome->pending > 0)
        printf("%lld of ours in the last window may be billed in the next export\n",
               (long long)outcome->pending);
    if (outcome->theirs->fault_count > 0)
        printf("%zu lines of the file could not be read and are not counted\n",
               outcome->theirs->fault_count);
    print_faults(outcome->theirs);
}

static bool print_json(const struct options *options, const struct reconcile_outcome *outcome) {
    cJSON *object = reconcile_show(outcome, options->values[ALL] != NULL);
    char *text = cJSON_Print(object);
    bool printed = text != NULL && puts(text) >= 0;
    cJSON_free(text);
    cJSON_Delete(object);
    return printed;
}

static bool print_outcome(const struct options *options, const struct reconcile_outcome *outcome,
                          struct complaint *complaint) {
    bool printed = true;
    if (options->json)
        printed = print_json(options, outcome);
    else
        print_human(options, outcome);
    return (printed && fflush(stdout) == 0) || complain(complaint, "what came cannot be written");
}

/* An export whose every line is malformed has nothing to ask about. */
static bool compare(const struct config *config, const struct usage_export *theirs,
                    struct reconcile_outcome *outcome, struct complaint *complaint) {
    struct ours ours = {0};
    bool good = (theirs->count == 0 || read_ours(config, theirs, &ours, complaint)) &&
                reconcile_judge(ours.windows, ours.count, theirs, outcome, complaint);
    free(ours.windows);
    return good;
}

static int reconcile(struct run *run) {
    struct usage_export theirs;
    if (!read_theirs(run->options.words[0], &theirs, &run->complaint))
        return COMMAND_FAILED;
    struct reconcile_outcome outcome;
    int code = COMMAND_FAILED;
    if (compare(run->config, &theirs, &outcome, &run->complaint)) {
        if (print_outcome(&run->options, &outcome, &run->complaint))
            code = outcome.differs ? COMMAND_NEGATIVE : COMMAND_DONE;
        reconcile_outcome_free(&outcome);
    }
    usage_export_free(&theirs);
    return code;
}

int command_reconcile(int argc, char **argv) {
    return run_command(&form, argc, argv, reconcile);
}
