/*
 * What store.h promises, for every kind of store. Words: the kind, "sqlite" (the default), "redis"
 * or "cluster".
 */
#include "store_kind.h"

#include "runtime/log.h"

#define WISH_NO_CACHE ((struct freshness_wish){.no_cache = true, .max_age = -1, .max_stale = -1})

static int64_t now_s(void) {
    return clock_unix_ms(&clock_system) / 1000;
}

static int open_rig(void **state) {
    struct rig *rig = malloc(sizeof *rig);
    store_kind_open(&kind, rig, &clock_system);
    *state = rig;
    return 0;
}

static int close_rig(void **state) {
    rig_close(*state);
    free(*state);
    return 0;
}

static void an_unknown_scheme_is_refused_without_repeating_it(void **state) {
    (void)state;
    struct complaint complaint = {""};
    assert_null(store_open(&(struct store_settings){.url = "mystery://user:secret@host/1"},
                           &clock_system, &complaint));
    assert_non_null(strstr(complaint.text, "store.url"));
    assert_null(strstr(complaint.text, "secret"));
}

static void nothing_is_found_where_nothing_is(void **state) {
    struct digest triple = rig_digest();
    assert_int_equal(rig_find(*state, 0, &triple, NULL), STORE_MISS);
}

static void an_open_store_is_ready(void **state) {
    struct rig *rig = *state;
    struct complaint complaint;
    assert_true(store_ready(rig->store, &complaint));
}

static void a_settled_answer_is_found_by_every_client(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    rig_lead(rig, 0, &asked, &triple);
    assert_int_equal(rig_find(rig, 0, &triple, NULL), STORE_MISS);

    struct answer answer = rig_answer("203", now_s());
    answer.virtual_operator = true;
    strcpy(answer.extra, "\"province\":\"\\u5317\\u4eac\"");
    struct rig_settle end;
    rig_end(&end, &asked, answer);
    rig_settle(rig, 0, &end, STORE_DONE);
    for (int client = 0; client < RIG_CLIENTS; client++) {
        struct answer found;
        assert_int_equal(rig_find(rig, client, &triple, &found), STORE_HIT);
        assert_same_answer(&found, &answer);
    }
}

static void followers_get_the_leaders_answer_whatever_their_wish(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit followers[6];
    rig_lead(rig, 0, &leader, &triple);
    for (int i = 0; i < 6; i++)
        rig_admit(rig, i % RIG_CLIENTS, &followers[i], &triple,
                  i < 3 ? WISH_NO_CACHE : FRESHNESS_ANY);
    for (int client = 0; client < RIG_CLIENTS; client++)
        rig_barrier(rig, client);
    for (int i = 0; i < 6; i++)
        assert_int_equal(followers[i].done, 0);

    struct answer answer = rig_answer("01", now_s() - 1);
    struct rig_settle end;
    rig_end(&end, &leader, answer);
    rig_settle(rig, 0, &end, STORE_DONE);
    for (int i = 0; i < 6; i++) {
        rig_expect(rig, &followers[i], STORE_ANSWERED);
        assert_true(followers[i].admit.collapsed);
        assert_same_answer(&followers[i].admit.answer, &answer);
    }
}

static void followers_get_the_leaders_failure(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit follower;
    rig_lead(rig, 0, &leader, &triple);
    rig_admit(rig, 1, &follower, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 1);

    struct rig_settle end;
    rig_end_failed(&end, &leader, FAILURE_UPSTREAM_TIMEOUT);
    rig_settle(rig, 0, &end, STORE_DONE);
    rig_expect(rig, &follower, STORE_FAILED);
    assert_true(follower.admit.collapsed);
    assert_int_equal(follower.admit.failure, FAILURE_UPSTREAM_TIMEOUT);

    /* A failure ends the matter: the next one leads again. */
    assert_int_equal(rig_find(rig, 0, &triple, NULL), STORE_MISS);
    rig_lead(rig, 2, &leader, &triple);
}

static void an_answer_not_to_be_kept_reaches_followers_only(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit follower;
    rig_lead(rig, 0, &leader, &triple);
    rig_admit(rig, 1, &follower, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 1);
    int notices = rig->clients[2].notices;

    struct rig_settle end;
    rig_end(&end, &leader, rig_answer("203", now_s()));
    end.settle.keep = false;
    rig_settle(rig, 0, &end, STORE_DONE);
    rig_expect(rig, &follower, STORE_ANSWERED);
    assert_string_equal(follower.admit.answer.status, "203");
    assert_int_equal(rig_find(rig, 0, &triple, NULL), STORE_MISS);
    rig_barrier(rig, 2);
    assert_int_equal(rig->clients[2].notices, notices);
}

static void keep_answer(struct rig *rig, const struct digest *triple, struct answer answer) {
    struct rig_admit asked;
    struct rig_settle end;
    rig_admit(rig, 0, &asked, triple, WISH_NO_CACHE);
    rig_expect(rig, &asked, STORE_LEAD);
    rig_end(&end, &asked, answer);
    rig_settle(rig, 0, &end, STORE_DONE);
}

static void who_asks_after_the_answer_came_is_answered_as_far_as_it_satisfies(void **state) {
    struct rig *rig = *state;
    int64_t now = now_s();
    const struct {
        int64_t checked_at;
        int64_t lasts;
        struct freshness_wish wish;
        enum store_outcome outcome;
    } cases[] = {
        {now, 3600, FRESHNESS_ANY, STORE_ANSWERED},
        {now, 3600, WISH_NO_CACHE, STORE_LEAD},
        {now - 100, 3600, {.max_age = 1000, .max_stale = -1}, STORE_ANSWERED},
        {now - 100, 3600, {.max_age = 10, .max_stale = -1}, STORE_LEAD},
        {now - 100, 50, FRESHNESS_ANY, STORE_LEAD},
        {now - 100, 50, {.max_age = -1, .max_stale = INT64_MAX}, STORE_ANSWERED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct digest triple = rig_digest();
        struct answer answer = rig_answer("02", cases[i].checked_at);
        answer.expires_at = answer.checked_at + cases[i].lasts;
        struct rig_admit asked;
        struct rig_settle end;
        rig_lead(rig, 0, &asked, &triple);
        rig_end(&end, &asked, answer);
        end.settle.retain_until = now + 3600;
        rig_settle(rig, 0, &end, STORE_DONE);

        rig_admit(rig, 1, &asked, &triple, cases[i].wish);
        rig_expect(rig, &asked, cases[i].outcome);
        if (cases[i].outcome != STORE_ANSWERED)
            continue;
        assert_false(asked.admit.collapsed);
        assert_same_answer(&asked.admit.answer, &answer);
    }
}

static void a_call_is_settled_once(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    struct rig_settle end;
    struct answer found;
    rig_lead(rig, 0, &asked, &triple);
    rig_end(&end, &asked, rig_answer("01", now_s()));
    rig_settle(rig, 0, &end, STORE_DONE);
    rig_end(&end, &asked, rig_answer("02", now_s() + 1));
    rig_settle(rig, 1, &end, STORE_DONE);
    assert_int_equal(rig_find(rig, 0, &triple, &found), STORE_HIT);
    assert_string_equal(found.status, "01");
}

static void an_older_answer_does_not_replace_a_newer_one(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct answer found;
    keep_answer(rig, &triple, rig_answer("01", now_s()));
    rig_barrier(rig, 1);
    int notices = rig->clients[1].notices;
    keep_answer(rig, &triple, rig_answer("02", now_s() - 10));
    assert_int_equal(rig_find(rig, 0, &triple, &found), STORE_HIT);
    assert_string_equal(found.status, "01");
    rig_barrier(rig, 1);
    assert_int_equal(rig->clients[1].notices, notices);

    keep_answer(rig, &triple, rig_answer("02", now_s() + 10));
    assert_int_equal(rig_find(rig, 0, &triple, &found), STORE_HIT);
    assert_string_equal(found.status, "02");
}

static void a_stored_answer_is_announced_to_the_others_only(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    keep_answer(rig, &triple, rig_answer("01", now_s()));
    for (int client = 1; client < RIG_CLIENTS; client++) {
        rig_wait(rig, &rig->clients[client].notices, 1);
        assert_int_equal(rig->clients[client].notices, 1);
        assert_true(digest_equal(&rig->clients[client].changed, &triple));
    }
    rig_barrier(rig, 0);
    assert_int_equal(rig->clients[0].notices, 0);
}

static void on_ordered(struct store_op *op) {
    struct rig_admit *asked = (struct rig_admit *)op;
    asked->done = ((struct rig_client *)asked->owner)->notices;
}

/* A memory cache that drops on the notice and keeps on `done` must end up with the answer. */
static void the_notice_comes_before_the_followers_answer(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit follower;
    rig_lead(rig, 0, &leader, &triple);
    rig_prepare(&follower, &triple, FRESHNESS_ANY);
    follower.admit.op.done = on_ordered;
    follower.owner = &rig->clients[1];
    rig_submit(rig, 1, &follower);
    rig_barrier(rig, 1);
    assert_int_equal(rig->clients[1].notices, 0);

    struct rig_settle end;
    rig_end(&end, &leader, rig_answer("01", now_s()));
    rig_settle(rig, 0, &end, STORE_DONE);
    rig_wait(rig, &follower.done, 1);
    assert_int_equal(follower.done, 1);
}

/* That the node would refuse a script across slots, else running here proves nothing. */
static void a_cluster_refuses_scripts_across_slots(void **state) {
    (void)state;
    if (!kind.cluster)
        return;
    redisReply *reply = redis_server_ask(&kind.redis, "EVAL %s 2 {a}1 {b}1",
                                         "return redis.call('EXISTS', KEYS[1], KEYS[2])");
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_non_null(strstr(reply->str, "CROSSSLOT"));
    freeReplyObject(reply);
}

static void questions_do_not_wait_for_each_other(void **state) {
    struct rig *rig = *state;
    struct digest triples[100];
    struct rig_admit asked[100];
    for (int i = 0; i < 100; i++) {
        triples[i] = rig_digest();
        /* Alike in the part that a table would look at first. */
        memcpy(triples[i].bytes, triples[0].bytes, 8);
        rig_admit(rig, i % RIG_CLIENTS, &asked[i], &triples[i], FRESHNESS_ANY);
    }
    for (int i = 0; i < 100; i++)
        rig_expect(rig, &asked[i], STORE_LEAD);
    for (int i = 99; i >= 0; i--) {
        struct rig_settle end;
        rig_end(&end, &asked[i], rig_answer(i % 2 ? "01" : "02", now_s()));
        rig_settle(rig, i % RIG_CLIENTS, &end, STORE_DONE);
    }
    for (int i = 0; i < 100; i++) {
        struct answer found;
        assert_int_equal(rig_find(rig, 0, &triples[i], &found), STORE_HIT);
        assert_string_equal(found.status, i % 2 ? "01" : "02");
    }
}

/* A lease that ran out is noticed at the next tick of a store's clock. */
#define RUN_OUT_NOTICED_MS 200

static void a_leader_whose_lease_ran_out_is_given_up(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit second;
    struct rig_admit third;
    rig_prepare(&first, &triple, FRESHNESS_ANY);
    first.admit.lease_ms = 100;
    rig_submit(rig, 0, &first);
    rig_expect(rig, &first, STORE_LEAD);
    rig_admit(rig, 1, &second, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 1);
    rig_admit(rig, 2, &third, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 2);
    /* Both ask again when it has run out; it does not matter which one leads then. */
    int64_t both_asked_ms = clock_monotonic_ms(&clock_system) + 100 + RUN_OUT_NOTICED_MS;
    while (clock_monotonic_ms(&clock_system) < both_asked_ms || second.done + third.done == 0) {
        rig_barrier(rig, 1);
        rig_barrier(rig, 2);
        usleep(1000);
    }
    rig_barrier(rig, 1);
    rig_barrier(rig, 2);
    int next_client = second.done > 0 ? 1 : 2;
    struct rig_admit *next = second.done > 0 ? &second : &third;
    struct rig_admit *last = second.done > 0 ? &third : &second;
    rig_expect(rig, next, STORE_LEAD);
    assert_int_equal(last->done, 0);

    /* The first one's answer comes after all: kept, but the last waits for the next one's. */
    struct rig_settle end;
    rig_end(&end, &first, rig_answer("01", now_s()));
    rig_settle(rig, 0, &end, STORE_DONE);
    assert_int_equal(rig_find(rig, 0, &triple, NULL), STORE_HIT);
    rig_barrier(rig, 3 - next_client);
    assert_int_equal(last->done, 0);
    rig_end(&end, next, rig_answer("02", now_s() + 1));
    rig_settle(rig, next_client, &end, STORE_DONE);
    rig_expect(rig, last, STORE_ANSWERED);
    assert_string_equal(last->admit.answer.status, "02");
}

static void answers_outlive_the_process(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct answer answer = rig_answer("01", now_s());
    keep_answer(rig, &triple, answer);
    rig_close(rig);
    store_kind_open(&kind, rig, &clock_system);
    struct answer found;
    assert_int_equal(rig_find(rig, 1, &triple, &found), STORE_HIT);
    assert_same_answer(&found, &answer);
}

static void after_a_restart_nobody_waits_for_a_leader_that_is_gone(void **state) {
    struct rig *rig = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    rig_lead(rig, 0, &asked, &triple);
    rig_close(rig);
    store_kind_open(&kind, rig, &clock_system);
    rig_lead(rig, 0, &asked, &triple);
}

/* The stampede: each thread a worker with a loop and a client, all with the same question. */

#define STAMPEDE_WORKERS 4
#define STAMPEDE_ASKERS  250
#define STAMPEDE_ROUNDS  10

struct stampede {
    struct store *store;
    struct digest triple;
    uv_barrier_t start;
    bool fails; /* the leader's call */
    atomic_int outcomes[STORE_AWAY + 1];
    atomic_int wrong;
};

struct stampede_worker {
    struct stampede *stampede;
    struct store_client *client;
    struct rig_admit asked[STAMPEDE_ASKERS];
    struct rig_settle ends[STAMPEDE_ASKERS]; /* of those that lead */
    int under_way;
};

static void stampede_one_less(struct stampede_worker *worker) {
    if (--worker->under_way == 0)
        store_detach(worker->client);
}

static void stampede_settled(struct store_op *op) {
    struct rig_settle *end = (struct rig_settle *)op;
    struct stampede_worker *worker = end->owner;
    if (end->settle.outcome != STORE_DONE)
        atomic_fetch_add(&worker->stampede->wrong, 1);
    stampede_one_less(worker);
}

static void stampede_lead(struct stampede_worker *worker, const struct rig_admit *asked) {
    struct rig_settle *end = &worker->ends[asked - worker->asked];
    if (worker->stampede->fails)
        rig_end_failed(end, asked, FAILURE_UPSTREAM_INVALID_REPLY);
    else
        rig_end(end, asked, rig_answer("01", now_s()));
    end->settle.op.done = stampede_settled;
    end->owner = worker;
    worker->under_way++;
    store_settle(worker->client, &end->settle);
}

static void stampede_admitted(struct store_op *op) {
    struct rig_admit *asked = (struct rig_admit *)op;
    struct stampede_worker *worker = asked->owner;
    struct stampede *stampede = worker->stampede;
    atomic_fetch_add(&stampede->outcomes[asked->admit.outcome], 1);
    if (asked->done++ > 0)
        atomic_fetch_add(&stampede->wrong, 1);
    if (asked->admit.outcome == STORE_LEAD)
        stampede_lead(worker, asked);
    else if (asked->admit.outcome == STORE_ANSWERED &&
             strcmp(asked->admit.answer.status, "01") != 0)
        atomic_fetch_add(&stampede->wrong, 1);
    else if (asked->admit.outcome == STORE_FAILED &&
             asked->admit.failure != FAILURE_UPSTREAM_INVALID_REPLY)
        atomic_fetch_add(&stampede->wrong, 1);
    stampede_one_less(worker);
}

/* The loop ends when the client, detached after the last callback, has left it. */
static void stampede_run(void *arg) {
    struct stampede *stampede = arg;
    struct stampede_worker *worker = calloc(1, sizeof *worker);
    struct complaint complaint;
    uv_loop_t loop;
    uv_loop_init(&loop);
    worker->stampede = stampede;
    worker->client = store_attach(stampede->store, &loop, NULL, NULL, &complaint);
    worker->under_way = STAMPEDE_ASKERS;
    uv_barrier_wait(&stampede->start);
    for (int i = 0; i < STAMPEDE_ASKERS; i++) {
        rig_prepare(&worker->asked[i], &stampede->triple, FRESHNESS_ANY);
        worker->asked[i].admit.op.done = stampede_admitted;
        worker->asked[i].owner = worker;
        store_admit(worker->client, &worker->asked[i].admit);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0)
        atomic_fetch_add(&stampede->wrong, 1);
    free(worker);
}

static struct stampede *stampede_new(struct store *store, bool fails) {
    struct stampede *stampede = calloc(1, sizeof *stampede);
    stampede->store = store;
    stampede->triple = rig_digest();
    stampede->fails = fails;
    uv_barrier_init(&stampede->start, STAMPEDE_WORKERS);
    uv_thread_t threads[STAMPEDE_WORKERS];
    for (int i = 0; i < STAMPEDE_WORKERS; i++)
        uv_thread_create(&threads[i], stampede_run, stampede);
    for (int i = 0; i < STAMPEDE_WORKERS; i++)
        uv_thread_join(&threads[i]);
    uv_barrier_destroy(&stampede->start);
    return stampede;
}

static void a_thousand_askers_on_four_threads_cost_one_call(void **state) {
    struct rig *rig = *state;
    for (int round = 0; round < STAMPEDE_ROUNDS; round++) {
        struct stampede *stampede = stampede_new(rig->store, false);
        assert_int_equal(stampede->wrong, 0);
        assert_int_equal(stampede->outcomes[STORE_LEAD], 1);
        assert_int_equal(stampede->outcomes[STORE_ANSWERED],
                         STAMPEDE_WORKERS * STAMPEDE_ASKERS - 1);
        free(stampede);
    }
}

static void a_thousand_askers_of_a_failing_call_all_hear_of_it(void **state) {
    struct rig *rig = *state;
    for (int round = 0; round < STAMPEDE_ROUNDS; round++) {
        struct stampede *stampede = stampede_new(rig->store, true);
        /* Who comes after a failure leads anew, so there may be more than one leader. */
        assert_int_equal(stampede->wrong, 0);
        assert_int_equal(stampede->outcomes[STORE_AWAY], 0);
        assert_int_equal(stampede->outcomes[STORE_CLOSED], 0);
        assert_true(stampede->outcomes[STORE_LEAD] >= 1);
        assert_int_equal(stampede->outcomes[STORE_LEAD] + stampede->outcomes[STORE_FAILED],
                         STAMPEDE_WORKERS * STAMPEDE_ASKERS);
        free(stampede);
    }
}

int main(int argc, char **argv) {
    if (sodium_init() < 0)
        return 1;
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    store_kind_init(&kind, argc > 1 ? argv[1] : "sqlite");
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_scheme_is_refused_without_repeating_it),
        RIGGED(an_open_store_is_ready),
        RIGGED(nothing_is_found_where_nothing_is),
        RIGGED(a_settled_answer_is_found_by_every_client),
        RIGGED(followers_get_the_leaders_answer_whatever_their_wish),
        RIGGED(followers_get_the_leaders_failure),
        RIGGED(an_answer_not_to_be_kept_reaches_followers_only),
        RIGGED(who_asks_after_the_answer_came_is_answered_as_far_as_it_satisfies),
        RIGGED(a_call_is_settled_once),
        RIGGED(an_older_answer_does_not_replace_a_newer_one),
        RIGGED(a_stored_answer_is_announced_to_the_others_only),
        RIGGED(the_notice_comes_before_the_followers_answer),
        cmocka_unit_test(a_cluster_refuses_scripts_across_slots),
        RIGGED(questions_do_not_wait_for_each_other),
        RIGGED(a_leader_whose_lease_ran_out_is_given_up),
        RIGGED(answers_outlive_the_process),
        RIGGED(after_a_restart_nobody_waits_for_a_leader_that_is_gone),
        RIGGED(a_thousand_askers_on_four_threads_cost_one_call),
        RIGGED(a_thousand_askers_of_a_failing_call_all_hear_of_it),
    };
    return cmocka_run_group_tests(tests, start_kind, stop_kind);
}
