#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/budget.h"

#define NOW       INT64_C(1000)
#define DAY_END   INT64_C(5000)
#define MONTH_END INT64_C(9000)
#define NONE      (-1)

/* Lines: calls bought (-1: unmetered), used, when they expire. */
struct line {
    int64_t calls, used, expires;
};

static const struct {
    const char *name;
    struct line lines[3];
    int count;
    int64_t day, month, percent; /* limits */
    bool shadow;
    int64_t day_used, month_used;
    int line; /* the verdict: which one is drawn from, or NONE */
    enum budget_bound bound;
    int64_t limit, used, resets;
} cases[] = {
    {"unmetered, no limits", {{-1, 0, 0}}, 1, -1, -1, 0, false, 9, 9, 0, BUDGET_FITS, 0, 0, 0},
    {"no line at all", {{0}}, 0, -1, -1, 0, false, 0, 0, NONE, BUDGET_EXHAUSTED, 0, 0, 0},
    {"the last of a package", {{5, 4, 0}}, 1, -1, -1, 0, false, 0, 0, 0, BUDGET_FITS, 0, 0, 0},
    {"one more", {{5, 5, 0}}, 1, -1, -1, 0, false, 0, 0, NONE, BUDGET_EXHAUSTED, 5, 5, 0},
    {"of nothing", {{0, 0, 0}}, 1, -1, -1, 0, false, 0, 0, NONE, BUDGET_EXHAUSTED, 0, 0, 0},
    {"a package made smaller than what was used",
     {{3, 5, 0}},
     1,
     -1,
     -1,
     0,
     false,
     0,
     0,
     NONE,
     BUDGET_EXHAUSTED,
     3,
     5,
     0},
    {"the next line", {{5, 5, 0}, {5, 0, 0}}, 2, -1, -1, 0, false, 0, 0, 1, BUDGET_FITS, 0, 0, 0},
    {"it expires this moment",
     {{5, 0, NOW}, {5, 0, 0}},
     2,
     -1,
     -1,
     0,
     false,
     0,
     0,
     1,
     BUDGET_FITS,
     0,
     0,
     0},
    {"it expires the next", {{5, 0, NOW + 1}}, 1, -1, -1, 0, false, 0, 0, 0, BUDGET_FITS, 0, 0, 0},
    {"all expired tells of none",
     {{5, 2, NOW - 1}},
     1,
     -1,
     -1,
     0,
     false,
     0,
     0,
     NONE,
     BUDGET_EXHAUSTED,
     0,
     0,
     0},
    {"the last of a day", {{-1, 0, 0}}, 1, 3, -1, 0, false, 2, 2, 0, BUDGET_FITS, 0, 0, 0},
    {"a day's end", {{-1, 0, 0}}, 1, 3, -1, 0, false, 3, 3, NONE, BUDGET_DAY, 3, 3, DAY_END},
    {"a day without calls",
     {{-1, 0, 0}},
     1,
     0,
     -1,
     0,
     false,
     0,
     0,
     NONE,
     BUDGET_DAY,
     0,
     0,
     DAY_END},
    {"a month's end", {{-1, 0, 0}}, 1, 9, 3, 0, false, 1, 3, NONE, BUDGET_MONTH, 3, 3, MONTH_END},
    {"the day is told before the month",
     {{-1, 0, 0}},
     1,
     3,
     3,
     0,
     false,
     3,
     3,
     NONE,
     BUDGET_DAY,
     3,
     3,
     DAY_END},
    {"the quota is told before the package",
     {{1, 1, 0}},
     1,
     3,
     -1,
     0,
     false,
     3,
     3,
     NONE,
     BUDGET_DAY,
     3,
     3,
     DAY_END},
    {"in shadow a quota is only told",
     {{-1, 0, 0}},
     1,
     3,
     -1,
     0,
     true,
     3,
     3,
     0,
     BUDGET_DAY,
     3,
     3,
     DAY_END},
    {"in shadow a package still ends",
     {{1, 1, 0}},
     1,
     3,
     -1,
     0,
     true,
     3,
     3,
     NONE,
     BUDGET_EXHAUSTED,
     1,
     1,
     0},
    {"a reserve not reached", {{10, 5, 0}}, 1, -1, -1, 40, false, 0, 0, 0, BUDGET_FITS, 0, 0, 0},
    {"a reserve reached", {{10, 6, 0}}, 1, -1, -1, 40, false, 0, 0, NONE, BUDGET_RESERVED, 6, 6, 0},
    {"a reserve is rounded up",
     {{3, 1, 0}},
     1,
     -1,
     -1,
     50,
     false,
     0,
     0,
     NONE,
     BUDGET_RESERVED,
     1,
     1,
     0},
    {"all is reserved", {{3, 0, 0}}, 1, -1, -1, 100, false, 0, 0, NONE, BUDGET_RESERVED, 0, 0, 0},
    {"in shadow a reserve is only told",
     {{3, 0, 0}},
     1,
     -1,
     -1,
     100,
     true,
     0,
     0,
     0,
     BUDGET_RESERVED,
     0,
     0,
     0},
    {"of lines in force only",
     {{10, 10, 0}, {10, 0, NOW}, {10, 5, 0}},
     3,
     -1,
     -1,
     40,
     false,
     0,
     0,
     2,
     BUDGET_FITS,
     0,
     0,
     0},
    {"without a meter there is nothing to reserve",
     {{-1, 0, 0}, {10, 9, 0}},
     2,
     -1,
     -1,
     50,
     false,
     0,
     0,
     0,
     BUDGET_FITS,
     0,
     0,
     0},
    {"large packages do not overflow",
     {{1000000000, 999999998, 0}},
     1,
     -1,
     -1,
     0,
     false,
     0,
     0,
     0,
     BUDGET_FITS,
     0,
     0,
     0},
};

static void each_case_is_judged(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct budget_plan *plan = budget_plan_new(cases[i].count);
        int64_t used[3];
        assert_non_null(plan);
        for (int line = 0; line < cases[i].count; line++) {
            plan->lines[line].calls = cases[i].lines[line].calls;
            plan->lines[line].expires_at_ms = cases[i].lines[line].expires;
            used[line] = cases[i].lines[line].used;
        }
        const struct budget budget = {
            .plan = plan,
            .limits = {cases[i].day, cases[i].month, cases[i].percent, cases[i].shadow},
        };
        struct budget_finding finding = {.day_used = cases[i].day_used,
                                         .month_used = cases[i].month_used};
        int line = budget_judge(&budget, used, DAY_END, MONTH_END, NOW, &finding);
        if (line != cases[i].line || finding.bound != cases[i].bound)
            fail_msg("%s: line %d, bound %d", cases[i].name, line, (int)finding.bound);
        assert_int_equal(finding.limit, cases[i].limit);
        assert_int_equal(finding.used, cases[i].used);
        assert_int_equal(finding.resets_at_ms, cases[i].resets);
        assert_int_equal(finding.day_used, cases[i].day_used);
        assert_int_equal(finding.month_used, cases[i].month_used);
        budget_plan_release(plan);
    }
}

static void a_plan_lives_as_long_as_somebody_has_it(void **state) {
    struct budget_plan *plan = budget_plan_new(1);
    (void)state;
    budget_plan_retain(plan);
    budget_plan_release(plan);
    plan->lines[0].calls = 7;
    assert_int_equal(plan->lines[0].calls, 7);
    budget_plan_release(plan);
    budget_plan_release(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_is_judged),
        cmocka_unit_test(a_plan_lives_as_long_as_somebody_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
