/* Several calls for one question: the same provider again, another AppCode, another provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "runtime/log.h"
#include "verifier_house.h"

/* --- several calls for one question --- */

static void seller_is_not_reached(struct upstream *upstream) {
    const struct upstream_outcome outcome = {.end = UPSTREAM_NOT_SENT, .cause = "-"};
    seller_ends(upstream, &outcome);
}

static void what_was_never_sent_is_sent_again(void **state) {
    struct house *house = *state;
    struct person person;
    struct person late;
    house->config.upstream_retries = 2;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_is_not_reached(&house->upstream);
    turn_until_called(house, 2);
    ask(house, &late, FRESHNESS_ANY);
    seller_refuses(&house->upstream, REPLY_THROTTLED);
    turn_until_called(house, 3);
    assert_false(person.answered);
    assert_string_equal(house->upstream.calls[0]->triple.mobile, "13800000001");
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    turn_until_answered(house, &late);
    assert_int_equal(person.verdict.billed, BILLED_YES);
    assert_true(person.verdict.stored);
    assert_int_equal(late.verdict.billed, BILLED_NO);
    assert_true(late.verdict.collapsed);
    turn_until_idle(house);
    assert_rows(house, "released,released,settled");
}

static void it_is_not_sent_for_ever(void **state) {
    struct house *house = *state;
    struct person person;
    house->config.upstream_retries = 1;
    ask(house, &person, FRESHNESS_ANY);
    for (int calls = 1; calls <= 2; calls++) {
        turn_until_called(house, calls);
        seller_is_not_reached(&house->upstream);
    }
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    assert_int_equal(person.verdict.billed, BILLED_NO);
    turn_until_idle(house);
    assert_rows(house, "released,released");

    /* Nothing is left that would keep the next one waiting. */
    pay(house, "01");
}

static void what_may_have_been_billed_is_never_sent_again(void **state) {
    static const enum upstream_end ends[] = {UPSTREAM_TIMED_OUT, UPSTREAM_BROKEN};
    static const enum failure failures[] = {FAILURE_UPSTREAM_TIMEOUT, FAILURE_UPSTREAM_UNAVAILABLE};
    struct house *house = *state;
    struct budget_plan *plan = new_plan(&house->directory);
    add_line(plan, "", "main", -1);
    add_line(plan, "", "spare", -1);
    house->config.upstream_retries = 2;
    for (int i = 0; i < 2; i++) {
        struct person person;
        const struct upstream_outcome outcome = {.end = ends[i], .cause = "-"};
        ask(house, &person, FRESHNESS_ANY);
        turn_until_called(house, i + 1);
        seller_ends(&house->upstream, &outcome);
        turn_until_answered(house, &person);
        assert_int_equal(person.verdict.failure, failures[i]);
        assert_int_equal(person.verdict.billed, BILLED_UNKNOWN);
        turn_until_idle(house);
        assert_int_equal(house->upstream.count, i + 1);
    }
    assert_rows(house, "unknown,unknown");
}

static void nobody_calls_again_whom_nobody_waits_for(void **state) {
    struct house *house = *state;
    struct person person;
    house->config.upstream_retries = 2;
    house->config.upstream_retry_delay_ms = 1;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    end_all_patience(house);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_TIMEOUT);
    seller_is_not_reached(&house->upstream);
    turn_until_idle(house);
    assert_int_equal(house->upstream.count, 1);
    assert_rows(house, "released");
}

static void a_rest_ends_with_the_drain(void **state) {
    struct house *house = *state;
    struct person person;
    house->config.upstream_retries = 2;
    house->config.upstream_retry_delay_ms = 200;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_is_not_reached(&house->upstream);
    for (int i = 0; i < 3; i++)
        uv_run(&house->loop, UV_RUN_NOWAIT);
    verifier_drain(house->verifier);
    turn_until_answered(house, &person);
    assert_true(person.verdict.failure == FAILURE_SHUTTING_DOWN ||
                person.verdict.failure == FAILURE_UPSTREAM_UNAVAILABLE);
    turn_until_idle(house);
    assert_int_equal(house->upstream.count, 1);
}

/* --- another provider --- */

/* Each has one credential. */
static void sell_by_two(struct house *house) {
    struct budget_plan *plan = new_plan(&house->directory);
    house->config.provider_count = 2;
    add_line(plan, "", "main", -1);
    add_line(plan, "", "theirs", -1);
    plan->lines[1].provider = 1;
}

static void what_one_does_not_know_another_may(void **state) {
    struct house *house = *state;
    struct person person;
    struct person follower;
    sell_by_two(house);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    assert_string_equal(house->upstream.calls[0]->credential, "main");
    ask(house, &follower, FRESHNESS_ANY);
    seller_answers(&house->upstream, "207");
    turn_until_called(house, 2);
    assert_string_equal(house->upstream.calls[0]->credential, "theirs");
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    turn_until_answered(house, &follower);
    assert_string_equal(person.verdict.answer.status, "01");
    assert_int_equal(person.verdict.billed, BILLED_YES);
    assert_string_equal(follower.verdict.answer.status, "01");
    turn_until_idle(house);
    assert_rows(house, "settled,settled");
    forget_memory(house);
    ask(house, &person, FRESHNESS_ANY);
    assert_string_equal(person.verdict.answer.status, "01");
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
}

static void what_nobody_knows_is_still_an_answer(void **state) {
    struct house *house = *state;
    struct person person;
    sell_by_two(house);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "207");
    turn_until_called(house, 2);
    seller_refuses(&house->upstream, REPLY_GATEWAY_FAILED);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    assert_string_equal(person.verdict.answer.status, "207");
    assert_int_equal(person.verdict.billed, BILLED_YES);
    turn_until_idle(house);
    assert_rows(house, "released,settled");
    ask(house, &person, FRESHNESS_ANY);
    assert_true(person.answered);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
}

static void who_cannot_wait_for_the_other_gets_the_first_ones_answer(void **state) {
    struct house *house = *state;
    struct person person;
    sell_by_two(house);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "207");
    turn_until_called(house, 2);
    end_all_patience(house);
    turn_until_answered(house, &person);
    assert_string_equal(person.verdict.answer.status, "207");
    assert_int_equal(person.verdict.billed, BILLED_YES);
    seller_answers(&house->upstream, "01");
    turn_until_idle(house);
    ask(house, &person, FRESHNESS_ANY);
    assert_string_equal(person.verdict.answer.status, "01");
}

static void an_outage_is_anothers_opportunity(void **state) {
    static const enum reply_class classes[] = {REPLY_GATEWAY_FAILED, REPLY_UNAUTHORIZED,
                                               REPLY_QUOTA_EXHAUSTED, REPLY_THROTTLED,
                                               REPLY_WRONG_REQUEST};
    struct house *house = *state;
    sell_by_two(house);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct person person;
        char mobile[16];
        int before = house->upstream.count;
        snprintf(mobile, sizeof mobile, "1380000001%d", (int)i);
        breaker_close(house->breakers, BREAKER_CREDENTIAL, NULL);
        ask_with(house, &person, FRESHNESS_ANY, 60000, mobile);
        turn_until_called(house, before + 1);
        assert_string_equal(house->upstream.calls[0]->credential, "main");
        seller_refuses(&house->upstream, classes[i]);
        turn_until_called(house, before + 2);
        assert_string_equal(house->upstream.calls[0]->credential, "theirs");
        seller_answers(&house->upstream, "01");
        turn_until_answered(house, &person);
        assert_int_equal(person.verdict.billed, BILLED_YES);
        turn_until_idle(house);
    }
}

static void an_unknown_outcome_is_nobodys_opportunity(void **state) {
    struct house *house = *state;
    struct person person;
    const struct upstream_outcome outcome = {.end = UPSTREAM_TIMED_OUT, .cause = "-"};
    sell_by_two(house);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_ends(&house->upstream, &outcome);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_TIMEOUT);
    turn_until_idle(house);
    assert_int_equal(house->upstream.count, 1);
}

/* A limit of one provider says nothing of the other. */
static void each_has_its_own_window(void **state) {
    struct house *house = *state;
    struct person person;
    sell_by_two(house);
    house->config.number_limit_max_calls = 1;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "207");
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    turn_until_idle(house);
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.no_cache = true;
    ask(house, &person, wish);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.source, SOURCE_GUARD);
    assert_int_equal(house->upstream.count, 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)
    const struct CMUnitTest tests[] = {
        TEST(what_was_never_sent_is_sent_again),
        TEST(it_is_not_sent_for_ever),
        TEST(what_may_have_been_billed_is_never_sent_again),
        TEST(nobody_calls_again_whom_nobody_waits_for),
        TEST(a_rest_ends_with_the_drain),
        TEST(what_one_does_not_know_another_may),
        TEST(what_nobody_knows_is_still_an_answer),
        TEST(who_cannot_wait_for_the_other_gets_the_first_ones_answer),
        TEST(an_outage_is_anothers_opportunity),
        TEST(an_unknown_outcome_is_nobodys_opportunity),
        TEST(each_has_its_own_window),
    };
#undef TEST
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
