/* The seller's usage export: what is read of good files, which rows are left out, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/usage_export.h"
#include "runtime/text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define HEADINGS "流水编号,处理时间,备注,消耗\n"
/* 2018-03-19 10:30:01 in China Standard Time. */
#define BEGIN_S INT64_C(1521426601)

/* Reads a copy that is exactly as long as the file, for the sanitizers. */
static bool read_bytes(const char *bytes, size_t size, struct usage_export *usage,
                       struct complaint *complaint) {
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    bool good = usage_export_read(copy, size, usage, complaint);
    assert_memory_equal(copy, bytes, size);
    free(copy);
    return good;
}

static void read_good(const char *file, struct usage_export *usage) {
    struct complaint complaint = {""};
    if (!read_bytes(file, strlen(file), usage, &complaint))
        fail_msg("%s", complaint.text);
}

static void assert_windows(const struct usage_export *usage, const struct usage_window *windows,
                           size_t count) {
    int64_t calls = 0;
    assert_int_equal(usage->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(usage->windows[i].begin_s, windows[i].begin_s);
        assert_int_equal(usage->windows[i].count, windows[i].count);
        calls += windows[i].count;
    }
    assert_int_equal(usage->calls, calls);
}

static const struct usage_window sample[] = {
    {BEGIN_S, 7}, {BEGIN_S + USAGE_WINDOW_S, 6}, {BEGIN_S + 2 * USAGE_WINDOW_S, 7}};

/* All of them are the example of the seller's guide. */
static void every_shape_of_the_sample_is_read(void **state) {
    (void)state;
    static const char *const files[] = {
        HEADINGS "455784350650,2018-03-19 10:50:01 - 2018-03-19 11:00:01,套餐包消耗,7次\n"
                 "455765670650,2018-03-19 10:40:01 - 2018-03-19 10:50:01,套餐包消耗,6次\n"
                 "455746900650,2018-03-19 10:30:01 - 2018-03-19 10:40:01,套餐包消耗,7次\n",
        /* a byte order mark, quotes, Windows' line ends, no last one */
        "\xef\xbb\xbf\"流水编号\",\"处理时间\",\"备注\",\"消耗\"\r\n"
        "\"1\",\"2018-03-19 10:50:01 - 2018-03-19 11:00:01\",\"a,\"\"b\"\"\r\n\",\"7\"\r\n"
        "\"2\",\"2018-03-19 10:40:01 - 2018-03-19 10:50:01\",,\"6次\"\r\n"
        "\"3\",\"2018-03-19 10:30:01 - 2018-03-19 10:40:01\",,\"7 次\"",
        /* other columns in another order, blanks, blank rows, rows of different lengths */
        "\n,,\n 消耗\t,\xc2\xa0处理时间　\n"
        "7,2018-03-19 10:50:01-2018-03-19 11:00:01\n , \n"
        "\t6次 ,　2018-03-19 10:40:01　-　2018-03-19  10:50:01,more,and more\n"
        "007次,\t2018-03-19 10:30:01 － 2018-03-19　10:40:01\t\n,,,\n",
        /* rows of one window add up; one with nothing is none */
        HEADINGS ",2018-03-19 10:30:01 - 2018-03-19 10:40:01,,3次\n"
                 ",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,7次\n"
                 ",2018-03-19 10:30:01 - 2018-03-19 10:40:01,,0次\n"
                 ",2018-03-19 11:30:01 - 2018-03-19 11:40:01,,0次\n"
                 ",2018-03-19 10:40:01 - 2018-03-19 10:50:01,,6次\n"
                 ",2018-03-19 10:30:01 - 2018-03-19 10:40:01,,4次\n",
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        struct usage_export usage;
        read_good(files[i], &usage);
        assert_int_equal(usage.fault_count, 0);
        assert_windows(&usage, sample, COUNT(sample));
        usage_export_free(&usage);
    }
}

static void gbk_is_read(void **state) {
    (void)state;
    static const char file[] =
        /* 流水编号,处理时间,备注,消耗 */
        "\xc1\xf7\xcb\xae\xb1\xe0\xba\xc5,\xb4\xa6\xc0\xed\xca\xb1\xbc\xe4,\xb1\xb8\xd7\xa2,"
        "\xcf\xfb\xba\xc4\r\n"
        "1,2018-03-19 10:50:01 - 2018-03-19 11:00:01,"
        /* 套餐包消耗, then one whose second byte is that of a backslash, then one of four bytes */
        "\xcc\xd7\xb2\xcd\xb0\xfc\xcf\xfb\xba\xc4\x81\x5c\x81\x30\x81\x30,7\xb4\xce\r\n"
        "2,2018-03-19 10:40:01\xa1\xa1\xa3\xad\xa1\xa1"
        "2018-03-19 10:50:01,,6\xb4\xce\r\n"
        "3,2018-03-19 10:30:01 - 2018-03-19 10:40:01,,7\r\n";
    struct usage_export usage;
    read_good(file, &usage);
    assert_int_equal(usage.fault_count, 0);
    assert_windows(&usage, sample, COUNT(sample));
    usage_export_free(&usage);
}

static void days_and_years_are_crossed(void **state) {
    (void)state;
    static const struct usage_window windows[] = {
        {INT64_C(1582905001), 1}, {INT64_C(1582991401), 1}, {INT64_C(1798732201), 1}};
    struct usage_export usage;
    read_good(HEADINGS ",2026-12-31 23:50:01 - 2027-01-01 00:00:01,,1次\n"
                       ",2020-02-28 23:50:01 - 2020-02-29 00:00:01,,1次\n"
                       ",2020-02-29 23:50:01 - 2020-03-01 00:00:01,,1次\n",
              &usage);
    assert_int_equal(usage.fault_count, 0);
    assert_windows(&usage, windows, COUNT(windows));
    usage_export_free(&usage);
}

static void only_headings_are_no_windows(void **state) {
    (void)state;
    struct usage_export usage;
    read_good(HEADINGS, &usage);
    assert_int_equal(usage.count, 0);
    assert_int_equal(usage.calls, 0);
    assert_int_equal(usage.fault_count, 0);
    usage_export_free(&usage);
}

static void malformed_rows_are_left_out_and_named(void **state) {
    (void)state;
    static const struct {
        const char *row, *cause;
    } cases[] = {
        {"1", "fewer columns"},
        {"合计,,", "fewer columns"},
        {"合计,,,20次", "form"},
        {",2018-03-19 10:50:01,,7次", "form"},
        {",2018-03-19 10:50:01 2018-03-19 11:00:01,,7次", "form"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01 -,,7次", "form"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00,,7次", "form"},
        {",2018-03-1910:50:01 - 2018-03-19 11:00:01,,7次", "form"},
        {",2018/03/19 10:50:01 - 2018/03/19 11:00:01,,7次", "form"},
        {",2018-3-19 10:50:01 - 2018-3-19 11:00:01,,7次", "form"},
        {",2018-02-29 10:50:01 - 2018-02-29 11:00:01,,7次", "form"},
        {",2018-00-19 10:50:01 - 2018-00-19 11:00:01,,7次", "form"},
        {",2018-13-19 10:50:01 - 2018-13-19 11:00:01,,7次", "form"},
        {",2018-03-00 10:50:01 - 2018-03-00 11:00:01,,7次", "form"},
        {",2018-03-19 23:50:01 - 2018-03-19 24:00:01,,7次", "form"},
        {",2018-03-19 10:60:01 - 2018-03-19 11:10:01,,7次", "form"},
        {",2018-03-19 10:50:61 - 2018-03-19 11:00:61,,7次", "form"},
        {",2018-03-19 10:50:00 - 2018-03-19 11:00:00,,7次", "ten-minute mark"},
        {",2018-03-19 10:51:01 - 2018-03-19 11:01:01,,7次", "ten-minute mark"},
        {",1900-03-19 10:50:01 - 1900-03-19 11:00:01,,7次", "ten-minute mark"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:00,,7次", "last ten minutes"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:10:01,,7次", "last ten minutes"},
        {",2018-03-19 10:50:01 - 2018-03-19 10:40:01,,7次", "last ten minutes"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,", "number of calls"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,次", "number of calls"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,-7次", "number of calls"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,7.5次", "number of calls"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,\"1,000次\"", "number of calls"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,7次次", "number of calls"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,７次", "number of calls"},
        {",2018-03-19 10:50:01 - 2018-03-19 11:00:01,,1000000000次", "number of calls"},
    };
    static const struct usage_window left[] = {{BEGIN_S, 999999999}, {BEGIN_S + USAGE_WINDOW_S, 6}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char file[1024];
        snprintf(file, sizeof file,
                 HEADINGS ",2018-03-19 10:40:01 - 2018-03-19 10:50:01,\"\n\",6次\n\n%s\n"
                          ",2018-03-19 10:30:01 - 2018-03-19 10:40:01,,999999999次\n",
                 cases[i].row);
        struct usage_export usage;
        read_good(file, &usage);
        assert_windows(&usage, left, COUNT(left));
        assert_int_equal(usage.fault_count, 1);
        assert_int_equal(usage.faults[0].line, 5);
        if (strstr(usage.faults[0].cause, cases[i].cause) == NULL)
            fail_msg("%s: %s", cases[i].row, usage.faults[0].cause);
        usage_export_free(&usage);
    }
}

static void all_faults_are_counted_and_the_first_named(void **state) {
    (void)state;
    char file[4096];
    struct text text = text_over(file, sizeof file);
    text_add(&text, HEADINGS);
    for (int i = 0; i < 50; i++)
        text_add(&text, "1,2,3,4\n,2018-03-19 10:30:01 - 2018-03-19 10:40:01,,1\n");
    assert_false(text.cut);
    struct usage_export usage;
    read_good(file, &usage);
    assert_int_equal(usage.fault_count, 50);
    for (size_t i = 0; i < USAGE_FAULTS_MAX; i++)
        assert_int_equal(usage.faults[i].line, 2 + 2 * i);
    assert_int_equal(usage.count, 1);
    assert_int_equal(usage.calls, 50);
    usage_export_free(&usage);
}

static void a_file_that_is_something_else_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *file;
        size_t size; /* 0: that of the string */
        const char *complaint;
    } cases[] = {
        {"", 0, "the file is empty"},
        {"\n , \n", 0, "the file is empty"},
        {"时间,消耗\n", 0, "line 1, read as UTF-8, has no heading 处理时间"},
        {"\n处理时间,次数\n", 0, "line 2, read as UTF-8, has no heading 消耗"},
        {"处理时间x,消耗\n", 0, "has no heading 处理时间"},
        {"消耗,处理时间,消耗\n", 0, "line 1: the heading 消耗 stands there twice"},
        {"\xca\xb1\xbc\xe4,\xcf\xfb\xba\xc4\n", 0, "line 1, read as GBK, has no heading 处理时间"},
        {"处理时间,消耗\n\n1,\"2\n3\n", 0, "line 3: a quote is opened here and never closed"},
        {"\"处理时间,消耗\n", 0, "line 1: a quote is opened here and never closed"},
        {"\xff\xfe\x04\x59", 0, "neither UTF-8 nor GBK"},
        {"处理时间,消耗\n\xff", 0, "neither UTF-8 nor GBK"},
        {"\xb4\xa6\xc0\xed\xca\xb1\xbc", 0, "neither UTF-8 nor GBK"},
        {"处理时间,消耗\n\0", 21, "neither UTF-8 nor GBK"},
        {"PK\x03\x04\x14\0\x06\0\x08", 9, "neither UTF-8 nor GBK"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct usage_export usage;
        struct complaint complaint = {""};
        size_t size = cases[i].size > 0 ? cases[i].size : strlen(cases[i].file);
        if (read_bytes(cases[i].file, size, &usage, &complaint))
            fail_msg("%s was read", cases[i].complaint);
        if (strstr(complaint.text, cases[i].complaint) == NULL)
            fail_msg("%s: %s", cases[i].complaint, complaint.text);
        assert_null(usage.windows);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_of_the_sample_is_read),
        cmocka_unit_test(gbk_is_read),
        cmocka_unit_test(days_and_years_are_crossed),
        cmocka_unit_test(only_headings_are_no_windows),
        cmocka_unit_test(malformed_rows_are_left_out_and_named),
        cmocka_unit_test(all_faults_are_counted_and_the_first_named),
        cmocka_unit_test(a_file_that_is_something_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
