/*
 * A lease that is held from one call to the next, in the shared store: over replicas, with money on
 * a Redis of its own, and where a step fails or a process ends in between.
 */
#include "shared_rig.h"

#include <signal.h>

#include "runtime/log.h"
#include "store/rebuild.h"

static int start(void **state) {
    *state = shared_start(false);
    return 0;
}

static int start_apart(void **state) {
    *state = shared_start(true);
    return 0;
}

static int stop(void **state) {
    shared_free(*state);
    return 0;
}

static int64_t now_s(void) {
    return clock_unix_ms(&clock_system) / 1000;
}

/* --- words --- */

static void open_patient(struct shared *shared) {
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
}

/* Another process on the same servers. */
static void open_replica(const struct shared *shared, struct rig *replica, char journal[320]) {
    struct store_settings settings = shared->settings;
    snprintf(journal, 320, "%s/replica.db", shared->folder);
    settings.journal_path = journal;
    rig_open_with(replica, &settings, &clock_system);
}

static void lead(struct shared *shared, struct rig_admit *first) {
    struct digest triple = rig_digest();
    rig_prepare(first, &triple, FRESHNESS_ANY);
    first->admit.limit = (struct store_number_limit){100, SCRIPT_DAY_MS};
    rig_submit(&shared->rig, 0, first);
    rig_expect(&shared->rig, first, STORE_LEAD);
}

static void hold(struct shared *shared, struct rig_settle *end, const struct rig_admit *asked,
                 enum store_outcome outcome) {
    rig_end(end, asked, rig_answer("02", now_s()));
    end->settle.hold = true;
    rig_settle(&shared->rig, 0, end, outcome);
}

static void give_up(struct shared *shared, struct rig_settle *end, enum store_outcome outcome) {
    end->settle.hold = false;
    end->done = 0;
    rig_settle(&shared->rig, 0, end, outcome);
}

/* At another provider. */
static void prepare_next(struct rig_admit *next, const struct rig_admit *first) {
    rig_prepare(next, &first->admit.triple, FRESHNESS_ANY);
    next->admit.limit = first->admit.limit;
    next->admit.after = first->admit.id;
    strcpy(next->admit.window, "acme");
}

static void lead_next(struct shared *shared, struct rig_admit *next,
                      const struct rig_admit *first) {
    prepare_next(next, first);
    rig_submit(&shared->rig, 0, next);
    rig_expect(&shared->rig, next, STORE_LEAD);
}

static void settle(struct shared *shared, const struct rig_admit *asked, const char *status) {
    struct rig_settle end;
    rig_end(&end, asked, rig_answer(status, now_s() + 1));
    rig_settle(&shared->rig, 0, &end, STORE_DONE);
}

/* Of whom is the lease? */
static bool is_lent_to(const struct shared *shared, const struct rig_admit *asked) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    redis_keys_of_number(&asked->admit.number, &asked->admit.triple, "", keys);
    redisReply *reply = redis_server_ask(&shared->server, "GET %s", keys[REDIS_KEY_LEASE].text);
    bool is = reply->type == REDIS_REPLY_STRING && reply->len == sizeof asked->admit.id.bytes &&
              memcmp(reply->str, asked->admit.id.bytes, reply->len) == 0;
    freeReplyObject(reply);
    return is;
}

static void end_lease(const struct shared *shared, const struct rig_admit *asked) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    redis_keys_of_number(&asked->admit.number, &asked->admit.triple, "", keys);
    redis_server_do(&shared->server, "DEL %s", keys[REDIS_KEY_LEASE].text);
}

/* --- over replicas --- */

static void another_replica_waits_for_the_last_attempt(void **state) {
    struct shared *shared = *state;
    struct rig replica;
    char journal[320];
    struct rig_admit first;
    struct rig_admit next;
    struct rig_admit early;
    struct rig_admit late;
    struct rig_settle end;
    struct answer found;
    open_patient(shared);
    open_replica(shared, &replica, journal);
    lead(shared, &first);
    rig_admit(&replica, 0, &early, &first.admit.triple, FRESHNESS_ANY);
    rig_barrier(&replica, 0);
    hold(shared, &end, &first, STORE_DONE);
    rig_wait(&replica, &replica.clients[0].notices, 1);
    assert_int_equal(rig_find(&replica, 0, &first.admit.triple, &found), STORE_HIT);
    assert_string_equal(found.status, "02");
    assert_int_equal(early.done, 0);
    lead_next(shared, &next, &first);
    rig_admit(&replica, 1, &late, &first.admit.triple, FRESHNESS_ANY);
    rig_barrier(&replica, 1);
    rig_barrier(&replica, 0);
    assert_int_equal(early.done + late.done, 0);
    settle(shared, &next, "01");
    rig_expect(&replica, &early, STORE_ANSWERED);
    rig_expect(&replica, &late, STORE_ANSWERED);
    assert_string_equal(early.admit.answer.status, "01");
    assert_string_equal(late.admit.answer.status, "01");
    assert_true(early.admit.collapsed && late.admit.collapsed);
    assert_true(shared_counts(shared, &first) > 0);
    assert_true(shared_counts(shared, &next) > 0);
    rig_close(&replica);
    script_expect_ttls(&shared->server);
}

static void another_replica_hears_who_gives_up(void **state) {
    struct shared *shared = *state;
    struct rig replica;
    char journal[320];
    struct rig_admit first;
    struct rig_admit follower;
    struct rig_settle end;
    open_patient(shared);
    open_replica(shared, &replica, journal);
    lead(shared, &first);
    rig_admit(&replica, 0, &follower, &first.admit.triple, FRESHNESS_ANY);
    rig_barrier(&replica, 0);
    hold(shared, &end, &first, STORE_DONE);
    rig_barrier(&replica, 0);
    assert_int_equal(follower.done, 0);
    give_up(shared, &end, STORE_DONE);
    rig_expect(&replica, &follower, STORE_ANSWERED);
    assert_string_equal(follower.admit.answer.status, "02");
    assert_false(shared_is_lent(shared, &first));
    assert_int_equal(shared_total(shared, "s"), 1);
    assert_int_equal(shared_total(shared, "billed"), 1);
    rig_close(&replica);
}

/* --- steps that fail --- */

/* The reservation lies before a frozen ledger while something happens to the lease. */
static void begin_next(struct shared *shared, struct rig_admit *next,
                       const struct rig_admit *first) {
    prepare_next(next, first);
    redis_server_freeze(&shared->ledger);
    rig_submit(&shared->rig, 0, next);
    shared_wait(shared, shared_counts(shared, next) > 0);
    assert_int_equal(next->done, 0);
}

static void expect_not_made(struct shared *shared, const struct rig_admit *next) {
    shared_wait(shared, shared_row(shared, next) == 'r');
    shared_wait(shared, shared_counts(shared, next) == -1);
    assert_int_equal(script_score(&shared->ledger, "{ledger}open", &next->admit.id), -1);
}

static void a_lease_that_runs_out_meanwhile_is_not_passed_on(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_admit heir;
    struct rig_settle end;
    open_patient(shared);
    for (int inherited = 0; inherited < 2; inherited++) {
        lead(shared, &first);
        hold(shared, &end, &first, STORE_DONE);
        begin_next(shared, &next, &first);
        assert_true(is_lent_to(shared, &first));
        end_lease(shared, &first);
        rig_prepare(&heir, &first.admit.triple, FRESHNESS_ANY);
        heir.admit.wish.no_cache = true;
        if (inherited)
            rig_submit(&shared->rig, 1, &heir);
        shared_wait(shared, !inherited || is_lent_to(shared, &heir));
        redis_server_thaw(&shared->ledger);
        rig_expect(&shared->rig, &next, STORE_AWAY);
        expect_not_made(shared, &next);
        if (!inherited)
            rig_submit(&shared->rig, 1, &heir);
        rig_expect(&shared->rig, &heir, STORE_LEAD);
        settle(shared, &heir, "01");
    }
}

/* It may have been passed on: then the release of the call ends it. */
static void a_passing_without_a_reply_ends_the_lease(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    shared->settings.timeout_ms = 1000;
    shared_open(shared);
    lead(shared, &first);
    hold(shared, &end, &first, STORE_DONE);
    begin_next(shared, &next, &first);
    redis_server_freeze(&shared->server);
    redis_server_thaw(&shared->ledger);
    rig_expect(&shared->rig, &next, STORE_AWAY);
    redis_server_thaw(&shared->server);
    expect_not_made(shared, &next);
    assert_false(is_lent_to(shared, &next));
    rig_wait_until_ready(&shared->rig);
    give_up(shared, &end, STORE_DONE);
    assert_false(shared_is_lent(shared, &first));
    assert_int_equal(shared_row(shared, &first), 's');
}

/* What the ledger does not take is taken back on the number's slot, but for the lease. */
static void a_reservation_that_fails_leaves_the_lease(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_admit follower;
    struct rig_settle end;
    open_patient(shared);
    lead(shared, &first);
    rig_admit(&shared->rig, 1, &follower, &first.admit.triple, FRESHNESS_ANY);
    rig_barrier(&shared->rig, 1);
    hold(shared, &end, &first, STORE_DONE);
    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 1");
    prepare_next(&next, &first);
    rig_submit(&shared->rig, 0, &next);
    rig_expect(&shared->rig, &next, STORE_AWAY);
    shared_wait(shared, shared_counts(shared, &next) == -1);
    assert_true(is_lent_to(shared, &first));
    assert_int_equal(follower.done, 0);
    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 0");
    rig_wait_until_ready(&shared->rig);
    lead_next(shared, &next, &first);
    settle(shared, &next, "01");
    rig_expect(&shared->rig, &follower, STORE_ANSWERED);
    assert_string_equal(follower.admit.answer.status, "01");
    assert_int_equal(shared_total(shared, "s"), 2);
    assert_int_equal(shared_total(shared, "billed"), 2);
}

/* --- a store that is away --- */

static void what_is_held_while_it_is_away_is_delivered_and_held(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    shared_open(shared);
    lead(shared, &first);
    redis_server_freeze(&shared->server);
    hold(shared, &end, &first, STORE_AWAY);
    redis_server_thaw(&shared->server);
    rig_wait_until_ready(&shared->rig);
    assert_int_equal(shared_row(shared, &first), 's');
    assert_int_equal(rig_find(&shared->rig, 2, &first.admit.triple, NULL), STORE_HIT);
    assert_true(is_lent_to(shared, &first));
    lead_next(shared, &next, &first);
    settle(shared, &next, "01");
    assert_false(shared_is_lent(shared, &first));
}

/* Whether or not the end itself was delivered before. */
static void who_gives_up_while_it_is_away_is_heard_later(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_settle end;
    shared_open(shared);
    for (int away = 0; away < 2; away++) {
        rig_wait_until_ready(&shared->rig);
        lead(shared, &first);
        if (away)
            redis_server_freeze(&shared->server);
        hold(shared, &end, &first, away ? STORE_AWAY : STORE_DONE);
        if (!away)
            redis_server_freeze(&shared->server);
        give_up(shared, &end, STORE_AWAY);
        redis_server_thaw(&shared->server);
        shared_wait(shared, !shared_is_lent(shared, &first));
        rig_wait_until_ready(&shared->rig);
        assert_int_equal(shared_row(shared, &first), 's');
        assert_int_equal(rig_find(&shared->rig, 2, &first.admit.triple, NULL), STORE_HIT);
        assert_int_equal(shared_total(shared, "s"), away + 1);
        assert_int_equal(shared_total(shared, "billed"), away + 1);
    }
}

/* A ledger that takes nothing: the followers are told, and the row's end is not forgotten. */
static void who_gives_up_before_the_row_has_ended_ends_it_later(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit follower;
    struct rig_settle end;
    open_patient(shared);
    lead(shared, &first);
    rig_admit(&shared->rig, 1, &follower, &first.admit.triple, FRESHNESS_ANY);
    rig_barrier(&shared->rig, 1);
    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 1");
    hold(shared, &end, &first, STORE_AWAY);
    assert_true(is_lent_to(shared, &first));
    assert_int_equal(follower.done, 0);
    give_up(shared, &end, STORE_AWAY);
    rig_expect(&shared->rig, &follower, STORE_ANSWERED);
    assert_false(shared_is_lent(shared, &first));
    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 0");
    rig_wait_until_ready(&shared->rig);
    assert_int_equal(shared_row(shared, &first), 's');
    assert_int_equal(shared_total(shared, "billed"), 1);
}

/* --- another life --- */

/* Between two attempts: the first one has ended, and nobody makes the second. */
static void a_process_that_ends_in_between_leaves_the_first_one_ended(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_settle end;
    struct rig_admit heir;
    open_patient(shared);
    lead(shared, &first);
    hold(shared, &end, &first, STORE_DONE);
    shared_close(shared);
    redis_server_do(&shared->server, "CONFIG RESETSTAT");
    shared_open(shared);
    assert_int_equal(shared_row(shared, &first), 's');
    assert_int_equal(shared_total(shared, "s"), 1);
    assert_int_equal(shared_total(shared, "billed"), 1);
    assert_true(is_lent_to(shared, &first));
    end_lease(shared, &first);
    rig_admit(&shared->rig, 0, &heir, &first.admit.triple, FRESHNESS_ANY);
    rig_expect(&shared->rig, &heir, STORE_ANSWERED);
}

/* In the second attempt: that one is unknown, and leads no more. */
static void a_process_that_ends_in_the_next_leaves_that_unknown(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    open_patient(shared);
    lead(shared, &first);
    hold(shared, &end, &first, STORE_DONE);
    lead_next(shared, &next, &first);
    shared_close(shared);
    shared_open(shared);
    assert_int_equal(shared_row(shared, &first), 's');
    assert_int_equal(shared_row(shared, &next), 'u');
    assert_int_equal(shared_total(shared, "s"), 1);
    assert_int_equal(shared_total(shared, "u"), 1);
    assert_int_equal(shared_total(shared, "R"), 0);
    assert_int_equal(shared_total(shared, "billed"), 1);
    assert_false(shared_is_lent(shared, &first));
    assert_true(shared_counts(shared, &first) > 0);
    assert_true(shared_counts(shared, &next) > 0);
}

/* A last delivery in a window of its own is looked for there: nothing was lost. */
static void a_place_is_looked_for_in_its_window(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_settle end;
    open_patient(shared);
    lead(shared, &first);
    hold(shared, &end, &first, STORE_DONE);
    lead_next(shared, &next, &first);
    settle(shared, &next, "01");
    shared_close(shared);
    redis_server_do(&shared->server, "CONFIG RESETSTAT");
    shared_open(shared);
    assert_int_equal(shared_runs(&shared->server, "publish"), 0);
    assert_true(shared_runs(&shared->server, "zscore") >= 1);
}

static void a_rebuild_leaves_a_held_lease(void **state) {
    struct shared *shared = *state;
    struct rig_admit first;
    struct rig_admit next;
    struct rig_admit follower;
    struct rig_settle end;
    struct rebuild_counts counts;
    struct complaint complaint = {""};
    const char *const paths[] = {shared->journal, NULL};
    open_patient(shared);
    lead(shared, &first);
    rig_admit(&shared->rig, 1, &follower, &first.admit.triple, FRESHNESS_ANY);
    rig_barrier(&shared->rig, 1);
    hold(shared, &end, &first, STORE_DONE);
    for (int round = 0; round < 2; round++) {
        if (!rebuild_store(&shared->settings, paths, &clock_system, &counts, &complaint))
            fail_msg("%s", complaint.text);
        assert_int_equal(counts.restored, 0);
        rig_barrier(&shared->rig, 1);
        assert_int_equal(follower.done, 0);
        if (round == 1)
            break;
        assert_true(is_lent_to(shared, &first));
        lead_next(shared, &next, &first);
    }
    assert_true(is_lent_to(shared, &next));
    settle(shared, &next, "01");
    rig_expect(&shared->rig, &follower, STORE_ANSWERED);
    assert_string_equal(follower.admit.answer.status, "01");
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
#define SHARED(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define APART(test)  cmocka_unit_test_setup_teardown(test, start_apart, stop)
    const struct CMUnitTest tests[] = {
        SHARED(another_replica_waits_for_the_last_attempt),
        APART(another_replica_waits_for_the_last_attempt),
        SHARED(another_replica_hears_who_gives_up),
        APART(another_replica_hears_who_gives_up),
        APART(a_lease_that_runs_out_meanwhile_is_not_passed_on),
        APART(a_passing_without_a_reply_ends_the_lease),
        APART(a_reservation_that_fails_leaves_the_lease),
        SHARED(what_is_held_while_it_is_away_is_delivered_and_held),
        APART(what_is_held_while_it_is_away_is_delivered_and_held),
        SHARED(who_gives_up_while_it_is_away_is_heard_later),
        APART(who_gives_up_while_it_is_away_is_heard_later),
        APART(who_gives_up_before_the_row_has_ended_ends_it_later),
        SHARED(a_process_that_ends_in_between_leaves_the_first_one_ended),
        APART(a_process_that_ends_in_between_leaves_the_first_one_ended),
        SHARED(a_process_that_ends_in_the_next_leaves_that_unknown),
        SHARED(a_place_is_looked_for_in_its_window),
        SHARED(a_rebuild_leaves_a_held_lease),
        APART(a_rebuild_leaves_a_held_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
