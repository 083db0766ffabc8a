/* A month's calls and costs: lines are rounded once, and sums are those of lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "money/statement.h"

static const struct package packages[] = {
    {.id = "p-1", .credential = "main", .calls = 3, .price_fen = 100},
    {.id = "p-2", .credential = "spare", .calls = 1000, .price_fen = 28800},
};

static const struct package *find(void *arg, const char *id) {
    (void)arg;
    for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++) {
        if (strcmp(packages[i].id, id) == 0)
            return &packages[i];
    }
    return NULL;
}

static void add(struct statement *statement, const char *client, const char *package,
                enum ledger_state state, enum billed billed, int times) {
    struct store_row row = {.ended = state != LEDGER_RESERVED,
                            .outcome = {.state = state, .billed = billed}};
    const struct package *known = find(NULL, package);
    snprintf(row.account.client_id, sizeof row.account.client_id, "%s", client);
    snprintf(row.account.package, sizeof row.account.package, "%s", package);
    snprintf(row.account.credential, sizeof row.account.credential, "%s",
             known != NULL ? known->credential : "main");
    for (int i = 0; i < times; i++)
        assert_true(statement_add_row(statement, &row));
}

static struct statement sample(void) {
    struct statement statement = {0};
    add(&statement, "web", "p-2", LEDGER_SETTLED, BILLED_YES, 5);
    add(&statement, "app", "p-1", LEDGER_SETTLED, BILLED_YES, 1);
    add(&statement, "web", "p-1", LEDGER_UNKNOWN, BILLED_UNKNOWN, 1);
    add(&statement, "app", "p-1", LEDGER_SETTLED, BILLED_NO, 7);
    add(&statement, "app", "p-1", LEDGER_RELEASED, BILLED_NO, 7);
    add(&statement, "web", "p-1", LEDGER_RESERVED, BILLED_NO, 1);
    assert_true(statement_add_hits(&statement, "web/p-2", 3, find, NULL));
    assert_true(statement_add_hits(&statement, "zoo/p-1", 2, find, NULL));
    statement_price(&statement, find, NULL);
    return statement;
}

static void assert_json(struct statement *statement, const char *wanted) {
    cJSON *json = statement_to_json(statement, "2026-11", "Asia/Shanghai");
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, wanted);
    cJSON_free(text);
    cJSON_Delete(json);
    statement_free(statement);
}

static void sums_are_those_of_the_lines(void **state) {
    (void)state;
    struct statement statement = sample();
    /* Two of three for a yuan are 67 fen, one is 33: the total is 33 + 67 + 144 fen. */
    assert_json(
        &statement,
        "{\"month\":\"2026-11\",\"timezone\":\"Asia/Shanghai\",\"clients\":["
        "{\"client\":\"app\",\"calls\":1,\"unknown\":0,\"costCny\":0.33,\"hits\":0,"
        "\"savedCny\":0.00,\"lines\":[{\"package\":\"p-1\",\"credential\":\"main\",\"calls\":1,"
        "\"unknown\":0,\"costCny\":0.33,\"hits\":0,\"savedCny\":0.00}]},"
        "{\"client\":\"web\",\"calls\":7,\"unknown\":1,\"costCny\":2.11,\"hits\":3,"
        "\"savedCny\":0.86,\"lines\":[{\"package\":\"p-1\",\"credential\":\"main\",\"calls\":2,"
        "\"unknown\":1,\"costCny\":0.67,\"hits\":0,\"savedCny\":0.00},{\"package\":\"p-2\","
        "\"credential\":\"spare\",\"calls\":5,\"unknown\":0,\"costCny\":1.44,\"hits\":3,"
        "\"savedCny\":0.86}]},"
        "{\"client\":\"zoo\",\"calls\":0,\"unknown\":0,\"costCny\":0.00,\"hits\":2,"
        "\"savedCny\":0.67,\"lines\":[{\"package\":\"p-1\",\"credential\":\"main\",\"calls\":0,"
        "\"unknown\":0,\"costCny\":0.00,\"hits\":2,\"savedCny\":0.67}]}],"
        "\"total\":{\"calls\":8,\"unknown\":1,\"costCny\":2.44,\"hits\":5,\"savedCny\":1.53}}");
}

static void a_month_without_anything_is_a_statement_too(void **state) {
    (void)state;
    struct statement statement = {0};
    assert_json(&statement, "{\"month\":\"2026-11\",\"timezone\":\"Asia/Shanghai\",\"clients\":[],"
                            "\"total\":{\"calls\":0,\"unknown\":0,\"costCny\":0.00,\"hits\":0,"
                            "\"savedCny\":0.00}}");
}

static void calls_without_a_package_cost_nothing_that_is_known(void **state) {
    (void)state;
    struct statement statement = {0};
    add(&statement, "anonymous", "", LEDGER_SETTLED, BILLED_YES, 2);
    assert_true(statement_add_hits(&statement, "anonymous/", 4, find, NULL));
    assert_true(statement_add_hits(&statement, "nobody", 4, find, NULL));
    assert_true(statement_add_hits(&statement, "/p-1", 4, find, NULL));
    assert_true(statement_add_hits(&statement, "idle/p-1", 0, find, NULL));
    statement_price(&statement, find, NULL);
    assert_int_equal(statement.count, 2);
    assert_string_equal(statement.lines[0].credential, "");
    assert_int_equal(statement.lines[0].sum.hits, 4);
    assert_string_equal(statement.lines[1].credential, "main");
    assert_int_equal(statement.lines[1].sum.calls, 2);
    assert_int_equal(statement.lines[1].sum.cost_fen, 0);
    statement_free(&statement);
}

static void many_lines_stay_in_order(void **state) {
    (void)state;
    struct statement statement = {0};
    char client[16];
    for (int i = 0; i < 300; i++) {
        snprintf(client, sizeof client, "c%03d", i * 7 % 100);
        add(&statement, client, "p-1", LEDGER_SETTLED, BILLED_YES, 1);
    }
    assert_int_equal(statement.count, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(client, sizeof client, "c%03d", i);
        assert_string_equal(statement.lines[i].client, client);
        assert_int_equal(statement.lines[i].sum.calls, 3);
    }
    statement_free(&statement);
}

static void csv_has_a_row_for_each_line(void **state) {
    (void)state;
    struct statement statement = sample();
    char buffer[4 * STATEMENT_ROW_SIZE];
    struct text text = text_over(buffer, sizeof buffer);
    statement_csv_names(true, &text);
    for (size_t i = 0; i < statement.count; i++)
        statement_csv_row(&statement.lines[i], "2026-11", &text);
    assert_string_equal(buffer,
                        "\xef\xbb\xbf"
                        "month,client,package,credential,calls,unknown,costCny,hits,savedCny\r\n"
                        "2026-11,app,p-1,main,1,0,0.33,0,0.00\r\n"
                        "2026-11,web,p-1,main,2,1,0.67,0,0.00\r\n"
                        "2026-11,web,p-2,spare,5,0,1.44,3,0.86\r\n"
                        "2026-11,zoo,p-1,main,0,0,0.00,2,0.67\r\n");
    statement_free(&statement);
}

static void no_csv_row_is_longer_than_its_size(void **state) {
    (void)state;
    struct statement_line line = {
        .sum = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX},
    };
    memset(line.client, '"', sizeof line.client - 1);
    memset(line.package, '"', sizeof line.package - 1);
    memset(line.credential, '"', sizeof line.credential - 1);
    char buffer[STATEMENT_ROW_SIZE];
    struct text text = text_over(buffer, sizeof buffer);
    statement_csv_row(&line, "2026-11", &text);
    assert_false(text.cut);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_lines),
        cmocka_unit_test(a_month_without_anything_is_a_statement_too),
        cmocka_unit_test(calls_without_a_package_cost_nothing_that_is_known),
        cmocka_unit_test(many_lines_stay_in_order),
        cmocka_unit_test(csv_has_a_row_for_each_line),
        cmocka_unit_test(no_csv_row_is_longer_than_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
