/*
 * What a rebuild gives back beyond what the system tests see: calls without an end, answers that
 * were never delivered, and a store that stops taking it midway.
 */
#include "journal_rig.h"
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

static bool rebuild(struct shared *shared, struct rebuild_counts *counts,
                    struct complaint *complaint) {
    const char *const paths[] = {shared->journal, NULL};
    *complaint = (struct complaint){""};
    return rebuild_store(&shared->settings, paths, &clock_system, counts, complaint);
}

static void expect_rebuilt(struct shared *shared, int64_t restored, int64_t present) {
    struct rebuild_counts counts;
    struct complaint complaint;
    if (!rebuild(shared, &counts, &complaint))
        fail_msg("%s", complaint.text);
    assert_int_equal(counts.restored, restored);
    assert_int_equal(counts.present, present);
    assert_int_equal(counts.lines, restored + present);
}

/* A call's intent in the journal, whose end is only prepared. */
static void intend(struct journal_rig *rig, struct jcall *call) {
    jrig_prepare(call, clock_unix_ms(&clock_system));
    assert_true(jrig_intend(rig, 0, call));
}

/* Its replica may be about to end it: a reservation that lapses when it is gone for good. */
static void a_call_without_an_end_is_reserved(void **state) {
    struct shared *shared = *state;
    struct journal_rig rig;
    struct jcall call;
    jrig_open(&rig, shared->journal, &clock_system);
    intend(&rig, &call);
    expect_rebuilt(shared, 1, 0);
    expect_rebuilt(shared, 0, 1);
    assert_int_equal(shared_total(shared, "R"), 1);
    script_expect_near(script_score(&shared->server, "{ledger}open", &call.admit.id),
                       clock_unix_ms(&clock_system) + 60000);
    assert_true(jrig_end(&rig, 0, &call));
    expect_rebuilt(shared, 1, 0);
    expect_rebuilt(shared, 0, 1);
    assert_int_equal(shared_total(shared, "R"), 0);
    assert_int_equal(shared_total(shared, "s"), 1);
    assert_int_equal(shared_total(shared, "billed"), 1);
    assert_int_equal(redis_server_count(&shared->server, "ZCARD {ledger}open"), 0);
    script_expect_ttls(&shared->server);
    jrig_close(&rig);
}

static void an_answer_that_was_never_delivered_is_given(void **state) {
    struct shared *shared = *state;
    struct journal_rig rig;
    struct jcall call;
    struct redis_key keys[REDIS_NUMBER_KEYS];
    uint8_t bytes[ANSWER_ENCODED_MAX];
    jrig_open(&rig, shared->journal, &clock_system);
    intend(&rig, &call);
    assert_true(jrig_end(&rig, 0, &call));
    expect_rebuilt(shared, 1, 0);
    redis_keys_of_number(&call.settle.number, &call.settle.triple, call.settle.window, keys);
    redisReply *reply = redis_server_ask(&shared->server, "GET %s", keys[REDIS_KEY_ANSWER].text);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_int_equal(reply->len, answer_encode(&call.settle.answer, bytes));
    assert_memory_equal(reply->str, bytes, reply->len);
    freeReplyObject(reply);
    script_expect_near(script_score(&shared->server, keys[REDIS_KEY_WINDOW].text, &call.settle.id),
                       ledger_id_time_ms(&call.settle.id));
    assert_true(script_exists(&shared->server, keys[REDIS_KEY_CLOSED].text));
    /* Both in the call's own window, and in no other. */
    assert_non_null(strstr(keys[REDIS_KEY_WINDOW].text, "}wacme"));
    redis_keys_of_number(&call.settle.number, &call.settle.triple, "", keys);
    assert_false(script_exists(&shared->server, keys[REDIS_KEY_WINDOW].text));
    assert_false(script_exists(&shared->server, keys[REDIS_KEY_CLOSED].text));
    jrig_close(&rig);
}

/* More calls than are under way at a time. */
static void a_full_ledger_is_said_and_running_it_again_goes_on(void **state) {
    enum { CALLS = 300 };
    struct shared *shared = *state;
    struct journal_rig rig;
    struct jcall *calls = calloc(CALLS, sizeof *calls);
    struct rebuild_counts counts;
    struct complaint complaint;
    jrig_open(&rig, shared->journal, &clock_system);
    for (int i = 0; i < CALLS; i++) {
        jrig_prepare(&calls[i], clock_unix_ms(&clock_system));
        journal_write_outcome(rig.clients[0].client, &calls[i].outcome);
    }
    for (int i = 0; i < CALLS; i++)
        jrig_wait(&rig, &calls[i].ended, 1);
    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 1");
    assert_false(rebuild(shared, &counts, &complaint));
    assert_non_null(strstr(complaint.text, "the store does not take it: OOM"));
    assert_int_equal(counts.restored, 0);
    redis_server_do(&shared->ledger, "CONFIG SET maxmemory 0");
    expect_rebuilt(shared, CALLS, 0);
    expect_rebuilt(shared, 0, CALLS);
    assert_int_equal(shared_total(shared, "s"), CALLS);
    jrig_close(&rig);
    free(calls);
}

static void keep(struct journal_rig *rig, const char *id, int64_t version) {
    char body[] = "{}";
    struct store_document document = {.kind = STORE_CLIENT, .version = version, .body_owned = body};
    strcpy(document.id, id);
    journal_keep_documents(rig->clients[0].client, &document, 1);
    jrig_count(rig, 0);
}

static void expect_documents(struct shared *shared, int64_t restored, int64_t present) {
    struct rebuild_counts counts;
    struct complaint complaint;
    if (!rebuild(shared, &counts, &complaint))
        fail_msg("%s", complaint.text);
    assert_int_equal(counts.documents, restored + present);
    assert_int_equal(counts.documents_restored, restored);
    assert_int_equal(counts.documents_present, present);
}

/* Under the versions that they had, and only where the store has no newer ones. */
static void documents_are_given_back(void **state) {
    struct shared *shared = *state;
    struct journal_rig rig;
    const struct redis_server *money = shared_money(shared);
    jrig_open(&rig, shared->journal, &clock_system);
    keep(&rig, "shop", 7);
    keep(&rig, "batch", 3);
    expect_documents(shared, 2, 0);
    assert_int_equal(redis_server_count(money, "INCRBY {ledger}version 0"), 7);
    assert_int_equal(redis_server_count(money, "ZCARD {ledger}changes"), 2);
    expect_documents(shared, 0, 2);
    keep(&rig, "batch", 9);
    expect_documents(shared, 1, 1);
    redis_server_do(money, "HSET {ledger}documents client:shop %s", "12 {}");
    expect_documents(shared, 0, 2);
    script_expect_ttls(money);
    assert_int_equal(redis_server_count(&shared->server, "EXISTS {ledger}documents"),
                     !shared->apart);
    jrig_close(&rig);
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_without_an_end_is_reserved, start, stop),
        cmocka_unit_test_setup_teardown(an_answer_that_was_never_delivered_is_given, start, stop),
        cmocka_unit_test_setup_teardown(a_full_ledger_is_said_and_running_it_again_goes_on,
                                        start_apart, stop),
        cmocka_unit_test_setup_teardown(documents_are_given_back, start, stop),
        cmocka_unit_test_setup_teardown(documents_are_given_back, start_apart, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
