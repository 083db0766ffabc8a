/* Lines of the ledger: CSV as RFC 4180 has it, and JSON a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "money/export.h"

#define ID "019f7e22-79b0-7aaa-8bbb-ccddeeff0011"

static struct store_row settled_row(void) {
    struct store_row row = {
        .id = {{0x01, 0x9f, 0x7e, 0x22, 0x79, 0xb0, 0x7a, 0xaa, 0x8b, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
                0x00, 0x11}},
        .reserved_at_ms = INT64_C(1795449600007),
        .number = {0xde, 0xad, 0xbe, 0xef, 0x00, 0x01, 0x02, 0x03},
        .account = {.client_id = "shop", .credential = "main", .package = "p-1"},
        .ended = true,
        .outcome = {.state = LEDGER_SETTLED,
                    .billed = BILLED_YES,
                    .http_status = 200,
                    .status = "01",
                    .trace_id = "t-1",
                    .latency_ms = 42},
    };
    return row;
}

static void assert_line(enum export_format format, const struct store_row *row,
                        const char *wanted) {
    char line[EXPORT_LINE_SIZE];
    struct text text = text_over(line, sizeof line);
    export_row(format, row, &text);
    assert_string_equal(line, wanted);
    assert_false(text.cut);
}

static void a_settled_row_says_everything(void **state) {
    (void)state;
    const struct store_row row = settled_row();
    assert_line(EXPORT_CSV, &row,
                "2026-11-24T00:00:00.007+08:00," ID
                ",shop,main,p-1,settled,01,true,200,42,t-1,deadbeef00010203\r\n");
    assert_line(EXPORT_NDJSON, &row,
                "{\"time\":\"2026-11-24T00:00:00.007+08:00\",\"id\":\"" ID
                "\",\"client\":\"shop\",\"credential\":\"main\",\"package\":\"p-1\","
                "\"state\":\"settled\",\"status\":\"01\",\"billed\":true,\"httpStatus\":200,"
                "\"latencyMs\":42,\"traceId\":\"t-1\",\"number\":\"deadbeef00010203\"}\n");
}

static void what_is_not_known_is_empty(void **state) {
    (void)state;
    struct store_row row = settled_row();
    row.ended = false;
    row.account.package[0] = '\0';
    row.outcome = (struct ledger_outcome){.state = LEDGER_RESERVED};
    assert_line(EXPORT_CSV, &row,
                "2026-11-24T00:00:00.007+08:00," ID
                ",shop,main,,reserved,,,,,,deadbeef00010203\r\n");
    row.ended = true;
    row.outcome = (struct ledger_outcome){
        .state = LEDGER_UNKNOWN, .billed = BILLED_UNKNOWN, .latency_ms = 15000};
    assert_line(EXPORT_NDJSON, &row,
                "{\"time\":\"2026-11-24T00:00:00.007+08:00\",\"id\":\"" ID
                "\",\"client\":\"shop\",\"credential\":\"main\",\"package\":null,"
                "\"state\":\"unknown\",\"status\":null,\"billed\":null,\"httpStatus\":null,"
                "\"latencyMs\":15000,\"traceId\":null,\"number\":\"deadbeef00010203\"}\n");
    row.outcome = (struct ledger_outcome){.state = LEDGER_RELEASED, .billed = BILLED_NO};
    assert_line(EXPORT_CSV, &row,
                "2026-11-24T00:00:00.007+08:00," ID
                ",shop,main,,released,,false,,0,,deadbeef00010203\r\n");
}

static void csv_is_quoted_where_it_must_be(void **state) {
    (void)state;
    static const struct {
        const char *client, *field;
    } fields[] = {
        {"a,b", "\"a,b\""}, {"a\"b", "\"a\"\"b\""}, {"a\r\nb", "\"a\r\nb\""}, {"=1+1", "\"=1+1\""},
        {"+86", "\"+86\""}, {"-1", "\"-1\""},       {"@a", "\"@a\""},         {"a=b", "a=b"},
        {"门店", "门店"},   {"a b", "a b"},         {"\"", "\"\"\"\""},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct store_row row = settled_row();
        char wanted[512];
        snprintf(row.account.client_id, sizeof row.account.client_id, "%s", fields[i].client);
        snprintf(wanted, sizeof wanted,
                 "2026-11-24T00:00:00.007+08:00," ID
                 ",%s,main,p-1,settled,01,true,200,42,t-1,deadbeef00010203\r\n",
                 fields[i].field);
        assert_line(EXPORT_CSV, &row, wanted);
    }
}

static void the_longest_line_fits(void **state) {
    (void)state;
    for (int format = 0; format < EXPORT_FORMATS; format++) {
        for (const char *fill = "\"\x01"; *fill != '\0'; fill++) {
            struct store_row row = settled_row();
            char line[EXPORT_LINE_SIZE];
            struct text text = text_over(line, sizeof line);
            memset(row.account.client_id, *fill, LEDGER_NAME_SIZE - 1);
            memset(row.account.credential, *fill, LEDGER_NAME_SIZE - 1);
            memset(row.account.package, *fill, LEDGER_NAME_SIZE - 1);
            memset(row.outcome.status, *fill, RESULT_STATUS_SIZE - 1);
            memset(row.outcome.trace_id, *fill, ANSWER_TRACE_ID_SIZE - 1);
            row.outcome.latency_ms = INT64_MIN;
            export_row((enum export_format)format, &row, &text);
            assert_false(text.cut);
            assert_int_equal(line[text.size - 1], '\n');
        }
    }
}

static void json_is_json_whatever_the_text(void **state) {
    (void)state;
    struct store_row row = settled_row();
    char line[EXPORT_LINE_SIZE];
    struct text text = text_over(line, sizeof line);
    snprintf(row.outcome.trace_id, sizeof row.outcome.trace_id, "a\"b\\c\n,");
    export_row(EXPORT_NDJSON, &row, &text);
    cJSON *json = cJSON_Parse(line);
    assert_non_null(json);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(json, "traceId")->valuestring,
                        "a\"b\\c\n,");
    cJSON_Delete(json);
    assert_ptr_equal(strchr(line, '\n'), line + text.size - 1);
}

static void names_come_first_and_only_in_csv(void **state) {
    (void)state;
    char line[EXPORT_LINE_SIZE];
    struct text text = text_over(line, sizeof line);
    export_row_names(EXPORT_CSV, true, &text);
    assert_string_equal(line, "\xef\xbb\xbftime,id,client,credential,package,state,status,billed,"
                              "httpStatus,latencyMs,traceId,number\r\n");
    text = text_over(line, sizeof line);
    export_window_names(EXPORT_CSV, false, &text);
    assert_string_equal(line, "window,count\r\n");
    text = text_over(line, sizeof line);
    export_row_names(EXPORT_NDJSON, false, &text);
    export_window_names(EXPORT_NDJSON, false, &text);
    assert_string_equal(line, "");
}

static void a_window_reads_as_the_sellers(void **state) {
    (void)state;
    const struct window window = {INT64_C(1521427801000), 7};
    char line[EXPORT_LINE_SIZE];
    struct text text = text_over(line, sizeof line);
    export_window(EXPORT_CSV, &window, &text);
    assert_string_equal(line, "2018-03-19 10:50:01 - 2018-03-19 11:00:01,7\r\n");
    text = text_over(line, sizeof line);
    export_window(EXPORT_NDJSON, &window, &text);
    assert_string_equal(line,
                        "{\"window\":\"2018-03-19 10:50:01 - 2018-03-19 11:00:01\",\"count\":7}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_settled_row_says_everything),
        cmocka_unit_test(what_is_not_known_is_empty),
        cmocka_unit_test(csv_is_quoted_where_it_must_be),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(json_is_json_whatever_the_text),
        cmocka_unit_test(names_come_first_and_only_in_csv),
        cmocka_unit_test(a_window_reads_as_the_sellers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
