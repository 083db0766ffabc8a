/* Counting by worker, by client and by credential, and how it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/verdict.h"
#include "http/measure.h"
#include "http/problem.h"
#include "runtime/metrics.h"
#include "runtime/process_metrics.h"
#include "upstream/tally.h"

#define ROWS   3
#define MS     UINT64_C(1000000)
#define TIMES  100000
#define LABELS 128

static char shown[256 * 1024];

static const char *show(void (*print)(const struct metrics_row *rows, struct text *text),
                        const struct metrics_row *rows) {
    struct text text = text_over(shown, sizeof shown);
    print(rows, &text);
    assert_false(text.cut);
    return shown;
}

static void assert_line(const char *page, const char *line) {
    if (strstr(page, line) == NULL)
        fail_msg("no line %s in\n%s", line, page);
}

static void test_counters_and_gauges_are_summed(void **state) {
    (void)state;
    struct metrics_row *rows = metrics_new(ROWS);
    for (int i = 0; i < ROWS; i++) {
        metrics_count(&rows[i], METRIC_COLLAPSED);
        metrics_set(&rows[i], GAUGE_CACHE_ENTRIES, 10);
    }
    metrics_set(&rows[1], GAUGE_CACHE_ENTRIES, 7);
    const char *page = show(metrics_print_counters, rows);
    assert_line(page, "# TYPE sanyao_collapsed_total counter\nsanyao_collapsed_total 3\n");
    assert_line(page, "sanyao_alert_deliveries_total{outcome=\"failed\"} 0\n");
    assert_line(show(metrics_print_gauges, rows),
                "# TYPE sanyao_cache_entries gauge\nsanyao_cache_entries 27\n");
    metrics_free(rows);
}

static void test_requests_are_summed_by_client(void **state) {
    (void)state;
    struct metrics_row *rows = metrics_new(ROWS);
    uint64_t cells[METRICS_REQUEST_CELLS];
    int client = metrics_client_number("summed");
    assert_false(metrics_sum_requests(rows, client, cells));
    for (int i = 0; i < ROWS; i++)
        metrics_count_request(&rows[i], client, 5 + i % 2, SOURCE_CACHE, MS);
    assert_true(metrics_sum_requests(rows, client, cells));
    assert_int_equal(cells[5], 2);
    assert_int_equal(cells[6], 1);
    assert_int_equal(cells[7], 0);
    metrics_free(rows);
}

static void print_requests(const struct metrics_row *rows, struct text *text) {
    metrics_print_request_seconds(rows, source_name, text);
}

static void test_buckets_hold_what_is_below_them(void **state) {
    (void)state;
    static const char family[] = "sanyao_request_duration_seconds";
    static const uint64_t took_us[] = {1, 500, 501, 2500, 14999999, 15000001, 400000000};
    struct metrics_row *rows = metrics_new(2);
    for (size_t i = 0; i < sizeof took_us / sizeof took_us[0]; i++)
        metrics_count_request(&rows[i % 2], 0, 0, SOURCE_STALE, took_us[i] * 1000 + 999);
    const char *page = show(print_requests, rows);
    static const struct {
        const char *bound;
        int count;
    } expected[] = {{"0.0005", 2}, {"0.001", 3}, {"0.0025", 4},
                    {"10.0", 4},   {"15.0", 5},  {"+Inf", 7}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char line[LABELS];
        snprintf(line, sizeof line, "%s_bucket{source=\"stale\",le=\"%s\"} %d\n", family,
                 expected[i].bound, expected[i].count);
        assert_line(page, line);
    }
    assert_line(page, "_sum{source=\"stale\"} 430.003502\n");
    assert_line(page, "_count{source=\"stale\"} 7\n");
    assert_null(strstr(page, "source=\"cache\"")); /* nothing was counted there */
    metrics_free(rows);
}

static void test_a_name_has_one_number(void **state) {
    (void)state;
    int shop = metrics_client_number("shop");
    int other = metrics_client_number("till");
    assert_int_not_equal(shop, other);
    assert_int_equal(metrics_client_number("shop"), shop);
    assert_string_equal(metrics_client_name(shop), "shop");
    assert_int_equal(metrics_client_number("none"), METRICS_CLIENT_NONE);
    assert_int_equal(metrics_client_number("other"), METRICS_CLIENT_OTHER);
    assert_int_equal(metrics_client_number("anonymous"), METRICS_CLIENT_ANONYMOUS);
}

/* Last of those that need a number. */
static void test_there_are_so_many_numbers_and_no_more(void **state) {
    (void)state;
    char name[32];
    int others = 0;
    int first = metrics_client_number("shop");
    for (int i = 0; i < METRICS_CLIENTS_MOST + 500; i++) {
        snprintf(name, sizeof name, "client-%04d", i);
        others += metrics_client_number(name) == METRICS_CLIENT_OTHER;
    }
    assert_true(others >= 500);
    assert_int_equal(metrics_clients(), METRICS_CLIENTS);
    assert_int_equal(metrics_client_number("one-more"), METRICS_CLIENT_OTHER);
    assert_int_equal(metrics_client_number("shop"), first);
    for (int i = 0; i < METRICS_CREDENTIALS_MOST + 10; i++) {
        snprintf(name, sizeof name, "code-%04d", i);
        (void)metrics_credential_number(name);
    }
    assert_int_equal(metrics_credentials(), METRICS_CREDENTIALS);
    assert_int_equal(metrics_credential_number("late"), METRICS_CREDENTIAL_OTHER);
}

static void test_labels_are_escaped(void **state) {
    (void)state;
    char bytes[64];
    struct text text = text_over(bytes, sizeof bytes);
    metrics_print_label("name", "a\"b\\c\nd", &text);
    assert_string_equal(bytes, "name=\"a\\\"b\\\\c\\nd\"");
}

/* Two cells with the same labels would be one series twice, which Prometheus refuses. */
static void assert_unique(char (*labels)[LABELS], int count) {
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++)
            assert_string_not_equal(labels[i], labels[j]);
    }
}

static void test_each_cell_of_requests_has_labels_of_its_own(void **state) {
    (void)state;
    static char labels[METRICS_REQUEST_CELLS][LABELS];
    struct measure_labels found;
    int count = 0;
    bool problem = false;
    bool virtual = false;
    while (count < METRICS_REQUEST_CELLS && measure_read_cell(count, &found)) {
        snprintf(labels[count++], LABELS, "%s %s %s", found.route, found.result, found.source);
        problem = problem || strcmp(found.result, "not_cached") == 0;
        virtual = virtual || strcmp(found.result, "virtual_operator") == 0;
    }
    assert_int_equal(count, 5 * ((RESULT_KINDS + 1) * SOURCE_NONE + PROBLEMS));
    assert_true(problem && virtual);
    assert_unique(labels, count);
}

static void test_each_call_is_told_by_its_labels(void **state) {
    (void)state;
    static char labels[METRICS_CALL_CELLS][LABELS];
    struct tally_labels found;
    int count = 0;
    for (int cell = 0; cell < METRICS_CALL_CELLS; cell++) {
        if (tally_read_cell(cell, &found))
            snprintf(labels[count++], LABELS, "%s %s", found.status, found.billed);
    }
    assert_unique(labels, count);
}

static const char *labels_of_call(struct metrics_row *rows, const char *credential,
                                  const struct upstream_outcome *outcome, enum billed billed) {
    static char told[LABELS];
    uint64_t before[METRICS_CALL_CELLS];
    uint64_t after[METRICS_CALL_CELLS];
    struct tally_labels found;
    int number = metrics_credential_number(credential);
    metrics_sum_calls(rows, number, before);
    tally_call(&rows[0], credential, outcome, billed);
    assert_true(metrics_sum_calls(rows, number, after));
    told[0] = '\0';
    for (int cell = 0; cell < METRICS_CALL_CELLS; cell++) {
        if (after[cell] == before[cell])
            continue;
        assert_int_equal(after[cell], before[cell] + 1);
        assert_true(tally_read_cell(cell, &found));
        snprintf(told + strlen(told), sizeof told - strlen(told), "%s %s", found.status,
                 found.billed);
    }
    return told;
}

static void test_calls_are_told_apart(void **state) {
    (void)state;
    struct metrics_row *rows = metrics_new(1);
    struct upstream_outcome outcome = {.end = UPSTREAM_REPLIED, .latency_ms = 30};
    outcome.reply.class = REPLY_ANSWER;
    strcpy(outcome.reply.answer.status, "01");
    assert_string_equal(labels_of_call(rows, "main", &outcome, BILLED_YES), "01 yes");
    strcpy(outcome.reply.answer.status, "207");
    assert_string_equal(labels_of_call(rows, "main", &outcome, BILLED_NO), "207 no");
    strcpy(outcome.reply.answer.status, "999");
    assert_string_equal(labels_of_call(rows, "main", &outcome, BILLED_YES), "unknown yes");
    outcome.reply.class = REPLY_QUOTA_EXHAUSTED;
    assert_string_equal(labels_of_call(rows, "second", &outcome, BILLED_NO), "quota_exhausted no");
    outcome.end = UPSTREAM_TIMED_OUT;
    assert_string_equal(labels_of_call(rows, "main", &outcome, BILLED_UNKNOWN),
                        "timed_out unknown");
    outcome.end = UPSTREAM_NOT_SENT;
    assert_string_equal(labels_of_call(rows, "main", &outcome, BILLED_NO), "not_sent no");
    struct text text = text_over(shown, sizeof shown);
    metrics_print_upstream_seconds(rows, metrics_credential_number("main"), &text);
    /* What was not sent took no time of upstream's. */
    assert_line(shown, "sanyao_upstream_duration_seconds_count{credential=\"main\"} 4\n");
    assert_line(shown, "_bucket{credential=\"main\",le=\"0.025\"} 0\n");
    assert_line(shown, "_bucket{credential=\"main\",le=\"0.05\"} 4\n");
    metrics_free(rows);
}

static void *count_on(void *arg) {
    struct metrics_row *row = arg;
    int client = metrics_client_number("counted-meanwhile");
    for (int i = 0; i < TIMES; i++)
        metrics_count_request(row, client, 1, SOURCE_CACHE, MS);
    return NULL;
}

/* For ThreadSanitizer above all: who reads disturbs nobody, and nothing is lost. */
static void test_it_can_be_read_while_workers_count(void **state) {
    (void)state;
    struct metrics_row *rows = metrics_new(2);
    uint64_t cells[METRICS_REQUEST_CELLS];
    uint64_t last = 0;
    int client = metrics_client_number("counted-meanwhile");
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_on, &rows[i]), 0);
    while (last < TIMES) {
        metrics_sum_requests(rows, client, cells);
        assert_true(cells[1] >= last);
        last = cells[1];
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    metrics_sum_requests(rows, client, cells);
    assert_int_equal(cells[1], 2 * TIMES);
    metrics_free(rows);
}

static void test_the_process_is_told_of(void **state) {
    (void)state;
    static const char *const names[] = {
        "\nprocess_cpu_seconds_total ",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_virtual_memory_bytes ",
        "\nprocess_open_fds ",
        "\nprocess_max_fds ",
        "\nprocess_start_time_seconds ",
    };
    struct text text = text_over(shown, sizeof shown);
    process_metrics_print(&text);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_line(shown, names[i]);
    double start = strtod(strstr(shown, names[5]) + strlen(names[5]), NULL);
    assert_true(start > (double)time(NULL) - 3600 && start < (double)time(NULL) + 2);
    char before[64];
    snprintf(before, sizeof before, "%s", strstr(shown, names[5]));
    text = text_over(shown, sizeof shown);
    process_metrics_print(&text);
    assert_string_equal(strstr(shown, names[5]), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_and_gauges_are_summed),
        cmocka_unit_test(test_requests_are_summed_by_client),
        cmocka_unit_test(test_buckets_hold_what_is_below_them),
        cmocka_unit_test(test_a_name_has_one_number),
        cmocka_unit_test(test_labels_are_escaped),
        cmocka_unit_test(test_each_cell_of_requests_has_labels_of_its_own),
        cmocka_unit_test(test_each_call_is_told_by_its_labels),
        cmocka_unit_test(test_calls_are_told_apart),
        cmocka_unit_test(test_it_can_be_read_while_workers_count),
        cmocka_unit_test(test_the_process_is_told_of),
        cmocka_unit_test(test_there_are_so_many_numbers_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
