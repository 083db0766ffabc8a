#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/period.h"

#define HOUR_MS INT64_C(3600000)

static void zones_are_checked_by_name_and_file(void **state) {
    static const char *const good[] = {"Asia/Shanghai", "UTC", "America/Argentina/Buenos_Aires",
                                       "Etc/GMT+8"};
    static const char *const bad[] = {"",     "Nowhere/Town",   "/etc/passwd", "../../etc/passwd",
                                      "Asia", "Asia/Shanghai ", "tzdata.zi",   "zone.tab"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_null(period_check_zone(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(period_check_zone(bad[i]));
}

/* Made with another implementation: Python's zoneinfo. */
static const struct {
    const char *zone;
    int64_t moment_s;
    const char *day;
    int64_t begin_s;
    int hours;
} days[] = {
    {"Asia/Shanghai", 1795622399, "2026-11-25", 1795536000, 24},
    {"Asia/Shanghai", 1795622400, "2026-11-26", 1795622400, 24},
    {"UTC", 1795622400, "2026-11-25", 1795564800, 24},
    {"America/New_York", 1772953200, "2026-03-08", 1772946000, 23},
    {"America/New_York", 1793505600, "2026-11-01", 1793505600, 25},
    {"Europe/Berlin", 1774738800, "2026-03-29", 1774738800, 23},
    {"Europe/Berlin", 1792886400, "2026-10-25", 1792879200, 25},
    {"America/Sao_Paulo", 1541300400, "2018-11-04", 1541300400, 23}, /* begins at one o'clock */
    {"America/Sao_Paulo", 1541300399, "2018-11-03", 1541214000, 24},
    {"Africa/Cairo", 1777024800, "2026-04-24", 1776981600, 23}, /* the same */
};

static void days_turn_at_the_zones_midnight(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        assert_null(period_check_zone(days[i].zone));
        period_set_zone(days[i].zone);
        /* A moment of another year first, so that nothing is kept of the zone before. */
        (void)period_day(days[i].moment_s * 1000 - 400 * 24 * HOUR_MS);
        const struct period day = period_day(days[i].moment_s * 1000);
        assert_string_equal(day.label, days[i].day);
        assert_int_equal(day.begin_ms, days[i].begin_s * 1000);
        assert_int_equal(day.end_ms - day.begin_ms, days[i].hours * HOUR_MS);
        const struct period next = period_day(day.end_ms);
        assert_int_equal(next.begin_ms, day.end_ms);
        assert_string_not_equal(next.label, day.label);
    }
}

static void every_moment_of_a_year_has_its_day(void **state) {
    static const char *const zones[] = {"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"};
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        period_set_zone(zones[i]);
        int64_t at = period_day(INT64_C(1767225600000)).end_ms;
        for (int day = 0; day < 365; day++) {
            const struct period period = period_day(at);
            assert_int_equal(period.begin_ms, at);
            assert_string_equal(period_day(period.end_ms - 1).label, period.label);
            assert_memory_equal(period_month(at).label, period.label, 7);
            at = period.end_ms;
        }
    }
}

static void months_are_parsed_and_follow_each_other(void **state) {
    static const char *const bad[] = {"",        "2026",       "2026-13", "2026-00", "2026-1",
                                      "1969-12", "2026-11-25", "2026/11", "x026-11"};
    struct period month;
    (void)state;
    period_set_zone("Asia/Shanghai");
    assert_true(period_parse_month("2026-12", &month));
    assert_string_equal(month.label, "2026-12");
    assert_int_equal(month.begin_ms, INT64_C(1796054400000));
    assert_int_equal(month.end_ms - month.begin_ms, 31 * 24 * HOUR_MS);
    assert_string_equal(period_month(month.end_ms).label, "2027-01");
    assert_string_equal(period_month(month.begin_ms - 1).label, "2026-11");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(period_parse_month(bad[i], &month));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_are_checked_by_name_and_file),
        cmocka_unit_test(days_turn_at_the_zones_midnight),
        cmocka_unit_test(every_moment_of_a_year_has_its_day),
        cmocka_unit_test(months_are_parsed_and_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
