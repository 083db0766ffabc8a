#pragma once
/*
 * journal_rig: a journal with clients on loops of their own, all driven by this one thread, and
 * operations that wait for themselves.
 */
#include "store_rig.h"

#include "store/journal.h"

#define JOURNAL_CLIENTS 2
#define JOURNAL_KEEP_MS (7 * 24 * 3600 * 1000ll)

struct journal_rig {
    struct journal *journal;
    struct {
        uv_loop_t loop;
        struct journal_client *client;
    } clients[JOURNAL_CLIENTS];
};

static inline void jrig_open(struct journal_rig *rig, const char *path, const struct clock *clock) {
    struct complaint complaint = {""};
    rig->journal = journal_open(path, JOURNAL_KEEP_MS, clock, &complaint);
    if (!rig->journal)
        fail_msg("journal_open: %s", complaint.text);
    for (int i = 0; i < JOURNAL_CLIENTS; i++) {
        assert_int_equal(uv_loop_init(&rig->clients[i].loop), 0);
        rig->clients[i].client = journal_attach(rig->journal, &rig->clients[i].loop, &complaint);
        if (!rig->clients[i].client)
            fail_msg("journal_attach: %s", complaint.text);
    }
}

static inline void jrig_close(struct journal_rig *rig) {
    for (int i = 0; i < JOURNAL_CLIENTS; i++) {
        journal_detach(rig->clients[i].client);
        uv_run(&rig->clients[i].loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&rig->clients[i].loop), 0);
    }
    journal_close(rig->journal);
}

static inline void jrig_wait(struct journal_rig *rig, const int *count, int wanted) {
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    while (*count < wanted) {
        for (int i = 0; i < JOURNAL_CLIENTS; i++)
            uv_run(&rig->clients[i].loop, UV_RUN_NOWAIT);
        if (clock_monotonic_ms(&clock_system) > deadline)
            fail_msg("nothing came before the deadline");
        usleep(100);
    }
}

/* A call from its intent to its end. */
struct jcall {
    struct store_admit admit;
    struct store_settle settle;
    struct journal_intent intent;
    struct journal_outcome outcome;
    int intended; /* how often `done` was called */
    int ended;
    void *owner; /* the test's */
};

static inline void jrig_on_intended(struct store_op *op) {
    struct journal_intent *intent = (struct journal_intent *)op;
    ((struct jcall *)((char *)intent - offsetof(struct jcall, intent)))->intended++;
}

static inline void jrig_on_ended(struct store_op *op) {
    struct journal_outcome *outcome = (struct journal_outcome *)op;
    ((struct jcall *)((char *)outcome - offsetof(struct jcall, outcome)))->ended++;
}

/* Answered 01, with something in every field. */
static inline void jrig_prepare(struct jcall *call, int64_t unix_ms) {
    memset(call, 0, sizeof *call);
    struct store_admit *admit = &call->admit;
    admit->id = ledger_id_make(unix_ms);
    admit->triple = rig_digest();
    admit->number = rig_digest();
    strcpy(admit->account.client_id, "shop");
    strcpy(admit->account.credential, "main");
    strcpy(admit->account.package, "2026-a");
    strcpy(admit->window, "acme");

    struct store_settle *settle = &call->settle;
    settle->id = admit->id;
    settle->triple = admit->triple;
    settle->number = admit->number;
    settle->account = admit->account;
    memcpy(settle->window, admit->window, sizeof settle->window);
    settle->ledger = (struct ledger_outcome){.state = LEDGER_SETTLED,
                                             .billed = BILLED_YES,
                                             .http_status = 200,
                                             .status = "01",
                                             .trace_id = "1234567890123_abcdef01",
                                             .latency_ms = 321,
                                             .settled_at_ms = unix_ms + 321};
    settle->answered = true;
    settle->keep = true;
    settle->answer = rig_answer("01", unix_ms / 1000);
    strcpy(settle->answer.extra, "\"province\":\"x\"");
    settle->retain_until = unix_ms / 1000 + 7200;
    settle->close_ms = 86400000;

    call->intent.admit = admit;
    call->intent.op.done = jrig_on_intended;
    call->outcome.settle = settle;
    call->outcome.op.done = jrig_on_ended;
}

/* The same without an answer. */
static inline void jrig_prepare_failed(struct jcall *call, int64_t unix_ms) {
    jrig_prepare(call, unix_ms);
    struct store_settle *settle = &call->settle;
    settle->ledger = (struct ledger_outcome){.state = LEDGER_RELEASED,
                                             .billed = BILLED_NO,
                                             .latency_ms = 5,
                                             .settled_at_ms = unix_ms + 5};
    settle->answered = false;
    settle->keep = false;
    memset(&settle->answer, 0, sizeof settle->answer);
    settle->account.package[0] = 0;
    settle->window[0] = call->admit.window[0] = 0;
    settle->retain_until = 0;
    settle->close_ms = 0;
    settle->failure = FAILURE_UPSTREAM_UNAVAILABLE;
}

static inline bool jrig_intend(struct journal_rig *rig, int client, struct jcall *call) {
    int before = call->intended;
    journal_write_intent(rig->clients[client].client, &call->intent);
    assert_int_equal(call->intended, before);
    jrig_wait(rig, &call->intended, before + 1);
    return call->intent.written;
}

static inline bool jrig_end(struct journal_rig *rig, int client, struct jcall *call) {
    int before = call->ended;
    journal_write_outcome(rig->clients[client].client, &call->outcome);
    assert_int_equal(call->ended, before);
    jrig_wait(rig, &call->ended, before + 1);
    return call->outcome.written;
}

struct jfetch {
    struct journal_fetch fetch;
    int done;
};

static inline void jrig_on_fetched(struct store_op *op) {
    ((struct jfetch *)op)->done++;
}

/* The caller frees `calls_owned`. */
static inline struct journal_fetch jrig_fetch(struct journal_rig *rig, int client, int64_t after) {
    struct jfetch asked = {.fetch = {.op.done = jrig_on_fetched, .after = after}};
    journal_fetch_undelivered(rig->clients[client].client, &asked.fetch);
    assert_int_equal(asked.done, 0);
    jrig_wait(rig, &asked.done, 1);
    return asked.fetch;
}

/* How many are undelivered, up to JOURNAL_FETCH_MOST. Also a barrier: what the client submitted
 * before has been looked at. */
static inline int jrig_count(struct journal_rig *rig, int client) {
    struct journal_fetch fetch = jrig_fetch(rig, client, 0);
    assert_true(fetch.read);
    /* What waits for the disk is counted whether or not it was delivered. */
    struct complaint unused;
    if (fetch.count < JOURNAL_FETCH_MOST && journal_ready(rig->journal, &unused))
        assert_int_equal(journal_undelivered(rig->journal), fetch.count);
    free(fetch.calls_owned);
    return fetch.count;
}

struct jredeliver {
    struct journal_redeliver redeliver;
    int done;
};

static inline void jrig_on_redelivered(struct store_op *op) {
    ((struct jredeliver *)op)->done++;
}

static inline int64_t jrig_redeliver(struct journal_rig *rig, int client, int64_t since_ms) {
    struct jredeliver asked = {.redeliver = {.op.done = jrig_on_redelivered, .since_ms = since_ms}};
    journal_mark_undelivered(rig->clients[client].client, &asked.redeliver);
    jrig_wait(rig, &asked.done, 1);
    return asked.redeliver.count;
}

static inline void assert_same_account(const struct ledger_account *a,
                                       const struct ledger_account *b) {
    assert_string_equal(a->client_id, b->client_id);
    assert_string_equal(a->credential, b->credential);
    assert_string_equal(a->package, b->package);
}

static inline void assert_same_outcome(const struct ledger_outcome *a,
                                       const struct ledger_outcome *b) {
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->billed, b->billed);
    assert_int_equal(a->http_status, b->http_status);
    assert_string_equal(a->status, b->status);
    assert_string_equal(a->trace_id, b->trace_id);
    assert_int_equal(a->latency_ms, b->latency_ms);
    assert_int_equal(a->settled_at_ms, b->settled_at_ms);
}

/* But for the answer. */
static inline void assert_same_call(const struct store_settle *a, const struct store_settle *b) {
    assert_memory_equal(&a->id, &b->id, sizeof a->id);
    assert_memory_equal(&a->triple, &b->triple, sizeof a->triple);
    assert_memory_equal(&a->number, &b->number, sizeof a->number);
    assert_same_account(&a->account, &b->account);
    assert_same_outcome(&a->ledger, &b->ledger);
    assert_int_equal(a->retain_until, b->retain_until);
    assert_int_equal(a->close_ms, b->close_ms);
    assert_int_equal(a->failure, b->failure);
    assert_int_equal(a->hold, b->hold);
    assert_string_equal(a->window, b->window);
}
