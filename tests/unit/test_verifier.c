/* A question on its way: kept answers, flights, money, the end. */
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

/* --- the tests --- */

static void a_paid_answer_serves_until_its_time_is_over(void **state) {
    struct house *house = *state;
    struct person person;
    pay(house, "01");
    for (int store = 0; store < 2; store++) {
        if (store)
            forget_memory(house);
        ask(house, &person, FRESHNESS_ANY);
        assert_true(person.answered);
        assert_int_equal(person.verdict.source, SOURCE_CACHE);
        assert_int_equal(person.verdict.billed, BILLED_NO);
    }
    pass(30 * DAY_S - 1);
    ask(house, &person, FRESHNESS_ANY);
    assert_true(person.answered);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    pass(1);
    ask(house, &person, FRESHNESS_ANY);
    assert_false(person.answered);
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "02");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.forward, FORWARD_STALE);
    assert_string_equal(person.verdict.answer.status, "02");
    turn_until_idle(house);
}

static void one_question_is_one_call_and_one_bill(void **state) {
    enum { ASKERS = 50 };
    struct house *house = *state;
    static struct person people[ASKERS];
    int billed = 0;
    int collapsed = 0;
    for (int i = 0; i < ASKERS; i++)
        ask(house, &people[i], FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "01");
    for (int i = 0; i < ASKERS; i++) {
        turn_until_answered(house, &people[i]);
        billed += people[i].verdict.billed == BILLED_YES;
        collapsed += people[i].verdict.collapsed;
        assert_int_equal(people[i].verdict.source, SOURCE_UPSTREAM);
    }
    assert_int_equal(house->upstream.count, 1);
    assert_int_equal(billed, 1);
    assert_int_equal(collapsed, ASKERS - 1);
    turn_until_idle(house);
}

static void whoever_comes_while_it_is_asked_needs_no_look_into_the_store(void **state) {
    struct house *house = *state;
    struct person leader;
    struct person follower;
    ask(house, &leader, FRESHNESS_ANY);
    turn_until_called(house, 1);
    ask(house, &follower, FRESHNESS_ANY);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &leader);
    assert_true(follower.answered); /* with it: it hung on the call already */
    assert_true(follower.verdict.collapsed);
    turn_until_idle(house);
}

static void what_is_kept_is_served_while_another_one_is_bought(void **state) {
    struct house *house = *state;
    struct person fresh;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.no_cache = true;
    pay(house, "01");
    forget_memory(house);
    ask(house, &fresh, wish);
    turn_until_called(house, 2);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    assert_false(fresh.answered);
    seller_answers(&house->upstream, "02");
    turn_until_idle(house);
}

static void only_if_cached_does_not_wait_for_a_call(void **state) {
    struct house *house = *state;
    struct person leader;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.only_if_cached = true;
    ask(house, &leader, FRESHNESS_ANY);
    turn_until_called(house, 1);
    ask(house, &person, wish);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NOT_CACHED);
    seller_answers(&house->upstream, "01");
    turn_until_idle(house);
}

/* More than are told in one turn of the loop. */
enum { CROWD = 100 };

static int count_answered(const struct person *people) {
    int answered = 0;
    for (int i = 0; i < CROWD; i++)
        answered += people[i].answered;
    return answered;
}

/* Until the first of them have the answer, and the others still wait for it. */
static void land_a_crowd(struct house *house, struct person *people) {
    for (int i = 0; i < CROWD; i++)
        ask(house, &people[i], FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &people[0]);
    assert_in_range(count_answered(people), 1, CROWD / 2);
    assert_false(verifier_is_idle(house->verifier));
}

static void assert_all_served_once(const struct person *people) {
    int billed = 0;
    assert_int_equal(count_answered(people), CROWD);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(people[i].verdict.failure, FAILURE_NONE);
        assert_string_equal(people[i].verdict.answer.trace_id, "trace-1");
        billed += people[i].verdict.billed == BILLED_YES;
    }
    assert_int_equal(billed, 1);
}

static void a_crowd_is_told_in_turns(void **state) {
    struct house *house = *state;
    static struct person people[CROWD];
    struct person hit;
    struct person fresh;
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.no_cache = true;
    land_a_crowd(house, people);
    ask(house, &hit, FRESHNESS_ANY);
    assert_true(hit.answered);
    assert_int_equal(hit.verdict.source, SOURCE_CACHE);
    ask(house, &fresh, wish); /* it asked after the answer: it wants another */
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "02");
    turn_until_answered(house, &fresh);
    assert_string_equal(fresh.verdict.answer.status, "02");
    turn_until_idle(house);
    assert_all_served_once(people);
}

static void whose_patience_ends_while_a_crowd_is_told_has_the_answer(void **state) {
    struct house *house = *state;
    static struct person people[CROWD];
    land_a_crowd(house, people);
    end_all_patience(house);
    turn_until_idle(house);
    assert_all_served_once(people);
}

static void a_failure_reaches_everyone_and_is_not_kept(void **state) {
    struct house *house = *state;
    struct person leader;
    struct person follower;
    const struct upstream_outcome broken = {.end = UPSTREAM_BROKEN, .cause = "cut"};
    ask(house, &leader, FRESHNESS_ANY);
    ask(house, &follower, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_ends(&house->upstream, &broken);
    turn_until_answered(house, &leader);
    turn_until_answered(house, &follower);
    assert_int_equal(leader.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    assert_int_equal(leader.verdict.billed, BILLED_UNKNOWN);
    assert_int_equal(follower.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    assert_int_equal(follower.verdict.billed, BILLED_NO);
    turn_until_idle(house);
    pay(house, "01");
    assert_int_equal(house->upstream.count, 2);
}

static void a_caller_that_waits_no_longer_leaves_the_call_alone(void **state) {
    struct house *house = *state;
    struct person hasty;
    struct person later;
    ask_with(house, &hasty, FRESHNESS_ANY, 0, "13800000001");
    turn_until_answered(house, &hasty);
    assert_int_equal(hasty.verdict.failure, FAILURE_UPSTREAM_TIMEOUT);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "01");
    turn_until_idle(house);
    ask(house, &later, FRESHNESS_ANY);
    assert_true(later.answered);
    assert_int_equal(later.verdict.source, SOURCE_CACHE);
    assert_int_equal(house->upstream.count, 1);
}

static void no_cache_asks_again_and_others_profit(void **state) {
    struct house *house = *state;
    struct person fresh;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.no_cache = true;
    pay(house, "01");
    ask(house, &fresh, wish);
    assert_false(fresh.answered);
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "02");
    turn_until_answered(house, &fresh);
    assert_int_equal(fresh.verdict.forward, FORWARD_REQUEST);
    ask(house, &person, FRESHNESS_ANY);
    assert_string_equal(person.verdict.answer.status, "02");
    turn_until_idle(house);
}

static void only_if_cached_never_spends(void **state) {
    struct house *house = *state;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.only_if_cached = true;
    ask(house, &person, wish);
    assert_true(person.answered);
    assert_int_equal(person.verdict.failure, FAILURE_NOT_CACHED);
    pay(house, "01");
    ask(house, &person, wish);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    pass(31 * DAY_S);
    ask(house, &person, wish);
    assert_int_equal(person.verdict.failure, FAILURE_NOT_CACHED);
    assert_int_equal(house->upstream.count, 1);
}

static void an_old_answer_serves_when_upstream_cannot(void **state) {
    struct house *house = *state;
    struct person person;
    const struct upstream_outcome down = {.end = UPSTREAM_NOT_SENT, .cause = "refused"};
    pay(house, "01");
    pass(31 * DAY_S);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 2);
    seller_ends(&house->upstream, &down);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    assert_int_equal(person.verdict.source, SOURCE_STALE);
    turn_until_idle(house);
    pass(7 * DAY_S);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 3);
    seller_ends(&house->upstream, &down);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    turn_until_idle(house);
}

static void whoever_wants_it_new_gets_the_failure(void **state) {
    struct house *house = *state;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    const struct upstream_outcome down = {.end = UPSTREAM_NOT_SENT, .cause = "refused"};
    wish.max_age = DAY_S;
    pay(house, "01");
    pass(2 * DAY_S);
    ask(house, &person, wish);
    turn_until_called(house, 2);
    seller_ends(&house->upstream, &down);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    turn_until_idle(house);
}

static void a_203_closes_the_number_for_all_who_ask_about_it(void **state) {
    struct house *house = *state;
    struct person person;
    pay(house, "203");
    for (int i = 0; i < 3; i++) {
        ask(house, &person, FRESHNESS_ANY);
        turn_until_answered(house, &person);
        assert_int_equal(person.verdict.source, SOURCE_GUARD);
        assert_string_equal(person.verdict.answer.status, "203");
        assert_int_equal(person.verdict.billed, BILLED_NO);
        assert_int_equal(person.verdict.retry_after_s, DAY_S - i * 3600);
        pass(3600);
    }
    pass(DAY_S - 3 * 3600);
    pay(house, "01");
    assert_int_equal(house->upstream.count, 2);
    turn_until_idle(house);
}

static void what_is_kept_serves_while_the_number_is_closed(void **state) {
    struct house *house = *state;
    struct person person;
    struct freshness_wish insist = FRESHNESS_ANY;
    insist.no_cache = true;
    pay(house, "01");
    ask(house, &person, insist);
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "203");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.source, SOURCE_UPSTREAM);
    turn_until_idle(house);
    ask(house, &person, FRESHNESS_ANY);
    assert_true(person.answered);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    ask(house, &person, insist);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.source, SOURCE_GUARD);
    turn_until_idle(house);
}

static void a_virtual_operators_203_is_kept(void **state) {
    struct house *house = *state;
    struct person person;
    ask_with(house, &person, FRESHNESS_ANY, 60000, "17000000001");
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "203");
    turn_until_answered(house, &person);
    assert_true(person.verdict.answer.virtual_operator);
    turn_until_idle(house);
    ask_with(house, &person, FRESHNESS_ANY, 60000, "17000000001");
    assert_true(person.answered);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    assert_int_equal(house->upstream.count, 1);
}

static void nothing_is_sent_without_the_store(void **state) {
    struct house *house = *state;
    struct person person;
    sqlite3 *other = NULL;
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/s.db", house->path);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_STORE_UNAVAILABLE);
    assert_int_equal(house->upstream.count, 0);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    turn_until_idle(house);
}

static void nothing_is_admitted_that_could_not_be_sent(void **state) {
    struct house *house = *state;
    struct person person;
    new_plan(&house->directory);
    house->directory.snapshot.no_plan = FAILURE_UPSTREAM_REFUSED_CREDENTIAL;
    ask(house, &person, FRESHNESS_ANY);
    assert_true(person.answered);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    add_line(new_plan(&house->directory), "", "main", -1);
    house->upstream.full = true;
    ask(house, &person, FRESHNESS_ANY);
    assert_int_equal(person.verdict.failure, FAILURE_OVERLOADED);
    house->upstream.full = false;
    verifier_drain(house->verifier);
    ask(house, &person, FRESHNESS_ANY);
    assert_int_equal(person.verdict.failure, FAILURE_SHUTTING_DOWN);
    assert_int_equal(house->upstream.count, 0);
}

static void a_drain_finishes_what_was_begun(void **state) {
    struct house *house = *state;
    struct person person;
    struct person late;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    verifier_drain(house->verifier);
    ask(house, &late, FRESHNESS_ANY);
    assert_false(late.answered);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    turn_until_answered(house, &late);
    assert_int_equal(late.verdict.source, SOURCE_UPSTREAM);
    turn_until_idle(house);
}

/* --- money --- */

static void a_package_is_drawn_to_its_end(void **state) {
    struct house *house = *state;
    struct person person;
    add_line(new_plan(&house->directory), "p1", "main", 1);
    pay(house, "01");
    ask_with(house, &person, FRESHNESS_ANY, 60000, SECOND);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_PACKAGE_EXHAUSTED);
    assert_int_equal(person.verdict.finding.bound, BUDGET_EXHAUSTED);
    assert_int_equal(person.verdict.finding.limit, 1);
    assert_int_equal(person.verdict.finding.used, 1);
    assert_int_equal(house->upstream.count, 1);
}

static void ones_quota_is_not_the_others(void **state) {
    struct house *house = *state;
    struct person poor;
    struct person rich;
    struct budget_limits none = BUDGET_NO_LIMITS;
    none.day_calls = 0;
    ask_as(house, &poor, "poor", none, FRESHNESS_ANY, 60000, FIRST);
    ask_as(house, &rich, "rich", BUDGET_NO_LIMITS, FRESHNESS_ANY, 60000, FIRST);
    turn_until_called(house, 1);
    assert_true(poor.answered);
    assert_int_equal(poor.verdict.failure, FAILURE_CLIENT_QUOTA_EXHAUSTED);
    assert_int_equal(poor.verdict.finding.bound, BUDGET_DAY);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &rich);
    assert_int_equal(rich.verdict.billed, BILLED_YES);
    turn_until_idle(house);
    ask_as(house, &poor, "poor", none, FRESHNESS_ANY, 60000, FIRST);
    assert_true(poor.answered);
    assert_int_equal(poor.verdict.source, SOURCE_CACHE);
    assert_int_equal(house->meter.hits, 1);
}

static void a_refused_credential_hands_over_to_the_next(void **state) {
    struct house *house = *state;
    struct person person;
    struct budget_plan *plan = new_plan(&house->directory);
    add_line(plan, "", "main", -1);
    add_line(plan, "", "spare", -1);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    assert_string_equal(house->upstream.calls[0]->credential, "main");
    seller_refuses(&house->upstream, REPLY_QUOTA_EXHAUSTED);
    assert_string_equal(house->directory.directory.marked, "main");
    assert_int_equal(house->directory.directory.mark, CREDENTIAL_EXHAUSTED);
    /* At once: the mark need not be there. */
    turn_until_called(house, 2);
    assert_false(person.answered);
    assert_string_equal(house->upstream.calls[0]->credential, "spare");
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    assert_int_equal(person.verdict.billed, BILLED_YES);
    turn_until_idle(house);
    assert_rows(house, "released,settled");
}

static void the_last_credentials_refusal_is_told(void **state) {
    struct house *house = *state;
    struct person person;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_refuses(&house->upstream, REPLY_CREDENTIAL_UNKNOWN);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    assert_int_equal(person.verdict.billed, BILLED_NO);
    turn_until_idle(house);
    assert_rows(house, "released");
}

static void without_a_credential_left_it_is_told(void **state) {
    struct house *house = *state;
    struct person person;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_refuses(&house->upstream, REPLY_UNAUTHORIZED);
    new_plan(&house->directory);
    house->directory.snapshot.no_plan = FAILURE_UPSTREAM_REFUSED_CREDENTIAL;
    while (!person.answered) {
        uv_run(&house->loop, UV_RUN_NOWAIT);
        verifier_directory_changed(house->verifier);
    }
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    turn_until_idle(house);
}

/* While it was parked something was found out that says more than that the plan was outdated. */
static void whoever_was_parked_is_told_the_reason_of_now(void **state) {
    struct house *house = *state;
    struct person person;
    house->directory.snapshot.plan->version = 7;
    ask(house, &person, FRESHNESS_ANY);
    while (house->directory.directory.pokes == 0)
        turn(house);
    new_plan(&house->directory);
    house->directory.snapshot.no_plan = FAILURE_UPSTREAM_REFUSED_CREDENTIAL;
    verifier_directory_changed(house->verifier);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    turn_until_idle(house);
}

static void an_outdated_plan_is_made_anew(void **state) {
    struct house *house = *state;
    struct person person;
    house->directory.snapshot.plan->version = 7;
    ask(house, &person, FRESHNESS_ANY);
    while (house->directory.directory.pokes == 0)
        turn(house);
    assert_int_equal(house->upstream.count, 0);
    house->directory.snapshot.plan->version = 0;
    verifier_directory_changed(house->verifier);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    turn_until_idle(house);
}

static void nothing_is_asked_before_the_directory_was_read(void **state) {
    struct house *house = *state;
    struct person person;
    house->directory.snapshot.version = -1;
    ask(house, &person, FRESHNESS_ANY);
    while (!person.answered) {
        uv_run(&house->loop, UV_RUN_NOWAIT);
        verifier_directory_changed(house->verifier);
    }
    assert_int_equal(person.verdict.failure, FAILURE_STORE_UNAVAILABLE);
    assert_int_equal(house->upstream.count, 0);
    turn_until_idle(house);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)
    const struct CMUnitTest tests[] = {
        TEST(a_paid_answer_serves_until_its_time_is_over),
        TEST(one_question_is_one_call_and_one_bill),
        TEST(whoever_comes_while_it_is_asked_needs_no_look_into_the_store),
        TEST(what_is_kept_is_served_while_another_one_is_bought),
        TEST(only_if_cached_does_not_wait_for_a_call),
        TEST(a_crowd_is_told_in_turns),
        TEST(whose_patience_ends_while_a_crowd_is_told_has_the_answer),
        TEST(a_failure_reaches_everyone_and_is_not_kept),
        TEST(a_caller_that_waits_no_longer_leaves_the_call_alone),
        TEST(no_cache_asks_again_and_others_profit),
        TEST(only_if_cached_never_spends),
        TEST(an_old_answer_serves_when_upstream_cannot),
        TEST(whoever_wants_it_new_gets_the_failure),
        TEST(a_203_closes_the_number_for_all_who_ask_about_it),
        TEST(what_is_kept_serves_while_the_number_is_closed),
        TEST(a_virtual_operators_203_is_kept),
        TEST(nothing_is_sent_without_the_store),
        TEST(nothing_is_admitted_that_could_not_be_sent),
        TEST(a_drain_finishes_what_was_begun),
        TEST(a_package_is_drawn_to_its_end),
        TEST(ones_quota_is_not_the_others),
        TEST(a_refused_credential_hands_over_to_the_next),
        TEST(the_last_credentials_refusal_is_told),
        TEST(without_a_credential_left_it_is_told),
        TEST(an_outdated_plan_is_made_anew),
        TEST(whoever_was_parked_is_told_the_reason_of_now),
        TEST(nothing_is_asked_before_the_directory_was_read),
    };
#undef TEST
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
