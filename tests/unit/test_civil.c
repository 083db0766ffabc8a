/* Moments as people write them: read, refused, and written in China's time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/civil.h"

static void what_is_a_moment_is_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_ms;
    } moments[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-02", INT64_C(57600000)},
        {"2026-11-24", INT64_C(1795449600000)},
        {"2026-11-24T00:00:00+08:00", INT64_C(1795449600000)},
        {"2026-11-24T00:00:00 08:00", INT64_C(1795449600000)},
        {"2026-11-23T16:00:00Z", INT64_C(1795449600000)},
        {"2026-11-23t16:00:00z", INT64_C(1795449600000)},
        {"2026-11-23T12:30:00-03:30", INT64_C(1795449600000)},
        {"2026-11-23T16:00:00.5Z", INT64_C(1795449600500)},
        {"2026-11-23T16:00:00.123456789Z", INT64_C(1795449600123)},
        {"2028-02-29T00:00:00Z", INT64_C(1835395200000)},
    };
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        int64_t unix_ms = -1;
        if (!civil_parse(moments[i].text, strlen(moments[i].text), &unix_ms))
            fail_msg("%s is refused", moments[i].text);
        if (unix_ms != moments[i].unix_ms)
            fail_msg("%s is %lld", moments[i].text, (long long)unix_ms);
    }
}

static void what_is_none_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "yesterday",
        "2026",
        "2026-11",
        "2026-11-2",
        "2026-11-240",
        "2026-11-31",
        "2027-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-11-00",
        "1969-12-31",
        "9999-01-01",
        "+2026-11-24",
        "2026-11-24T",
        "2026-11-24T10:00:00",
        "2026-11-24T10:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T10:60:00Z",
        "2026-11-24T10:00:60Z",
        "2026-11-24T10:00:00.Z",
        "2026-11-24T10:00:00.1234567890Z",
        "2026-11-24T10:00:00+0800",
        "2026-11-24T10:00:00+24:00",
        "2026-11-24T10:00:00+08:60",
        "2026-11-24T10:00:00Zx",
        "2026-11-24 10:00:00Z",
        "2026/11/24",
        " 2026-11-24",
        "2026-11-24 ",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t unix_ms = 0;
        if (civil_parse(wrong[i], strlen(wrong[i]), &unix_ms))
            fail_msg("%s is accepted", wrong[i]);
    }
}

static void a_zero_byte_ends_no_moment(void **state) {
    (void)state;
    int64_t unix_ms = 0;
    assert_false(civil_parse("2026-11-24\0", 11, &unix_ms));
    assert_false(civil_parse("2026-11-\0\0", 10, &unix_ms));
}

static void moments_are_written_in_chinas_time(void **state) {
    (void)state;
    char text[CIVIL_SIZE];
    civil_format(INT64_C(1795449600007), text);
    assert_string_equal(text, "2026-11-24T00:00:00.007+08:00");
    civil_format_plain(INT64_C(1795449600999), text);
    assert_string_equal(text, "2026-11-24 00:00:00");
    civil_format(0, text);
    assert_string_equal(text, "1970-01-01T08:00:00.000+08:00");
    civil_format(-1, text);
    assert_string_equal(text, "1970-01-01T07:59:59.999+08:00");
}

/* Of each tenth day and its neighbours from the year -1000 to 10000, at its first and last second.
 */
static void days_have_the_dates_of_the_calendar(void **state) {
    (void)state;
    for (int64_t day = -1085000; day < 2933000; day += day % 10 == 1 ? 8 : 1) {
        for (int last = 0; last < 2; last++) {
            time_t moment = (time_t)(day * 86400 + (last ? 86399 : 0));
            struct tm tm;
            gmtime_r(&moment, &tm);
            struct civil_time time = civil_time_of(moment);
            if (time.year != tm.tm_year + 1900 || time.month != tm.tm_mon + 1 ||
                time.day != tm.tm_mday)
                fail_msg("day %lld is %d-%d-%d", (long long)day, time.year, time.month, time.day);
            if (time.hour != tm.tm_hour || time.minute != tm.tm_min || time.second != tm.tm_sec)
                fail_msg("of day %lld: %d:%d:%d", (long long)day, time.hour, time.minute,
                         time.second);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_moment_is_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(a_zero_byte_ends_no_moment),
        cmocka_unit_test(moments_are_written_in_chinas_time),
        cmocka_unit_test(days_have_the_dates_of_the_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
