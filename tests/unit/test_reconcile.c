/* The ledger against the seller's account: known cases, and what holds for any two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/reconcile.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define WINDOWS      16
#define BEGIN_S      INT64_C(1521426601)

struct side {
    int64_t calls[WINDOWS]; /* by window; a window without calls is left out of what is compared */
};

static size_t list(const struct side *side, struct usage_window windows[WINDOWS]) {
    size_t count = 0;
    for (size_t i = 0; i < WINDOWS; i++) {
        if (side->calls[i] == 0)
            continue;
        windows[count++] =
            (struct usage_window){BEGIN_S + (int64_t)i * USAGE_WINDOW_S, side->calls[i]};
    }
    return count;
}

/* What must hold of every report. */
static void check(const struct reconcile_report *report) {
    struct reconcile_window total = {0};
    int64_t before = 0;
    for (size_t i = 0; i < report->count; i++) {
        const struct reconcile_window *window = &report->windows[i];
        bool follows = i > 0 && window->begin_s == report->windows[i - 1].begin_s + USAGE_WINDOW_S;
        assert_true(i == 0 || window->begin_s > report->windows[i - 1].begin_s);
        assert_true(follows || before == 0);
        assert_true(window->agreed >= 0 && window->ours_only >= 0 && window->theirs_only >= 0);
        assert_true(window->moved >= 0 && window->moved <= window->agreed);
        assert_true(window->ours_only == 0 || window->theirs_only == 0);
        assert_int_equal(window->ours, window->agreed + window->ours_only);
        assert_int_equal(window->theirs,
                         window->agreed - window->moved + before + window->theirs_only);
        before = window->moved;
        total.ours += window->ours;
        total.theirs += window->theirs;
        total.agreed += window->agreed;
        total.moved += window->moved;
        total.ours_only += window->ours_only;
        total.theirs_only += window->theirs_only;
    }
    assert_int_equal(before, 0);
    assert_memory_equal(&total, &report->total, sizeof total);
    assert_int_equal(total.agreed + total.ours_only, total.ours);
    assert_int_equal(total.agreed + total.theirs_only, total.theirs);
}

static void compare(const struct side *ours, const struct side *theirs,
                    struct reconcile_report *report) {
    struct usage_window our_windows[WINDOWS];
    struct usage_window their_windows[WINDOWS];
    struct complaint complaint;
    size_t our_count = list(ours, our_windows);
    size_t their_count = list(theirs, their_windows);
    assert_true(
        reconcile_compare(our_windows, our_count, their_windows, their_count, report, &complaint));
    check(report);
}

static void known_cases(void **state) {
    (void)state;
    static const struct {
        struct side ours, theirs;
        struct side ours_only, theirs_only, moved;
    } cases[] = {
        /* the same */
        {{{7, 6, 7}}, {{7, 6, 7}}, {{0}}, {{0}}, {{0}}},
        /* nothing on one side */
        {{{7, 0, 7}}, {{0}}, {{7, 0, 7}}, {{0}}, {{0}}},
        {{{0}}, {{7, 0, 7}}, {{0}}, {{7, 0, 7}}, {{0}}},
        /* late by one window, with and without more than that */
        {{{7, 6}}, {{5, 8}}, {{0}}, {{0}}, {{2}}},
        {{{7, 6}}, {{5, 7}}, {{1}}, {{0}}, {{1}}},
        {{{7, 6}}, {{5, 9}}, {{0}}, {{0, 1}}, {{2}}},
        {{{7}}, {{0, 7}}, {{0}}, {{0}}, {{7}}},
        /* never early */
        {{{5, 8}}, {{7, 6}}, {{0, 2}}, {{2}}, {{0}}},
        /* never late by two */
        {{{7}}, {{0, 0, 7}}, {{7}}, {{0, 0, 7}}, {{0}}},
        /* late in one window after the other: in between, as many came as went */
        {{{9, 9, 9}}, {{7, 9, 11}}, {{0}}, {{0}}, {{2, 2}}},
        {{{5, 5}}, {{0, 5, 5}}, {{0}}, {{0}}, {{5, 5}}},
        /* no more can pass a window than it has calls */
        {{{9, 1, 0}}, {{0, 1, 9}}, {{8}}, {{0, 0, 8}}, {{1, 1}}},
        {{{3, 1, 1}}, {{0, 1, 1, 3}}, {{2}}, {{0, 0, 0, 2}}, {{1, 1, 1}}},
        {{{3, 3, 1}}, {{0, 3, 0, 3}}, {{3, 0, 0}}, {{0, 0, 0, 2}}, {{0, 0, 1}}},
        /* what is missing is told where it is missing, not where calls were late */
        {{{9, 9, 9, 9}}, {{4, 9, 7, 11}}, {{5}}, {{0}}, {{0, 0, 2}}},
        /* the nearest pass first */
        {{{4, 6, 3}}, {{0, 3, 3, 3}}, {{4}}, {{0}}, {{0, 3, 3}}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reconcile_report report;
        struct side ours_only = {{0}};
        struct side theirs_only = {{0}};
        struct side moved = {{0}};
        compare(&cases[i].ours, &cases[i].theirs, &report);
        for (size_t j = 0; j < report.count; j++) {
            size_t at = (size_t)((report.windows[j].begin_s - BEGIN_S) / USAGE_WINDOW_S);
            ours_only.calls[at] = report.windows[j].ours_only;
            theirs_only.calls[at] = report.windows[j].theirs_only;
            moved.calls[at] = report.windows[j].moved;
        }
        if (memcmp(&ours_only, &cases[i].ours_only, sizeof ours_only) != 0 ||
            memcmp(&theirs_only, &cases[i].theirs_only, sizeof theirs_only) != 0 ||
            memcmp(&moved, &cases[i].moved, sizeof moved) != 0)
            fail_msg("case %zu", i);
        reconcile_free(&report);
    }
}

static void nothing_agrees_with_nothing(void **state) {
    (void)state;
    struct reconcile_report report;
    struct complaint complaint;
    assert_true(reconcile_compare(NULL, 0, NULL, 0, &report, &complaint));
    assert_int_equal(report.count, 0);
    check(&report);
    reconcile_free(&report);
}

/* A window that is there with no calls is as one that is not there. */
static void windows_without_calls_change_nothing(void **state) {
    (void)state;
    static const struct usage_window ours[] = {
        {BEGIN_S, 7}, {BEGIN_S + USAGE_WINDOW_S, 0}, {BEGIN_S + 2 * USAGE_WINDOW_S, 0}};
    static const struct usage_window theirs[] = {{BEGIN_S + 2 * USAGE_WINDOW_S, 7}};
    struct reconcile_report report;
    struct complaint complaint;
    assert_true(reconcile_compare(ours, 3, theirs, 1, &report, &complaint));
    check(&report);
    assert_int_equal(report.total.agreed, 0);
    reconcile_free(&report);
}

/* ---- whatever the counts are ---- */

/* Numerical Recipes' generator: the same cases in every run. */
static uint32_t below(uint32_t *seed, uint32_t bound) {
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 16) % bound;
}

static struct side random_side(uint32_t *seed, uint32_t most) {
    struct side side = {{0}};
    bool with_gaps = below(seed, 2) == 0;
    for (size_t i = 0; i < WINDOWS - 1; i++)
        side.calls[i] = with_gaps && below(seed, 3) == 0 ? 0 : below(seed, most + 1);
    return side;
}

static void calls_late_by_at_most_a_window_reconcile_fully(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        uint32_t most = 1 + below(&seed, 12);
        uint32_t share = 1 + below(&seed, 10);
        struct side ours = random_side(&seed, most);
        struct side theirs = ours;
        for (size_t i = 0; i < WINDOWS - 1; i++) {
            for (int64_t call = 0; call < ours.calls[i]; call++) {
                bool late = below(&seed, share) == 0;
                theirs.calls[i] -= late;
                theirs.calls[i + 1] += late;
            }
        }
        struct reconcile_report report;
        compare(&ours, &theirs, &report);
        assert_int_equal(report.total.ours_only, 0);
        assert_int_equal(report.total.theirs_only, 0);
        assert_int_equal(report.total.agreed, report.total.ours);
        reconcile_free(&report);
    }
}

/* The most calls that any pairing reaches: theirs takes first what could not be billed later. */
static int64_t most_agreed(const struct side *ours, const struct side *theirs) {
    int64_t agreed = 0;
    int64_t before = 0;
    for (size_t i = 0; i < WINDOWS; i++) {
        int64_t open = theirs->calls[i];
        int64_t late = open < before ? open : before;
        open -= late;
        int64_t same = open < ours->calls[i] ? open : ours->calls[i];
        before = ours->calls[i] - same;
        agreed += late + same;
    }
    return agreed;
}

static void no_pairing_leaves_fewer_over(void **state) {
    (void)state;
    uint32_t seed = 2;
    for (int round = 0; round < 20000; round++) {
        uint32_t most = 1 + below(&seed, 12);
        struct side ours = random_side(&seed, most);
        struct side theirs = random_side(&seed, most);
        struct reconcile_report report;
        compare(&ours, &theirs, &report);
        assert_int_equal(report.total.agreed, most_agreed(&ours, &theirs));
        reconcile_free(&report);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_cases),
        cmocka_unit_test(nothing_agrees_with_nothing),
        cmocka_unit_test(windows_without_calls_change_nothing),
        cmocka_unit_test(calls_late_by_at_most_a_window_reconcile_fully),
        cmocka_unit_test(no_pairing_leaves_fewer_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
