/* What a reading transaction over one turn of a loop shows, and what it does not keep from being
 * done. */
#include "sqlite_scene.h"

#include <sys/stat.h>

#include "store/sqlite_statement.h"
#include "store/sqlite_view.h"

#define PAGE 4096

/* A writing connection and a view, on one thread, so that a turn ends when the test says so. */
struct house {
    uv_loop_t loop;
    struct sqlite_commits commits;
    struct sqlite_view view;
    sqlite3 *writer;
    sqlite3 *reader;
    sqlite3_stmt *count;
};

static void enter(struct house *house, const struct scene *scene) {
    house->writer = open_beside(scene);
    house->reader = open_beside(scene);
    execute(house->writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
                           "CREATE TABLE things (id INTEGER PRIMARY KEY, thing BLOB)");
    sqlite_commits_watch(&house->commits, house->writer);
    assert_true(statement_prepare(house->reader, "SELECT count(*) FROM things", &house->count));
    assert_true(sqlite_view_open(&house->view, house->reader, &house->commits));
    assert_int_equal(uv_loop_init(&house->loop), 0);
    sqlite_view_join(&house->view, &house->loop);
}

static void leave(struct house *house) {
    sqlite_view_close(&house->view);
    sqlite3_finalize(house->count);
    assert_int_equal(sqlite3_close(house->reader), SQLITE_OK);
    assert_int_equal(sqlite3_close(house->writer), SQLITE_OK);
    sqlite_view_leave(&house->view, NULL);
    uv_run(&house->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&house->loop), 0);
}

static int look(struct house *house) {
    sqlite_view_look(&house->view);
    assert_int_equal(sqlite3_step(house->count), SQLITE_ROW);
    int count = sqlite3_column_int(house->count, 0);
    sqlite3_reset(house->count);
    return count;
}

static bool is_held(const struct house *house) {
    return !sqlite3_get_autocommit(house->reader);
}

static void what_is_committed_in_the_same_turn_is_seen(void **state) {
    struct house house;
    enter(&house, *state);
    for (int count = 0; count < 10; count++) {
        assert_int_equal(look(&house), count);
        assert_int_equal(look(&house), count);
        execute(house.writer, "INSERT INTO things (thing) VALUES (x'00')");
    }
    assert_int_equal(look(&house), 10);
    leave(&house);
}

static void a_turn_is_one_transaction_and_ends_before_the_loop_sleeps(void **state) {
    struct house house;
    enter(&house, *state);
    assert_false(is_held(&house));
    for (int turn = 0; turn < 3; turn++) {
        look(&house);
        assert_true(is_held(&house));
        look(&house);
        assert_true(is_held(&house));
        /* Nothing else keeps the loop: it would run for ever if it slept. */
        uv_run(&house.loop, UV_RUN_DEFAULT);
        assert_false(is_held(&house));
    }
    leave(&house);
}

static void a_view_can_be_ended_within_a_turn(void **state) {
    struct house house;
    enter(&house, *state);
    sqlite_view_end(&house.view);
    look(&house);
    sqlite_view_end(&house.view);
    assert_false(is_held(&house));
    look(&house);
    assert_true(is_held(&house));
    leave(&house);
}

static int64_t log_size(const struct scene *scene) {
    char path[320];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", scene->path);
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* The worst case: whenever something is committed a view from before it is held. */
static void views_without_end_do_not_keep_the_log_from_being_emptied(void **state) {
    struct house house;
    int held = 0;
    enter(&house, *state);
    for (int i = 0; i < 400; i++) {
        assert_int_equal(look(&house), i);
        held += is_held(&house);
        execute(house.writer, "INSERT INTO things (thing) VALUES (zeroblob(50 * 4096))");
    }
    assert_true(log_size(*state) < 3000 * (PAGE + 24));
    assert_true(held > 200);
    leave(&house);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_committed_in_the_same_turn_is_seen, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_turn_is_one_transaction_and_ends_before_the_loop_sleeps,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_can_be_ended_within_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(views_without_end_do_not_keep_the_log_from_being_emptied,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
