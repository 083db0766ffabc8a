/*
 * What store.h promises of a lease that is held from one call to the next, for every kind of store.
 * Words: the kind, "sqlite" (the default), "redis" or "cluster".
 */
#include "money_rig.h"

#include "store_kind.h"

#include "runtime/log.h"

#define WISH_NO_CACHE ((struct freshness_wish){.no_cache = true, .max_age = -1, .max_stale = -1})

static int64_t now_s(void) {
    return clock_unix_ms(&clock_system) / 1000;
}

/* Empty for every test. */
static int open_rig(void **state) {
    struct rig *rig = malloc(sizeof *rig);
    store_kind_fresh(&kind);
    store_kind_open(&kind, rig, &clock_system);
    *state = rig;
    return 0;
}

static int close_rig(void **state) {
    rig_close(*state);
    free(*state);
    return 0;
}

/* --- words --- */

/* Some who wait for a question's answer, one at each client. */
struct crowd {
    struct rig_admit asked[RIG_CLIENTS];
};

static void follow(struct rig *rig, struct crowd *crowd, const struct digest *triple) {
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_admit(rig, i, &crowd->asked[i], triple, i == 1 ? WISH_NO_CACHE : FRESHNESS_ANY);
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_barrier(rig, i);
}

static void expect_waiting(struct rig *rig, const struct crowd *crowd) {
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_barrier(rig, i);
    for (int i = 0; i < RIG_CLIENTS; i++)
        assert_int_equal(crowd->asked[i].done, 0);
}

static void expect_answered(struct rig *rig, struct crowd *crowd, const char *status) {
    for (int i = 0; i < RIG_CLIENTS; i++) {
        rig_expect(rig, &crowd->asked[i], STORE_ANSWERED);
        assert_true(crowd->asked[i].admit.collapsed);
        assert_string_equal(crowd->asked[i].admit.answer.status, status);
    }
}

static void expect_failed(struct rig *rig, struct crowd *crowd, enum failure failure) {
    for (int i = 0; i < RIG_CLIENTS; i++) {
        rig_expect(rig, &crowd->asked[i], STORE_FAILED);
        assert_true(crowd->asked[i].admit.collapsed);
        assert_int_equal(crowd->asked[i].admit.failure, failure);
    }
}

static void hold(struct rig *rig, struct rig_settle *end) {
    end->settle.hold = true;
    rig_settle(rig, 0, end, STORE_DONE);
}

static void hold_answered(struct rig *rig, struct rig_settle *end, const struct rig_admit *asked,
                          const char *status) {
    rig_end(end, asked, rig_answer(status, now_s()));
    hold(rig, end);
}

static void hold_failed(struct rig *rig, struct rig_settle *end, const struct rig_admit *asked) {
    rig_end_failed(end, asked, FAILURE_UPSTREAM_TIMEOUT);
    hold(rig, end);
}

/* The same content, without `hold`. */
static void give_up(struct rig *rig, int client, struct rig_settle *end) {
    end->settle.hold = false;
    end->done = 0;
    rig_settle(rig, client, end, STORE_DONE);
}

static void prepare_next(struct rig_admit *next, const struct rig_admit *first) {
    rig_prepare(next, &first->admit.triple, FRESHNESS_ANY);
    next->admit.number = first->admit.number;
    next->admit.after = first->admit.id;
}

static void lead_next(struct rig *rig, struct rig_admit *next, const struct rig_admit *first) {
    prepare_next(next, first);
    rig_submit(rig, 0, next);
    rig_expect(rig, next, STORE_LEAD);
}

static void settle(struct rig *rig, const struct rig_admit *asked, const char *status) {
    struct rig_settle end;
    rig_end(&end, asked, rig_answer(status, now_s() + 1));
    rig_settle(rig, 0, &end, STORE_DONE);
}

/* --- from one call to the next --- */

static void followers_wait_for_the_last_attempt(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit attempts[3];
    struct rig_settle end;
    struct crowd crowd;
    rig_lead(rig, 0, &attempts[0], &triple);
    follow(rig, &crowd, &triple);
    hold_failed(rig, &end, &attempts[0]);
    expect_waiting(rig, &crowd);
    lead_next(rig, &attempts[1], &attempts[0]);
    expect_waiting(rig, &crowd);
    hold_answered(rig, &end, &attempts[1], "202");
    expect_waiting(rig, &crowd);
    lead_next(rig, &attempts[2], &attempts[1]);
    expect_waiting(rig, &crowd);
    settle(rig, &attempts[2], "01");
    expect_answered(rig, &crowd, "01");
}

static void followers_are_told_the_last_attempts_failure(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    struct crowd crowd;
    rig_lead(rig, 0, &first, &triple);
    follow(rig, &crowd, &triple);
    hold_failed(rig, &end, &first);
    lead_next(rig, &next, &first);
    rig_end_failed(&end, &next, FAILURE_UPSTREAM_UNAVAILABLE);
    rig_settle(rig, 0, &end, STORE_DONE);
    expect_failed(rig, &crowd, FAILURE_UPSTREAM_UNAVAILABLE);
    rig_lead(rig, 2, &first, &triple);
}

/* Who comes while it is held, or after it was passed on, waits, whatever is kept. */
static void nobody_leads_in_between(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    struct crowd early;
    struct crowd late;
    rig_lead(rig, 0, &first, &triple);
    hold_answered(rig, &end, &first, "02");
    follow(rig, &early, &triple);
    expect_waiting(rig, &early);
    lead_next(rig, &next, &first);
    follow(rig, &late, &triple);
    expect_waiting(rig, &late);
    expect_waiting(rig, &early);
    settle(rig, &next, "01");
    expect_answered(rig, &early, "01");
    expect_answered(rig, &late, "01");
}

static void an_answer_is_kept_and_announced_while_its_lease_is_held(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    struct answer found;
    struct crowd crowd;
    rig_lead(rig, 0, &first, &triple);
    follow(rig, &crowd, &triple);
    hold_answered(rig, &end, &first, "02");
    for (int client = 0; client < RIG_CLIENTS; client++) {
        assert_int_equal(rig_find(rig, client, &triple, &found), STORE_HIT);
        assert_same_answer(&found, &end.settle.answer);
    }
    for (int client = 1; client < RIG_CLIENTS; client++) {
        rig_wait(rig, &rig->clients[client].notices, 1);
        assert_true(digest_equal(&rig->clients[client].changed, &triple));
    }
    assert_int_equal(rig->clients[0].notices, 0);
    expect_waiting(rig, &crowd);
    lead_next(rig, &next, &first);
    settle(rig, &next, "01");
    expect_answered(rig, &crowd, "01");
    assert_int_equal(rig_find(rig, 2, &triple, &found), STORE_HIT);
    assert_string_equal(found.status, "01");
    for (int client = 1; client < RIG_CLIENTS; client++)
        assert_int_equal(rig->clients[client].notices, 2);
}

/* Not even the first attempt's own answer, or that somebody else is the number's owner. */
static void the_next_looks_neither_at_answers_nor_at_owners(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct digest owner = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    rig_prepare(&first, &owner, FRESHNESS_ANY);
    first.admit.number = rig_number_of(&triple);
    rig_submit(rig, 0, &first);
    rig_expect(rig, &first, STORE_LEAD);
    settle(rig, &first, "01");

    rig_lead(rig, 0, &first, &triple);
    hold_answered(rig, &end, &first, "202");
    prepare_next(&next, &first);
    next.admit.infer = true;
    rig_submit(rig, 0, &next);
    rig_expect(rig, &next, STORE_LEAD);
    rig_end_failed(&end, &next, FAILURE_UPSTREAM_TIMEOUT);
    rig_settle(rig, 0, &end, STORE_DONE);

    /* Both were there to be found. */
    rig_prepare(&next, &triple, FRESHNESS_ANY);
    rig_submit(rig, 0, &next);
    rig_expect(rig, &next, STORE_ANSWERED);
    assert_string_equal(next.admit.answer.status, "202");
    triple = rig_digest();
    rig_prepare(&next, &triple, FRESHNESS_ANY);
    next.admit.number = first.admit.number;
    next.admit.infer = true;
    rig_submit(rig, 0, &next);
    rig_expect(rig, &next, STORE_INFERRED);
}

/* --- refused --- */

/* One who is refused leaves all as it was, and another may come after it. */
static void expect_refused(struct rig *rig, const struct rig_admit *first, struct budget_plan *plan,
                           struct store_number_limit limit, enum store_outcome outcome) {
    struct rig_admit next;
    int64_t rows = store_kind_rows(&kind);
    prepare_next(&next, first);
    next.admit.budget.plan = plan;
    next.admit.budget.limits = BUDGET_NO_LIMITS;
    next.admit.limit = limit;
    rig_submit(rig, 1, &next);
    rig_expect(rig, &next, outcome);
    assert_int_equal(store_kind_rows(&kind), rows);
}

static void who_is_refused_leaves_the_lease_where_it_is(void **state) {
    struct rig *rig = *state;
    static const struct store_number_limit open = {100, STORE_KIND_WINDOW_MS};
    static const struct store_number_limit full = {1, STORE_KIND_WINDOW_MS};
    struct budget_plan *outdated = money_plan(77);
    struct budget_plan *exhausted = money_plan(0);
    const struct {
        struct budget_plan *plan;
        struct store_number_limit limit;
        enum store_outcome outcome;
    } cases[] = {
        {exhausted, open, STORE_REFUSED},
        {outdated, open, STORE_OUTDATED},
        {NULL, full, STORE_CLOSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct digest triple = rig_digest();
        struct rig_admit first;
        struct rig_admit next;
        struct rig_settle end;
        struct crowd crowd;
        rig_prepare(&first, &triple, FRESHNESS_ANY);
        first.admit.limit = open;
        rig_submit(rig, 0, &first);
        rig_expect(rig, &first, STORE_LEAD);
        follow(rig, &crowd, &triple);
        hold_failed(rig, &end, &first);
        expect_refused(rig, &first, cases[i].plan, cases[i].limit, cases[i].outcome);
        expect_waiting(rig, &crowd);
        /* Once more: a refusal leaves nothing that could be in the way. */
        expect_refused(rig, &first, cases[i].plan, cases[i].limit, cases[i].outcome);
        expect_waiting(rig, &crowd);
        if (i % 2 == 0) {
            give_up(rig, 0, &end);
            expect_failed(rig, &crowd, FAILURE_UPSTREAM_TIMEOUT);
            continue;
        }
        lead_next(rig, &next, &first);
        settle(rig, &next, "01");
        expect_answered(rig, &crowd, "01");
    }
    budget_plan_release(outdated);
    budget_plan_release(exhausted);
}

/* --- time --- */

/* A lease that ran out is noticed at the next tick of a store's clock. */
#define RUN_OUT_NOTICED_MS 200

static void lead_for(struct rig *rig, struct rig_admit *asked, const struct digest *triple,
                     int64_t lease_ms) {
    rig_prepare(asked, triple, FRESHNESS_ANY);
    asked->admit.lease_ms = lease_ms;
    rig_submit(rig, 0, asked);
    rig_expect(rig, asked, STORE_LEAD);
}

static void a_held_lease_ends_in_its_time(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit heir;
    struct rig_admit late;
    struct rig_settle end;
    struct budget_plan *exhausted = money_plan(0);
    lead_for(rig, &first, &triple, 2000);
    hold_failed(rig, &end, &first);
    rig_admit(rig, 1, &heir, &triple, FRESHNESS_ANY);
    /* A long lease that was not given is no longer time for the one that is held. */
    prepare_next(&late, &first);
    late.admit.budget.plan = exhausted;
    late.admit.budget.limits = BUDGET_NO_LIMITS;
    rig_submit(rig, 0, &late);
    rig_wait(rig, &late.done, 1);
    rig_expect(rig, &heir, STORE_LEAD);

    /* Then it is as any other's. */
    prepare_next(&late, &first);
    rig_submit(rig, 0, &late);
    rig_barrier(rig, 0);
    assert_int_equal(late.done, 0);
    give_up(rig, 0, &end);
    rig_barrier(rig, 0);
    assert_int_equal(late.done, 0);
    settle(rig, &heir, "01");
    rig_expect(rig, &late, STORE_ANSWERED);
    assert_true(late.admit.collapsed);
    budget_plan_release(exhausted);
}

static void a_lease_is_passed_on_with_its_whole_time(void **state) {
    struct rig *rig = *state;
    enum { FIRST_MS = 3000 };
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    struct crowd crowd;
    int64_t over_ms = clock_monotonic_ms(&clock_system) + FIRST_MS + RUN_OUT_NOTICED_MS;
    lead_for(rig, &first, &triple, FIRST_MS);
    hold_failed(rig, &end, &first);
    follow(rig, &crowd, &triple);
    lead_next(rig, &next, &first);
    while (clock_monotonic_ms(&clock_system) < over_ms) {
        rig_barrier(rig, 1);
        usleep(10000);
    }
    expect_waiting(rig, &crowd);
    settle(rig, &next, "01");
    expect_answered(rig, &crowd, "01");
}

static void after_a_lease_that_is_gone_is_as_after_none(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_admit other;
    struct rig_settle end;
    rig_lead(rig, 0, &first, &triple);
    settle(rig, &first, "01");
    prepare_next(&next, &first);
    rig_submit(rig, 0, &next);
    rig_expect(rig, &next, STORE_ANSWERED);
    assert_false(next.admit.collapsed);

    triple = rig_digest();
    rig_lead(rig, 0, &first, &triple);
    rig_end_failed(&end, &first, FAILURE_UPSTREAM_TIMEOUT);
    rig_settle(rig, 0, &end, STORE_DONE);
    lead_next(rig, &next, &first);
    prepare_next(&other, &first);
    rig_submit(rig, 2, &other);
    rig_barrier(rig, 2);
    assert_int_equal(other.done, 0);
    settle(rig, &next, "01");
    rig_expect(rig, &other, STORE_ANSWERED);
}

/* --- giving up --- */

static void who_gives_up_tells_the_answer(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_settle end;
    struct crowd crowd;
    rig_lead(rig, 0, &first, &triple);
    follow(rig, &crowd, &triple);
    hold_answered(rig, &end, &first, "02");
    expect_waiting(rig, &crowd);
    give_up(rig, 1, &end);
    expect_answered(rig, &crowd, "02");
    rig_admit(rig, 0, &first, &triple, WISH_NO_CACHE);
    rig_expect(rig, &first, STORE_LEAD);
}

/* One of those who waited leads then. */
static void who_gives_up_lets_them_ask_again(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_settle end;
    struct crowd crowd;
    rig_lead(rig, 0, &first, &triple);
    follow(rig, &crowd, &triple);
    rig_end_failed(&end, &first, FAILURE_UPSTREAM_TIMEOUT);
    end.settle.again = true;
    hold(rig, &end);
    expect_waiting(rig, &crowd);
    give_up(rig, 0, &end);
    int led = 0;
    while (led < RIG_CLIENTS) {
        for (int i = 0; i < RIG_CLIENTS; i++) {
            struct rig_admit *asked = &crowd.asked[i];
            rig_barrier(rig, i);
            if (asked->done == 0 || asked->admit.outcome != STORE_LEAD)
                continue;
            struct rig_settle again;
            rig_end_failed(&again, asked, FAILURE_UPSTREAM_TIMEOUT);
            again.settle.again = true;
            rig_settle(rig, i, &again, STORE_DONE);
            asked->admit.outcome = STORE_MISS;
            led++;
        }
    }
}

static void giving_up_changes_no_row_and_no_counter(void **state) {
    struct rig *rig = *state;
    static const struct {
        enum ledger_state state;
        enum billed billed;
        int64_t counts;
    } cases[] = {
        {LEDGER_SETTLED, BILLED_YES, 1},
        {LEDGER_SETTLED, BILLED_NO, 0},
        {LEDGER_RELEASED, BILLED_NO, 0},
        {LEDGER_UNKNOWN, BILLED_UNKNOWN, 1},
    };
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "main", 100, 0);
    int64_t counted = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig_admit first;
        struct rig_admit next;
        struct rig_settle end;
        money_ask(rig, 0, &first, "shop", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &first, STORE_LEAD);
        rig_end(&end, &first, rig_answer("02", now_s()));
        end.settle.ledger.state = cases[i].state;
        end.settle.ledger.billed = cases[i].billed;
        end.settle.answered = end.settle.keep = cases[i].state == LEDGER_SETTLED;
        end.settle.failure = FAILURE_UPSTREAM_TIMEOUT;
        hold(rig, &end);
        counted += cases[i].counts;
        assert_int_equal(money_counter(rig, "package", "p1"), counted);
        int64_t rows = store_kind_rows(&kind);
        for (int again = 0; again < 3; again++)
            give_up(rig, again, &end);
        assert_int_equal(store_kind_rows(&kind), rows);
        assert_int_equal(money_counter(rig, "package", "p1"), counted);

        /* The next attempt is a call of its own. */
        money_ask(rig, 0, &first, "shop", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &first, STORE_LEAD);
        hold_failed(rig, &end, &first);
        prepare_next(&next, &first);
        next.admit.id = ledger_id_make(money_now());
        next.admit.budget = first.admit.budget;
        next.admit.account = first.admit.account;
        rig_submit(rig, 0, &next);
        rig_expect(rig, &next, STORE_LEAD);
        assert_int_equal(money_counter(rig, "package", "p1"), counted + 2);
        money_end(rig, 0, &next, LEDGER_RELEASED, BILLED_NO);
        counted++;
        assert_int_equal(money_counter(rig, "package", "p1"), counted);
        money_assert_books(rig, money_now());
    }
    budget_plan_release(plan);
}

/* Whose lease was passed on has none to give up. */
static void giving_up_too_late_ends_nothing(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    struct crowd crowd;
    rig_lead(rig, 0, &first, &triple);
    follow(rig, &crowd, &triple);
    hold_answered(rig, &end, &first, "02");
    lead_next(rig, &next, &first);
    give_up(rig, 0, &end);
    expect_waiting(rig, &crowd);
    settle(rig, &next, "01");
    expect_answered(rig, &crowd, "01");
}

int main(int argc, char **argv) {
    if (sodium_init() < 0)
        return 1;
    period_set_zone("Asia/Shanghai");
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    store_kind_init(&kind, argc > 1 ? argv[1] : "sqlite");
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIGGED(followers_wait_for_the_last_attempt),
        RIGGED(followers_are_told_the_last_attempts_failure),
        RIGGED(nobody_leads_in_between),
        RIGGED(an_answer_is_kept_and_announced_while_its_lease_is_held),
        RIGGED(the_next_looks_neither_at_answers_nor_at_owners),
        RIGGED(who_is_refused_leaves_the_lease_where_it_is),
        RIGGED(a_held_lease_ends_in_its_time),
        RIGGED(a_lease_is_passed_on_with_its_whole_time),
        RIGGED(after_a_lease_that_is_gone_is_as_after_none),
        RIGGED(who_gives_up_tells_the_answer),
        RIGGED(who_gives_up_lets_them_ask_again),
        RIGGED(giving_up_changes_no_row_and_no_counter),
        RIGGED(giving_up_too_late_ends_nothing),
    };
    return cmocka_run_group_tests(tests, start_kind, stop_kind);
}
