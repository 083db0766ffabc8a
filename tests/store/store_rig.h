#pragma once
/*
 * store_rig: what the tests of every kind of store need: a store, clients on loops of their own all
 * driven by this one thread, operations that count their callbacks, waiting with a deadline.
 *
 * Digests and ids are random, so that tests may share one store. Only store.h is used here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "store/store.h"

#define RIG_CLIENTS     3
#define RIG_DEADLINE_MS 20000
#define RIG_LEASE_MS    60000

/* A clock that stands still until it is moved. */
struct rig_clock {
    struct clock clock;
    _Atomic int64_t unix_now_ms;
    _Atomic int64_t monotonic_now_ms;
};

static inline int64_t rig_unix_ms(const struct clock *clock) {
    return atomic_load(&((const struct rig_clock *)clock)->unix_now_ms);
}

static inline int64_t rig_monotonic_ms(const struct clock *clock) {
    return atomic_load(&((const struct rig_clock *)clock)->monotonic_now_ms);
}

static inline void rig_clock_init(struct rig_clock *clock, int64_t unix_s) {
    clock->clock = (struct clock){rig_unix_ms, rig_monotonic_ms};
    atomic_store(&clock->unix_now_ms, unix_s * 1000);
    atomic_store(&clock->monotonic_now_ms, 1000);
}

static inline void rig_clock_advance(struct rig_clock *clock, int64_t ms) {
    atomic_fetch_add(&clock->unix_now_ms, ms);
    atomic_fetch_add(&clock->monotonic_now_ms, ms);
}

struct rig_client {
    uv_loop_t loop;
    struct store_client *client;
    struct digest changed; /* the last notice */
    int notices;
    int cleared; /* notices that name no triple */
};

struct rig {
    struct store *store;
    struct rig_client clients[RIG_CLIENTS];
};

static inline void rig_on_changed(void *arg, const struct digest *triple) {
    struct rig_client *client = arg;
    if (!triple) {
        client->cleared++;
        return;
    }
    client->changed = *triple;
    client->notices++;
}

/* A shared store is connected to while the loops turn. */
static inline void rig_wait_until_ready(struct rig *rig) {
    struct complaint complaint = {""};
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    while (!store_ready(rig->store, &complaint)) {
        for (int i = 0; i < RIG_CLIENTS; i++)
            uv_run(&rig->clients[i].loop, UV_RUN_NOWAIT);
        if (clock_monotonic_ms(&clock_system) > deadline)
            fail_msg("not ready before the deadline: %s", complaint.text);
        usleep(100);
    }
}

static inline void rig_attach(struct store *store, struct rig_client *client) {
    struct complaint complaint = {""};
    assert_int_equal(uv_loop_init(&client->loop), 0);
    client->client = store_attach(store, &client->loop, rig_on_changed, client, &complaint);
    if (!client->client)
        fail_msg("store_attach: %s", complaint.text);
}

static inline void rig_detach_client(struct rig_client *client) {
    store_detach(client->client);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&client->loop), 0);
}

/* Without waiting: the store may be away. */
static inline void rig_begin(struct rig *rig, const struct store_settings *settings,
                             const struct clock *clock) {
    struct complaint complaint = {""};
    memset(rig, 0, sizeof *rig);
    rig->store = store_open(settings, clock, &complaint);
    if (!rig->store)
        fail_msg("store_open: %s", complaint.text);
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_attach(rig->store, &rig->clients[i]);
}

static inline void rig_open_with(struct rig *rig, const struct store_settings *settings,
                                 const struct clock *clock) {
    rig_begin(rig, settings, clock);
    rig_wait_until_ready(rig);
}

static inline void rig_open(struct rig *rig, const char *url, const struct clock *clock) {
    rig_open_with(rig, &(struct store_settings){.url = url}, clock);
}

static inline void rig_detach(struct rig *rig) {
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_detach_client(&rig->clients[i]);
}

static inline void rig_close(struct rig *rig) {
    rig_detach(rig);
    store_close(rig->store);
}

/* Turns all loops until `*count` is at least `wanted`; fails the test at the deadline. */
static inline void rig_wait(struct rig *rig, const int *count, int wanted) {
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    for (;;) {
        for (int i = 0; i < RIG_CLIENTS; i++)
            uv_run(&rig->clients[i].loop, UV_RUN_NOWAIT);
        if (*count >= wanted)
            return;
        if (clock_monotonic_ms(&clock_system) > deadline)
            fail_msg("nothing came before the deadline");
        usleep(100);
    }
}

static inline struct digest rig_digest(void) {
    struct digest digest;
    randombytes_buf(digest.bytes, sizeof digest.bytes);
    return digest;
}

/* The number that a question is about: a part of it, so always the same. */
static inline struct digest rig_number_of(const struct digest *triple) {
    struct digest number;
    for (int i = 0; i < DIGEST_SIZE; i++)
        number.bytes[i] = (uint8_t)~triple->bytes[DIGEST_SIZE - 1 - i];
    return number;
}

/* A question, asked and settled by whoever leads. */
struct rig_admit {
    struct store_admit admit;
    int done;
    void *owner; /* the test's */
};

struct rig_settle {
    struct store_settle settle;
    int done;
    void *owner;
};

static inline void rig_on_admitted(struct store_op *op) {
    ((struct rig_admit *)op)->done++;
}

static inline void rig_on_settled(struct store_op *op) {
    ((struct rig_settle *)op)->done++;
}

static inline void rig_prepare(struct rig_admit *asked, const struct digest *triple,
                               struct freshness_wish wish) {
    memset(asked, 0, sizeof *asked);
    asked->admit.op.done = rig_on_admitted;
    asked->admit.id = ledger_id_make(clock_unix_ms(&clock_system));
    asked->admit.triple = *triple;
    asked->admit.number = rig_number_of(triple);
    asked->admit.wish = wish;
    asked->admit.lease_ms = RIG_LEASE_MS;
    strcpy(asked->admit.account.client_id, "tester");
    strcpy(asked->admit.account.credential, "main");
}

static inline void rig_submit(struct rig *rig, int client, struct rig_admit *asked) {
    store_admit(rig->clients[client].client, &asked->admit);
    assert_int_equal(asked->done, 0);
}

static inline void rig_admit(struct rig *rig, int client, struct rig_admit *asked,
                             const struct digest *triple, struct freshness_wish wish) {
    rig_prepare(asked, triple, wish);
    rig_submit(rig, client, asked);
}

static inline void rig_expect(struct rig *rig, struct rig_admit *asked,
                              enum store_outcome outcome) {
    rig_wait(rig, &asked->done, 1);
    assert_int_equal(asked->done, 1);
    assert_int_equal(asked->admit.outcome, outcome);
}

static inline void rig_lead(struct rig *rig, int client, struct rig_admit *asked,
                            const struct digest *triple) {
    rig_admit(rig, client, asked, triple, FRESHNESS_ANY);
    rig_expect(rig, asked, STORE_LEAD);
}

static inline struct answer rig_answer(const char *status, int64_t checked_at) {
    struct answer answer = {.checked_at = checked_at, .expires_at = checked_at + 3600};
    snprintf(answer.status, sizeof answer.status, "%s", status);
    strcpy(answer.mobile_type, "联通");
    strcpy(answer.trace_id, "1234567890123_abcdef01");
    return answer;
}

/* The end of `asked`'s call: an answer to be kept, till it expires. Not submitted yet. */
static inline void rig_end(struct rig_settle *end, const struct rig_admit *asked,
                           struct answer answer) {
    memset(end, 0, sizeof *end);
    end->settle.op.done = rig_on_settled;
    end->settle.id = asked->admit.id;
    end->settle.triple = asked->admit.triple;
    end->settle.number = asked->admit.number;
    end->settle.account = asked->admit.account;
    memcpy(end->settle.window, asked->admit.window, sizeof end->settle.window);
    end->settle.ledger = (struct ledger_outcome){.state = LEDGER_SETTLED,
                                                 .billed = BILLED_YES,
                                                 .http_status = 200,
                                                 .latency_ms = 321,
                                                 .settled_at_ms = answer.checked_at * 1000};
    snprintf(end->settle.ledger.status, sizeof end->settle.ledger.status, "%s", answer.status);
    strcpy(end->settle.ledger.trace_id, answer.trace_id);
    end->settle.answered = true;
    end->settle.keep = true;
    end->settle.own = true;
    end->settle.answer = answer;
    end->settle.retain_until = answer.expires_at;
}

/* The same without an answer. */
static inline void rig_end_failed(struct rig_settle *end, const struct rig_admit *asked,
                                  enum failure failure) {
    rig_end(end, asked, rig_answer("", clock_unix_ms(&clock_system) / 1000));
    end->settle.ledger.state = LEDGER_UNKNOWN;
    end->settle.ledger.billed = BILLED_UNKNOWN;
    end->settle.ledger.http_status = 0;
    end->settle.answered = false;
    end->settle.keep = false;
    end->settle.failure = failure;
}

static inline void rig_settle(struct rig *rig, int client, struct rig_settle *end,
                              enum store_outcome outcome) {
    store_settle(rig->clients[client].client, &end->settle);
    assert_int_equal(end->done, 0);
    rig_wait(rig, &end->done, 1);
    assert_int_equal(end->settle.outcome, outcome);
}

struct rig_find {
    struct store_find find;
    int done;
};

static inline void rig_on_found(struct store_op *op) {
    ((struct rig_find *)op)->done++;
}

static inline enum store_outcome rig_find(struct rig *rig, int client, const struct digest *triple,
                                          struct answer *answer) {
    struct rig_find asked = {
        .find = {.op.done = rig_on_found, .triple = *triple, .number = rig_number_of(triple)}};
    enum store_outcome outcome = store_find(rig->clients[client].client, &asked.find);
    if (outcome == STORE_PENDING)
        rig_wait(rig, &asked.done, 1);
    else
        assert_int_equal(asked.done, 0);
    if (answer && asked.find.outcome == STORE_HIT)
        *answer = asked.find.answer;
    return asked.find.outcome;
}

/* When this returns, everything that the client submitted before has been looked at. */
static inline void rig_barrier(struct rig *rig, int client) {
    struct digest triple = rig_digest();
    struct rig_admit asked;
    struct rig_settle end;
    rig_lead(rig, client, &asked, &triple);
    rig_end_failed(&end, &asked, FAILURE_UPSTREAM_TIMEOUT);
    rig_settle(rig, client, &end, STORE_DONE);
}

static inline void assert_same_answer(const struct answer *a, const struct answer *b) {
    assert_string_equal(a->status, b->status);
    assert_string_equal(a->mobile_type, b->mobile_type);
    assert_string_equal(a->trace_id, b->trace_id);
    assert_string_equal(a->extra, b->extra);
    assert_int_equal(a->virtual_operator, b->virtual_operator);
    assert_int_equal(a->checked_at, b->checked_at);
    assert_int_equal(a->expires_at, b->expires_at);
}

/* A directory of the test's own; "TMPDIR/sanyao-test-XXXXXX". Removed by rig_remove_folder. */
static inline void rig_make_folder(char folder[256]) {
    const char *base = getenv("TMPDIR");
    snprintf(folder, 256, "%s/sanyao-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        fail_msg("cannot make %s", folder);
}

static inline void rig_remove_folder(const char *folder) {
    char command[320];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        print_error("cannot remove %s\n", folder);
}
