/* Marks on AppCodes: written once whoever says so, lapsing, and taken away. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "directory_house.h"

struct marker {
    struct directory *directory;
    enum credential_mark mark;
};

static void *mark_often(void *arg) {
    const struct marker *marker = arg;
    for (int i = 0; i < 200; i++)
        mark_code(marker->directory, "main", marker->mark);
    return NULL;
}

static void one_mark_is_written_whoever_says_it(void **state) {
    struct house *house = *state;
    add_package(house, "a", "main", 100, 0);
    add_package(house, "a2", "main", 50, NOW_MS + DAY_MS);
    add_package(house, "a3", "main", 50, NOW_MS);
    add_package(house, "b", "second", 1000, 0);
    begin(house);
    count(&house->store, "package", "a", 30);
    count(&house->store, "package", "a2", 60);
    pthread_t threads[2];
    struct marker markers[] = {{house->directory, CREDENTIAL_EXHAUSTED},
                               {house->directory, CREDENTIAL_EXHAUSTED}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mark_often, &markers[i]), 0);
    turn_until_marked(house, "main");
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    refresh(house);
    refresh(house);
    assert_int_equal(house->store.writes, 1);
    struct credential written = mark_in(house, "main");
    assert_int_equal(written.mark, CREDENTIAL_EXHAUSTED);
    assert_string_equal(written.appcode, CODE);
    assert_int_equal(written.left, 70);
    assert_int_equal(written.since_ms, NOW_MS);
    assert_plan(house, "b:second");
    assert_int_equal(house->store.audit_count, 1);
    assert_string_equal(
        house->store.audit[0],
        "{\"at\":\"2026-11-24T02:00:00Z\",\"token\":\"service\",\"action\":\"mark\","
        "\"kind\":\"credential\",\"id\":\"main\",\"before\":null,\"after\":{\"id\":\"main\","
        "\"mark\":\"exhausted\",\"since\":\"2026-11-24T02:00:00Z\",\"appcode\":\"" CODE
        "\",\"left\":70}}");
}

/* Another one may be tried at a time: what it is refused for may be over. */
static void a_refused_code_is_offered_again_after_a_while(void **state) {
    struct house *house = *state;
    write_mark(&house->store, "main", CREDENTIAL_ARREARS, CODE);
    write_mark(&house->store, "second", CREDENTIAL_EXHAUSTED, CODE);
    open_with(house, LONG_MS, 5);
    refresh(house);
    assert_plan(house, "");
    test_now_ms += REFUSED_FOR_MS - 1;
    refresh(house);
    assert_plan(house, "");
    test_now_ms += 1;
    while (directory_now(house->directory)->plan->count == 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_plan(house, ":main");

    /* It is refused again, which is no news. */
    mark_code(house->directory, "main", CREDENTIAL_ARREARS);
    while (directory_now(house->directory)->plan->count > 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(mark_in(house, "main").since_ms, test_now_ms);
    assert_int_equal(house->store.audit_count, 0);

    /* It is taken. */
    test_now_ms += REFUSED_FOR_MS;
    mark_code(house->directory, "second", CREDENTIAL_GOOD);
    mark_code(house->directory, "main", CREDENTIAL_GOOD);
    while (mark_in(house, "main").mark != CREDENTIAL_GOOD)
        uv_run(&house->loop, UV_RUN_ONCE);
    refresh(house);
    assert_plan(house, ":main");
    assert_int_equal(house->store.audit_count, 1);
    assert_int_equal(mark_in(house, "second").mark, CREDENTIAL_EXHAUSTED);
}

struct told {
    int count;
    char last[LEDGER_NAME_SIZE];
    enum credential_mark mark;
};

static void on_marked(void *arg, const char *credential, enum credential_mark mark) {
    struct told *told = arg;
    told->count++;
    told->mark = mark;
    snprintf(told->last, sizeof told->last, "%s", credential);
}

static void marks_that_come_and_go_are_told(void **state) {
    struct house *house = *state;
    house->marked = on_marked;
    struct told told = {0};
    house->told = &told;
    write_mark(&house->store, "main", CREDENTIAL_EXHAUSTED, CODE);
    write_mark(&house->store, "second", CREDENTIAL_ARREARS, NEW_CODE);
    begin(house);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.last, "main");
    assert_int_equal(told.mark, CREDENTIAL_EXHAUSTED);
    refresh(house);
    assert_int_equal(told.count, 1);
    write_mark(&house->store, "main", CREDENTIAL_GOOD, CODE);
    refresh(house);
    assert_int_equal(told.count, 2);
    assert_string_equal(told.last, "main");
    assert_int_equal(told.mark, CREDENTIAL_GOOD);
}

static void an_unmetered_credential_has_nothing_left_to_tell(void **state) {
    struct house *house = *state;
    begin(house);
    mark_code(house->directory, "main", CREDENTIAL_EXPIRED);
    turn_until_marked(house, "main");
    assert_int_equal(mark_in(house, "main").left, -1);
    assert_plan(house, ":second");
}

static void who_is_not_configured_is_not_marked(void **state) {
    struct house *house = *state;
    begin(house);
    mark_code(house->directory, "third", CREDENTIAL_UNKNOWN);
    mark_code(house->directory, "main", CREDENTIAL_GOOD);
    mark_code(house->directory, "second", CREDENTIAL_UNKNOWN);
    turn_until_marked(house, "second");
    assert_int_equal(house->store.writes, 1);
}

static void mark_by_another(struct played *store) {
    write_mark(store, "main", CREDENTIAL_ARREARS, CODE);
}

static void clear_by_another(struct played *store) {
    write_mark(store, "main", CREDENTIAL_GOOD, CODE);
}

/* The call was under way when the code was changed. */
static void a_late_refusal_does_not_mark_the_new_code(void **state) {
    struct house *house = *state;
    const struct directory_credential renewed[] = {{"main", NEW_CODE, 0}, {"second", CODE, 0}};
    begin(house);
    directory_set_credentials(house->directory, renewed, 2, REFUSED_FOR_MS);
    mark_code(house->directory, "main", CREDENTIAL_UNKNOWN);
    mark_code(house->directory, "second", CREDENTIAL_UNKNOWN);
    turn_until_marked(house, "second");
    assert_int_equal(house->store.writes, 1);
    assert_plan(house, ":main");
}

static void of_two_replicas_one_writes_the_mark(void **state) {
    struct house *house = *state;
    begin(house);
    house->store.before_write = mark_by_another;
    mark_code(house->directory, "main", CREDENTIAL_UNKNOWN);
    turn_until_marked(house, "main");
    refresh(house);
    assert_int_equal(house->store.writes, 1);
    assert_int_equal(house->store.audit_count, 0);
    assert_int_equal(mark_in(house, "main").mark, CREDENTIAL_ARREARS);
}

static void after_a_conflict_it_looks_again(void **state) {
    struct house *house = *state;
    begin(house);
    house->store.before_write = clear_by_another;
    mark_code(house->directory, "main", CREDENTIAL_UNKNOWN);
    turn_until_marked(house, "main");
    assert_int_equal(house->store.writes, 2);
    assert_int_equal(mark_in(house, "main").mark, CREDENTIAL_UNKNOWN);
    assert_non_null(strstr(house->store.audit[0], "\"before\":{\"id\":\"main\",\"mark\":null"));
}

static void a_mark_waits_for_a_store_that_is_away(void **state) {
    struct house *house = *state;
    open_with(house, 5, LONG_MS);
    refresh(house);
    house->store.before_write = go_away;
    mark_code(house->directory, "main", CREDENTIAL_UNKNOWN);
    while (!house->store.away)
        uv_run(&house->loop, UV_RUN_ONCE);
    refresh(house);
    assert_int_equal(house->store.writes, 1);
    house->store.away = false;
    turn_until_marked(house, "main");
    assert_int_equal(house->store.writes, 2);
}

static void a_refresh_behind_a_clearing_shows_it(void **state) {
    struct house *house = *state;
    write_mark(&house->store, "main", CREDENTIAL_UNKNOWN, CODE);
    write_mark(&house->store, "second", CREDENTIAL_EXHAUSTED, CODE);
    begin(house);
    assert_plan(house, "");
    directory_clear_marks(house->directory, "second");
    refresh(house);
    assert_plan(house, ":second");
    assert_int_equal(house->store.audit_count, 1);
    assert_non_null(strstr(house->store.audit[0], "\"action\":\"clear\""));
    mark_code(house->directory, "second", CREDENTIAL_EXHAUSTED);
    turn_until_marked(house, "second");
    directory_clear_marks(house->directory, NULL);
    refresh(house);
    assert_plan(house, ":main :second");
    int writes = house->store.writes;
    directory_clear_marks(house->directory, NULL);
    refresh(house);
    assert_int_equal(house->store.writes, writes);
}

#define HOUSE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(one_mark_is_written_whoever_says_it),
        HOUSE_TEST(a_refused_code_is_offered_again_after_a_while),
        HOUSE_TEST(marks_that_come_and_go_are_told),
        HOUSE_TEST(an_unmetered_credential_has_nothing_left_to_tell),
        HOUSE_TEST(who_is_not_configured_is_not_marked),
        HOUSE_TEST(a_late_refusal_does_not_mark_the_new_code),
        HOUSE_TEST(of_two_replicas_one_writes_the_mark),
        HOUSE_TEST(after_a_conflict_it_looks_again),
        HOUSE_TEST(a_mark_waits_for_a_store_that_is_away),
        HOUSE_TEST(a_refresh_behind_a_clearing_shows_it),
    };
    period_set_zone("Asia/Shanghai");
    log_init(LOG_ERROR, LOG_JSON, 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
