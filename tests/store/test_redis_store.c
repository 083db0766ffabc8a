/*
 * The shared store while its server is away: who is turned away, in what time, and what is taken
 * back of a call that came to nothing.
 */
#include "shared_rig.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/log.h"

/* Long before a lease ends. */
#define SOON_MS (RIG_LEASE_MS / 6)

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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

/* Submits, and expects it to be turned away in time. */
static void expect_away_in_time(struct shared *shared, int client, struct rig_admit *asked) {
    int64_t begin_ms = redis_server_now_ms();
    rig_submit(&shared->rig, client, asked);
    rig_expect(&shared->rig, asked, STORE_AWAY);
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SHARED_IN_TIME_MS);
}

/* Nothing of the call is left but, perhaps, a row that says it was not made. */
static void expect_taken_back(struct shared *shared, const struct rig_admit *asked) {
    assert_true(shared_is_free(shared, asked));
    assert_int_equal(shared_row(shared, asked), 'r');
    assert_int_equal(shared_total(shared, "r"), 1);
    assert_int_equal(shared_total(shared, "R"), 0);
    assert_int_equal(redis_server_count(shared_money(shared), "ZCARD {ledger}open"), 0);
}

/* --- steps whose reply never came --- */

static void an_admit_without_a_reply_is_taken_back(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    shared_open(shared);
    redis_server_do(&shared->server, "CONFIG RESETSTAT");
    redis_server_freeze(&shared->server);
    shared_prepare(&asked, &triple);
    expect_away_in_time(shared, 0, &asked);
    redis_server_thaw(&shared->server);
    shared_wait(shared, shared_row(shared, &asked) != 0);
    rig_wait_until_ready(&shared->rig);
    /* The script ran, when nobody waited any more. */
    assert_int_equal(shared_runs(&shared->server, "zadd"), 1);
    expect_taken_back(shared, &asked);
    shared_lead(shared, 1, &asked, &triple);
}

static void a_reservation_without_a_reply_is_taken_back(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    shared_open(shared);
    redis_server_do(&shared->ledger, "CONFIG RESETSTAT");
    redis_server_freeze(&shared->ledger);
    shared_prepare(&asked, &triple);
    expect_away_in_time(shared, 0, &asked);
    /* The number need not wait for the ledger. */
    shared_wait(shared, shared_is_free(shared, &asked));
    redis_server_thaw(&shared->ledger);
    shared_wait(shared, shared_row(shared, &asked) == 'r');
    rig_wait_until_ready(&shared->rig);
    assert_int_equal(shared_runs(&shared->ledger, "zadd"), 1);
    expect_taken_back(shared, &asked);
    shared_lead(shared, 1, &asked, &triple);
}

/* --- a ledger that takes no reservation --- */

static long long ledger_keys(const struct shared *shared) {
    redisReply *reply = redis_server_ask(&shared->ledger, "KEYS {ledger}*");
    long long count = (long long)reply->elements;
    freeReplyObject(reply);
    return count;
}

static void a_refused_reservation_is_withdrawn_and_followers_end(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked[5];
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 1");
    redis_server_do(&shared->server, "CONFIG RESETSTAT");
    /* The first one leads, and its reservation lies before the frozen ledger while others come. */
    redis_server_freeze(&shared->ledger);
    for (int i = 0; i < 5; i++) {
        shared_prepare(&asked[i], &triple);
        rig_submit(&shared->rig, i % RIG_CLIENTS, &asked[i]);
        shared_wait(shared, shared_runs(&shared->server, "evalsha") >= i + 1);
    }
    assert_true(shared_counts(shared, &asked[0]) > 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(asked[i].done, 0);
    int64_t begin_ms = redis_server_now_ms();
    redis_server_thaw(&shared->ledger);
    for (int i = 0; i < 5; i++)
        rig_expect(&shared->rig, &asked[i], STORE_AWAY);
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SOON_MS);
    for (int i = 0; i < 5; i++)
        shared_wait(shared, shared_is_free(shared, &asked[i]));
    assert_int_equal(ledger_keys(shared), 0);
    assert_true(shared_is_away(shared, "OOM"));

    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 0");
    shared_lead(shared, 2, &asked[0], &triple);
    assert_int_equal(shared_row(shared, &asked[0]), 'R');
}

/* --- a journal that cannot be written --- */

static void the_intent_cannot_be_written(void **state) {
    struct shared *shared = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked[4];
    struct rlimit former;
    struct stat status;
    char wal[320];
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    rig_barrier(&shared->rig, 0);
    snprintf(wal, sizeof wal, "%s-wal", shared->journal);
    assert_int_equal(stat(wal, &status), 0);
    getrlimit(RLIMIT_FSIZE, &former);
    void (*on_excess)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit tight = {(rlim_t)status.st_size, former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);

    for (int i = 0; i < 4; i++) {
        shared_prepare(&asked[i], &triple);
        rig_submit(&shared->rig, i % RIG_CLIENTS, &asked[i]);
    }
    int away = 0;
    for (int i = 0; i < 4; i++) {
        rig_wait(&shared->rig, &asked[i].done, 1);
        away += asked[i].admit.outcome == STORE_AWAY;
        if (asked[i].admit.outcome == STORE_AWAY)
            continue;
        /* It waited for one that could not. */
        assert_int_equal(asked[i].admit.outcome, STORE_FAILED);
        assert_int_equal(asked[i].admit.failure, FAILURE_STORE_UNAVAILABLE);
    }
    assert_true(away >= 1);
    assert_true(shared_is_away(shared, "the journal cannot be written"));
    /* Who waited for it, or came when that was known already, has no row. */
    int released = 0;
    for (int i = 0; i < 4; i++) {
        shared_wait(shared, shared_is_free(shared, &asked[i]));
        char row = shared_row(shared, &asked[i]);
        assert_true(row == 'r' || row == 0);
        released += row == 'r';
    }
    assert_in_range(released, 1, away);
    assert_int_equal(shared_total(shared, "R"), 0);
    assert_int_equal(shared_total(shared, "r"), released);

    setrlimit(RLIMIT_FSIZE, &former);
    signal(SIGXFSZ, on_excess);
    store_poke(shared->rig.store);
    shared_lead(shared, 2, &asked[0], &triple);
}

/* --- followers --- */

/* One leads at client 0, the others follow, each client's own too. */
static void follow(struct shared *shared, struct rig_admit *leader, struct rig_admit *followers,
                   int count) {
    struct digest triple = rig_digest();
    shared_lead(shared, 0, leader, &triple);
    redis_server_do(&shared->server, "CONFIG RESETSTAT");
    for (int i = 0; i < count; i++) {
        shared_prepare(&followers[i], &triple);
        rig_submit(&shared->rig, i % RIG_CLIENTS, &followers[i]);
    }
    shared_wait(shared, shared_runs(&shared->server, "evalsha") >= count);
    for (int i = 0; i < RIG_CLIENTS; i++)
        assert_int_equal(rig_find(&shared->rig, i, &triple, NULL), STORE_MISS);
    for (int i = 0; i < count; i++)
        assert_int_equal(followers[i].done, 0);
}

static void followers_of_a_frozen_store_are_let_go(void **state) {
    struct shared *shared = *state;
    struct rig_admit leader;
    struct rig_admit followers[6];
    shared_open(shared);
    follow(shared, &leader, followers, 6);
    int64_t begin_ms = redis_server_now_ms();
    redis_server_freeze(&shared->server);
    for (int i = 0; i < 6; i++)
        rig_expect(&shared->rig, &followers[i], STORE_AWAY);
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SHARED_IN_TIME_MS);
    assert_true(shared_is_away(shared, "no reply within 200 ms"));
}

static void followers_whose_connection_is_cut_are_let_go(void **state) {
    struct shared *shared = *state;
    struct rig_admit leader;
    struct rig_admit followers[3];
    struct rig_settle end;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    follow(shared, &leader, followers, 3);
    int64_t begin_ms = redis_server_now_ms();
    redis_server_do(&shared->server, "CLIENT KILL TYPE normal");
    for (int i = 0; i < 3; i++)
        rig_expect(&shared->rig, &followers[i], STORE_AWAY);
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SOON_MS);
    /* The leader knows nothing of it. */
    rig_wait_until_ready(&shared->rig);
    rig_end(&end, &leader, rig_answer("01", clock_unix_ms(&clock_system) / 1000));
    rig_settle(&shared->rig, 0, &end, STORE_DONE);
}

/* The subscribers of all clients are cut, and the call ends before any has noticed. */
static void end_unheard(struct shared *shared, struct rig_settle *end) {
    redis_server_do(&shared->server, "CLIENT KILL TYPE pubsub");
    store_settle(shared->rig.clients[0].client, &end->settle);
    int64_t deadline = redis_server_now_ms() + RIG_DEADLINE_MS;
    while (end->done == 0) {
        if (redis_server_now_ms() > deadline)
            fail_msg("nothing came before the deadline");
        uv_run(&shared->rig.clients[0].loop, UV_RUN_NOWAIT);
        usleep(100);
    }
    assert_int_equal(end->settle.outcome, STORE_DONE);
}

static void a_lost_notice_is_made_up_for(void **state) {
    struct shared *shared = *state;
    struct rig_admit leader;
    struct rig_admit followers[6];
    struct rig_settle end;
    const struct answer answer = rig_answer("01", clock_unix_ms(&clock_system) / 1000);
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    follow(shared, &leader, followers, 6);
    int64_t begin_ms = redis_server_now_ms();
    rig_end(&end, &leader, answer);
    end_unheard(shared, &end);
    for (int i = 0; i < 6; i++) {
        rig_expect(&shared->rig, &followers[i], STORE_ANSWERED);
        assert_same_answer(&followers[i].admit.answer, &answer);
    }
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SOON_MS);
}

/* Nothing is kept of a failure: one of them leads, and the others follow it. */
static void a_lost_notice_of_a_failure_lets_another_lead(void **state) {
    struct shared *shared = *state;
    struct rig_admit leader;
    struct rig_admit followers[2];
    struct rig_settle end;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    follow(shared, &leader, followers, 2);
    int64_t begin_ms = redis_server_now_ms();
    rig_end_failed(&end, &leader, FAILURE_UPSTREAM_UNAVAILABLE);
    end.settle.ledger.state = LEDGER_RELEASED;
    end_unheard(shared, &end);
    shared_wait(shared, followers[0].done + followers[1].done == 1);
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SOON_MS);
    int second = followers[1].done;
    assert_int_equal(followers[second].admit.outcome, STORE_LEAD);
    rig_end(&end, &followers[second], rig_answer("02", clock_unix_ms(&clock_system) / 1000));
    rig_settle(&shared->rig, second, &end, STORE_DONE);
    rig_expect(&shared->rig, &followers[!second], STORE_ANSWERED);
}

static void who_stops_following_keeps_what_leads(void **state) {
    struct shared *shared = *state;
    struct digest other = rig_digest();
    struct rig_admit leader;
    struct rig_admit followers[6];
    struct rig_admit leading;
    struct rig_settle end;
    shared->settings.timeout_ms = SHARED_PATIENT_MS;
    shared_open(shared);
    follow(shared, &leader, followers, 6);
    /* One more at client 1, on its way to lead. */
    shared_prepare(&leading, &other);
    rig_submit(&shared->rig, 1, &leading);
    store_stop_following(shared->rig.clients[1].client);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(followers[i].done, i % RIG_CLIENTS == 1);
        if (followers[i].done)
            assert_int_equal(followers[i].admit.outcome, STORE_AWAY);
    }
    rig_expect(&shared->rig, &leading, STORE_LEAD);
    store_stop_following(shared->rig.clients[0].client);
    rig_end(&end, &leader, rig_answer("01", clock_unix_ms(&clock_system) / 1000));
    rig_settle(&shared->rig, 0, &end, STORE_DONE);
    for (int i = 0; i < 6; i++)
        rig_expect(&shared->rig, &followers[i], i % RIG_CLIENTS == 2 ? STORE_ANSWERED : STORE_AWAY);
    assert_int_equal(shared_row(shared, &leader), 's');
    assert_int_equal(shared_row(shared, &leading), 'R');
}

/* --- what an operator reads --- */

#define PASSWORD "hush-hush"

static void be_killed(struct redis_server *server) {
    redis_server_kill(server);
}

static void be_started(struct redis_server *server) {
    redis_server_start(server);
}

static void be_frozen(struct redis_server *server) {
    redis_server_freeze(server);
}

static void be_thawed(struct redis_server *server) {
    redis_server_thaw(server);
}

static void be_replica(struct redis_server *server) {
    redis_server_do(server, "REPLICAOF 127.0.0.1 1");
}

static void be_master(struct redis_server *server) {
    redis_server_do(server, "REPLICAOF NO ONE");
}

static void be_full(struct redis_server *server) {
    redis_server_do(server, "CONFIG SET maxmemory 1");
}

static void be_roomy(struct redis_server *server) {
    redis_server_do(server, "CONFIG SET maxmemory 0");
}

static void be_locked(struct redis_server *server) {
    redis_server_do(server, "CONFIG SET requirepass another");
    server->password = "another";
    redis_server_do(server, "CLIENT KILL TYPE pubsub");
    redis_server_do(server, "CLIENT KILL TYPE normal");
}

static void be_unlocked(struct redis_server *server) {
    redis_server_do(server, "CONFIG SET requirepass " PASSWORD);
    server->password = PASSWORD;
}

static int start_locked(void **state) {
    struct shared *shared = shared_start(false);
    redis_server_do(&shared->server, "CONFIG SET requirepass " PASSWORD);
    redis_server_kill(&shared->server);
    redis_server_add(&shared->server, "--requirepass");
    redis_server_add(&shared->server, PASSWORD);
    shared->server.password = PASSWORD;
    redis_server_start(&shared->server);
    snprintf(shared->url, sizeof shared->url, "redis://:" PASSWORD "@127.0.0.1:%d",
             shared->server.port);
    *state = shared;
    return 0;
}

static void every_trouble_is_said_and_no_password(void **state) {
    struct shared *shared = *state;
    static const struct {
        void (*begin)(struct redis_server *server);
        void (*end)(struct redis_server *server);
        const char *words;
    } cases[] = {
        {be_killed, be_started, "Connection refused"},
        {be_frozen, be_thawed, "no reply within 200 ms"},
        {be_replica, be_master, "replica"},
        {be_full, be_roomy, "OOM"},
        {be_locked, be_unlocked, "WRONGPASS"},
    };
    struct complaint complaint = {""};
    shared_begin(shared);
    assert_false(store_ready(shared->rig.store, &complaint));
    assert_string_equal(complaint.text, "the store is away: not connected yet");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct digest triple = rig_digest();
        struct rig_admit asked;
        rig_wait_until_ready(&shared->rig);
        cases[i].begin(&shared->server);
        int64_t deadline = redis_server_now_ms() + RIG_DEADLINE_MS;
        while (!shared_is_away(shared, cases[i].words)) {
            if (redis_server_now_ms() > deadline)
                fail_msg("not said: %s", cases[i].words);
            /* Some are only seen by who writes. */
            shared_prepare(&asked, &triple);
            rig_submit(&shared->rig, 0, &asked);
            rig_wait(&shared->rig, &asked.done, 1);
            assert_int_not_equal(asked.admit.outcome, STORE_LEAD);
        }
        assert_false(store_ready(shared->rig.store, &complaint));
        assert_ptr_equal(strstr(complaint.text, "the store is away: "), complaint.text);
        assert_null(strstr(complaint.text, PASSWORD));
        cases[i].end(&shared->server);
    }
    rig_wait_until_ready(&shared->rig);
}

/* --- leaving --- */

static void leave_promptly(struct shared *shared) {
    int64_t begin_ms = redis_server_now_ms();
    shared_close(shared);
    assert_in_range(redis_server_now_ms() - begin_ms, 0, SHARED_IN_TIME_MS);
}

static void a_frozen_store_keeps_nobody_from_leaving(void **state) {
    struct shared *shared = *state;
    struct digest triples[2] = {rig_digest(), rig_digest()};
    struct rig_admit asked;
    struct rig_settle end;
    shared_open(shared);
    shared_lead(shared, 0, &asked, &triples[0]);
    rig_end(&end, &asked, rig_answer("01", clock_unix_ms(&clock_system) / 1000));
    redis_server_freeze(&shared->server);
    store_settle(shared->rig.clients[0].client, &end.settle);
    struct rig_admit others[RIG_CLIENTS];
    for (int i = 0; i < RIG_CLIENTS; i++) {
        shared_prepare(&others[i], &triples[1]);
        rig_submit(&shared->rig, i, &others[i]);
    }
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_expect(&shared->rig, &others[i], STORE_AWAY);
    rig_wait(&shared->rig, &end.done, 1);
    assert_int_equal(end.settle.outcome, STORE_AWAY);
    /* What takes the admits back is still under way. */
    leave_promptly(shared);

    /* And when it was never there. */
    shared_begin(shared);
    leave_promptly(shared);
    shared_begin(shared);
    shared_prepare(&asked, &triples[1]);
    expect_away_in_time(shared, 0, &asked);
    leave_promptly(shared);

    redis_server_thaw(&shared->server);
    shared_open(shared);
    for (int i = 0; i < RIG_CLIENTS; i++)
        shared_wait(shared, shared_is_free(shared, &others[i]));
    assert_int_equal(shared_total(shared, "s"), 1);
    assert_int_equal(shared_total(shared, "R"), 0);
}

/* At any moment of the delivery: after a number of turns, other ones in every round. */
static void leaving_amid_a_delivery_loses_nothing(void **state) {
    struct shared *shared = *state;
    enum { ROUNDS = 16, CALLS = 5 };
    shared_open(shared);
    for (int round = 0; round < ROUNDS; round++) {
        struct rig_admit asked[CALLS];
        struct rig_settle ends[CALLS];
        for (int i = 0; i < CALLS; i++) {
            struct digest triple = rig_digest();
            shared_lead(shared, i % RIG_CLIENTS, &asked[i], &triple);
            rig_end(&ends[i], &asked[i], rig_answer("01", clock_unix_ms(&clock_system) / 1000));
        }
        redis_server_freeze(&shared->server);
        for (int i = 0; i < CALLS; i++)
            store_settle(shared->rig.clients[i % RIG_CLIENTS].client, &ends[i].settle);
        for (int i = 0; i < CALLS; i++)
            rig_wait(&shared->rig, &ends[i].done, 1);
        shared_close(shared);
        redis_server_thaw(&shared->server);
        shared_begin(shared);
        for (int turn = 0; turn < 4 * round; turn++)
            shared_turn(shared);
        shared_close(shared);
        shared_open(shared);
        for (int i = 0; i < CALLS; i++)
            assert_int_equal(shared_row(shared, &asked[i]), 's');
        assert_int_equal(shared_total(shared, "s"), (round + 1) * CALLS);
        assert_int_equal(shared_total(shared, "billed"), (round + 1) * CALLS);
    }
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
#define SHARED(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define APART(test)  cmocka_unit_test_setup_teardown(test, start_apart, stop)
    const struct CMUnitTest tests[] = {
        SHARED(an_admit_without_a_reply_is_taken_back),
        APART(a_reservation_without_a_reply_is_taken_back),
        APART(a_refused_reservation_is_withdrawn_and_followers_end),
        SHARED(the_intent_cannot_be_written),
        SHARED(followers_of_a_frozen_store_are_let_go),
        SHARED(followers_whose_connection_is_cut_are_let_go),
        SHARED(a_lost_notice_is_made_up_for),
        SHARED(a_lost_notice_of_a_failure_lets_another_lead),
        SHARED(who_stops_following_keeps_what_leads),
        cmocka_unit_test_setup_teardown(every_trouble_is_said_and_no_password, start_locked, stop),
        SHARED(a_frozen_store_keeps_nobody_from_leaving),
        SHARED(leaving_amid_a_delivery_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
