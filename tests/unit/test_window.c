/* The seller's ten-minute windows, by the rows of its own guide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/window.h"
#include "runtime/civil.h"

static int64_t at(const char *text) {
    int64_t unix_ms = 0;
    if (!civil_parse(text, strlen(text), &unix_ms))
        fail_msg("%s is no time", text);
    return unix_ms;
}

static void assert_window(const char *moment, const char *wanted) {
    const struct window window = {window_begin(at(moment)), 1};
    char text[WINDOW_TEXT_SIZE];
    window_format(&window, text);
    assert_string_equal(text, wanted);
}

static void a_window_begins_one_second_past_the_mark(void **state) {
    (void)state;
    static const char first[] = "2018-03-19 10:40:01 - 2018-03-19 10:50:01";
    static const char second[] = "2018-03-19 10:50:01 - 2018-03-19 11:00:01";
    assert_window("2018-03-19T10:40:01+08:00", first);
    assert_window("2018-03-19T10:50:00+08:00", first);
    assert_window("2018-03-19T10:50:00.999+08:00", first);
    assert_window("2018-03-19T10:50:01+08:00", second);
    assert_window("2018-03-19T02:55:00Z", second);
    assert_window("2018-03-19T11:00:00.999+08:00", second);
}

static void a_window_may_span_midnight_in_china(void **state) {
    (void)state;
    assert_window("2018-12-31T16:00:00Z", "2018-12-31 23:50:01 - 2019-01-01 00:00:01");
    assert_window("2018-12-31T16:00:01Z", "2019-01-01 00:00:01 - 2019-01-01 00:10:01");
    assert_int_equal(window_begin(0), -599000);
}

static void windows_are_listed_oldest_first_whatever_the_order_of_calls(void **state) {
    (void)state;
    static const char *const calls[] = {
        "2018-03-19T10:55:00+08:00", "2018-03-19T10:45:00+08:00", "2018-03-19T12:00:00+08:00",
        "2018-03-19T10:55:01+08:00", "2018-03-19T10:50:00+08:00", "2018-03-19T11:59:00+08:00",
    };
    struct window_list list = {0};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        assert_true(window_add(&list, at(calls[i])));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.windows[0].begin_ms, at("2018-03-19T10:40:01+08:00"));
    assert_int_equal(list.windows[0].calls, 2);
    assert_int_equal(list.windows[1].begin_ms, at("2018-03-19T10:50:01+08:00"));
    assert_int_equal(list.windows[1].calls, 2);
    assert_int_equal(list.windows[2].begin_ms, at("2018-03-19T11:50:01+08:00"));
    assert_int_equal(list.windows[2].calls, 2);
    window_list_free(&list);
    assert_int_equal(list.count, 0);
}

static void many_windows_keep_their_counts(void **state) {
    (void)state;
    struct window_list list = {0};
    for (int64_t i = 999; i >= 0; i--) {
        for (int64_t call = 0; call <= i % 3; call++)
            assert_true(window_add(&list, i * WINDOW_MS + 1000 + call));
    }
    assert_int_equal(list.count, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(list.windows[i].begin_ms, i * WINDOW_MS + 1000);
        assert_int_equal(list.windows[i].calls, i % 3 + 1);
    }
    window_list_free(&list);
}

static void what_was_billed_or_may_have_been_counts(void **state) {
    (void)state;
    static const struct {
        enum ledger_state state;
        enum billed billed;
        bool ended;
        bool counts;
    } rows[] = {
        {LEDGER_SETTLED, BILLED_YES, true, true},     {LEDGER_SETTLED, BILLED_NO, true, false},
        {LEDGER_UNKNOWN, BILLED_UNKNOWN, true, true}, {LEDGER_UNKNOWN, BILLED_NO, false, true},
        {LEDGER_RELEASED, BILLED_NO, true, false},    {LEDGER_RESERVED, BILLED_NO, false, false},
        {LEDGER_RESERVED, BILLED_YES, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct store_row row = {
            .ended = rows[i].ended,
            .outcome = {.state = rows[i].state, .billed = rows[i].billed},
        };
        if (window_counts(&row) != rows[i].counts)
            fail_msg("row %zu counts otherwise", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_begins_one_second_past_the_mark),
        cmocka_unit_test(a_window_may_span_midnight_in_china),
        cmocka_unit_test(windows_are_listed_oldest_first_whatever_the_order_of_calls),
        cmocka_unit_test(many_windows_keep_their_counts),
        cmocka_unit_test(what_was_billed_or_may_have_been_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
