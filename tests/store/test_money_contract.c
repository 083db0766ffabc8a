/*
 * What store.h and records.h promise of money, for every kind of store. Words: the kind, "sqlite"
 * (the default), "redis" or "cluster".
 */
#include "money_rig.h"

#include "store_kind.h"

#include "runtime/log.h"

#define DAY_MS INT64_C(86400000)

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

static int64_t now_ms(void) {
    return clock_unix_ms(&clock_system);
}

static struct budget_limits daily(int64_t calls) {
    struct budget_limits limits = BUDGET_NO_LIMITS;
    limits.day_calls = calls;
    return limits;
}

/* --- reserving --- */

static void a_lead_takes_a_call_of_its_package_and_client(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "spare", 5, 0);
    for (int i = 1; i <= 2; i++) {
        money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &asked, STORE_LEAD);
        assert_string_equal(asked.admit.account.package, "p1");
        assert_string_equal(asked.admit.account.credential, "spare");
        assert_string_equal(asked.admit.account.client_id, "shop");
        assert_int_equal(asked.admit.finding.bound, BUDGET_FITS);
        assert_int_equal(asked.admit.finding.day_used, i);
        assert_int_equal(asked.admit.finding.month_used, i);
        assert_int_equal(money_counter(rig, "package", "p1"), i);
    }
    money_assert_books(rig, money_now());
    assert_int_equal(store_kind_rows(&kind), 2);
    budget_plan_release(plan);
}

static void what_is_exhausted_refuses_and_writes_nothing(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "main", 1, 0);
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_LEAD);
    for (int i = 0; i < 3; i++) {
        money_ask(rig, i, &asked, "shop", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &asked, STORE_REFUSED);
        assert_int_equal(asked.admit.finding.bound, BUDGET_EXHAUSTED);
        assert_int_equal(asked.admit.finding.limit, 1);
        assert_int_equal(asked.admit.finding.used, 1);
        assert_int_equal(asked.admit.finding.resets_at_ms, 0);
    }
    assert_int_equal(store_kind_rows(&kind), 1);
    money_assert_books(rig, money_now());
    budget_plan_release(plan);
}

/* Nothing of a refused call stays in the way: not its lease, not its place in the window. */
static void a_refused_question_may_be_asked_again_at_once(void **state) {
    struct rig *rig = *state;
    struct rig_admit refused;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "", "main", -1, 0);
    money_ask(rig, 0, &refused, "poor", plan, daily(0));
    rig_expect(rig, &refused, STORE_REFUSED);
    rig_prepare(&asked, &refused.admit.triple, FRESHNESS_ANY);
    asked.admit.budget.plan = plan;
    asked.admit.budget.limits = BUDGET_NO_LIMITS;
    asked.admit.limit = (struct store_number_limit){1, STORE_KIND_WINDOW_MS};
    rig_submit(rig, 1, &asked);
    rig_expect(rig, &asked, STORE_LEAD);
    budget_plan_release(plan);
}

static void quotas_refuse_with_their_figures(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    struct budget_limits monthly = BUDGET_NO_LIMITS;
    monthly.month_calls = 2;
    money_line(plan, "", "main", -1, 0);
    for (int i = 0; i < 2; i++) {
        money_ask(rig, 0, &asked, "shop", plan, daily(2));
        rig_expect(rig, &asked, STORE_LEAD);
    }
    money_ask(rig, 1, &asked, "shop", plan, daily(2));
    rig_expect(rig, &asked, STORE_REFUSED);
    const struct period day = period_day(ledger_id_time_ms(&asked.admit.id));
    assert_int_equal(asked.admit.finding.bound, BUDGET_DAY);
    assert_int_equal(asked.admit.finding.limit, 2);
    assert_int_equal(asked.admit.finding.used, 2);
    assert_int_equal(asked.admit.finding.resets_at_ms, day.end_ms);
    money_ask(rig, 1, &asked, "shop", plan, monthly);
    rig_expect(rig, &asked, STORE_REFUSED);
    const struct period month = period_month(ledger_id_time_ms(&asked.admit.id));
    assert_int_equal(asked.admit.finding.bound, BUDGET_MONTH);
    assert_int_equal(asked.admit.finding.limit, 2);
    assert_int_equal(asked.admit.finding.used, 2);
    assert_int_equal(asked.admit.finding.resets_at_ms, month.end_ms);
    assert_int_equal(store_kind_rows(&kind), 2);
    money_ask(rig, 1, &asked, "other", plan, daily(2));
    rig_expect(rig, &asked, STORE_LEAD);
    budget_plan_release(plan);
}

static void each_day_has_its_own_count(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    const struct period today = period_day(money_now());
    money_line(plan, "", "main", -1, 0);
    money_ask_at(rig, 0, &asked, "shop", plan, daily(1), today.begin_ms - 1);
    rig_expect(rig, &asked, STORE_LEAD);
    money_ask_at(rig, 0, &asked, "shop", plan, daily(1), today.begin_ms);
    rig_expect(rig, &asked, STORE_LEAD);
    money_ask_at(rig, 0, &asked, "shop", plan, daily(1), today.begin_ms);
    rig_expect(rig, &asked, STORE_REFUSED);
    /* What turns out not to count goes back to the day it was taken from. */
    money_ask_at(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS, today.begin_ms - 1);
    rig_expect(rig, &asked, STORE_LEAD);
    money_assert_books(rig, today.begin_ms - 1);
    money_end(rig, 0, &asked, LEDGER_RELEASED, BILLED_NO);
    money_assert_books(rig, today.begin_ms - 1);
    money_assert_books(rig, today.begin_ms);
    budget_plan_release(plan);
}

/* Two days of one month, the one before this. */
static void a_month_counts_all_its_days(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    struct budget_limits limits = daily(2);
    int64_t last_day = period_month(money_now()).begin_ms - DAY_MS / 2;
    limits.month_calls = 2;
    money_line(plan, "", "main", -1, 0);
    for (int i = 0; i < 2; i++) {
        money_ask_at(rig, 0, &asked, "shop", plan, limits, last_day - i * DAY_MS);
        rig_expect(rig, &asked, STORE_LEAD);
        assert_int_equal(asked.admit.finding.day_used, 1);
        assert_int_equal(asked.admit.finding.month_used, i + 1);
    }
    money_ask_at(rig, 1, &asked, "shop", plan, limits, last_day);
    rig_expect(rig, &asked, STORE_REFUSED);
    assert_int_equal(asked.admit.finding.bound, BUDGET_MONTH);
    assert_int_equal(asked.admit.finding.resets_at_ms, period_month(money_now()).begin_ms);
    money_ask_at(rig, 1, &asked, "shop", plan, limits, money_now());
    rig_expect(rig, &asked, STORE_LEAD);
    money_assert_books(rig, last_day);
    money_assert_books(rig, last_day - DAY_MS);
    budget_plan_release(plan);
}

static void in_shadow_a_limit_only_tells(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    struct budget_limits limits = daily(1);
    limits.shadow = true;
    money_line(plan, "p1", "main", 2, 0);
    money_ask(rig, 0, &asked, "shop", plan, limits);
    rig_expect(rig, &asked, STORE_LEAD);
    assert_int_equal(asked.admit.finding.bound, BUDGET_FITS);
    money_ask(rig, 0, &asked, "shop", plan, limits);
    rig_expect(rig, &asked, STORE_LEAD);
    assert_int_equal(asked.admit.finding.bound, BUDGET_DAY);
    assert_int_equal(asked.admit.finding.used, 1);
    assert_int_equal(asked.admit.finding.day_used, 2);
    money_ask(rig, 0, &asked, "shop", plan, limits);
    rig_expect(rig, &asked, STORE_REFUSED);
    assert_int_equal(asked.admit.finding.bound, BUDGET_EXHAUSTED);
    budget_plan_release(plan);
}

static void a_reserve_is_kept_for_others(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    struct budget_limits held = BUDGET_NO_LIMITS;
    held.reserve_percent = 50;
    money_line(plan, "p1", "main", 3, 0);
    money_ask(rig, 0, &asked, "held", plan, held);
    rig_expect(rig, &asked, STORE_LEAD);
    money_ask(rig, 0, &asked, "held", plan, held);
    rig_expect(rig, &asked, STORE_REFUSED);
    assert_int_equal(asked.admit.finding.bound, BUDGET_RESERVED);
    assert_int_equal(asked.admit.finding.limit, 1);
    assert_int_equal(asked.admit.finding.used, 1);
    assert_int_equal(asked.admit.finding.resets_at_ms, 0);
    assert_int_equal(store_kind_rows(&kind), 1);
    money_assert_books(rig, money_now());
    for (int i = 0; i < 2; i++) {
        money_ask(rig, 0, &asked, "free", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &asked, STORE_LEAD);
    }
    budget_plan_release(plan);
}

static void packages_are_drawn_in_the_plans_order(void **state) {
    static const char *const drawn[] = {"a", "a", "b", "c", "c", "c"};
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "gone", "main", 5, now_ms() - 1000);
    money_line(plan, "a", "main", 2, now_ms() + DAY_MS);
    money_line(plan, "b", "spare", 1, 0);
    money_line(plan, "empty", "main", 0, 0);
    money_line(plan, "c", "main", 3, 0);
    for (size_t i = 0; i < sizeof drawn / sizeof drawn[0]; i++) {
        money_ask(rig, (int)i % RIG_CLIENTS, &asked, "shop", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &asked, STORE_LEAD);
        assert_string_equal(asked.admit.account.package, drawn[i]);
        assert_string_equal(asked.admit.account.credential, drawn[i][0] == 'b' ? "spare" : "main");
    }
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_REFUSED);
    assert_int_equal(asked.admit.finding.limit, 6);
    assert_int_equal(asked.admit.finding.used, 6);
    money_assert_books(rig, money_now());
    budget_plan_release(plan);
}

#define CROWD 300

static void a_crowd_gets_what_was_bought_and_no_call_more(void **state) {
    struct rig *rig = *state;
    struct rig_admit *crowd = calloc(CROWD, sizeof *crowd);
    struct budget_plan *plan = money_plan(0);
    int leads = 0;
    int bound = 0;
    money_line(plan, "a", "main", 17, 0);
    money_line(plan, "b", "spare", 40, 0);
    for (int i = 0; i < CROWD; i++)
        money_ask(rig, i % RIG_CLIENTS, &crowd[i], i % 2 ? "bound" : "free", plan,
                  daily(i % 2 ? 9 : -1));
    for (int i = 0; i < CROWD; i++) {
        rig_wait(rig, &crowd[i].done, 1);
        bool led = crowd[i].admit.outcome == STORE_LEAD;
        assert_true(led || crowd[i].admit.outcome == STORE_REFUSED);
        leads += led;
        bound += led && i % 2;
    }
    assert_int_equal(leads, 57);
    assert_int_equal(bound, 9);
    assert_int_equal(store_kind_rows(&kind), 57);
    money_assert_books(rig, money_now());
    budget_plan_release(plan);
    free(crowd);
}

static void a_plan_of_another_version_is_outdated(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "", "main", -1, 0);
    money_write(rig, STORE_PACKAGE, "p1", "{}", 0, NULL, STORE_DONE);
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_OUTDATED);
    plan->version = 2;
    money_ask(rig, 1, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_OUTDATED);
    assert_int_equal(store_kind_rows(&kind), 0);
    plan->version = 1;
    money_ask(rig, 2, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_LEAD);
    budget_plan_release(plan);
}

/* --- how calls end --- */

static void what_does_not_count_is_given_back(void **state) {
    static const struct {
        enum ledger_state state;
        enum billed billed;
        int used;
    } ends[] = {
        {LEDGER_SETTLED, BILLED_YES, 1},     {LEDGER_SETTLED, BILLED_NO, 0},
        {LEDGER_SETTLED, BILLED_UNKNOWN, 0}, {LEDGER_RELEASED, BILLED_NO, 0},
        {LEDGER_UNKNOWN, BILLED_UNKNOWN, 1},
    };
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "main", 1000, 0);
    int used = 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &asked, STORE_LEAD);
        used += ends[i].used;
        /* Said twice, it is done once. */
        for (int again = 0; again < 2; again++) {
            money_end(rig, again, &asked, ends[i].state, ends[i].billed);
            assert_int_equal(money_counter(rig, "package", "p1"), used);
            money_assert_books(rig, money_now());
        }
        money_end(rig, 0, &asked, LEDGER_RELEASED, BILLED_NO);
        assert_int_equal(money_counter(rig, "package", "p1"), used);
    }
    budget_plan_release(plan);
}

static void what_was_given_back_can_be_drawn_again(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "main", 1, 0);
    for (int i = 0; i < 3; i++) {
        money_ask(rig, 0, &asked, "shop", plan, daily(1));
        rig_expect(rig, &asked, STORE_LEAD);
        money_end(rig, 0, &asked, LEDGER_RELEASED, BILLED_NO);
    }
    money_assert_books(rig, money_now());
    budget_plan_release(plan);
}

static void counters_are_the_rows_sums_whatever_happens(void **state) {
    static const enum ledger_state states[] = {LEDGER_SETTLED, LEDGER_RELEASED, LEDGER_UNKNOWN};
    struct rig *rig = *state;
    struct budget_plan *plan = money_plan(0);
    enum { CALLS = 400 };
    struct rig_admit *asked = calloc(CALLS, sizeof *asked);
    char name[LEDGER_NAME_SIZE];
    money_line(plan, "a", "main", 60, 0);
    money_line(plan, "b", "spare", 1000, 0);
    for (int i = 0; i < CALLS; i++) {
        snprintf(name, sizeof name, "client-%u", randombytes_uniform(3));
        money_ask_at(rig, i % RIG_CLIENTS, &asked[i], name, plan, BUDGET_NO_LIMITS,
                     money_now() - (int64_t)randombytes_uniform(3) * DAY_MS);
        rig_expect(rig, &asked[i], STORE_LEAD);
        for (unsigned ended = randombytes_uniform(3); ended > 0; ended--) {
            int which = (int)randombytes_uniform((uint32_t)i + 1);
            enum ledger_state end = states[randombytes_uniform(3)];
            bool billed = end == LEDGER_SETTLED && randombytes_uniform(4) > 0;
            money_end(rig, which % RIG_CLIENTS, &asked[which], end,
                      end == LEDGER_UNKNOWN ? BILLED_UNKNOWN
                      : billed              ? BILLED_YES
                                            : BILLED_NO);
        }
    }
    for (int day = 0; day < 3; day++)
        money_assert_books(rig, money_now() - day * DAY_MS);
    /* Also in a store that was closed and opened again. */
    rig_close(rig);
    store_kind_open(&kind, rig, &clock_system);
    for (int day = 0; day < 3; day++)
        money_assert_books(rig, money_now() - day * DAY_MS);
    budget_plan_release(plan);
    free(asked);
}

static void followers_of_a_refused_credential_ask_again(void **state) {
    struct rig *rig = *state;
    struct rig_admit leader;
    struct rig_admit followers[2];
    struct rig_settle end;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "", "main", -1, 0);
    money_ask(rig, 0, &leader, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &leader, STORE_LEAD);
    for (int i = 0; i < 2; i++) {
        rig_prepare(&followers[i], &leader.admit.triple, FRESHNESS_ANY);
        followers[i].admit.budget.plan = plan;
        followers[i].admit.budget.limits = BUDGET_NO_LIMITS;
        rig_submit(rig, 1 + i, &followers[i]);
        rig_barrier(rig, 1 + i);
    }
    rig_end_failed(&end, &leader, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    end.settle.ledger.state = LEDGER_RELEASED;
    end.settle.ledger.billed = BILLED_NO;
    end.settle.again = true;
    rig_settle(rig, 0, &end, STORE_DONE);
    while (followers[0].done + followers[1].done == 0)
        rig_wait(rig, &(int){1}, 1);
    int first = followers[0].done ? 0 : 1;
    rig_expect(rig, &followers[first], STORE_LEAD);
    rig_barrier(rig, 0);
    assert_int_equal(followers[1 - first].done, 0);
    rig_end(&end, &followers[first], rig_answer("01", now_ms() / 1000));
    rig_settle(rig, 1 + first, &end, STORE_DONE);
    rig_expect(rig, &followers[1 - first], STORE_ANSWERED);
    money_assert_books(rig, money_now());
    budget_plan_release(plan);
}

/* Each on its own account: a refusal of one is none of the next. */
static void who_asks_again_is_judged_by_its_own_money(void **state) {
    static const char *const names[] = {"poor", "rich"};
    struct rig *rig = *state;
    struct rig_admit leader;
    struct rig_admit followers[2];
    struct rig_settle end;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "main", 5, 0);
    money_ask(rig, 0, &leader, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &leader, STORE_LEAD);
    for (int i = 0; i < 2; i++) {
        rig_prepare(&followers[i], &leader.admit.triple, FRESHNESS_ANY);
        snprintf(followers[i].admit.account.client_id, LEDGER_NAME_SIZE, "%s", names[i]);
        followers[i].admit.id = ledger_id_make(money_now());
        followers[i].admit.budget.plan = plan;
        followers[i].admit.budget.limits = daily(i == 0 ? 0 : -1);
        rig_submit(rig, 1 + i, &followers[i]);
        rig_barrier(rig, 1 + i);
    }
    rig_end_failed(&end, &leader, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    end.settle.ledger.state = LEDGER_RELEASED;
    end.settle.ledger.billed = BILLED_NO;
    end.settle.again = true;
    rig_settle(rig, 0, &end, STORE_DONE);
    rig_expect(rig, &followers[1], STORE_LEAD);
    assert_string_equal(followers[1].admit.account.package, "p1");
    assert_string_equal(followers[1].admit.account.client_id, "rich");
    assert_int_equal(followers[1].admit.finding.day_used, 1);
    rig_expect(rig, &followers[0], STORE_REFUSED);
    assert_int_equal(followers[0].admit.finding.bound, BUDGET_DAY);
    money_assert_books(rig, money_now());
    budget_plan_release(plan);
}

/* Its lease has run out, another leads: the row of the first ends all the same, and so its count.
 */
static void a_late_end_still_counts_and_gives_back(void **state) {
    struct rig *rig = *state;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "main", 100, 0);
    for (int given_back = 0; given_back < 2; given_back++) {
        struct rig_admit late;
        struct rig_admit heir;
        struct digest triple = rig_digest();
        int64_t before = money_counter(rig, "package", "p1");
        rig_prepare(&late, &triple, FRESHNESS_ANY);
        late.admit.id = ledger_id_make(money_now());
        late.admit.lease_ms = 50;
        late.admit.budget.plan = plan;
        late.admit.budget.limits = BUDGET_NO_LIMITS;
        heir = late;
        heir.admit.id = ledger_id_make(money_now());
        heir.admit.lease_ms = RIG_LEASE_MS;
        rig_submit(rig, 0, &late);
        rig_expect(rig, &late, STORE_LEAD);
        rig_submit(rig, 1, &heir);
        rig_expect(rig, &heir, STORE_LEAD);
        assert_int_equal(money_counter(rig, "package", "p1"), before + 2);
        money_end(rig, 0, &late, given_back ? LEDGER_RELEASED : LEDGER_SETTLED,
                  given_back ? BILLED_NO : BILLED_YES);
        assert_int_equal(money_counter(rig, "package", "p1"), before + 2 - given_back);
        money_assert_books(rig, money_now());
    }
    budget_plan_release(plan);
}

/* --- documents --- */

static void a_document_is_written_by_who_knows_its_version(void **state) {
    struct rig *rig = *state;
    int64_t first =
        money_write(rig, STORE_CLIENT, "shop", "{\"a\":1}", 0, "{\"line\":1}", STORE_DONE);
    assert_int_equal(first, 1);
    assert_int_equal(money_write(rig, STORE_CLIENT, "shop", "{}", 0, "{}", STORE_CONFLICT), first);
    assert_int_equal(money_write(rig, STORE_CLIENT, "shop", "{}", 7, "{}", STORE_CONFLICT), first);
    assert_int_equal(money_write(rig, STORE_CLIENT, "nobody", "{}", 1, "{}", STORE_CONFLICT), 0);
    int64_t package = money_write(rig, STORE_PACKAGE, "shop", "{}", 0, NULL, STORE_DONE);
    assert_int_equal(package, 2);
    int64_t second =
        money_write(rig, STORE_CLIENT, "shop", "{\"a\":\"二\"}", first, "{\"line\":2}", STORE_DONE);
    assert_int_equal(second, 3);

    struct money_read_documents read = {.op.since = 0};
    money_do_read_documents(rig, 1, &read);
    assert_int_equal(read.op.outcome, STORE_DONE);
    assert_int_equal(read.op.version, 3);
    assert_int_equal(read.op.count, 2);
    assert_int_equal(read.op.documents_owned[0].kind, STORE_PACKAGE);
    assert_int_equal(read.op.documents_owned[1].kind, STORE_CLIENT);
    assert_string_equal(read.op.documents_owned[1].id, "shop");
    assert_string_equal(read.op.documents_owned[1].body_owned, "{\"a\":\"二\"}");
    assert_int_equal(read.op.documents_owned[1].version, 3);
    store_documents_free(read.op.documents_owned, read.op.count);
    read.op.since = 2;
    money_do_read_documents(rig, 2, &read);
    assert_int_equal(read.op.count, 1);
    store_documents_free(read.op.documents_owned, read.op.count);
    read.op.since = 3;
    money_do_read_documents(rig, 2, &read);
    assert_int_equal(read.op.count, 0);
    assert_int_equal(read.op.version, 3);

    /* A conflict leaves no line in the audit. */
    struct money_read_audit audit = {.op.most = 10};
    money_do_read_audit(rig, 0, &audit);
    assert_int_equal(audit.op.count, 2);
    assert_string_equal(audit.op.lines_owned[1].body_owned, "{\"line\":2}");
    store_audit_free(audit.op.lines_owned, audit.op.count);
}

static void of_a_race_for_a_document_one_wins(void **state) {
    struct rig *rig = *state;
    struct money_write_document writes[30];
    int won = 0;
    for (int i = 0; i < 30; i++) {
        writes[i] = (struct money_write_document){.op = {.op.done = money_on_write_document,
                                                         .kind = STORE_ALERT,
                                                         .id = "package/p1/20",
                                                         .body = "{}"}};
        store_write_document(rig->clients[i % RIG_CLIENTS].client, &writes[i].op);
    }
    for (int i = 0; i < 30; i++) {
        rig_wait(rig, &writes[i].done, 1);
        won += writes[i].op.outcome == STORE_DONE;
        assert_int_equal(writes[i].op.version, 1);
    }
    assert_int_equal(won, 1);
}

static int64_t restore(struct rig *rig, const char *id, const char *body, int64_t version,
                       enum store_outcome outcome) {
    struct money_write_document write = {
        .op = {.kind = STORE_CLIENT, .id = id, .body = body, .expected = version, .restore = true}};
    money_do_write_document(rig, 0, &write);
    assert_int_equal(write.op.outcome, outcome);
    return write.op.version;
}

static void what_was_lost_is_given_back_under_its_version(void **state) {
    struct rig *rig = *state;
    assert_int_equal(restore(rig, "shop", "{\"v\":5}", 5, STORE_DONE), 5);
    assert_int_equal(restore(rig, "shop", "{\"v\":4}", 4, STORE_CONFLICT), 5);
    assert_int_equal(restore(rig, "shop", "{\"v\":5}", 5, STORE_CONFLICT), 5);
    assert_int_equal(restore(rig, "old", "{\"v\":3}", 3, STORE_DONE), 3);
    assert_int_equal(restore(rig, "shop", "{\"v\":6}", 6, STORE_DONE), 6);
    assert_int_equal(money_write(rig, STORE_CLIENT, "shop", "{}", 6, NULL, STORE_DONE), 7);
    struct money_read_documents read = {.op.since = 0};
    money_do_read_documents(rig, 1, &read);
    assert_int_equal(read.op.version, 7);
    assert_int_equal(read.op.count, 2);
    store_documents_free(read.op.documents_owned, read.op.count);
}

static void on_watched(void *arg) {
    ++*(int *)arg;
}

static void everybody_hears_of_a_written_document(void **state) {
    struct rig *rig = *state;
    int heard[RIG_CLIENTS] = {0};
    int before[RIG_CLIENTS];
    for (int i = 0; i < RIG_CLIENTS; i++)
        store_watch_documents(rig->clients[i].client, on_watched, &heard[i]);
    for (int round = 0; round < 3; round++) {
        memcpy(before, heard, sizeof before);
        money_write(rig, STORE_CLIENT, "shop", "{}", round, NULL, STORE_DONE);
        for (int i = 0; i < RIG_CLIENTS; i++)
            rig_wait(rig, &heard[i], before[i] + 1);
    }
    store_watch_documents(rig->clients[2].client, NULL, NULL);
    memcpy(before, heard, sizeof before);
    money_write(rig, STORE_CLIENT, "shop", "{}", 3, NULL, STORE_DONE);
    rig_wait(rig, &heard[1], before[1] + 1);
    assert_int_equal(heard[2], before[2]);
}

/* --- the audit --- */

static void lines_of_the_audit_are_numbered_and_read_in_pieces(void **state) {
    struct rig *rig = *state;
    char line[32];
    for (int i = 1; i <= 20; i++) {
        snprintf(line, sizeof line, "{\"n\":%d}", i);
        money_write(rig, STORE_CLIENT, NULL, NULL, 0, line, STORE_DONE);
    }
    struct money_read_audit read = {.op = {.after = 5, .most = 4}};
    money_do_read_audit(rig, 1, &read);
    assert_int_equal(read.op.outcome, STORE_DONE);
    assert_int_equal(read.op.count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(read.op.lines_owned[i].line, 6 + i);
    assert_string_equal(read.op.lines_owned[0].body_owned, "{\"n\":6}");
    store_audit_free(read.op.lines_owned, read.op.count);
    read = (struct money_read_audit){.op = {.newest = true, .most = 3}};
    money_do_read_audit(rig, 1, &read);
    assert_int_equal(read.op.count, 3);
    assert_int_equal(read.op.lines_owned[0].line, 18);
    assert_int_equal(read.op.lines_owned[2].line, 20);
    store_audit_free(read.op.lines_owned, read.op.count);
    read = (struct money_read_audit){.op = {.after = 20, .most = 3}};
    money_do_read_audit(rig, 1, &read);
    assert_int_equal(read.op.count, 0);
}

static void lines_of_the_audit_come_in_no_larger_pieces(void **state) {
    struct rig *rig = *state;
    enum { LINES = STORE_AUDIT_MOST + 4 };
    struct money_write_document *writes = calloc(LINES, sizeof *writes);
    for (int i = 0; i < LINES; i++) {
        writes[i].op =
            (struct store_write_document){.op.done = money_on_write_document, .audit = "{}"};
        store_write_document(rig->clients[i % RIG_CLIENTS].client, &writes[i].op);
    }
    for (int i = 0; i < LINES; i++)
        rig_wait(rig, &writes[i].done, 1);
    struct money_read_audit read = {.op.most = 1000};
    money_do_read_audit(rig, 0, &read);
    assert_int_equal(read.op.count, STORE_AUDIT_MOST);
    for (int i = 0; i < read.op.count; i++)
        assert_int_equal(read.op.lines_owned[i].line, i + 1);
    store_audit_free(read.op.lines_owned, read.op.count);
    free(writes);
}

/* --- counters by hand --- */

static void hits_are_added_up(void **state) {
    struct rig *rig = *state;
    const struct store_counter hits[] = {{"shop/p1", 3}, {"shop/", 1}, {"batch/p1", 2}};
    for (int i = 0; i < 4; i++) {
        struct money_add_counters add = {.op = {.counters = hits, .count = 3}};
        strcpy(add.op.scope, "hits:2026-11");
        money_do_add_counters(rig, i % RIG_CLIENTS, &add);
        assert_int_equal(add.op.outcome, STORE_DONE);
    }
    assert_int_equal(money_counter(rig, "hits:2026-11", "shop/p1"), 12);
    assert_int_equal(money_counter(rig, "hits:2026-11", "shop/"), 4);
    assert_int_equal(money_counter(rig, "hits:2026-11", "batch/p1"), 8);
    assert_int_equal(money_counters(rig, "hits:2026-12").count, 0);
}

/* --- forgetting --- */

static void keep_answer(struct rig *rig, const struct digest *triple, const struct digest *number) {
    struct rig_admit asked;
    struct rig_settle end;
    rig_prepare(&asked, triple, FRESHNESS_ANY);
    asked.admit.number = *number;
    rig_submit(rig, 0, &asked);
    rig_expect(rig, &asked, STORE_LEAD);
    rig_end(&end, &asked, rig_answer("02", now_ms() / 1000));
    rig_settle(rig, 0, &end, STORE_DONE);
}

static enum store_outcome find_under(struct rig *rig, const struct digest *triple,
                                     const struct digest *number) {
    struct rig_find asked = {
        .find = {.op.done = rig_on_found, .triple = *triple, .number = *number}};
    if (store_find(rig->clients[1].client, &asked.find) == STORE_PENDING)
        rig_wait(rig, &asked.done, 1);
    return asked.find.outcome;
}

static void forgotten_answers_are_gone_and_counted(void **state) {
    struct rig *rig = *state;
    struct digest number = rig_digest();
    struct digest other = rig_digest();
    struct digest triples[4];
    for (int i = 0; i < 4; i++) {
        triples[i] = rig_digest();
        keep_answer(rig, &triples[i], i < 3 ? &number : &other);
    }
    struct money_forget forget = {.op = {.number = number, .triple = triples[0]}};
    money_do_forget(rig, 2, &forget);
    assert_int_equal(forget.op.outcome, STORE_DONE);
    assert_int_equal(forget.op.answers, 1);
    assert_int_equal(find_under(rig, &triples[0], &number), STORE_MISS);
    assert_int_equal(find_under(rig, &triples[1], &number), STORE_HIT);
    forget = (struct money_forget){.op = {.number = number, .whole_number = true}};
    money_do_forget(rig, 2, &forget);
    assert_int_equal(forget.op.answers, 2);
    assert_int_equal(find_under(rig, &triples[1], &number), STORE_MISS);
    assert_int_equal(find_under(rig, &triples[2], &number), STORE_MISS);
    assert_int_equal(find_under(rig, &triples[3], &other), STORE_HIT);
    money_do_forget(rig, 2, &forget);
    assert_int_equal(forget.op.answers, 0);
    assert_int_equal(store_kind_rows(&kind), 4);
}

/* Whoever remembers answers drops them: of this one, or of all. */
static void everybody_hears_of_what_was_forgotten(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct digest number = rig_digest();
    for (int whole = 0; whole < 2; whole++) {
        int before[RIG_CLIENTS];
        keep_answer(rig, &triple, &number);
        for (int i = 1; i < RIG_CLIENTS; i++)
            rig_wait(rig, &rig->clients[i].notices, whole + 1);
        for (int i = 0; i < RIG_CLIENTS; i++) {
            before[i] = rig->clients[i].cleared;
            memset(&rig->clients[i].changed, 0, sizeof rig->clients[i].changed);
        }
        struct money_forget forget = {
            .op = {.number = number, .whole_number = whole, .triple = triple}};
        money_do_forget(rig, 2, &forget);
        assert_int_equal(forget.op.answers, 1);
        int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
        for (int i = 0; i < 2; i++) {
            const struct rig_client *client = &rig->clients[i];
            while (client->cleared == before[i] && !digest_equal(&client->changed, &triple)) {
                assert_true(clock_monotonic_ms(&clock_system) < deadline);
                rig_wait(rig, &(int){1}, 1);
            }
        }
    }
}

static enum store_outcome ask_about(struct rig *rig, const struct digest *number,
                                    int64_t max_calls) {
    struct digest triple = rig_digest();
    struct rig_admit asked;
    rig_prepare(&asked, &triple, FRESHNESS_ANY);
    asked.admit.number = *number;
    asked.admit.limit = (struct store_number_limit){max_calls, STORE_KIND_WINDOW_MS};
    asked.admit.infer = true;
    rig_submit(rig, 1, &asked);
    rig_wait(rig, &asked.done, 1);
    if (asked.admit.outcome == STORE_LEAD)
        money_end(rig, 1, &asked, LEDGER_RELEASED, BILLED_NO);
    return asked.admit.outcome;
}

static void forgetting_ends_what_is_inferred_and_no_limit(void **state) {
    struct rig *rig = *state;
    for (int whole = 0; whole < 2; whole++) {
        struct digest triple = rig_digest();
        struct digest number = rig_digest();
        struct rig_admit owner;
        struct rig_settle end;
        rig_prepare(&owner, &triple, FRESHNESS_ANY);
        owner.admit.number = number;
        owner.admit.limit = (struct store_number_limit){100, STORE_KIND_WINDOW_MS};
        rig_submit(rig, 0, &owner);
        rig_expect(rig, &owner, STORE_LEAD);
        rig_end(&end, &owner, rig_answer("01", now_ms() / 1000));
        rig_settle(rig, 0, &end, STORE_DONE);
        assert_int_equal(ask_about(rig, &number, 100), STORE_INFERRED);
        struct money_forget forget = {
            .op = {.number = number, .whole_number = whole, .triple = triple}};
        money_do_forget(rig, 2, &forget);
        assert_int_equal(forget.op.answers, 1);
        assert_int_equal(ask_about(rig, &number, 100), STORE_LEAD);
        assert_int_equal(ask_about(rig, &number, 1), STORE_CLOSED);
    }
}

/* --- another life --- */

static void what_was_written_is_there_in_the_next_life(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(1);
    const struct store_counter hits[] = {{"shop/p1", 3}};
    struct money_add_counters add = {.op = {.counters = hits, .count = 1}};
    strcpy(add.op.scope, "hits:2026-11");
    money_line(plan, "p1", "main", 2, 0);
    assert_int_equal(money_write(rig, STORE_PACKAGE, "p1", "{\"calls\":2}", 0, "{}", STORE_DONE),
                     1);
    money_do_add_counters(rig, 0, &add);
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_LEAD);
    money_end(rig, 0, &asked, LEDGER_SETTLED, BILLED_YES);
    rig_close(rig);
    store_kind_open(&kind, rig, &clock_system);

    struct money_read_documents read = {.op.since = 0};
    money_do_read_documents(rig, 0, &read);
    assert_int_equal(read.op.version, 1);
    assert_int_equal(read.op.count, 1);
    assert_int_equal(read.op.documents_owned[0].kind, STORE_PACKAGE);
    assert_string_equal(read.op.documents_owned[0].body_owned, "{\"calls\":2}");
    store_documents_free(read.op.documents_owned, read.op.count);
    struct money_read_audit audit = {.op.most = 10};
    money_do_read_audit(rig, 0, &audit);
    assert_int_equal(audit.op.count, 1);
    store_audit_free(audit.op.lines_owned, audit.op.count);
    assert_int_equal(money_counter(rig, "hits:2026-11", "shop/p1"), 3);
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_LEAD);
    assert_int_equal(asked.admit.finding.day_used, 2);
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_REFUSED);
    money_assert_books(rig, money_now());
    budget_plan_release(plan);
}

int main(int argc, char **argv) {
    if (sodium_init() < 0)
        return 1;
    period_set_zone("Asia/Shanghai");
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    store_kind_init(&kind, argc > 1 ? argv[1] : "sqlite");
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIGGED(a_lead_takes_a_call_of_its_package_and_client),
        RIGGED(what_is_exhausted_refuses_and_writes_nothing),
        RIGGED(a_refused_question_may_be_asked_again_at_once),
        RIGGED(quotas_refuse_with_their_figures),
        RIGGED(each_day_has_its_own_count),
        RIGGED(a_month_counts_all_its_days),
        RIGGED(in_shadow_a_limit_only_tells),
        RIGGED(a_reserve_is_kept_for_others),
        RIGGED(packages_are_drawn_in_the_plans_order),
        RIGGED(a_crowd_gets_what_was_bought_and_no_call_more),
        RIGGED(a_plan_of_another_version_is_outdated),
        RIGGED(what_does_not_count_is_given_back),
        RIGGED(what_was_given_back_can_be_drawn_again),
        RIGGED(counters_are_the_rows_sums_whatever_happens),
        RIGGED(followers_of_a_refused_credential_ask_again),
        RIGGED(who_asks_again_is_judged_by_its_own_money),
        RIGGED(a_late_end_still_counts_and_gives_back),
        RIGGED(a_document_is_written_by_who_knows_its_version),
        RIGGED(of_a_race_for_a_document_one_wins),
        RIGGED(what_was_lost_is_given_back_under_its_version),
        RIGGED(everybody_hears_of_a_written_document),
        RIGGED(lines_of_the_audit_are_numbered_and_read_in_pieces),
        RIGGED(lines_of_the_audit_come_in_no_larger_pieces),
        RIGGED(hits_are_added_up),
        RIGGED(forgotten_answers_are_gone_and_counted),
        RIGGED(everybody_hears_of_what_was_forgotten),
        RIGGED(forgetting_ends_what_is_inferred_and_no_limit),
        RIGGED(what_was_written_is_there_in_the_next_life),
    };
    return cmocka_run_group_tests(tests, start_kind, stop_kind);
}
