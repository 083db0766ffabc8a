/* Tables: widths as a terminal has them, numbers digit by digit, nothing that commands a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "command/table.h"

static const struct table_column columns[] = {
    {"NAME", "name", TABLE_TEXT, 0},
    {"USED", "usage.day.used", TABLE_NUMBER, 0},
    {"CNY", "priceCny", TABLE_NUMBER, 0},
    {"NOTE", "note", TABLE_TEXT, 0},
    {0},
};

static struct json_span span(const char *text) {
    assert_true(json_scan_strict(text, strlen(text)));
    return (struct json_span){text, strlen(text)};
}

/* What is printed by `print`, which gets `json`. */
static void assert_prints(bool (*print)(const char *json, FILE *out), const char *json,
                          const char *wanted) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_true(print(json, out));
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static bool print_whole(const char *json, FILE *out) {
    struct table table = table_of(columns);
    table_add_all(&table, span(json));
    return table_print(&table, out);
}

static bool print_members(const char *json, FILE *out) {
    return table_print_members(columns, span(json), out);
}

static bool print_streamed(const char *json, FILE *out) {
    static const struct table_column streamed[] = {
        {"A", "a", TABLE_TEXT, 4}, {"B", "b", TABLE_NUMBER, 3}, {0}};
    table_print_titles(streamed, out);
    return table_print_line(streamed, span(json), out);
}

static void columns_are_as_wide_as_they_must_be(void **state) {
    (void)state;
    assert_prints(print_whole, "[]", "NAME  USED  CNY  NOTE\n");
    assert_prints(print_whole,
                  "[{\"name\":\"shop\",\"usage\":{\"day\":{\"used\":7}},\"priceCny\":288.00,"
                  "\"note\":true},"
                  " {\"name\":\"a\",\"usage\":{\"day\":{\"used\":123456}},\"priceCny\":0.10,"
                  "\"note\":null}]",
                  "NAME    USED     CNY  NOTE\n"
                  "shop       7  288.00  yes\n"
                  "a     123456    0.10  -\n");
}

static void han_characters_take_two_columns(void **state) {
    (void)state;
    assert_prints(print_whole,
                  "[{\"name\":\"风控中心\",\"priceCny\":1},{\"name\":\"e\\u0301tude\"}]",
                  "NAME      USED  CNY  NOTE\n"
                  "风控中心     -    1  -\n"
                  "e\xcc\x81tude        -    -  -\n");
}

static void numbers_stand_as_they_came(void **state) {
    (void)state;
    static const char *const numbers[] = {"0.10", "225000.00", "9007199254740993", "-1", "1.50"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char *cell = table_cell(TABLE_NUMBER, span(numbers[i]));
        assert_string_equal(cell, numbers[i]);
        free(cell);
    }
}

static void no_text_commands_a_terminal(void **state) {
    (void)state;
    static const struct {
        const char *json, *cell;
    } cases[] = {
        {"\"\\u001b[2J\\r\\n\\t\"", "?[2J???"},
        {"\"\\u202eabc\"", "?abc"},
        {"\"\\u009b1m\"", "?1m"},
        {"\"\\u2028\\u200b\"", "??"},
        {"\"张三·Ω\"", "张三·Ω"},
        {"\"\"", ""},
        {"\"a\\\"b\"", "a\"b"},
        {"\"\xff\"", "?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *json = cases[i].json;
        char *cell = table_cell(TABLE_TEXT, (struct json_span){json, strlen(json)});
        assert_string_equal(cell, cases[i].cell);
        free(cell);
    }
}

static void times_are_shown_in_the_zone(void **state) {
    (void)state;
    static const struct {
        const char *zone, *json, *cell;
    } cases[] = {
        {"Asia/Shanghai", "\"2026-11-24T18:00:00Z\"", "2026-11-25T02:00:00+08:00"},
        {"Asia/Shanghai", "\"2026-11-24T18:00:00.123Z\"", "2026-11-25T02:00:00+08:00"},
        {"America/St_Johns", "\"2026-11-24T02:00:00Z\"", "2026-11-23T22:30:00-03:30"},
        {"UTC", "\"2026-11-24T02:00:00Z\"", "2026-11-24T02:00:00+00:00"},
        {"Asia/Shanghai", "\"2026-11-24T02:00:00+08:00\"", "2026-11-24T02:00:00+08:00"},
        {"Asia/Shanghai", "\"yesterday\"", "yesterday"},
        {"Asia/Shanghai", "null", "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("TZ", cases[i].zone, 1);
        tzset();
        char *cell = table_cell(TABLE_TIME, span(cases[i].json));
        assert_string_equal(cell, cases[i].cell);
        free(cell);
    }
}

static void lines_that_stream_have_their_columns_widths(void **state) {
    (void)state;
    assert_prints(print_streamed, "{\"a\":\"中\",\"b\":12}", "A       B\n中     12\n");
    assert_prints(print_streamed, "{\"a\":\"longer\",\"b\":12345}", "A       B\nlonger  12345\n");
}

static void members_stand_below_each_other(void **state) {
    (void)state;
    assert_prints(print_members, "{\"name\":\"shop\",\"priceCny\":1.00,\"usage\":{}}",
                  "NAME  shop\nUSED  -\nCNY   1.00\nNOTE  -\n");
}

static void cells_can_be_put_one_by_one(void **state) {
    (void)state;
    static const struct table_column two[] = {
        {"A", "", TABLE_TEXT, 0}, {"B", "", TABLE_NUMBER, 0}, {0}};
    struct table table = table_of(two);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < 100; i++) {
        table_put(&table, "t\n");
        table_put_value(&table, TABLE_NUMBER, span("7"));
    }
    assert_int_equal(table_lines(&table), 100);
    assert_true(table_print(&table, out));
    fclose(out);
    assert_memory_equal(text, "A   B\nt?  7\nt?  7\n", 18);
    assert_int_equal(size, 101 * 6);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_they_must_be),
        cmocka_unit_test(han_characters_take_two_columns),
        cmocka_unit_test(numbers_stand_as_they_came),
        cmocka_unit_test(no_text_commands_a_terminal),
        cmocka_unit_test(times_are_shown_in_the_zone),
        cmocka_unit_test(lines_that_stream_have_their_columns_widths),
        cmocka_unit_test(members_stand_below_each_other),
        cmocka_unit_test(cells_can_be_put_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
