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
#include "upstream/provider.h"

#define CODE     "0123456789abcdef"
#define NEW_CODE "fedcba9876543210"

static int64_t read_clock(const struct clock *clock) {
    (void)clock;
    return 1000;
}

static const struct clock test_clock = {read_clock, read_clock};

static struct provider guide = {.id = "guide", .guide = true};

static const struct config config = {
    .providers = &guide,
    .provider_count = 1,
    .breaker_failures = 50,
    .breaker_least_calls = 2,
    .breaker_window_ms = 10000,
    .breaker_open_for_ms = 500,
    .breaker_probes = 1,
    .upstream_refused_for_ms = 60000,
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
    const struct directory_parts parts = {.loop = &house->loop,
                                          .clock = &test_clock,
                                          .store = &house->store.client,
                                          .marked = breakers_marked,
                                          .arg = &house->breakers,
                                          .poll_ms = 3600000,
                                          .look_ms = 3600000};
    assert_true(
        breakers_begin(&house->breakers, &test_clock, &config, credentials, count, &complaint));
    house->directory = directory_new(&parts, &complaint);
    assert_non_null(house->directory);
    directory_set_credentials(house->directory, credentials, count, config.upstream_refused_for_ms);
}

static const struct directory_credential two[] = {{"main", CODE, 0}, {"second", CODE, 0}};

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

/* And every reader has been told. */
static void refresh(struct house *house) {
    int before = house->refreshes;
    directory_refresh(house->directory, on_refreshed, house);
    while (house->refreshes == before)
        uv_run(&house->loop, UV_RUN_ONCE);
    for (int i = 0; i < 3; i++)
        uv_run(&house->loop, UV_RUN_NOWAIT);
}

static void write_mark(struct house *house, const char *id, enum credential_mark mark) {
    struct credential credential = {.mark = mark, .since_ms = 1000, .left = -1};
    snprintf(credential.id, sizeof credential.id, "%s", id);
    snprintf(credential.appcode, sizeof credential.appcode, "%s", CODE);
    char *body = credential_encode(&credential);
    put(&house->store, STORE_CREDENTIAL, id, body, house->store.version + 1);
    free(body);
}

static void open_both(struct house *house, int64_t for_ms) {
    breaker_open(house->breakers.board, BREAKER_CREDENTIAL, "main", for_ms,
                 FAILURE_UPSTREAM_UNAVAILABLE);
    breaker_open(house->breakers.board, BREAKER_CREDENTIAL, "second", for_ms,
                 FAILURE_UPSTREAM_UNAVAILABLE);
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
    const struct directory_credential other[] = {{"third", CODE, 0}, {"main", CODE, 0}};
    breakers_set(&house->breakers, &config, other, 2);
    assert_board(house, "guide third main");
    breakers_set(&house->breakers, &config, other, 0);
    assert_board(house, "guide");
}

static void the_settings_are_the_boards(void **state) {
    struct house *house = *state;
    struct breaker_pass passes[2];
    int64_t wait_ms = 0;
    for (int i = 0; i < 2; i++)
        assert_true(
            breaker_enter(house->breakers.board, BREAKER_PROVIDER, "guide", &passes[i], &wait_ms));
    for (int i = 0; i < 2; i++)
        breaker_leave(house->breakers.board, &passes[i], BREAKER_BAD);
    assert_board(house, "guide! main second");
    assert_false(
        breaker_enter(house->breakers.board, BREAKER_PROVIDER, "guide", &passes[0], &wait_ms));
    assert_int_equal(wait_ms, 500);
    struct config off = config;
    off.breaker_failures = 0;
    breakers_set(&house->breakers, &off, two, 2);
    assert_board(house, "guide main second");
}

static void another_code_begins_anew(void **state) {
    struct house *house = *state;
    open_both(house, 60000);
    const struct directory_credential other[] = {{"main", NEW_CODE, 0}, {"second", CODE, 0}};
    breakers_set(&house->breakers, &config, other, 2);
    assert_board(house, "guide main second!");
    breakers_set(&house->breakers, &config, other, 2);
    assert_board(house, "guide main second!");
}

static void it_opens_and_closes_with_its_mark(void **state) {
    struct house *house = *state;
    refresh(house);
    assert_board(house, "guide main second");
    write_mark(house, "main", CREDENTIAL_UNAUTHORIZED);
    refresh(house);
    assert_board(house, "guide main! second");
    write_mark(house, "main", CREDENTIAL_GOOD); /* whoever did it */
    refresh(house);
    assert_board(house, "guide main second");
}

/* The plan leaves it alone already, and takes it again the moment that something was bought. */
static void a_spent_one_needs_none(void **state) {
    struct house *house = *state;
    write_mark(house, "main", CREDENTIAL_EXHAUSTED);
    refresh(house);
    assert_board(house, "guide main second");
    open_both(house, 60000);
    write_mark(house, "main", CREDENTIAL_GOOD);
    refresh(house);
    assert_board(house, "guide main second!");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_is_one_for_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_settings_are_the_boards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_code_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_opens_and_closes_with_its_mark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spent_one_needs_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
