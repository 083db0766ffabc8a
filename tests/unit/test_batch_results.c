/* The results of a batch: what a file says when it is opened again after an interruption. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "command/batch_results.h"
#include "runtime/text.h"
#include "scratch.h"

#define HEADING     "line,id,status,result,source,billed,checkedAt,code,input of 100 bytes and 4 rows\n"
#define ROW_2       "2,\"=a,\"\"b\",01,match,upstream,true,2026-11-24T02:00:00Z,\n"
#define ROW_FREE    "3,,,,,false,,store_unavailable\n"
#define ROW_UNKNOWN "4,,,,,unknown,,upstream_timeout\n"
#define ROW_BAD     "5,,,,,false,,malformed_request\n"

static struct batch_results results;
static struct batch_input input;

static const struct batch_result answer = {.line = 2,
                                           .id = "=a,\"b",
                                           .status = "01",
                                           .result = "match",
                                           .source = "upstream",
                                           .billed = "true",
                                           .checked_at = "2026-11-24T02:00:00Z"};

static int setup(void **state) {
    input.format = BATCH_CSV;
    input.size = 100;
    input.rows = 4;
    input.lines = 6;
    return scratch_setup(state);
}

static bool open_results(const char *path, bool retry_unknown, struct complaint *complaint) {
    return batch_results_open(&results, path, &input, retry_unknown, complaint);
}

static void close_results(void) {
    struct complaint complaint;
    assert_true(batch_results_close(&results, &complaint));
}

static void assert_file(const char *path, const char *wanted) {
    char text[2048] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, wanted);
}

/* The lines that need no asking, as "2 5". */
static void assert_done(const char *wanted) {
    char found[64];
    struct text text = text_over(found, sizeof found);
    for (int64_t line = 1; line <= input.lines; line++) {
        if (batch_results_has(&results, line))
            text_addf(&text, "%s%lld", text.size > 0 ? " " : "", (long long)line);
    }
    assert_string_equal(found, wanted);
}

static void rows_are_found_again(void **state) {
    (void)state;
    struct complaint complaint;
    struct stat status;
    const char *path = scratch_path("out");
    assert_true(open_results(path, false, &complaint));
    assert_true(batch_results_add(&results, &answer, &complaint));
    assert_int_equal(results.answered, 1);
    close_results();
    assert_file(path, HEADING ROW_2);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(open_results(path, false, &complaint));
    assert_done("2");
    assert_int_equal(results.answered, 1);
    assert_string_equal(results.by_result.rows[0].word, "match");
    close_results();
}

static void json_is_found_again(void **state) {
    (void)state;
    struct complaint complaint;
    const char *path = scratch_path("out");
    input.format = BATCH_NDJSON;
    assert_true(open_results(path, false, &complaint));
    assert_true(batch_results_add(&results, &answer, &complaint));
    close_results();
    assert_file(path, "{\"input\":{\"bytes\":100,\"rows\":4}}\n"
                      "{\"line\":2,\"id\":\"=a,\\\"b\",\"status\":\"01\",\"result\":\"match\","
                      "\"source\":\"upstream\",\"billed\":\"true\","
                      "\"checkedAt\":\"2026-11-24T02:00:00Z\",\"code\":null}\n");
    assert_true(open_results(path, false, &complaint));
    assert_done("2");
    close_results();
}

static void a_torn_row_is_cut(void **state) {
    (void)state;
    static const char zeroes[] = HEADING ROW_2 "\0\0\0\0\n";
    struct complaint complaint;
    const char *path = scratch_text("out", HEADING ROW_2 "3,,01,mat");
    assert_true(open_results(path, false, &complaint));
    assert_done("2");
    close_results();
    assert_file(path, HEADING ROW_2);
    path = scratch_write("out", zeroes, sizeof zeroes - 1, 0600);
    assert_true(open_results(path, false, &complaint));
    close_results();
    assert_file(path, HEADING ROW_2);
    path = scratch_text("out", "line,id,sta");
    assert_true(open_results(path, false, &complaint));
    close_results();
    assert_file(path, HEADING);
}

static void what_may_be_paid_is_not_asked_again(void **state) {
    (void)state;
    struct complaint complaint;
    const char *path = scratch_text("out", HEADING ROW_FREE ROW_2 ROW_UNKNOWN ROW_BAD);
    assert_true(open_results(path, false, &complaint));
    assert_done("2 4 5");
    assert_int_equal(results.failed, 2);
    assert_int_equal(results.doubtful, 1);
    close_results();
    assert_file(path, HEADING ROW_2 ROW_UNKNOWN ROW_BAD);
    assert_true(open_results(path, true, &complaint));
    assert_done("2 5");
    assert_true(batch_results_add(&results, &answer, &complaint));
    close_results();
    assert_file(path, HEADING ROW_2 ROW_BAD ROW_2);
}

static void others_files_are_left_alone(void **state) {
    (void)state;
    static const char *const files[] = {
        "name,idCard,mobile\n",
        "x",
        HEADING "no row of ours\n",
        HEADING "7,,,,,false,,x\n",
        "line,id,status,result,source,billed,checkedAt,code,input of 101 bytes and 4 rows\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct complaint complaint = {""};
        const char *path = scratch_text("out", files[i]);
        assert_false(open_results(path, true, &complaint));
        assert_non_null(strstr(complaint.text, "--output"));
        assert_file(path, files[i]);
    }
}

static void one_at_a_time(void **state) {
    (void)state;
    struct batch_results second;
    struct complaint complaint = {""};
    const char *path = scratch_text("out", HEADING ROW_FREE);
    assert_true(open_results(path, false, &complaint));
    assert_false(batch_results_open(&second, path, &input, false, &complaint));
    assert_non_null(strstr(complaint.text, "another batch"));
    close_results();
    assert_true(open_results(path, false, &complaint));
    close_results();
}

/* What is half a row is cut at the next opening, and so must be the last. */
static void nothing_is_written_behind_half_a_row(void **state) {
    (void)state;
    struct complaint complaint;
    struct rlimit limit;
    const char *path = scratch_path("out");
    assert_true(open_results(path, false, &complaint));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit small = {sizeof HEADING + 5, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(batch_results_add(&results, &answer, &complaint));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_false(batch_results_add(&results, &answer, &complaint));
    assert_int_equal(results.answered, 0);
    close_results();
    assert_true(open_results(path, false, &complaint));
    close_results();
    assert_file(path, HEADING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_found_again, setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(json_is_found_again, setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_torn_row_is_cut, setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_may_be_paid_is_not_asked_again, setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(others_files_are_left_alone, setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_written_behind_half_a_row, setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(one_at_a_time, setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
