/* The process's breakers, as settings and marks come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command/breakers.h"
#include "played_store.h"

#define CODE     "0123456789abcdef"
#define NEW_CODE "fedcba9876543210"

static int64_t read_clock(const struct clock *clock) {
    (void)clock;
    return 1000;
}

static const struct clock test_clock = {read_clock, read_clock};

static const struct config config = {
    .breaker_failures = 50,
    .breaker_least_calls = 2,
    .breaker_window_ms = 10000,
    .breaker_open_for_ms = 500,
    .breaker_probes = 1,
};

struct house {
    uv_loop_t loop;
    struct played store;
    struct directory *directory;
    struct breakers breakers;
    bool ended;
    int refreshes;
};

static void begin_with(struct house *house, const struct directory_credential *credentials,
                       int count) {
    struct complaint complaint = {""};
    const struct directory_parts parts = {
        .loop = &house->loop,
        .clock = &test_clock,
        .store = &house->store.client,
        .poll_ms = 3600000,
        .look_ms = 3600000,
        .publishing = breakers_on_publishing,
        .publishing_arg = &house->breakers,
    };
    assert_true(
        breakers_begin(&house->breakers, &test_clock, &config, credentials, count, &complaint));
    house->directory = directory_new(&parts, &complaint);
    assert_non_null(house->directory);
    directory_set_credentials(house->directory, credentials, count);
}

static const struct directory_credential two[] = {{"main", CODE}, {"second", CODE}};

static int set_up(void **state) {
    struct house *house = calloc(1, sizeof *house);
    uv_loop_init(&house->loop);
    house->store.client.backend = &played_backend;
    uv_async_init(&house->loop, &house->store.turn, on_turn);
    house->store.turn.data = &house->store;
    begin_with(house, two, 2);
    *state = house;
    return 0;
}

static void on_ended(void *arg) {
    ((struct house *)arg)->ended = true;
}

static int tear_down(void **state) {
    struct house *house = *state;
    directory_end(house->directory, on_ended, house);
    while (!house->ended)
        uv_run(&house->loop, UV_RUN_ONCE);
    directory_free(house->directory);
    breakers_end(&house->breakers);
    lose_everything(&house->store);
    for (int i = 0; i < house->store.audit_count; i++)
        free(house->store.audit[i]);
    uv_close((uv_handle_t *)&house->store.turn, NULL);
    uv_run(&house->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&house->loop), 0);
    free(house);
    return 0;
}

static void on_refreshed(void *arg, bool read) {
    assert_true(read);
    ((struct house *)arg)->refreshes++;
}

static void refresh(struct house *house) {
    int before = house->refreshes;
    directory_refresh(house->directory, on_refreshed, house);
    while (house->refreshes == before)
        uv_run(&house->loop, UV_RUN_ONCE);
}

/* At another time each. */
static void write_mark(struct house *house, const char *id, enum credential_mark mark) {
    int64_t since_ms = 1000 * (house->store.version + 1);
    struct credential credential = {.mark = mark, .since_ms = since_ms, .left = -1};
    snprintf(credential.id, sizeof credential.id, "%s", id);
    snprintf(credential.appcode, sizeof credential.appcode, "%s", CODE);
    char *body = credential_encode(&credential);
    put(&house->store, STORE_CREDENTIAL, id, body, house->store.version + 1);
    free(body);
}

static void open_both(struct house *house, int64_t for_ms) {
    breaker_open(house->breakers.board, BREAKER_CREDENTIAL, "main", for_ms);
    breaker_open(house->breakers.board, BREAKER_CREDENTIAL, "second", for_ms);
}

/* "guide main! second": those that are open have a mark. */
static void assert_board(const struct house *house, const char *expected) {
    struct breaker_view views[BREAKER_MOST];
    int count = breaker_look(house->breakers.board, views, BREAKER_MOST);
    char bytes[512];
    struct text text = text_over(bytes, sizeof bytes);
    for (int i = 0; i < count; i++) {
        assert_int_equal(views[i].kind, i == 0 ? BREAKER_PROVIDER : BREAKER_CREDENTIAL);
        text_addf(&text, "%s%s%s", i > 0 ? " " : "", views[i].name,
                  views[i].state == BREAKER_OPEN ? "!" : "");
    }
    assert_string_equal(bytes, expected);
}

static void there_is_one_for_each(void **state) {
    struct house *house = *state;
    assert_board(house, "guide main second");
    const struct directory_credential other[] = {{"third", CODE}, {"main", CODE}};
    breakers_set(&house->breakers, &config, other, 2);
    assert_board(house, "guide third main");
    breakers_set(&house->breakers, &config, other, 0);
    assert_board(house, "guide");
}

static void fail_twice(const struct house *house, enum breaker_kind kind, const char *name) {
    struct breaker_pass passes[2];
    int64_t wait_ms = 0;
    for (int i = 0; i < 2; i++)
        assert_true(breaker_enter(house->breakers.board, kind, name, &passes[i], &wait_ms));
    for (int i = 0; i < 2; i++)
        breaker_leave(house->breakers.board, &passes[i], BREAKER_BAD);
}

static void the_settings_are_the_boards(void **state) {
    struct house *house = *state;
    fail_twice(house, BREAKER_PROVIDER, "guide");
    assert_board(house, "guide! main second");
    struct breaker_pass pass;
    int64_t wait_ms = 0;
    assert_false(breaker_enter(house->breakers.board, BREAKER_PROVIDER, "guide", &pass, &wait_ms));
    assert_int_equal(wait_ms, 500);
    struct config off = config;
    off.breaker_failures = 0;
    breakers_set(&house->breakers, &off, two, 2);
    assert_board(house, "guide main second");
}

static void another_code_begins_anew(void **state) {
    struct house *house = *state;
    fail_twice(house, BREAKER_CREDENTIAL, "main");
    fail_twice(house, BREAKER_CREDENTIAL, "second");
    const struct directory_credential other[] = {{"main", NEW_CODE}, {"second", CODE}};
    breakers_set(&house->breakers, &config, other, 2);
    assert_board(house, "guide main second!");
    fail_twice(house, BREAKER_CREDENTIAL, "main");
    breakers_set(&house->breakers, &config, other, 2);
    assert_board(house, "guide main! second!");
}

static void a_reload_closes_what_was_told(void **state) {
    struct house *house = *state;
    breaker_open(house->breakers.board, BREAKER_CREDENTIAL, "main", -1);
    fail_twice(house, BREAKER_CREDENTIAL, "second");
    assert_board(house, "guide main! second!");
    breakers_set(&house->breakers, &config, two, 2);
    assert_board(house, "guide main second!");
}

static void it_closes_with_its_mark(void **state) {
    struct house *house = *state;
    open_both(house, -1);
    refresh(house); /* the mark is not there yet */
    assert_board(house, "guide main! second!");
    write_mark(house, "main", CREDENTIAL_EXHAUSTED);
    refresh(house);
    assert_board(house, "guide main! second!");
    write_mark(house, "main", CREDENTIAL_GOOD); /* whoever did it */
    refresh(house);
    assert_board(house, "guide main second!");
    breaker_open(house->breakers.board, BREAKER_CREDENTIAL, "main", -1);
    refresh(house);
    assert_board(house, "guide main! second!");
}

static void it_closes_with_a_mark_that_nobody_saw(void **state) {
    struct house *house = *state;
    open_both(house, -1);
    write_mark(house, "main", CREDENTIAL_EXHAUSTED);
    write_mark(house, "main", CREDENTIAL_GOOD);
    refresh(house);
    assert_board(house, "guide main second!");
}

static void marks_are_remembered_over_a_reload(void **state) {
    struct house *house = *state;
    write_mark(house, "second", CREDENTIAL_GOOD); /* of old */
    refresh(house);
    const struct directory_credential other[] = {{"second", CODE}};
    breakers_set(&house->breakers, &config, other, 1);
    open_both(house, 60000);
    write_mark(house, "third", CREDENTIAL_ARREARS);
    refresh(house);
    assert_board(house, "guide second!");
    write_mark(house, "second", CREDENTIAL_ARREARS);
    refresh(house);
    assert_board(house, "guide second!");
    write_mark(house, "second", CREDENTIAL_GOOD);
    refresh(house);
    assert_board(house, "guide second");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_is_one_for_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_settings_are_the_boards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_code_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reload_closes_what_was_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_closes_with_its_mark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_closes_with_a_mark_that_nobody_saw, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marks_are_remembered_over_a_reload, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
