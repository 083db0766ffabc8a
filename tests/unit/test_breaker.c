/* Breakers through all of their states, on a clock that stands still until it is told. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/breaker.h"

#define WINDOW_MS   10000
#define OPEN_FOR_MS 5000

static bool lets_pass(const struct breaker_board *board, enum breaker_kind kind, const char *name) {
    struct breaker_bar bar = {.wait_ms = 0};
    bool may = breaker_lets_pass(board, kind, name, &bar);
    assert_int_equal(may, bar.wait_ms == 0);
    return may;
}

static _Atomic int64_t now_ms;

static int64_t fake_now(const struct clock *clock) {
    (void)clock;
    return now_ms;
}

static const struct clock fake_clock = {.unix_ms = fake_now, .monotonic_ms = fake_now};

static const struct breaker_settings usual = {
    .failures = 50,
    .least_calls = 4,
    .window_ms = WINDOW_MS,
    .open_for_ms = OPEN_FOR_MS,
    .probes = 2,
};

static const struct breaker_name names[] = {
    {BREAKER_PROVIDER, "guide", false},
    {BREAKER_CREDENTIAL, "main", false},
    {BREAKER_CREDENTIAL, "second", false},
};

static struct breaker_board *make_with(struct breaker_settings settings) {
    now_ms = 123456;
    struct breaker_board *board = breaker_board_new(&settings, &fake_clock);
    assert_non_null(board);
    assert_true(breaker_board_set(board, &settings, names, 3));
    return board;
}

static struct breaker_board *make(void) {
    return make_with(usual);
}

static struct breaker_view look_at(struct breaker_board *board, enum breaker_kind kind,
                                   const char *name) {
    struct breaker_view views[8];
    int count = breaker_look(board, views, 8);
    for (int i = 0; i < count; i++) {
        if (views[i].kind == kind && strcmp(views[i].name, name) == 0)
            return views[i];
    }
    fail_msg("no breaker %s", name);
    return (struct breaker_view){0};
}

static struct breaker_view guide(struct breaker_board *board) {
    return look_at(board, BREAKER_PROVIDER, "guide");
}

/* Of the provider, which must let pass. */
static struct breaker_pass enter(struct breaker_board *board) {
    struct breaker_pass pass;
    int64_t wait_ms = -2;
    assert_true(lets_pass(board, BREAKER_PROVIDER, "guide"));
    assert_true(breaker_enter(board, BREAKER_PROVIDER, "guide", &pass, &wait_ms));
    assert_int_equal(wait_ms, 0);
    return pass;
}

static void refuse(struct breaker_board *board, int64_t expected_ms) {
    struct breaker_pass pass;
    int64_t wait_ms = -2;
    assert_false(lets_pass(board, BREAKER_PROVIDER, "guide"));
    assert_false(breaker_enter(board, BREAKER_PROVIDER, "guide", &pass, &wait_ms));
    assert_int_equal(wait_ms, expected_ms);
    breaker_leave(board, &pass, BREAKER_BAD); /* of none: changes nothing */
}

static void call(struct breaker_board *board, enum breaker_vote vote) {
    struct breaker_pass pass = enter(board);
    breaker_leave(board, &pass, vote);
}

static void call_often(struct breaker_board *board, enum breaker_vote vote, int times) {
    for (int i = 0; i < times; i++)
        call(board, vote);
}

static void open_it(struct breaker_board *board) {
    call_often(board, BREAKER_BAD, 4);
    assert_int_equal(guide(board).state, BREAKER_OPEN);
}

static void it_opens_exactly_at_the_share(void **state) {
    (void)state;
    struct breaker_board *board = make();
    call_often(board, BREAKER_GOOD, 5);
    call_often(board, BREAKER_BAD, 4);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    assert_int_equal(guide(board).calls, 9);
    assert_int_equal(guide(board).failures, 4);
    call(board, BREAKER_BAD);
    assert_int_equal(guide(board).state, BREAKER_OPEN);
    assert_int_equal(guide(board).opened, 1);
    assert_int_equal(guide(board).wait_ms, OPEN_FOR_MS);
    refuse(board, OPEN_FOR_MS);
    now_ms += OPEN_FOR_MS - 1;
    refuse(board, 1);
    breaker_board_free(board);
}

static void few_calls_say_nothing(void **state) {
    (void)state;
    struct breaker_board *board = make();
    call_often(board, BREAKER_BAD, 3);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    call(board, BREAKER_NONE);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    assert_int_equal(guide(board).calls, 3);
    call(board, BREAKER_BAD);
    assert_int_equal(guide(board).state, BREAKER_OPEN);
    breaker_board_free(board);
}

/* Two and two of four are a half, whichever came last. */
static void the_last_of_least_calls_may_be_a_good_one(void **state) {
    (void)state;
    struct breaker_board *board = make();
    call_often(board, BREAKER_BAD, 2);
    call_often(board, BREAKER_GOOD, 2);
    assert_int_equal(guide(board).state, BREAKER_OPEN);
    breaker_board_free(board);
}

static void every_call_must_fail_for_a_share_of_all(void **state) {
    (void)state;
    struct breaker_settings settings = usual;
    settings.failures = 100;
    struct breaker_board *board = make_with(settings);
    call(board, BREAKER_GOOD);
    call_often(board, BREAKER_BAD, 100);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    now_ms += WINDOW_MS;
    call_often(board, BREAKER_BAD, 4);
    assert_int_equal(guide(board).state, BREAKER_OPEN);
    breaker_board_free(board);
}

static void without_a_share_it_never_opens_by_itself(void **state) {
    (void)state;
    struct breaker_settings settings = usual;
    settings.failures = 0;
    struct breaker_board *board = make_with(settings);
    call_often(board, BREAKER_BAD, 100);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    breaker_open(board, BREAKER_PROVIDER, "guide", 10, FAILURE_UPSTREAM_UNAVAILABLE);
    refuse(board, 10);
    now_ms += 10;
    call(board, BREAKER_BAD);
    refuse(board, OPEN_FOR_MS);
    breaker_board_free(board);
}

static void the_window_slides_in_ten_parts(void **state) {
    (void)state;
    struct breaker_board *board = make();
    now_ms = 20 * WINDOW_MS;
    for (int part = 0; part < 10; part++) {
        call_often(board, BREAKER_GOOD, part + 1);
        assert_int_equal(guide(board).calls, (part + 1) * (part + 2) / 2);
        now_ms += WINDOW_MS / 10;
    }
    int64_t calls = 55;
    for (int part = 0; part < 10; part++) {
        calls -= part + 1;
        assert_int_equal(guide(board).calls, calls);
        now_ms += WINDOW_MS / 10 - 1;
        assert_int_equal(guide(board).calls, calls);
        now_ms += 1;
    }
    call_often(board, BREAKER_GOOD, 3);
    now_ms += INT64_C(1000) * WINDOW_MS;
    assert_int_equal(guide(board).calls, 0);
    call(board, BREAKER_GOOD);
    assert_int_equal(guide(board).calls, 1);
    breaker_board_free(board);
}

static void old_failures_do_not_count(void **state) {
    (void)state;
    struct breaker_board *board = make();
    call_often(board, BREAKER_BAD, 3);
    now_ms += WINDOW_MS;
    call_often(board, BREAKER_BAD, 3);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    assert_int_equal(guide(board).failures, 3);
    breaker_board_free(board);
}

static void so_many_probes_go_out_at_a_time(void **state) {
    (void)state;
    struct breaker_board *board = make();
    open_it(board);
    now_ms += OPEN_FOR_MS;
    assert_int_equal(guide(board).state, BREAKER_HALF_OPEN);
    assert_int_equal(guide(board).wait_ms, 0);
    struct breaker_pass first = enter(board);
    struct breaker_pass second = enter(board);
    assert_true(first.probe && second.probe);
    refuse(board, 1000);
    breaker_leave(board, &first, BREAKER_NONE); /* it was not used: another one may */
    first = enter(board);
    refuse(board, 1000);
    breaker_leave(board, &first, BREAKER_GOOD);
    assert_int_equal(guide(board).state, BREAKER_HALF_OPEN);
    first = enter(board);
    breaker_leave(board, &second, BREAKER_GOOD);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    assert_int_equal(guide(board).calls, 0);
    breaker_leave(board, &first, BREAKER_BAD); /* of the earlier state */
    assert_int_equal(guide(board).calls, 0);
    breaker_board_free(board);
}

static void a_pass_is_given_back_once(void **state) {
    (void)state;
    struct breaker_board *board = make();
    struct breaker_pass pass = enter(board);
    breaker_leave(board, &pass, BREAKER_GOOD);
    breaker_leave(board, &pass, BREAKER_GOOD);
    assert_int_equal(pass.index, -1);
    assert_int_equal(guide(board).calls, 1);
    breaker_board_free(board);
}

static void a_bad_probe_opens_it_again(void **state) {
    (void)state;
    struct breaker_board *board = make();
    open_it(board);
    now_ms += OPEN_FOR_MS + 77;
    struct breaker_pass first = enter(board);
    struct breaker_pass second = enter(board);
    breaker_leave(board, &first, BREAKER_BAD);
    refuse(board, OPEN_FOR_MS);
    assert_int_equal(guide(board).opened, 2);
    now_ms += 10;
    breaker_leave(board, &second, BREAKER_BAD); /* does not prolong it, nor open it a third time */
    refuse(board, OPEN_FOR_MS - 10);
    assert_int_equal(guide(board).opened, 2);
    now_ms += OPEN_FOR_MS;
    call_often(board, BREAKER_GOOD, 2);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    breaker_board_free(board);
}

static void passes_of_an_earlier_state_change_nothing(void **state) {
    (void)state;
    struct breaker_board *board = make();
    struct breaker_pass early[6];
    for (int i = 0; i < 6; i++)
        early[i] = enter(board);
    open_it(board);
    breaker_leave(board, &early[0], BREAKER_GOOD);
    breaker_leave(board, &early[1], BREAKER_BAD);
    refuse(board, OPEN_FOR_MS);
    now_ms += OPEN_FOR_MS;
    struct breaker_pass probe = enter(board);
    breaker_leave(board, &early[2], BREAKER_GOOD);
    breaker_leave(board, &early[3], BREAKER_BAD);
    assert_int_equal(guide(board).state, BREAKER_HALF_OPEN);
    breaker_leave(board, &probe, BREAKER_GOOD);
    call(board, BREAKER_GOOD);
    breaker_leave(board, &early[4], BREAKER_GOOD);
    breaker_leave(board, &early[5], BREAKER_BAD);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    assert_int_equal(guide(board).calls, 0);
    breaker_board_free(board);
}

static void told_to_it_opens_for_a_while(void **state) {
    (void)state;
    struct breaker_board *board = make();
    breaker_open(board, BREAKER_PROVIDER, "guide", 700, FAILURE_UPSTREAM_UNAVAILABLE);
    refuse(board, 700);
    breaker_open(board, BREAKER_PROVIDER, "guide", 300,
                 FAILURE_UPSTREAM_UNAVAILABLE); /* the longer one holds */
    refuse(board, 700);
    breaker_open(board, BREAKER_PROVIDER, "guide", 900, FAILURE_UPSTREAM_UNAVAILABLE);
    refuse(board, 900);
    assert_int_equal(guide(board).opened, 1);
    now_ms += 900;
    struct breaker_pass probe = enter(board);
    refuse(board, 1000); /* one at a time */
    breaker_leave(board, &probe, BREAKER_GOOD);
    probe = enter(board);
    refuse(board, 1000);
    breaker_leave(board, &probe, BREAKER_GOOD);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    open_it(board); /* by itself: as many probes as the settings say */
    now_ms += OPEN_FOR_MS;
    struct breaker_pass first = enter(board);
    struct breaker_pass second = enter(board);
    breaker_leave(board, &first, BREAKER_NONE);
    breaker_leave(board, &second, BREAKER_NONE);
    breaker_board_free(board);
}

static void told_to_it_opens_until_something_changes(void **state) {
    (void)state;
    struct breaker_board *board = make();
    breaker_open(board, BREAKER_PROVIDER, "guide", -1, FAILURE_UPSTREAM_UNAVAILABLE);
    breaker_open(board, BREAKER_PROVIDER, "guide", 10, FAILURE_UPSTREAM_UNAVAILABLE);
    refuse(board, -1);
    now_ms += INT64_C(1000) * 24 * 60 * 60 * 1000;
    refuse(board, -1);
    assert_int_equal(guide(board).wait_ms, -1);
    breaker_close(board, BREAKER_PROVIDER, "guide");
    call(board, BREAKER_GOOD);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    breaker_board_free(board);
}

static void one_or_all_of_a_kind_are_closed(void **state) {
    (void)state;
    struct breaker_board *board = make();
    breaker_open(board, BREAKER_PROVIDER, "guide", -1, FAILURE_UPSTREAM_UNAVAILABLE);
    breaker_open(board, BREAKER_CREDENTIAL, "main", -1, FAILURE_UPSTREAM_UNAVAILABLE);
    breaker_open(board, BREAKER_CREDENTIAL, "second", -1, FAILURE_UPSTREAM_UNAVAILABLE);
    breaker_open(board, BREAKER_CREDENTIAL, "guide", -1,
                 FAILURE_UPSTREAM_UNAVAILABLE); /* there is none */
    breaker_close(board, BREAKER_CREDENTIAL, "main");
    assert_true(lets_pass(board, BREAKER_CREDENTIAL, "main"));
    assert_false(lets_pass(board, BREAKER_CREDENTIAL, "second"));
    breaker_close(board, BREAKER_CREDENTIAL, NULL);
    assert_true(lets_pass(board, BREAKER_CREDENTIAL, "second"));
    assert_false(lets_pass(board, BREAKER_PROVIDER, "guide"));
    breaker_board_free(board);
}

static void what_counts_is_not_forgotten_by_a_close(void **state) {
    (void)state;
    struct breaker_board *board = make();
    call_often(board, BREAKER_BAD, 3);
    breaker_close(board, BREAKER_PROVIDER, NULL); /* it was not open */
    call(board, BREAKER_BAD);
    assert_int_equal(guide(board).state, BREAKER_OPEN);
    breaker_board_free(board);
}

static void it_says_how_long_it_has_been_so(void **state) {
    (void)state;
    struct breaker_board *board = make();
    now_ms += 11;
    assert_int_equal(guide(board).for_ms, 11);
    open_it(board);
    now_ms += OPEN_FOR_MS - 1;
    assert_int_equal(guide(board).for_ms, OPEN_FOR_MS - 1);
    now_ms += 8;
    assert_int_equal(guide(board).for_ms, 7);
    call(board, BREAKER_GOOD);
    assert_int_equal(guide(board).for_ms, 7);
    call(board, BREAKER_GOOD);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    now_ms += 5;
    assert_true(breaker_board_set(board, &usual, names, 3));
    assert_int_equal(guide(board).for_ms, 5);
    breaker_board_free(board);
}

static void a_name_that_is_not_there_may_pass(void **state) {
    (void)state;
    struct breaker_board *board = make();
    struct breaker_pass pass;
    int64_t wait_ms = -2;
    for (int i = 0; i < 100; i++) {
        assert_true(breaker_enter(board, BREAKER_PROVIDER, "other", &pass, &wait_ms));
        assert_int_equal(pass.index, -1);
        breaker_leave(board, &pass, BREAKER_BAD);
    }
    assert_true(lets_pass(board, BREAKER_PROVIDER, "other"));
    breaker_board_free(board);
}

static void other_settings_keep_states_and_passes(void **state) {
    (void)state;
    struct breaker_board *board = make();
    open_it(board);
    now_ms += OPEN_FOR_MS;
    struct breaker_pass first = enter(board);
    struct breaker_pass second = enter(board);
    breaker_open(board, BREAKER_CREDENTIAL, "second", -1, FAILURE_UPSTREAM_UNAVAILABLE);
    breaker_open(board, BREAKER_CREDENTIAL, "main", -1, FAILURE_UPSTREAM_UNAVAILABLE);
    const struct breaker_name other[] = {
        {BREAKER_CREDENTIAL, "third", false},  {BREAKER_CREDENTIAL, "second", false},
        {BREAKER_CREDENTIAL, "second", false}, {BREAKER_CREDENTIAL, "main", true},
        {BREAKER_PROVIDER, "guide", false},
    };
    assert_true(breaker_board_set(board, &usual, other, 5));
    struct breaker_view views[8];
    assert_int_equal(breaker_look(board, views, 8), 4);
    assert_int_equal(breaker_look(board, views, 3), 3);
    assert_int_equal(look_at(board, BREAKER_CREDENTIAL, "second").state, BREAKER_OPEN);
    assert_int_equal(look_at(board, BREAKER_CREDENTIAL, "main").state, BREAKER_CLOSED);
    assert_int_equal(look_at(board, BREAKER_CREDENTIAL, "main").opened, 1);
    assert_int_equal(guide(board).state, BREAKER_HALF_OPEN);
    refuse(board, 1000);
    breaker_leave(board, &first, BREAKER_NONE); /* finds its own, which has moved */
    breaker_leave(board, &second, BREAKER_GOOD);
    call(board, BREAKER_GOOD);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    breaker_board_free(board);
}

static void a_removed_one_is_forgotten(void **state) {
    (void)state;
    struct breaker_board *board = make();
    struct breaker_pass pass = enter(board);
    open_it(board);
    assert_true(breaker_board_set(board, &usual, &names[1], 2));
    breaker_leave(board, &pass, BREAKER_BAD);
    assert_true(breaker_board_set(board, &usual, names, 3));
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    assert_int_equal(guide(board).calls, 0);
    breaker_board_free(board);
}

static void another_window_begins_empty(void **state) {
    (void)state;
    struct breaker_board *board = make();
    call_often(board, BREAKER_BAD, 3);
    struct breaker_settings settings = usual;
    settings.least_calls = 3;
    assert_true(breaker_board_set(board, &settings, names, 3));
    assert_int_equal(guide(board).calls, 3);
    settings.window_ms *= 2;
    assert_true(breaker_board_set(board, &settings, names, 3));
    assert_int_equal(guide(board).calls, 0);
    call(board, BREAKER_GOOD);
    now_ms += 2 * WINDOW_MS - 2 * WINDOW_MS / 10;
    assert_int_equal(guide(board).calls, 1);
    now_ms += 2 * WINDOW_MS / 10;
    assert_int_equal(guide(board).calls, 0);
    breaker_board_free(board);
}

static void turned_off_it_closes_but_where_it_was_told_to(void **state) {
    (void)state;
    struct breaker_board *board = make();
    open_it(board);
    breaker_open(board, BREAKER_CREDENTIAL, "main", -1, FAILURE_UPSTREAM_UNAVAILABLE);
    struct breaker_settings settings = usual;
    settings.failures = 0;
    assert_true(breaker_board_set(board, &settings, names, 3));
    call(board, BREAKER_BAD);
    assert_false(lets_pass(board, BREAKER_CREDENTIAL, "main"));
    breaker_board_free(board);
}

static void it_is_printed_for_prometheus(void **state) {
    (void)state;
    struct breaker_board *board = make();
    const struct breaker_name odd[] = {
        {BREAKER_PROVIDER, "guide", false},
        {BREAKER_CREDENTIAL, "a\"b\\c\nd", false},
    };
    assert_true(breaker_board_set(board, &usual, odd, 2));
    open_it(board);
    char bytes[2048];
    struct text text = text_over(bytes, sizeof bytes);
    breaker_print(board, &text);
    assert_false(text.cut);
    assert_non_null(strstr(bytes, "# TYPE sanyao_breaker_state gauge\n"
                                  "sanyao_breaker_state{kind=\"provider\",name=\"guide\"} 2\n"
                                  "sanyao_breaker_state{kind=\"credential\","
                                  "name=\"a\\\"b\\\\c\\nd\"} 0\n"));
    assert_non_null(strstr(bytes, "# TYPE sanyao_breaker_opened_total counter\n"
                                  "sanyao_breaker_opened_total{kind=\"provider\","
                                  "name=\"guide\"} 1\n"));
    now_ms += OPEN_FOR_MS;
    text = text_over(bytes, sizeof bytes);
    breaker_print(board, &text);
    assert_non_null(strstr(bytes, "sanyao_breaker_state{kind=\"provider\",name=\"guide\"} 1\n"));
    breaker_board_free(board);
}

#define THREADS 4
#define ROUNDS  20000

#define GENERATIONS 4096

/* By generation: a probe of an earlier one may be late. */
static _Atomic int probes_out[GENERATIONS];
static _Atomic bool too_many;

static void *hammer(void *arg) {
    struct breaker_board *board = arg;
    unsigned random = (unsigned)(uintptr_t)&random; /* another one for each thread */
    for (int i = 0; i < ROUNDS; i++) {
        struct breaker_pass pass;
        int64_t wait_ms = 0;
        random = random * 1664525 + 1013904223;
        now_ms += random >> 30;
        if (!breaker_enter(board, BREAKER_PROVIDER, "guide", &pass, &wait_ms)) {
            now_ms += 1;
            continue;
        }
        _Atomic int *out = &probes_out[pass.generation % GENERATIONS];
        if (pass.probe && atomic_fetch_add(out, 1) >= usual.probes)
            atomic_store(&too_many, true);
        if (pass.probe)
            atomic_fetch_sub(out, 1);
        breaker_leave(board, &pass, (enum breaker_vote)((random >> 16) % 3));
    }
    return NULL;
}

static void threads_do_not_lose_a_probe(void **state) {
    (void)state;
    struct breaker_board *board = make();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, board), 0);
    struct breaker_view views[3];
    for (int i = 0; i < 200; i++) {
        assert_int_equal(breaker_look(board, views, 3), 3);
        assert_true(breaker_board_set(board, &usual, names, 3));
        breaker_open(board, BREAKER_CREDENTIAL, "main", 1, FAILURE_UPSTREAM_UNAVAILABLE);
        breaker_close(board, BREAKER_CREDENTIAL, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_false(too_many);
    assert_in_range(guide(board).opened, 1, THREADS * ROUNDS);
    now_ms += OPEN_FOR_MS;
    if (guide(board).state == BREAKER_CLOSED)
        breaker_open(board, BREAKER_PROVIDER, "guide", 0, FAILURE_UPSTREAM_UNAVAILABLE);
    call_often(board, BREAKER_GOOD, 2);
    assert_int_equal(guide(board).state, BREAKER_CLOSED);
    breaker_board_free(board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_exactly_at_the_share),
        cmocka_unit_test(few_calls_say_nothing),
        cmocka_unit_test(the_last_of_least_calls_may_be_a_good_one),
        cmocka_unit_test(every_call_must_fail_for_a_share_of_all),
        cmocka_unit_test(without_a_share_it_never_opens_by_itself),
        cmocka_unit_test(the_window_slides_in_ten_parts),
        cmocka_unit_test(old_failures_do_not_count),
        cmocka_unit_test(so_many_probes_go_out_at_a_time),
        cmocka_unit_test(a_pass_is_given_back_once),
        cmocka_unit_test(a_bad_probe_opens_it_again),
        cmocka_unit_test(passes_of_an_earlier_state_change_nothing),
        cmocka_unit_test(told_to_it_opens_for_a_while),
        cmocka_unit_test(told_to_it_opens_until_something_changes),
        cmocka_unit_test(one_or_all_of_a_kind_are_closed),
        cmocka_unit_test(what_counts_is_not_forgotten_by_a_close),
        cmocka_unit_test(it_says_how_long_it_has_been_so),
        cmocka_unit_test(a_name_that_is_not_there_may_pass),
        cmocka_unit_test(other_settings_keep_states_and_passes),
        cmocka_unit_test(a_removed_one_is_forgotten),
        cmocka_unit_test(another_window_begins_empty),
        cmocka_unit_test(turned_off_it_closes_but_where_it_was_told_to),
        cmocka_unit_test(it_is_printed_for_prometheus),
        cmocka_unit_test(threads_do_not_lose_a_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
