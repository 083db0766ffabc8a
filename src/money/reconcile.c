#include "money/reconcile.h"

#include <stdlib.h>

/*
 * Windows with a surplus of ours that later windows may still reach, by time. Each window enters
 * once and at the end, so all of it is one walk over the windows.
 */
struct waiting {
    size_t *indexes; /* owned; of windows in the report */
    size_t first, end;
    int64_t calls; /* of all that wait */
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void merge(const struct usage_window *ours, size_t ours_count,
                  const struct usage_window *theirs, size_t theirs_count,
                  struct reconcile_report *report) {
    size_t i = 0;
    size_t j = 0;
    while (i < ours_count || j < theirs_count) {
        bool has_ours =
            i < ours_count && (j == theirs_count || ours[i].begin_s <= theirs[j].begin_s);
        bool has_theirs =
            j < theirs_count && (i == ours_count || theirs[j].begin_s <= ours[i].begin_s);
        struct reconcile_window *window = &report->windows[report->count++];
        *window = (struct reconcile_window){
            .begin_s = has_ours ? ours[i].begin_s : theirs[j].begin_s,
            .ours = has_ours ? ours[i].count : 0,
            .theirs = has_theirs ? theirs[j].count : 0,
        };
        window->agreed = least(window->ours, window->theirs);
        window->ours_only = window->ours - window->agreed;
        window->theirs_only = window->theirs - window->agreed;
        i += has_ours;
        j += has_theirs;
    }
}

/*
 * Pairs the surplus of theirs in the window at `to`. `moved` of the first window of a chain is
 * raised and that of the window behind it lowered: spread_moves() makes the sums of it.
 */
static void take_nearest(struct reconcile_window *windows, struct waiting *waiting,
                         int64_t *passing, size_t to) {
    while (windows[to].theirs_only > 0 && waiting->first < waiting->end) {
        size_t from = waiting->indexes[waiting->end - 1];
        int64_t calls = least(windows[to].theirs_only, passing[from]);
        windows[from].ours_only -= calls;
        windows[from].agreed += calls;
        windows[from].moved += calls;
        windows[to].moved -= calls;
        windows[to].theirs_only -= calls;
        passing[from] -= calls;
        waiting->calls -= calls;
        if (passing[from] == 0)
            waiting->end--;
    }
}

/* No more may wait beyond a window than agreed within it; the oldest give up. */
static void let_pass(struct waiting *waiting, int64_t *passing, int64_t agreed) {
    while (waiting->calls > agreed) {
        size_t oldest = waiting->indexes[waiting->first];
        int64_t calls = least(passing[oldest], waiting->calls - agreed);
        passing[oldest] -= calls;
        waiting->calls -= calls;
        if (passing[oldest] == 0)
            waiting->first++;
    }
}

/* `passing` is, of a window's surplus of ours, what may still reach the window looked at. */
static void pair_moved(struct reconcile_report *report, struct waiting *waiting, int64_t *passing) {
    struct reconcile_window *windows = report->windows;
    for (size_t i = 0; i < report->count; i++) {
        bool follows = i > 0 && windows[i].begin_s - windows[i - 1].begin_s == USAGE_WINDOW_S;
        int64_t agreed = least(windows[i].ours, windows[i].theirs);
        if (!follows)
            let_pass(waiting, passing, 0);
        take_nearest(windows, waiting, passing, i);
        let_pass(waiting, passing, agreed);
        passing[i] = windows[i].ours_only;
        if (passing[i] == 0)
            continue;
        waiting->indexes[waiting->end++] = i;
        waiting->calls += passing[i];
    }
}

static void spread_moves(struct reconcile_report *report) {
    int64_t moved = 0;
    for (size_t i = 0; i < report->count; i++) {
        moved += report->windows[i].moved;
        report->windows[i].moved = moved;
    }
}

static void sum_up(struct reconcile_report *report) {
    struct reconcile_window *total = &report->total;
    for (size_t i = 0; i < report->count; i++) {
        const struct reconcile_window *window = &report->windows[i];
        total->ours += window->ours;
        total->theirs += window->theirs;
        total->agreed += window->agreed;
        total->moved += window->moved;
        total->ours_only += window->ours_only;
        total->theirs_only += window->theirs_only;
    }
}

bool reconcile_compare(const struct usage_window *ours, size_t ours_count,
                       const struct usage_window *theirs, size_t theirs_count,
                       struct reconcile_report *report, struct complaint *complaint) {
    size_t room = ours_count + theirs_count + 1;
    struct waiting waiting = {.indexes = calloc(room, sizeof *waiting.indexes)};
    int64_t *passing = calloc(room, sizeof *passing);
    *report = (struct reconcile_report){.windows = calloc(room, sizeof *report->windows)};
    bool good = waiting.indexes != NULL && passing != NULL && report->windows != NULL;
    if (good) {
        merge(ours, ours_count, theirs, theirs_count, report);
        pair_moved(report, &waiting, passing);
        spread_moves(report);
        sum_up(report);
    } else {
        reconcile_free(report);
        (void)complain(complaint, "there is no memory to compare %zu windows", room - 1);
    }
    free(waiting.indexes);
    free(passing);
    return good;
}

void reconcile_free(struct reconcile_report *report) {
    free(report->windows);
    *report = (struct reconcile_report){0};
}
