/*
 * What answers are dropped where other things happen between the steps.
 */
#include "journal_scene.h"

#include "store/journal_books.h"

extern const char journal_schema_1_sql[];
extern const char journal_schema_2_sql[];
extern const char journal_schema_3_sql[];
extern const char journal_schema_4_sql[];

#define CALLS 3

struct shelf {
    sqlite3 *db;
    struct journal_books books;
    struct journal_mark mark;
    struct jcall calls[CALLS];
};

static int fill(void **state) {
    static const char *const schemas[] = {journal_schema_1_sql, journal_schema_2_sql,
                                          journal_schema_3_sql, journal_schema_4_sql};
    struct shelf *shelf = calloc(1, sizeof *shelf);
    struct complaint complaint;
    bool repeated;
    bool let_go;
    assert_int_equal(sqlite3_open(":memory:", &shelf->db), SQLITE_OK);
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++)
        execute(shelf->db, schemas[i]);
    assert_true(journal_books_open(&shelf->books, shelf->db, &complaint));
    for (int i = 0; i < CALLS; i++) {
        jrig_prepare(&shelf->calls[i], START_MS + i);
        assert_true(journal_books_end(&shelf->books, &shelf->calls[i].settle, &repeated, &let_go,
                                      &shelf->mark));
    }
    *state = shelf;
    return 0;
}

static int clear(void **state) {
    struct shelf *shelf = *state;
    journal_books_close(&shelf->books);
    assert_int_equal(sqlite3_close(shelf->db), SQLITE_OK);
    free(shelf);
    return 0;
}

static void deliver(struct shelf *shelf, int which) {
    bool delivered;
    assert_true(journal_books_deliver(&shelf->books, &shelf->calls[which].settle.id, &shelf->mark,
                                      &delivered));
    assert_true(delivered);
}

/* Of one call. */
static void step(struct shelf *shelf, bool more) {
    bool is_more;
    assert_true(journal_books_forget(&shelf->books, START_MS + CALLS, 1, &is_more));
    assert_int_equal(is_more, more);
}

static void expect_left(const struct shelf *shelf, int wanted) {
    sqlite3_stmt *statement;
    assert_int_equal(
        sqlite3_prepare_v2(shelf->db, "SELECT count(answer) FROM calls", -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), wanted);
    sqlite3_finalize(statement);
}

static void what_is_delivered_between_steps_is_dropped_the_next_time(void **state) {
    struct shelf *shelf = *state;
    deliver(shelf, 1);
    deliver(shelf, 2);
    step(shelf, true);
    expect_left(shelf, 3);
    deliver(shelf, 0);
    step(shelf, true);
    step(shelf, false);
    expect_left(shelf, 1);
    step(shelf, true);
    expect_left(shelf, 0);
}

static void what_was_dropped_is_not_looked_at_again(void **state) {
    struct shelf *shelf = *state;
    for (int i = 0; i < CALLS; i++)
        deliver(shelf, i);
    for (int i = 0; i < CALLS; i++)
        step(shelf, i < CALLS - 1);
    expect_left(shelf, 0);
    assert_true(ledger_id_compare(&shelf->books.floors.answers, &shelf->calls[2].settle.id) > 0);
}

static void an_older_call_between_steps_is_not_passed_over(void **state) {
    struct shelf *shelf = *state;
    struct jcall older;
    bool repeated;
    bool let_go;
    for (int i = 0; i < CALLS; i++)
        deliver(shelf, i);
    step(shelf, true);
    jrig_prepare(&older, START_MS - 1);
    assert_true(journal_books_end(&shelf->books, &older.settle, &repeated, &let_go, &shelf->mark));
    shelf->calls[0] = older;
    deliver(shelf, 0);
    step(shelf, true);
    for (int i = 0; i < CALLS; i++)
        step(shelf, i < CALLS - 1);
    expect_left(shelf, 0);
}

#define SHELF(test) cmocka_unit_test_setup_teardown(test, fill, clear)

int main(void) {
    if (!scene_prepare())
        return 1;
    const struct CMUnitTest tests[] = {
        SHELF(what_is_delivered_between_steps_is_dropped_the_next_time),
        SHELF(what_was_dropped_is_not_looked_at_again),
        SHELF(an_older_call_between_steps_is_not_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
