/* Comma-separated values: rows and fields as RFC 4180 has them, with the lines they begin on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/csv.h"
#include "runtime/text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* "1[a|b] 3[c]": each row's line and fields; "!" and the complaint where it is broken. */
static void describe(const char *input, char *description, size_t room) {
    size_t size = strlen(input);
    /* Exactly as long as the input, so that a sanitizer sees what reads or writes behind it. */
    char *bytes = malloc(size > 0 ? size : 1);
    assert_non_null(bytes);
    memcpy(bytes, input, size);
    struct csv csv = csv_over(bytes, size);
    struct csv_row row;
    struct complaint complaint = {""};
    struct text text = text_over(description, room);
    enum csv_step step;
    while ((step = csv_next(&csv, &row, &complaint)) == CSV_ROW) {
        text_addf(&text, "%s%zu[", text.size > 0 ? " " : "", row.line);
        for (size_t i = 0; i < row.count; i++) {
            text_add(&text, i > 0 ? "|" : "");
            text_add_bytes(&text, row.fields[i].at, row.fields[i].size);
        }
        text_add(&text, "]");
    }
    if (step == CSV_BROKEN) {
        text_addf(&text, "!%s", complaint.text);
        assert_int_equal(csv_next(&csv, &row, &complaint), CSV_END);
    }
    assert_false(text.cut);
    free(bytes);
}

static void rows_are_read(void **state) {
    (void)state;
    static const struct {
        const char *input, *rows;
    } cases[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"\xef\xbb\xbf", ""},
        {"a", "1[a]"},
        {"a,b\nc,d\n", "1[a|b] 2[c|d]"},
        {"a,b\r\nc,d\r\n", "1[a|b] 2[c|d]"},
        {"a,b\r\nc,d", "1[a|b] 2[c|d]"},
        {"a,b\r\nc,d\r", "1[a|b] 2[c|d]"},
        {"\xef\xbb\xbf"
         "a,b\n",
         "1[a|b]"},
        {"\xef\xbb\xbf\"a\",b\n", "1[a|b]"},
        {"a\xef\xbb\xbf", "1[a\xef\xbb\xbf]"},
        {"\n\r\na\n\n\nb\n\n", "3[a] 6[b]"},
        {",", "1[|]"},
        {",,\na,", "1[||] 2[a|]"},
        {"\"\"", "1[]"},
        {"\"a\"", "1[a]"},
        {"\"a,b\",c", "1[a,b|c]"},
        {"\"a\"\"b\",\"\"\"\",\"\"\"\"\"\"", "1[a\"b|\"|\"\"]"},
        {"\"a\nb\r\n\",c\nd", "1[a\nb\r\n|c] 4[d]"},
        {"\"a\"\r\n\"b\"\r\n", "1[a] 2[b]"},
        {" a , b \n", "1[ a | b ]"},
        {"a\rb,c\r\r\nd", "1[a\rb|c\r] 2[d]"},
        {"a\"b\"\"c\",d", "1[a\"b\"\"c\"|d]"},
        {" \"a\",b", "1[ \"a\"|b]"},
        {"\"a\"b\"c,d", "1[ab\"c|d]"},
        {"\"7\"次", "1[7次]"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char rows[256];
        describe(cases[i].input, rows, sizeof rows);
        assert_string_equal(rows, cases[i].rows);
    }
}

static void a_quote_that_is_never_closed_is_named_by_its_line(void **state) {
    (void)state;
    static const struct {
        const char *input, *rows;
    } cases[] = {
        {"\"", "!line 1: a quote is opened here and never closed"},
        {"a\n\nb,\"c\nd\ne", "1[a]!line 3: a quote is opened here and never closed"},
        {"\"a\n\",\"b\"\"\n", "!line 2: a quote is opened here and never closed"},
        {"\"a\"\"", "!line 1: a quote is opened here and never closed"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char rows[256];
        describe(cases[i].input, rows, sizeof rows);
        assert_string_equal(rows, cases[i].rows);
    }
}

static void more_fields_than_are_kept_are_counted(void **state) {
    (void)state;
    char bytes[3 * CSV_FIELDS_MAX + 2];
    struct text text = text_over(bytes, sizeof bytes);
    for (int i = 0; i < CSV_FIELDS_MAX + 10; i++)
        text_add(&text, "x,");
    text_add(&text, "\ny");
    assert_false(text.cut);

    struct csv csv = csv_over(bytes, text.size);
    struct csv_row row;
    struct complaint complaint;
    assert_int_equal(csv_next(&csv, &row, &complaint), CSV_ROW);
    assert_int_equal(row.count, CSV_FIELDS_MAX + 11);
    assert_memory_equal(row.fields[CSV_FIELDS_MAX - 1].at, "x", 1);
    assert_int_equal(csv_next(&csv, &row, &complaint), CSV_ROW);
    assert_int_equal(row.line, 2);
    assert_int_equal(row.count, 1);
    assert_int_equal(csv_next(&csv, &row, &complaint), CSV_END);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read),
        cmocka_unit_test(a_quote_that_is_never_closed_is_named_by_its_line),
        cmocka_unit_test(more_fields_than_are_kept_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
