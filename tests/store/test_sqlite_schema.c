/*
 * Files of older schemas: the embedded store takes them over with all they hold.
 */
#include "money_rig.h"
#include "sqlite_scene.h"

#include <fcntl.h>

#include "runtime/log.h"

extern const char store_schema_1_sql[];

static void a_store_of_version_1_is_brought_up_with_all_it_holds(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    char sql[600];
    char hex[DIGEST_SHORT_SIZE];
    rig_prepare(&asked, &triple, FRESHNESS_ANY);
    asked.admit.limit = (struct store_number_limit){1, 1000};
    sqlite3 *db = open_beside(scene);
    execute(db, store_schema_1_sql);
    digest_short(&asked.admit.number, hex);
    snprintf(sql, sizeof sql,
             "INSERT INTO ledger (id, reserved_at_ms, settled_at_ms, client, credential, state, "
             "number) VALUES (randomblob(16), %lld, 1, 'c', 'main', 'settled', x'%s')",
             START_S * 1000LL, hex);
    execute(db, sql);
    execute(db, "PRAGMA application_id = 1398362964; PRAGMA user_version = 1");
    sqlite3_close(db);
    open_scene(scene);
    rig_submit(&scene->rig, 0, &asked);
    rig_expect(&scene->rig, &asked, STORE_CLOSED);
    rig_close(&scene->rig);
}

extern const char store_schema_2_sql[];

/* Calls of an older schema count as if they had always been counted. */
static void what_a_store_of_version_2_holds_is_counted(void **state) {
    static const char *const ends[] = {"'reserved', NULL", "'unknown', NULL", "'settled', 1",
                                       "'settled', 0", "'released', 0"};
    struct scene *scene = *state;
    int64_t at_ms = clock_unix_ms(&clock_system);
    char sql[600];
    char hex[33];
    sqlite3 *db = open_beside(scene);
    execute(db, store_schema_1_sql);
    execute(db, store_schema_2_sql);
    for (int i = 0; i < 60; i++) {
        struct ledger_id id = ledger_id_make(at_ms - i % 3 * INT64_C(86400000));
        snprintf(sql, sizeof sql,
                 "INSERT INTO ledger (id, reserved_at_ms, client, credential, package, state, "
                 "billed, number) VALUES (x'%s', %lld, 'c%d', 'main', %s, %s, x'0011223344556677')",
                 sodium_bin2hex(hex, sizeof hex, id.bytes, sizeof id.bytes), (long long)at_ms,
                 i % 2, i % 4 ? "'p1'" : "NULL", ends[i % 5]);
        execute(db, sql);
    }
    execute(db, "PRAGMA application_id = 1398362964; PRAGMA user_version = 2");
    sqlite3_close(db);
    for (int again = 0; again < 2; again++) {
        open_scene(scene);
        for (int day = 0; day < 3; day++)
            money_assert_books(&scene->rig, at_ms - day * INT64_C(86400000));
        assert_int_equal(money_counter(&scene->rig, "package", "p1"), 27);
        rig_close(&scene->rig);
    }
}

extern const char store_schema_3_sql[];

static void expect_admitted(struct scene *scene, const struct digest *number, const char *window,
                            int64_t max_calls, enum store_outcome outcome) {
    struct digest triple = rig_digest();
    struct rig_admit asked;
    rig_prepare(&asked, &triple, FRESHNESS_ANY);
    asked.admit.number = *number;
    asked.admit.limit = (struct store_number_limit){max_calls, 1000};
    strcpy(asked.admit.window, window);
    rig_submit(&scene->rig, 0, &asked);
    rig_expect(&scene->rig, &asked, outcome);
}

/* What it counted and closed is the built-in window's. */
static void a_store_of_version_3_keeps_its_windows(void **state) {
    struct scene *scene = *state;
    struct digest numbers[2] = {rig_digest(), rig_digest()};
    char sql[600];
    char hex[2 * DIGEST_SIZE + 1];
    sqlite3 *db = open_beside(scene);
    execute(db, store_schema_1_sql);
    execute(db, store_schema_2_sql);
    execute(db, store_schema_3_sql);
    sodium_bin2hex(hex, sizeof hex, numbers[0].bytes, DIGEST_SIZE);
    snprintf(sql, sizeof sql,
             "INSERT INTO ledger (id, reserved_at_ms, settled_at_ms, client, credential, state, "
             "number) VALUES (randomblob(16), %lld, 1, 'c', 'main', 'settled', x'%.16s')",
             START_S * 1000LL, hex);
    execute(db, sql);
    sodium_bin2hex(hex, sizeof hex, numbers[1].bytes, DIGEST_SIZE);
    snprintf(sql, sizeof sql, "INSERT INTO closed_numbers VALUES (x'%s', %lld)", hex,
             START_S * 1000LL + 5000);
    execute(db, sql);
    execute(db, "PRAGMA application_id = 1398362964; PRAGMA user_version = 3");
    sqlite3_close(db);
    for (int again = 0; again < 2; again++) {
        open_scene(scene);
        for (int i = 0; i < 2; i++) {
            expect_admitted(scene, &numbers[i], "", 1, STORE_CLOSED);
            expect_admitted(scene, &numbers[i], "acme", 1, again ? STORE_CLOSED : STORE_LEAD);
        }
        rig_close(&scene->rig);
    }
    expect(scene, "PRAGMA user_version", NULL, "4");
    expect(scene, "SELECT count(*) FROM ledger WHERE number_window = ''", NULL, "1");
    expect(scene, "SELECT count(*) FROM ledger WHERE number_window = 'acme'", NULL, "2");
    /* What is over is swept, in every window. */
    db = open_beside(scene);
    execute(db, "INSERT INTO closed_numbers SELECT number, 'acme', 2 * until_ms "
                "FROM closed_numbers");
    sqlite3_close(db);
    rig_clock_advance(&scene->clock, 5000);
    open_scene(scene);
    for (int i = 0; i < 2; i++)
        rig_barrier(&scene->rig, i);
    expect_admitted(scene, &numbers[1], "", 1, STORE_LEAD);
    expect_admitted(scene, &numbers[1], "acme", 1, STORE_CLOSED);
    rig_close(&scene->rig);
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    period_set_zone("Asia/Shanghai");
    log_init(LOG_ERROR, LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCENE(a_store_of_version_1_is_brought_up_with_all_it_holds),
        SCENE(what_a_store_of_version_2_holds_is_counted),
        SCENE(a_store_of_version_3_keeps_its_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
