/*
 * The shared store when it is back: what ended meanwhile is delivered before anything new is
 * admitted, also by the next process on the same journal, and also to a server that has lost all.
 */
#include "shared_rig.h"

#include <signal.h>

#include "runtime/log.h"
#include "store/redis_store.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int start(void **state) {
    *state = shared_start(false);
    return 0;
}

static int start_apart(void **state) {
    *state = shared_start(true);
    return 0;
}

/* Everything is on the disk when it is killed. */
static int start_durable(void **state) {
    struct shared *shared = shared_start(false);
    redis_server_kill(&shared->server);
    redis_server_add(&shared->server, "--appendonly");
    redis_server_add(&shared->server, "yes");
    redis_server_add(&shared->server, "--appendfsync");
    redis_server_add(&shared->server, "always");
    redis_server_start(&shared->server);
    *state = shared;
    return 0;
}

static int stop(void **state) {
    shared_free(*state);
    return 0;
}

static int64_t now_s(void) {
    return clock_unix_ms(&clock_system) / 1000;
}

/* --- one call that ends while the store is away --- */

/* Asks at every client at once, again and again, till they are told. Nobody may lead. */
static void expect_answered(struct shared *shared, const struct digest *triple,
                            const char *status) {
    struct rig_admit asked[RIG_CLIENTS];
    int answered = 0;
    for (int i = 0; i < RIG_CLIENTS; i++) {
        shared_prepare(&asked[i], triple);
        rig_submit(&shared->rig, i, &asked[i]);
    }
    int64_t deadline = redis_server_now_ms() + RIG_DEADLINE_MS;
    while (answered < RIG_CLIENTS) {
        if (redis_server_now_ms() > deadline)
            fail_msg("nothing came before the deadline");
        shared_turn(shared);
        for (int i = 0; i < RIG_CLIENTS; i++) {
            if (asked[i].done == 0)
                continue;
            if (asked[i].admit.outcome == STORE_AWAY) {
                shared_prepare(&asked[i], triple);
                rig_submit(&shared->rig, i, &asked[i]);
                continue;
            }
            assert_int_equal(asked[i].admit.outcome, STORE_ANSWERED);
            assert_string_equal(asked[i].admit.answer.status, status);
            asked[i].done = 0;
            answered++;
        }
    }
}

static void end_while_away(struct shared *shared, void (*leave)(struct redis_server *),
                           void (*come_back)(struct redis_server *), bool again) {
    struct digest triple = rig_digest();
    struct rig_admit asked;
    struct rig_settle end;
    shared_open(shared);
    shared_lead(shared, 0, &asked, &triple);
    leave(&shared->server);
    rig_end(&end, &asked, rig_answer("01", now_s()));
    int64_t begin_ms = redis_server_now_ms();
    rig_settle(&shared->rig, 0, &end, STORE_AWAY);
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SHARED_IN_TIME_MS);
    if (again)
        shared_close(shared);
    come_back(&shared->server);
    if (again)
        shared_begin(shared);
    expect_answered(shared, &triple, "01");
    assert_int_equal(shared_row(shared, &asked), 's');
    assert_true(shared_counts(shared, &asked) > 0);
    assert_int_equal(shared_total(shared, "s"), 1);
    assert_int_equal(shared_total(shared, "billed"), 1);
}

static void freeze(struct redis_server *server) {
    redis_server_freeze(server);
}

static void thaw(struct redis_server *server) {
    redis_server_thaw(server);
}

static void die(struct redis_server *server) {
    redis_server_kill(server);
}

static void rise(struct redis_server *server) {
    redis_server_start(server);
}

static void be_full(struct redis_server *server) {
    redis_server_do(server, "CONFIG SET maxmemory 1");
}

static void be_roomy(struct redis_server *server) {
    redis_server_do(server, "CONFIG SET maxmemory 0");
}

static void what_ended_before_a_frozen_store_comes_first(void **state) {
    end_while_away(*state, freeze, thaw, false);
}

static void the_next_process_delivers_it_to_a_thawed_store(void **state) {
    end_while_away(*state, freeze, thaw, true);
}

static void what_ended_before_a_dead_store_comes_first(void **state) {
    end_while_away(*state, die, rise, false);
}

static void the_next_process_delivers_it_to_a_restarted_store(void **state) {
    end_while_away(*state, die, rise, true);
}

/* It answers, so that no connection tells. */
static void what_a_full_store_refused_comes_first(void **state) {
    end_while_away(*state, be_full, be_roomy, false);
}

static void the_next_process_delivers_it_when_there_is_room(void **state) {
    end_while_away(*state, be_full, be_roomy, true);
}

/* Only the ledger is away: the answer is there, its row comes later, and nobody leads before. */
static void a_ledger_that_was_away_gets_its_row(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    struct rig_settle end;
    shared_open(shared);
    shared_lead(shared, 0, &asked, &triple);
    redis_server_freeze(&shared->ledger);
    rig_end(&end, &asked, rig_answer("01", now_s()));
    rig_settle(&shared->rig, 0, &end, STORE_AWAY);
    assert_int_equal(rig_find(&shared->rig, 1, &triple, NULL), STORE_HIT);
    redis_server_thaw(&shared->ledger);
    expect_answered(shared, &triple, "01");
    assert_int_equal(shared_row(shared, &asked), 's');
    assert_int_equal(shared_total(shared, "billed"), 1);
}

/* --- many calls, and a store that has lost them --- */

enum { CALLS = 70 }; /* more than the courier takes at a time */

struct calls {
    struct rig_admit asked[CALLS];
    struct rig_settle ends[CALLS];
};

/* The states take turns: two are settled, the third is unknown, the fourth released. */
static bool is_released(int call) {
    return call % 4 == 3;
}

static void let_end(struct calls *calls, int call) {
    struct rig_settle *end = &calls->ends[call];
    if (call % 4 < 2) {
        rig_end(end, &calls->asked[call], rig_answer("01", now_s()));
        return;
    }
    rig_end_failed(end, &calls->asked[call], FAILURE_UPSTREAM_TIMEOUT);
    if (!is_released(call))
        return;
    end->settle.ledger.state = LEDGER_RELEASED;
    end->settle.ledger.billed = BILLED_NO;
}

static struct calls *make_calls(struct shared *shared) {
    struct calls *calls = calloc(1, sizeof *calls);
    for (int i = 0; i < CALLS; i++) {
        struct digest triple = rig_digest();
        shared_prepare(&calls->asked[i], &triple);
        strcpy(calls->asked[i].admit.window, i % 3 == 1 ? "acme" : "");
        rig_submit(&shared->rig, i % RIG_CLIENTS, &calls->asked[i]);
    }
    for (int i = 0; i < CALLS; i++)
        rig_expect(&shared->rig, &calls->asked[i], STORE_LEAD);
    for (int i = 0; i < CALLS; i++) {
        let_end(calls, i);
        store_settle(shared->rig.clients[i % RIG_CLIENTS].client, &calls->ends[i].settle);
    }
    for (int i = 0; i < CALLS; i++) {
        rig_wait(&shared->rig, &calls->ends[i].done, 1);
        assert_int_equal(calls->ends[i].settle.outcome, STORE_DONE);
    }
    return calls;
}

static char *books_of(const struct shared *shared) {
    return script_snapshot_of(shared_money(shared), "{ledger}*");
}

static bool has_books(const struct shared *shared, const char *books) {
    char *now = books_of(shared);
    bool has = strcmp(now, books) == 0;
    free(now);
    return has;
}

static void expect_windows(const struct shared *shared, const struct calls *calls) {
    for (int i = 0; i < CALLS; i++) {
        int64_t at_ms = shared_counts(shared, &calls->asked[i]);
        if (is_released(i))
            assert_int_equal(at_ms, -1);
        else
            script_expect_near(at_ms, ledger_id_time_ms(&calls->asked[i].admit.id));
    }
}

static void expect_restored(struct shared *shared, const struct calls *calls, const char *books) {
    rig_wait_until_ready(&shared->rig);
    if (!has_books(shared, books))
        fail_msg("the books are others when the store is ready");
    expect_windows(shared, calls);
    script_expect_ttls(&shared->server);
    /* A number that was asked about stays closed. */
    struct rig_admit asked;
    shared_prepare(&asked, &calls->asked[2].admit.triple);
    rig_submit(&shared->rig, 1, &asked);
    rig_expect(&shared->rig, &asked, STORE_CLOSED);
}

static void lose_everything(struct shared *shared, bool again) {
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    struct calls *calls = make_calls(shared);
    char *books = books_of(shared);
    assert_int_equal(shared_total(shared, "s"), 36);
    assert_int_equal(shared_total(shared, "u"), 17);
    assert_int_equal(shared_total(shared, "r"), 17);
    if (again)
        shared_close(shared);
    redis_server_kill(&shared->server);
    redis_server_start(&shared->server);
    assert_int_equal(redis_server_count(&shared->server, "DBSIZE"), 0);
    if (again)
        shared_begin(shared);
    shared_wait(shared, has_books(shared, books));
    expect_restored(shared, calls, books);
    free(books);
    free(calls);
}

static void a_store_that_comes_back_empty_gets_everything_back(void **state) {
    lose_everything(*state, false);
}

static void the_next_process_gives_it_back_too(void **state) {
    lose_everything(*state, true);
}

/* A cache that came back empty, with money elsewhere, knows no windows any more. */
static void windows_come_back_without_the_ledger_s_loss(void **state) {
    struct shared *shared = *state;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    struct calls *calls = make_calls(shared);
    char *books = books_of(shared);
    redis_server_kill(&shared->server);
    redis_server_start(&shared->server);
    shared_wait(shared, shared_counts(shared, &calls->asked[CALLS - 2]) > 0);
    expect_restored(shared, calls, books);
    free(books);
    free(calls);
}

/* Killed between any two replies, with everything on its disk: what was delivered may be delivered
 * again, and changes nothing. */
static void a_store_that_lost_nothing_changes_nothing(void **state) {
    struct shared *shared = *state;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    struct calls *calls = make_calls(shared);
    char *books = books_of(shared);
    for (int i = 0; i < 3; i++) {
        redis_server_kill(&shared->server);
        redis_server_start(&shared->server);
        shared_wait(shared, shared_is_away(shared, ""));
        expect_restored(shared, calls, books);
    }
    free(books);
    free(calls);
}

/* --- a client that leaves while it looks whether all is there --- */

/* Only its own loop turns, so it is the one that looks. */
static void turn_until_it_looks(struct shared *shared, struct rig_client *late) {
    struct redis_store *store = (struct redis_store *)shared->rig.store;
    int64_t deadline = redis_server_now_ms() + RIG_DEADLINE_MS;
    while (!redis_store_is_behind(store)) {
        assert_true(redis_server_now_ms() < deadline);
        uv_run(&late->loop, UV_RUN_NOWAIT);
    }
}

static void nobody_is_turned_away_since_another_leaves(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_client late = {0};
    struct rig_admit asked;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    rig_attach(shared->rig.store, &late);
    turn_until_it_looks(shared, &late);
    shared_prepare(&asked, &triple);
    rig_submit(&shared->rig, 0, &asked);
    rig_detach_client(&late);
    rig_expect(&shared->rig, &asked, STORE_LEAD);
}

/* --- reservations of somebody who is gone --- */

static void a_reservation_that_nobody_ends_is_given_up(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    struct rig_settle end;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    shared_prepare(&asked, &triple);
    asked.admit.lease_ms = 50;
    rig_submit(&shared->rig, 0, &asked);
    rig_expect(&shared->rig, &asked, STORE_LEAD);
    shared_wait(shared, shared_row(shared, &asked) == 'U');
    assert_int_equal(redis_server_count(&shared->server, "ZCARD {ledger}open"), 0);
    /* It was only late. */
    rig_end(&end, &asked, rig_answer("01", now_s()));
    rig_settle(&shared->rig, 0, &end, STORE_DONE);
    assert_int_equal(shared_row(shared, &asked), 's');
    assert_int_equal(shared_total(shared, "U"), 0);
    assert_int_equal(shared_total(shared, "billed"), 1);
}

/* It reserved, and wrote its intent, and died. */
static void the_next_process_ends_what_the_last_left(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    shared_lead(shared, 0, &asked, &triple);
    shared_close(shared);
    shared_open(shared);
    assert_int_equal(shared_row(shared, &asked), 'u');
    assert_false(shared_is_lent(shared, &asked));
    assert_true(shared_counts(shared, &asked) > 0);
    assert_int_equal(redis_server_count(&shared->server, "ZCARD {ledger}open"), 0);
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
#define SHARED(test)  cmocka_unit_test_setup_teardown(test, start, stop)
#define APART(test)   cmocka_unit_test_setup_teardown(test, start_apart, stop)
#define DURABLE(test) cmocka_unit_test_setup_teardown(test, start_durable, stop)
    const struct CMUnitTest tests[] = {
        SHARED(what_ended_before_a_frozen_store_comes_first),
        SHARED(the_next_process_delivers_it_to_a_thawed_store),
        SHARED(what_ended_before_a_dead_store_comes_first),
        SHARED(the_next_process_delivers_it_to_a_restarted_store),
        SHARED(what_a_full_store_refused_comes_first),
        SHARED(the_next_process_delivers_it_when_there_is_room),
        DURABLE(what_ended_before_a_dead_store_comes_first),
        DURABLE(the_next_process_delivers_it_to_a_restarted_store),
        APART(a_ledger_that_was_away_gets_its_row),
        SHARED(a_store_that_comes_back_empty_gets_everything_back),
        SHARED(the_next_process_gives_it_back_too),
        APART(windows_come_back_without_the_ledger_s_loss),
        DURABLE(a_store_that_lost_nothing_changes_nothing),
        SHARED(nobody_is_turned_away_since_another_leaves),
        SHARED(a_reservation_that_nobody_ends_is_given_up),
        SHARED(the_next_process_ends_what_the_last_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
