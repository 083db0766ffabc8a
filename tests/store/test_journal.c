/*
 * What journal.h promises of a call's line: from its intent to its delivery, again after a crash,
 * until it is swept; and that nothing is lost where many threads write.
 */
#include "journal_scene.h"

#include <signal.h>

/* A call's line */

static void an_intent_and_its_outcome_come_back_whole(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall answered;
    struct jcall failed;
    open_scene(scene);
    jrig_prepare(&answered, START_MS);
    answered.settle.answer.virtual_operator = true;
    jrig_prepare_failed(&failed, START_MS + 1);
    failed.admit.account.package[0] = 0;
    assert_true(jrig_intend(rig, 0, &answered));
    assert_true(jrig_intend(rig, 0, &failed));
    assert_int_equal(jrig_count(rig, 0), 0);

    struct reading reading;
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, 2);
    for (int i = 0; i < 2; i++) {
        const struct journal_call *call = &reading.calls[i];
        const struct jcall *wanted = i == 0 ? &answered : &failed;
        assert_int_equal(call->line, i + 1);
        assert_false(call->ended);
        assert_false(call->delivered);
        assert_memory_equal(&call->settle.id, &wanted->admit.id, sizeof call->settle.id);
        assert_memory_equal(&call->settle.triple, &wanted->admit.triple, DIGEST_SIZE);
        assert_memory_equal(&call->settle.number, &wanted->admit.number, DIGEST_SIZE);
        assert_same_account(&call->settle.account, &wanted->admit.account);
        assert_string_equal(call->settle.window, wanted->admit.window);
        assert_int_equal(call->settle.ledger.state, LEDGER_RESERVED);
    }

    assert_true(jrig_end(rig, 1, &failed));
    assert_true(jrig_end(rig, 1, &answered));
    assert_false(answered.outcome.repeated || failed.outcome.repeated);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_true(fetch.read);
    assert_int_equal(fetch.count, 2);
    for (int i = 0; i < 2; i++) {
        const struct journal_call *call = &fetch.calls_owned[i];
        const struct jcall *wanted = i == 0 ? &answered : &failed;
        assert_int_equal(call->line, i + 1);
        assert_true(call->ended);
        assert_false(call->delivered);
        assert_same_call(&call->settle, &wanted->settle);
        assert_int_equal(call->settle.answered, wanted->settle.answered);
        assert_int_equal(call->settle.keep, wanted->settle.keep);
        assert_same_answer(&call->settle.answer, &wanted->settle.answer);
    }
    free(fetch.calls_owned);
    jrig_close(rig);
}

static void what_is_not_known_is_not_made_up(void **state) {
    struct scene *scene = *state;
    struct jcall call;
    open_scene(scene);
    jrig_prepare_failed(&call, START_MS);
    call.settle.ledger.state = LEDGER_UNKNOWN;
    call.settle.ledger.billed = BILLED_UNKNOWN;
    assert_true(jrig_end(&scene->rig, 0, &call));
    expect(scene,
           "SELECT count(*) FROM calls WHERE billed IS NULL AND http_status IS NULL AND status IS "
           "NULL AND trace_id IS NULL AND answer IS NULL AND package IS NULL",
           "1");
    struct journal_fetch fetch = jrig_fetch(&scene->rig, 0, 0);
    assert_int_equal(fetch.count, 1);
    assert_same_call(&fetch.calls_owned[0].settle, &call.settle);
    free(fetch.calls_owned);
    jrig_close(&scene->rig);
}

static void a_second_outcome_changes_nothing(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall first;
    struct jcall second;
    open_scene(scene);
    jrig_prepare(&first, START_MS);
    jrig_prepare_failed(&second, START_MS);
    second.admit.id = second.settle.id = first.settle.id;
    assert_true(jrig_intend(rig, 0, &first));
    /* In one batch, most likely. */
    journal_write_outcome(rig->clients[0].client, &first.outcome);
    journal_write_outcome(rig->clients[0].client, &second.outcome);
    jrig_wait(rig, &second.ended, 1);
    assert_true(first.outcome.written && second.outcome.written);
    assert_false(first.outcome.repeated);
    assert_true(second.outcome.repeated);
    assert_true(jrig_end(rig, 1, &second));
    assert_true(second.outcome.repeated);

    journal_mark_delivered(rig->clients[0].client, &first.settle.id);
    assert_int_equal(jrig_count(rig, 0), 0);
    assert_true(jrig_end(rig, 0, &second));
    assert_true(second.outcome.repeated);
    assert_int_equal(jrig_count(rig, 0), 0);
    /* And an intent for a call that has a line makes no other one. */
    assert_true(jrig_intend(rig, 0, &second));
    jrig_close(rig);
    expect(scene, "SELECT group_concat(state) FROM calls", "settled");
}

static void expect_held(struct journal_rig *rig, bool held) {
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 1);
    assert_int_equal(fetch.calls_owned[0].settle.hold, held);
    assert_true(fetch.calls_owned[0].settle.answered);
    free(fetch.calls_owned);
}

/* Whether or not it was delivered: who waits for it is still to be told. */
static void a_held_lease_is_let_go_of_once(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall call;
    open_scene(scene);
    for (int delivered = 0; delivered < 2; delivered++) {
        jrig_prepare(&call, START_MS);
        call.settle.hold = true;
        assert_true(jrig_intend(rig, 0, &call));
        for (int again = 0; again < 2; again++) {
            assert_true(jrig_end(rig, 0, &call));
            assert_int_equal(call.outcome.repeated, again);
            assert_false(call.outcome.let_go);
            expect_held(rig, true);
        }
        if (delivered) {
            journal_mark_delivered(rig->clients[0].client, &call.settle.id);
            assert_int_equal(jrig_count(rig, 0), 0);
        }
        call.settle.hold = false;
        for (int again = 0; again < 2; again++) {
            assert_true(jrig_end(rig, 0, &call));
            assert_true(call.outcome.repeated);
            assert_int_equal(call.outcome.let_go, !again);
            expect_held(rig, false);
        }
        journal_mark_delivered(rig->clients[0].client, &call.settle.id);
        assert_true(jrig_end(rig, 0, &call));
        assert_false(call.outcome.let_go);
        assert_int_equal(jrig_count(rig, 0), 0);
        expect(scene, "SELECT group_concat(held) FROM calls", delivered ? "0,0" : "0");
    }
    jrig_close(rig);
}

static void an_outcome_without_an_intent_makes_the_line(void **state) {
    struct scene *scene = *state;
    struct jcall call;
    open_scene(scene);
    jrig_prepare(&call, START_MS);
    assert_true(jrig_end(&scene->rig, 0, &call));
    assert_false(call.outcome.repeated);
    assert_true(jrig_end(&scene->rig, 0, &call));
    assert_true(call.outcome.repeated);
    struct journal_fetch fetch = jrig_fetch(&scene->rig, 0, 0);
    assert_int_equal(fetch.count, 1);
    assert_same_call(&fetch.calls_owned[0].settle, &call.settle);
    assert_same_answer(&fetch.calls_owned[0].settle.answer, &call.settle.answer);
    free(fetch.calls_owned);
    jrig_close(&scene->rig);
}

struct sequence {
    struct jcall calls[3];
    struct jfetch fetch;
    int order[8];
    int count;
};

static struct sequence sequence;

static void note(int what) {
    sequence.order[sequence.count++] = what;
}

static void on_first(struct store_op *op) {
    (void)op;
    note(0);
}

static void on_second(struct store_op *op) {
    (void)op;
    note(1);
}

static void on_third(struct store_op *op) {
    (void)op;
    note(2);
}

static void on_fourth(struct store_op *op) {
    free(((struct journal_fetch *)op)->calls_owned);
    note(3);
}

static void callbacks_come_as_submitted(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    open_scene(scene);
    memset(&sequence, 0, sizeof sequence);
    for (int i = 0; i < 3; i++)
        jrig_prepare(&sequence.calls[i], START_MS);
    sequence.calls[0].intent.op.done = on_first;
    sequence.calls[1].outcome.op.done = on_second;
    sequence.calls[2].intent.op.done = on_third;
    sequence.fetch.fetch.op.done = on_fourth;
    /* While it is locked they gather. */
    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN IMMEDIATE");
    struct journal_client *client = rig->clients[0].client;
    journal_write_intent(client, &sequence.calls[0].intent);
    journal_write_outcome(client, &sequence.calls[1].outcome);
    journal_mark_delivered(client, &sequence.calls[1].settle.id);
    journal_write_intent(client, &sequence.calls[2].intent);
    journal_fetch_undelivered(client, &sequence.fetch.fetch);
    execute(other, "COMMIT");
    sqlite3_close(other);
    jrig_wait(rig, &sequence.count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(sequence.order[i], i);
    jrig_close(rig);
}

/* Delivery */

static void a_delivered_call_is_marked(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[2];
    struct journal_delivered last;
    open_scene(scene);
    assert_false(journal_last_delivered(rig->journal, &last));
    for (int i = 0; i < 2; i++) {
        jrig_prepare(&calls[i], START_MS + i);
        assert_true(jrig_intend(rig, 0, &calls[i]));
    }
    /* One that has not ended cannot be delivered. */
    journal_mark_delivered(rig->clients[0].client, &calls[0].settle.id);
    assert_int_equal(jrig_count(rig, 0), 0);
    for (int i = 0; i < 2; i++)
        assert_true(jrig_end(rig, 0, &calls[i]));
    assert_int_equal(jrig_count(rig, 0), 2);
    assert_false(journal_last_delivered(rig->journal, &last));

    for (int i = 1; i >= 0; i--) {
        journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
        assert_int_equal(jrig_count(rig, 0), i);
        assert_true(journal_last_delivered(rig->journal, &last));
        /* The one that was marked last, not the newest. */
        assert_memory_equal(&last.id, &calls[i].settle.id, sizeof last.id);
        assert_true(digest_equal(&last.number, &calls[i].settle.number));
        assert_string_equal(last.window, "acme");
    }
    struct reading reading;
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, 2);
    assert_true(reading.calls[0].delivered && reading.calls[0].ended);
    assert_same_call(&reading.calls[0].settle, &calls[0].settle);
    assert_true(reading.calls[0].settle.answered && reading.calls[0].settle.keep);
    jrig_close(rig);

    open_scene(scene);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last.id, &calls[0].settle.id, sizeof last.id);
    assert_string_equal(last.window, "acme");
    assert_int_equal(jrig_count(rig, 0), 0);
    jrig_close(rig);
}

static void a_released_call_is_not_what_is_looked_for(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[3];
    struct journal_delivered last;
    open_scene(scene);
    for (int i = 0; i < 3; i++) {
        jrig_prepare(&calls[i], START_MS + i);
        if (i != 1)
            calls[i].settle.ledger.state = LEDGER_RELEASED;
        assert_true(jrig_end(rig, 0, &calls[i]));
        journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
        assert_int_equal(jrig_count(rig, 0), 0);
        assert_int_equal(journal_last_delivered(rig->journal, &last), i > 0);
    }
    jrig_close(rig);
    open_scene(scene);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last.id, &calls[1].settle.id, sizeof last.id);
    expect(scene, "SELECT group_concat(delivered) FROM (SELECT * FROM calls ORDER BY line)",
           "1,2,3");
    jrig_close(rig);
}

static void wait_until_answers_are(const struct scene *scene, int wanted) {
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    struct reading reading;
    int answers;
    do {
        read_file(scene->path, &reading);
        answers = 0;
        for (int i = 0; i < reading.count; i++)
            answers += reading.calls[i].settle.answered;
        if (clock_monotonic_ms(&clock_system) > deadline)
            fail_msg("%d answers are left", answers);
        usleep(1000);
    } while (answers != wanted);
}

static void a_delivered_answer_is_dropped_after_a_while(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[2];
    open_scene(scene);
    for (int i = 0; i < 2; i++) {
        jrig_prepare(&calls[i], START_MS);
        assert_true(jrig_end(rig, 0, &calls[i]));
    }
    journal_mark_delivered(rig->clients[0].client, &calls[0].settle.id);
    assert_int_equal(jrig_count(rig, 0), 1);
    rig_clock_advance(&scene->clock, JOURNAL_ANSWER_MS);
    journal_poke(rig->journal);
    assert_int_equal(jrig_count(rig, 0), 1);
    expect(scene, "SELECT count(*) FROM calls WHERE answer IS NOT NULL", "2");
    rig_clock_advance(&scene->clock, 1);
    journal_poke(rig->journal);
    wait_until_answers_are(scene, 1);
    expect(scene, "SELECT delivered FROM calls WHERE answer IS NOT NULL", "0");
    jrig_close(rig);
}

/* Sees how far back it must look, as it does once a second. */
static void look_back(struct scene *scene) {
    rig_clock_advance(&scene->clock, 1000);
    jrig_count(&scene->rig, 0);
}

/* The clock was set back: the call's id is older than those whose answers were dropped. */
static void an_answer_from_before_is_dropped_all_the_same(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[2];
    open_scene(scene);
    for (int i = 0; i < 2; i++) {
        jrig_prepare(&calls[i], START_MS - i * 1000);
        assert_true(jrig_end(rig, 0, &calls[i]));
        journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
        assert_int_equal(jrig_count(rig, 0), 0);
        wait_until_answers_are(scene, 1);
        rig_clock_advance(&scene->clock, JOURNAL_ANSWER_MS + 1);
        journal_poke(rig->journal);
        wait_until_answers_are(scene, 0);
        look_back(scene);
        expect(scene, "SELECT max(id) < answers FROM calls, floors", "1");
        jrig_close(rig);
        open_scene(scene);
    }
    jrig_close(rig);
}

static void the_undelivered_are_fetched_in_pieces(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    enum { COUNT = 2 * JOURNAL_FETCH_MOST + 10 };
    static struct jcall calls[COUNT];
    open_scene(scene);
    for (int i = 0; i < COUNT; i++) {
        jrig_prepare(&calls[i], START_MS + i);
        journal_write_intent(rig->clients[0].client, &calls[i].intent);
    }
    jrig_wait(rig, &calls[COUNT - 1].intended, 1);
    for (int i = COUNT - 1; i >= 0; i--)
        journal_write_outcome(rig->clients[0].client, &calls[i].outcome);
    jrig_wait(rig, &calls[0].ended, 1);
    /* One in three is delivered. */
    for (int i = 0; i < COUNT; i += 3)
        journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);

    int64_t after = 0;
    int next = 0;
    for (;;) {
        struct journal_fetch fetch = jrig_fetch(rig, 0, after);
        assert_true(fetch.read);
        for (int i = 0; i < fetch.count; i++, next++) {
            next += next % 3 == 0;
            assert_memory_equal(&fetch.calls_owned[i].settle.id, &calls[next].settle.id, 16);
            after = fetch.calls_owned[i].line;
        }
        free(fetch.calls_owned);
        if (fetch.count == 0) {
            assert_null(fetch.calls_owned);
            break;
        }
    }
    assert_int_equal(next, COUNT);
    jrig_close(rig);
}

static void end_some(struct scene *scene, struct jcall *calls, int count, int undelivered) {
    for (int i = 0; i < count; i++) {
        jrig_prepare(&calls[i], START_MS + i);
        calls[i].settle.hold = true;
        assert_true(jrig_end(&scene->rig, 0, &calls[i]));
        if (i != undelivered)
            journal_mark_delivered(scene->rig.clients[0].client, &calls[i].settle.id);
    }
    jrig_count(&scene->rig, 0);
}

static void the_undelivered_are_found_without_reading_every_line(void **state) {
    struct scene *scene = *state;
    struct jcall calls[10];
    open_scene(scene);
    end_some(scene, calls, 10, 5);
    look_back(scene);
    expect(scene, "SELECT line FROM floors", "6");
    journal_mark_delivered(scene->rig.clients[0].client, &calls[5].settle.id);
    jrig_count(&scene->rig, 0);
    /* The one that was delivered last is found from there, too. */
    look_back(scene);
    expect(scene, "SELECT line FROM floors", "6");
    jrig_prepare(&calls[0], START_MS);
    assert_true(jrig_end(&scene->rig, 0, &calls[0]));
    journal_mark_delivered(scene->rig.clients[0].client, &calls[0].settle.id);
    jrig_count(&scene->rig, 0);
    look_back(scene);
    expect(scene, "SELECT line FROM floors", "11");
    jrig_close(&scene->rig);
}

static void what_is_to_be_delivered_again_is_looked_for_further_back(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[10];
    struct journal_delivered last;
    open_scene(scene);
    end_some(scene, calls, 10, -1);
    look_back(scene);
    expect(scene, "SELECT line FROM floors", "10");
    calls[2].settle.hold = false;
    assert_true(jrig_end(rig, 0, &calls[2]));
    assert_true(calls[2].outcome.let_go);
    expect(scene, "SELECT line FROM floors", "3");
    assert_int_equal(jrig_count(rig, 0), 1);
    assert_int_equal(jrig_redeliver(rig, 0, START_MS + 1), 8);
    assert_int_equal(jrig_count(rig, 0), 9);
    expect(scene, "SELECT line FROM floors", "2");
    jrig_close(rig);

    open_scene(scene);
    assert_int_equal(jrig_count(rig, 0), 9);
    /* The one before is what the shared store must have. */
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last.id, &calls[0].settle.id, sizeof last.id);
    look_back(scene);
    jrig_close(rig);
    open_scene(scene);
    assert_int_equal(jrig_count(rig, 0), 9);
    jrig_close(rig);
}

static void a_mark_is_older_than_what_takes_it_off(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall call;
    int before;
    open_scene(scene);
    jrig_prepare(&call, START_MS);
    call.settle.hold = true;
    assert_true(jrig_end(rig, 0, &call));
    call.settle.hold = false;
    before = call.ended;
    journal_mark_delivered(rig->clients[0].client, &call.settle.id);
    journal_write_outcome(rig->clients[0].client, &call.outcome);
    jrig_wait(rig, &call.ended, before + 1);
    assert_true(call.outcome.let_go);
    assert_int_equal(jrig_count(rig, 0), 1);
    jrig_close(rig);
}

static void a_mark_is_written_though_nobody_waits(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[2];
    jrig_open(rig, scene->path, &clock_system);
    for (int i = 0; i < 2; i++) {
        jrig_prepare(&calls[i], START_MS);
        assert_true(jrig_end(rig, 0, &calls[i]));
    }
    for (int i = 0; i < 2; i++) {
        int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
        journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
        while (journal_undelivered(rig->journal) > 1 - i) {
            uv_run(&rig->clients[0].loop, UV_RUN_NOWAIT);
            assert_true(clock_monotonic_ms(&clock_system) < deadline);
            usleep(1000);
        }
    }
    jrig_close(rig);
}

static void what_the_shared_store_lost_is_delivered_again(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[4];
    struct journal_delivered last;
    open_scene(scene);
    for (int i = 0; i < 4; i++) {
        jrig_prepare(&calls[i], START_MS + i * 1000);
        assert_true(jrig_intend(rig, 0, &calls[i]));
        if (i < 3) {
            assert_true(jrig_end(rig, 0, &calls[i]));
            journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
        }
    }
    assert_int_equal(jrig_redeliver(rig, 1, START_MS + 1000), 2);
    struct journal_fetch fetch = jrig_fetch(rig, 1, 0);
    assert_int_equal(fetch.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_same_call(&fetch.calls_owned[i].settle, &calls[i + 1].settle);
        assert_false(fetch.calls_owned[i].delivered);
        assert_true(fetch.calls_owned[i].settle.answered);
        assert_same_answer(&fetch.calls_owned[i].settle.answer, &calls[i + 1].settle.answer);
    }
    free(fetch.calls_owned);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last.id, &calls[0].settle.id, sizeof last.id);
    assert_int_equal(jrig_redeliver(rig, 1, START_MS + 1000), 0);
    assert_int_equal(jrig_redeliver(rig, 1, INT64_MAX), 0);
    assert_int_equal(jrig_redeliver(rig, 1, INT64_MIN), 1);
    assert_false(journal_last_delivered(rig->journal, &last));
    jrig_close(rig);
}

/* Recovery */

static void calls_of_a_process_that_is_gone_become_unknown(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    static struct jcall calls[3];
    for (int i = 0; i < 3; i++)
        jrig_prepare(&calls[i], START_MS + i);
    pid_t child = fork();
    if (child == 0) {
        open_scene(scene);
        for (int i = 0; i < 3; i++)
            jrig_intend(rig, 0, &calls[i]);
        jrig_end(rig, 0, &calls[1]);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));

    rig_clock_advance(&scene->clock, 60000);
    open_scene(scene);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 3);
    assert_same_call(&fetch.calls_owned[1].settle, &calls[1].settle);
    assert_true(fetch.calls_owned[1].settle.answered);
    for (int i = 0; i < 3; i += 2) {
        const struct store_settle *settle = &fetch.calls_owned[i].settle;
        struct store_settle wanted = {.id = calls[i].admit.id,
                                      .triple = calls[i].admit.triple,
                                      .number = calls[i].admit.number,
                                      .account = calls[i].admit.account,
                                      .ledger = {.state = LEDGER_UNKNOWN,
                                                 .billed = BILLED_UNKNOWN,
                                                 .settled_at_ms = START_MS + 60000},
                                      .failure = FAILURE_UPSTREAM_TIMEOUT,
                                      .window = "acme"};
        assert_same_call(settle, &wanted);
        assert_false(settle->answered || settle->keep);
    }
    free(fetch.calls_owned);
    /* The outcome that comes from nowhere after all changes nothing. */
    assert_true(jrig_end(rig, 0, &calls[0]));
    assert_true(calls[0].outcome.repeated);
    jrig_close(rig);
}

/* Time */

static void wait_for_lines(const struct scene *scene, int wanted) {
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    struct reading reading;
    do {
        read_file(scene->path, &reading);
        if (clock_monotonic_ms(&clock_system) > deadline)
            fail_msg("%d lines are left", reading.count);
        usleep(1000);
    } while (reading.count != wanted);
}

static void old_delivered_lines_are_swept(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    enum { COUNT = 450 }; /* more than two steps */
    static struct jcall calls[COUNT];
    struct journal_delivered last;
    open_scene(scene);
    for (int i = 0; i < COUNT; i++) {
        jrig_prepare(&calls[i], START_MS + (i == 0 ? 5000 : 0));
        journal_write_outcome(rig->clients[0].client, &calls[i].outcome);
    }
    jrig_wait(rig, &calls[COUNT - 1].ended, 1);
    /* The first is younger, the second is not delivered. */
    for (int i = 0; i < COUNT; i++) {
        if (i != 1)
            journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
    }
    assert_int_equal(jrig_count(rig, 0), 1);
    rig_clock_advance(&scene->clock, JOURNAL_KEEP_MS);
    journal_poke(rig->journal);
    assert_int_equal(jrig_count(rig, 0), 1);
    assert_int_equal(jrig_count(rig, 0), 1);
    wait_for_lines(scene, COUNT);

    rig_clock_advance(&scene->clock, 1);
    journal_poke(rig->journal);
    /* And the newest of them stays: it tells what the shared store must have. */
    wait_for_lines(scene, 3);
    rig_clock_advance(&scene->clock, 5000);
    journal_poke(rig->journal);
    wait_for_lines(scene, 2);
    jrig_close(rig);

    open_scene(scene);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last.id, &calls[COUNT - 1].settle.id, sizeof last.id);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 1);
    assert_memory_equal(&fetch.calls_owned[0].settle.id, &calls[1].settle.id, 16);
    assert_true(fetch.calls_owned[0].settle.answered);
    free(fetch.calls_owned);
    /* A line's number is not given again. */
    jrig_prepare(&calls[0], START_MS);
    assert_true(jrig_end(rig, 0, &calls[0]));
    struct reading reading;
    read_file(scene->path, &reading);
    assert_int_equal(reading.calls[2].line, COUNT + 1);
    jrig_close(rig);
}

/* Many at once */

enum { THREADS = 4, CALLS_AT_ONCE = 16, CALLS_A_THREAD = 2000 };

struct crowd_member {
    struct scene *scene;
    struct journal_client *client;
    struct jcall calls[CALLS_AT_ONCE];
    struct jfetch fetch;
    bool fetching;
    int begun;
    int under_way;
    int wrong;
};

static void crowd_begin(struct crowd_member *member, struct jcall *call);

static void crowd_fetched(struct store_op *op) {
    struct journal_fetch *fetch = (struct journal_fetch *)op;
    struct crowd_member *member =
        (struct crowd_member *)((char *)op - offsetof(struct crowd_member, fetch));
    member->wrong += !fetch->read;
    free(fetch->calls_owned);
    member->fetching = false;
    member->under_way--;
}

static void crowd_ended(struct store_op *op) {
    jrig_on_ended(op);
    struct journal_outcome *outcome = (struct journal_outcome *)op;
    struct jcall *call = (struct jcall *)((char *)outcome - offsetof(struct jcall, outcome));
    struct crowd_member *member = call->owner;
    struct journal_delivered last;
    member->wrong += !outcome->written || outcome->repeated || call->ended != 1;
    journal_mark_delivered(member->client, &call->settle.id);
    journal_last_delivered(member->scene->rig.journal, &last);
    member->under_way--;
    if (!member->fetching) {
        member->fetching = true;
        memset(&member->fetch, 0, sizeof member->fetch);
        member->fetch.fetch.op.done = crowd_fetched;
        member->under_way++;
        journal_fetch_undelivered(member->client, &member->fetch.fetch);
    }
    crowd_begin(member, call);
}

static void crowd_intended(struct store_op *op) {
    jrig_on_intended(op);
    struct journal_intent *intent = (struct journal_intent *)op;
    struct jcall *call = (struct jcall *)((char *)intent - offsetof(struct jcall, intent));
    struct crowd_member *member = call->owner;
    member->wrong += !intent->written || call->intended != 1;
    journal_write_outcome(member->client, &call->outcome);
}

static void crowd_begin(struct crowd_member *member, struct jcall *call) {
    if (member->begun == CALLS_A_THREAD)
        return;
    member->begun++;
    member->under_way++;
    jrig_prepare(call, START_MS);
    call->owner = member;
    call->intent.op.done = crowd_intended;
    call->outcome.op.done = crowd_ended;
    journal_write_intent(member->client, &call->intent);
}

static void run_member(void *arg) {
    struct crowd_member *member = arg;
    struct complaint complaint;
    uv_loop_t loop;
    uv_loop_init(&loop);
    member->client = journal_attach(member->scene->rig.journal, &loop, &complaint);
    for (int i = 0; i < CALLS_AT_ONCE; i++)
        crowd_begin(member, &member->calls[i]);
    while (member->under_way > 0)
        uv_run(&loop, UV_RUN_ONCE);
    journal_detach(member->client);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void many_threads_lose_nothing(void **state) {
    struct scene *scene = *state;
    static struct crowd_member members[THREADS];
    uv_thread_t threads[THREADS];
    char wanted[32];
    open_scene(scene);
    for (int i = 0; i < THREADS; i++) {
        members[i] = (struct crowd_member){.scene = scene};
        assert_int_equal(uv_thread_create(&threads[i], run_member, &members[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        uv_thread_join(&threads[i]);
        assert_int_equal(members[i].wrong, 0);
        assert_int_equal(members[i].begun, CALLS_A_THREAD);
    }
    assert_int_equal(jrig_count(&scene->rig, 0), 0);
    jrig_close(&scene->rig);
    snprintf(wanted, sizeof wanted, "%d", THREADS * CALLS_A_THREAD);
    expect(scene, "SELECT count(*) FROM calls WHERE state = 'settled' AND delivered", wanted);
}

int main(void) {
    if (!scene_prepare())
        return 1;
    const struct CMUnitTest tests[] = {
        SCENE(an_intent_and_its_outcome_come_back_whole),
        SCENE(what_is_not_known_is_not_made_up),
        SCENE(a_second_outcome_changes_nothing),
        SCENE(a_held_lease_is_let_go_of_once),
        SCENE(an_outcome_without_an_intent_makes_the_line),
        SCENE(callbacks_come_as_submitted),
        SCENE(a_delivered_call_is_marked),
        SCENE(a_released_call_is_not_what_is_looked_for),
        SCENE(a_delivered_answer_is_dropped_after_a_while),
        SCENE(an_answer_from_before_is_dropped_all_the_same),
        SCENE(the_undelivered_are_fetched_in_pieces),
        SCENE(the_undelivered_are_found_without_reading_every_line),
        SCENE(what_is_to_be_delivered_again_is_looked_for_further_back),
        SCENE(a_mark_is_older_than_what_takes_it_off),
        SCENE(a_mark_is_written_though_nobody_waits),
        SCENE(what_the_shared_store_lost_is_delivered_again),
        SCENE(calls_of_a_process_that_is_gone_become_unknown),
        SCENE(old_delivered_lines_are_swept),
        SCENE(many_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
