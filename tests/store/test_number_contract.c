/*
 * Numbers that are left alone, in every kind of store: the rolling window, the closing by a 203,
 * whose number it is. The clock is moved by hand, so days pass at once: the embedded store takes
 * its clock as a parameter, and what Redis has written down is moved into the past.
 *
 * Words: the kind of store, "sqlite" (the default) or "redis".
 */
#include "store_kind.h"

#include "runtime/log.h"

#define START_S   INT64_C(1795485600)
#define HOUR_MS   INT64_C(3600000)
#define DAY_MS    (24 * HOUR_MS)
#define MAX_CALLS 5

/* Redis goes on counting while a test runs: what is exact to the millisecond in the embedded store
 * is exact to this there. */
#define REDIS_SLACK_MS 20000

struct scene {
    struct rig rig;
    struct rig_clock clock;
    struct digest number;
    const char *window;
};

static int64_t slack_ms(void) {
    return kind.shared ? REDIS_SLACK_MS : 0;
}

static int open_scene(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    store_kind_fresh(&kind);
    rig_clock_init(&scene->clock, START_S);
    store_kind_open(&kind, &scene->rig, &scene->clock.clock);
    scene->number = rig_digest();
    scene->window = "";
    *state = scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    rig_close(&scene->rig);
    free(scene);
    return 0;
}

static void reopen(struct scene *scene) {
    rig_close(&scene->rig);
    store_kind_open(&kind, &scene->rig, &scene->clock.clock);
}

static int64_t now_ms(const struct scene *scene) {
    return clock_unix_ms(&scene->clock.clock);
}

static void pass(struct scene *scene, int64_t ms) {
    rig_clock_advance(&scene->clock, ms);
    store_kind_pass(&kind, ms);
}

/* Till just before `moment`, and over it. */
static void pass_till_just_before(struct scene *scene, int64_t moment) {
    pass(scene, moment - now_ms(scene) - 1 - slack_ms());
}

static void pass_over(struct scene *scene) {
    pass(scene, 1 + 2 * slack_ms());
}

static void assert_opens_at(const struct rig_admit *asked, int64_t moment) {
    assert_in_range(asked->admit.reopens_at_ms, moment - slack_ms(), moment);
}

/* Somebody new is asked about under the scene's number. */
static void prepare(struct scene *scene, struct rig_admit *asked) {
    struct digest triple = rig_digest();
    rig_prepare(asked, &triple, FRESHNESS_ANY);
    asked->admit.number = scene->number;
    asked->admit.limit = (struct store_number_limit){MAX_CALLS, DAY_MS};
    strcpy(asked->admit.window, scene->window);
}

static void ask(struct scene *scene, struct rig_admit *asked, enum store_outcome outcome) {
    prepare(scene, asked);
    rig_submit(&scene->rig, 0, asked);
    rig_expect(&scene->rig, asked, outcome);
}

static void settle(struct scene *scene, const struct rig_admit *asked, const char *status,
                   enum ledger_state ledger, int64_t close_ms) {
    struct rig_settle end;
    rig_end(&end, asked, rig_answer(status, now_ms(scene) / 1000));
    end.settle.ledger.state = ledger;
    end.settle.ledger.settled_at_ms = now_ms(scene);
    end.settle.answered = ledger == LEDGER_SETTLED;
    end.settle.keep = end.settle.answered && close_ms == 0;
    end.settle.failure = FAILURE_UPSTREAM_UNAVAILABLE;
    end.settle.close_ms = close_ms;
    rig_settle(&scene->rig, 0, &end, STORE_DONE);
}

static void call(struct scene *scene, const char *status) {
    struct rig_admit asked;
    ask(scene, &asked, STORE_LEAD);
    settle(scene, &asked, status, LEDGER_SETTLED, 0);
}

static void the_window_rolls(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    int64_t first = now_ms(scene);
    for (int i = 0; i < MAX_CALLS; i++) {
        call(scene, "02");
        pass(scene, HOUR_MS);
    }
    for (int tries = 0; tries < 3; tries++) {
        ask(scene, &asked, STORE_CLOSED);
        assert_opens_at(&asked, first + DAY_MS);
        pass(scene, HOUR_MS);
    }
    pass_till_just_before(scene, first + DAY_MS);
    ask(scene, &asked, STORE_CLOSED);
    pass_over(scene);
    call(scene, "02");
    ask(scene, &asked, STORE_CLOSED);
    assert_opens_at(&asked, first + HOUR_MS + DAY_MS);
}

static void every_number_has_its_own(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    for (int i = 0; i < MAX_CALLS; i++)
        call(scene, "02");
    ask(scene, &asked, STORE_CLOSED);
    scene->number = rig_digest();
    call(scene, "02");
}

static void what_never_reached_the_seller_does_not_count(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    for (int i = 0; i < 3 * MAX_CALLS; i++) {
        ask(scene, &asked, STORE_LEAD);
        settle(scene, &asked, "", LEDGER_RELEASED, 0);
    }
    for (int i = 0; i < MAX_CALLS; i++) {
        ask(scene, &asked, STORE_LEAD);
        settle(scene, &asked, "", LEDGER_UNKNOWN, 0);
    }
    ask(scene, &asked, STORE_CLOSED);
}

static void calls_under_way_count(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked[4 * MAX_CALLS];
    int led = 0;
    for (int i = 0; i < 4 * MAX_CALLS; i++) {
        prepare(scene, &asked[i]);
        rig_submit(&scene->rig, i % RIG_CLIENTS, &asked[i]);
    }
    for (int i = 0; i < 4 * MAX_CALLS; i++) {
        rig_wait(&scene->rig, &asked[i].done, 1);
        led += asked[i].admit.outcome == STORE_LEAD;
    }
    assert_int_equal(led, MAX_CALLS);
}

static void a_203_closes_until_the_oldest_call_is_a_day_old(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    int64_t first = now_ms(scene);
    call(scene, "02");
    pass(scene, 5 * HOUR_MS);
    ask(scene, &asked, STORE_LEAD);
    pass(scene, 1000);
    settle(scene, &asked, "203", LEDGER_SETTLED, DAY_MS);
    ask(scene, &asked, STORE_CLOSED);
    assert_opens_at(&asked, first + DAY_MS);
    reopen(scene);
    pass_till_just_before(scene, first + DAY_MS);
    ask(scene, &asked, STORE_CLOSED);
    pass_over(scene);
    ask(scene, &asked, STORE_LEAD);
}

static void a_refusal_leaves_no_row(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    for (int i = 0; i < MAX_CALLS; i++)
        call(scene, "02");
    int64_t written = store_kind_writes(&kind);
    for (int i = 0; i < MAX_CALLS; i++)
        ask(scene, &asked, STORE_CLOSED);
    assert_int_equal(store_kind_rows(&kind), MAX_CALLS);
    assert_int_equal(store_kind_writes(&kind), written);
}

/* --- a provider's own window --- */

#define LONGEST_NAME "a-provider-s-own"

static void every_window_has_its_own_count(void **state) {
    struct scene *scene = *state;
    static const char *const windows[] = {"", "acme", "acme-2", LONGEST_NAME};
    struct rig_admit asked;
    int64_t first[4];
    for (int i = 0; i < 4; i++) {
        scene->window = windows[i];
        first[i] = now_ms(scene);
        for (int calls = 0; calls < MAX_CALLS; calls++)
            call(scene, "02");
        ask(scene, &asked, STORE_CLOSED);
        pass(scene, HOUR_MS);
    }
    reopen(scene);
    for (int i = 0; i < 4; i++) {
        scene->window = windows[i];
        ask(scene, &asked, STORE_CLOSED);
        assert_opens_at(&asked, first[i] + DAY_MS);
    }
    pass_till_just_before(scene, first[1] + DAY_MS);
    for (int i = 0; i < 4; i++) {
        scene->window = windows[i];
        ask(scene, &asked, i == 0 ? STORE_LEAD : STORE_CLOSED);
    }
    pass_over(scene);
    scene->window = windows[1];
    ask(scene, &asked, STORE_LEAD);
    /* Released: it gives its place back, where it had it. */
    for (int i = 0; i < 3 * MAX_CALLS; i++) {
        settle(scene, &asked, "", LEDGER_RELEASED, 0);
        ask(scene, &asked, STORE_LEAD);
    }
}

static void a_203_closes_the_window_it_was_answered_in(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    call(scene, "02");
    pass(scene, HOUR_MS);
    scene->window = "acme";
    int64_t first = now_ms(scene);
    call(scene, "02");
    pass(scene, HOUR_MS);
    ask(scene, &asked, STORE_LEAD);
    settle(scene, &asked, "203", LEDGER_SETTLED, DAY_MS);
    reopen(scene);
    ask(scene, &asked, STORE_CLOSED);
    assert_opens_at(&asked, first + DAY_MS);
    scene->window = "";
    call(scene, "02");
    scene->window = LONGEST_NAME;
    call(scene, "02");

    scene->window = "";
    ask(scene, &asked, STORE_LEAD);
    settle(scene, &asked, "203", LEDGER_SETTLED, DAY_MS);
    ask(scene, &asked, STORE_CLOSED);
    assert_opens_at(&asked, first - HOUR_MS + DAY_MS);
    pass_till_just_before(scene, first + DAY_MS);
    call(scene, "02");
    scene->window = "acme";
    ask(scene, &asked, STORE_CLOSED);
    pass_over(scene);
    call(scene, "02");
}

/* The next attempt counts where it goes, and only there. */
static void an_attempt_is_judged_by_its_own_window(void **state) {
    struct scene *scene = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    for (int i = 0; i < MAX_CALLS - 1; i++)
        call(scene, "02");
    ask(scene, &first, STORE_LEAD);
    rig_end_failed(&end, &first, FAILURE_UPSTREAM_TIMEOUT);
    end.settle.hold = true;
    rig_settle(&scene->rig, 0, &end, STORE_DONE);
    static const struct {
        const char *window;
        enum store_outcome outcome;
    } cases[] = {{"", STORE_CLOSED}, {"acme", STORE_LEAD}};
    for (int i = 0; i < 2; i++) {
        rig_prepare(&next, &first.admit.triple, FRESHNESS_ANY);
        next.admit.number = scene->number;
        next.admit.limit = first.admit.limit;
        next.admit.after = first.admit.id;
        strcpy(next.admit.window, cases[i].window);
        rig_submit(&scene->rig, 0, &next);
        rig_expect(&scene->rig, &next, cases[i].outcome);
    }
    settle(scene, &next, "01", LEDGER_SETTLED, 0);
    scene->window = "acme";
    for (int i = 0; i < MAX_CALLS - 1; i++)
        call(scene, "02");
    ask(scene, &next, STORE_CLOSED);
}

static void ask_whose(struct scene *scene, const struct digest *triple, struct freshness_wish wish,
                      enum store_outcome outcome, struct rig_admit *asked) {
    rig_prepare(asked, triple, wish);
    asked->admit.number = scene->number;
    asked->admit.limit = (struct store_number_limit){MAX_CALLS, DAY_MS};
    asked->admit.infer = true;
    strcpy(asked->admit.window, scene->window);
    rig_submit(&scene->rig, 0, asked);
    rig_expect(&scene->rig, asked, outcome);
}

static void a_fresh_01_says_whose_the_number_is(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    struct digest owner = rig_digest();
    struct digest other = rig_digest();
    struct freshness_wish insist = FRESHNESS_ANY;
    insist.no_cache = true;
    ask_whose(scene, &owner, FRESHNESS_ANY, STORE_LEAD, &asked);
    settle(scene, &asked, "01", LEDGER_SETTLED, 0);
    ask_whose(scene, &other, FRESHNESS_ANY, STORE_INFERRED, &asked);
    assert_int_equal(asked.admit.proven_at, START_S);
    ask_whose(scene, &owner, FRESHNESS_ANY, STORE_ANSWERED, &asked);

    ask_whose(scene, &other, insist, STORE_LEAD, &asked);
    settle(scene, &asked, "02", LEDGER_SETTLED, 0);
    struct digest third = rig_digest();
    ask_whose(scene, &third, FRESHNESS_ANY, STORE_INFERRED, &asked);

    ask_whose(scene, &owner, insist, STORE_LEAD, &asked);
    settle(scene, &asked, "02", LEDGER_SETTLED, 0);
    ask_whose(scene, &third, FRESHNESS_ANY, STORE_LEAD, &asked);
}

static void answers_and_owners_are_the_same_for_all_windows(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    struct digest owner = rig_digest();
    struct digest other = rig_digest();
    scene->window = "acme";
    ask_whose(scene, &owner, FRESHNESS_ANY, STORE_LEAD, &asked);
    settle(scene, &asked, "01", LEDGER_SETTLED, 0);
    scene->window = "";
    ask_whose(scene, &owner, FRESHNESS_ANY, STORE_ANSWERED, &asked);
    ask_whose(scene, &other, FRESHNESS_ANY, STORE_INFERRED, &asked);
}

static void an_expired_01_proves_nothing(void **state) {
    struct scene *scene = *state;
    struct rig_admit asked;
    struct digest owner = rig_digest();
    struct digest other = rig_digest();
    ask_whose(scene, &owner, FRESHNESS_ANY, STORE_LEAD, &asked);
    settle(scene, &asked, "01", LEDGER_SETTLED, 0);
    pass(scene, 3600 * 1000);
    ask_whose(scene, &other, FRESHNESS_ANY, STORE_LEAD, &asked);
}

static void without_the_setting_nothing_is_inferred(void **state) {
    struct scene *scene = *state;
    call(scene, "01");
    call(scene, "02");
}

int main(int argc, char **argv) {
    if (sodium_init() < 0)
        return 1;
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    store_kind_init(&kind, argc > 1 ? argv[1] : "sqlite");
#define SCENE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        SCENE(the_window_rolls),
        SCENE(every_number_has_its_own),
        SCENE(what_never_reached_the_seller_does_not_count),
        SCENE(calls_under_way_count),
        SCENE(a_203_closes_until_the_oldest_call_is_a_day_old),
        SCENE(a_refusal_leaves_no_row),
        SCENE(every_window_has_its_own_count),
        SCENE(a_203_closes_the_window_it_was_answered_in),
        SCENE(an_attempt_is_judged_by_its_own_window),
        SCENE(answers_and_owners_are_the_same_for_all_windows),
        SCENE(a_fresh_01_says_whose_the_number_is),
        SCENE(an_expired_01_proves_nothing),
        SCENE(without_the_setting_nothing_is_inferred),
    };
#undef SCENE
    return cmocka_run_group_tests(tests, start_kind, stop_kind);
}
