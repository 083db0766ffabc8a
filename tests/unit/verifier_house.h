#pragma once
/* The pipeline of one worker, with a real store and a clock that is turned by hand. Two are played:
 * the seller, by the upstream functions at the top, which keep each call until the test answers it,
 * and the directory, whose snapshot is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/verifier.h"
#include "runtime/log.h"

#define FIRST  "13800000001"
#define SECOND "13800000002"

#define DAY_S     ((int64_t)24 * 3600)
#define START_S   INT64_C(1795485600)
#define PATH_SIZE 128

/* --- the seller, played --- */

struct upstream {
    struct upstream_call *calls[16];
    int count; /* calls ever begun */
    int open;  /* of them, those not answered */
    bool full;
};

bool upstream_is_full(const struct upstream *upstream) {
    return upstream->full;
}

bool upstream_start(struct upstream *upstream, struct upstream_call *call) {
    upstream->calls[upstream->open++] = call;
    upstream->count++;
    return true;
}

static inline void seller_ends(struct upstream *upstream, const struct upstream_outcome *outcome) {
    struct upstream_call *call = upstream->calls[--upstream->open];
    call->done(call, outcome);
}

static inline void seller_answers(struct upstream *upstream, const char *status) {
    struct upstream_outcome outcome = {
        .end = UPSTREAM_REPLIED, .http_status = 200, .cause = "-", .priced = true};
    outcome.reply.class = REPLY_ANSWER;
    snprintf(outcome.reply.answer.status, sizeof outcome.reply.answer.status, "%s", status);
    snprintf(outcome.reply.answer.trace_id, sizeof outcome.reply.answer.trace_id, "trace-%d",
             upstream->count);
    seller_ends(upstream, &outcome);
}

static inline void seller_refuses(struct upstream *upstream, enum reply_class class) {
    struct upstream_outcome outcome = {.end = UPSTREAM_REPLIED, .http_status = 403, .cause = "-"};
    outcome.reply.class = class;
    seller_ends(upstream, &outcome);
}

/* --- the directory, played --- */

struct directory {
    int pokes;
    int marks;
    char marked[LEDGER_NAME_SIZE];
    enum credential_mark mark;
};

struct directory_reader {
    struct directory directory;
    struct directory_snapshot snapshot;
};

const struct directory_snapshot *directory_read(struct directory_reader *reader) {
    return &reader->snapshot;
}

struct directory *directory_of(const struct directory_reader *reader) {
    return (struct directory *)(void *)(uintptr_t)&reader->directory;
}

void directory_poke(struct directory *directory) {
    directory->pokes++;
}

void directory_mark(struct directory *directory, const struct directory_credential *credential,
                    enum credential_mark mark) {
    directory->marks++;
    directory->mark = mark;
    snprintf(directory->marked, sizeof directory->marked, "%s", credential->id);
}

static inline void add_line(struct budget_plan *plan, const char *package, const char *credential,
                            int64_t calls) {
    struct budget_line *line = &plan->lines[plan->count++];
    snprintf(line->package, sizeof line->package, "%s", package);
    snprintf(line->credential, sizeof line->credential, "%s", credential);
    line->calls = calls;
}

/* An empty one, in the place of that which was. */
static inline struct budget_plan *new_plan(struct directory_reader *reader) {
    budget_plan_release(reader->snapshot.plan);
    reader->snapshot.plan = budget_plan_new(4);
    assert_non_null(reader->snapshot.plan);
    reader->snapshot.plan->count = 0;
    return reader->snapshot.plan;
}

/* --- the clock, turned by hand --- */

static _Atomic int64_t test_now_ms; /* the store's thread reads it too */

static inline int64_t read_clock(const struct clock *clock) {
    (void)clock;
    return test_now_ms;
}

static const struct clock test_clock = {read_clock, read_clock};

static inline void pass(int64_t seconds) {
    test_now_ms += seconds * 1000;
}

/* --- a house of one worker --- */

struct house {
    char path[PATH_SIZE];
    char *no_prefixes[2];
    uv_loop_t loop;
    struct config config;
    struct digest_key key;
    struct store *store;
    struct store_client *client;
    struct memory *memory;
    struct upstream upstream;
    struct directory_reader directory;
    struct meter meter;
    struct metrics_row *metrics;
    struct provider providers[2]; /* the guide's, and another */
    struct breaker_board *breakers;
    struct verifier *verifier;
};

static inline void forget_changed(void *arg, const struct digest *triple) {
    memory_drop(arg, triple);
}

static inline int open_house(void **state) {
    static const uint8_t secret[DIGEST_KEY_SIZE] = {7};
    struct house *house = calloc(1, sizeof *house);
    struct complaint complaint;
    char url[PATH_SIZE + 16];
    test_now_ms = START_S * 1000;
    snprintf(house->path, sizeof house->path, "/tmp/sanyao-verifier-XXXXXX");
    assert_non_null(mkdtemp(house->path));
    snprintf(url, sizeof url, "sqlite:%s/s.db", house->path);
    house->no_prefixes[0] = strdup("170");
    house->providers[0] = (struct provider){.id = "guide", .guide = true};
    house->providers[1] = (struct provider){.id = "second"};
    house->config.providers = house->providers;
    house->config.provider_count = 1;
    house->config.virtual_operators_prefixes = house->no_prefixes;
    house->config.virtual_operators_action = CONFIG_VIRTUAL_FORWARD;
    house->config.upstream_timeout_ms = 15000;
    house->config.upstream_retry_delay_ms = 1;
    house->config.upstream_refused_for_ms = 60000;
    house->config.breaker_slow_call_ms = 10000;
    house->config.number_limit_max_calls = 5;
    house->config.number_limit_window_ms = DAY_S * 1000;
    house->config.stale_if_error_ms = 7 * DAY_S * 1000;
    for (int kind = 0; kind < RESULT_KINDS; kind++)
        house->config.cache_ttl_ms[kind] = DAY_S * 1000;
    house->config.cache_ttl_ms[RESULT_MATCH] = 30 * DAY_S * 1000;
    add_line(new_plan(&house->directory), "", "main", -1);
    uv_loop_init(&house->loop);
    digest_key_init(&house->key, secret);
    house->memory = memory_new(16);
    house->store = store_open(&(struct store_settings){.url = url}, &test_clock, &complaint);
    assert_non_null(house->store);
    house->client =
        store_attach(house->store, &house->loop, forget_changed, house->memory, &complaint);
    house->metrics = metrics_new(1);
    house->breakers = breaker_board_new(&(struct breaker_settings){0}, &test_clock);
    const struct verifier_parts parts = {
        .loop = &house->loop,
        .clock = &test_clock,
        .config = &house->config,
        .key = &house->key,
        .store = house->client,
        .directory = &house->directory,
        .memory = house->memory,
        .upstream = &house->upstream,
        .breakers = house->breakers,
        .metrics = house->metrics,
    };
    house->verifier = verifier_new(&parts);
    *state = house;
    return 0;
}

static inline int close_house(void **state) {
    static const char *const files[] = {"s.db", "s.db-wal", "s.db-shm", "s.db.lock"};
    struct house *house = *state;
    char path[PATH_SIZE + 16];
    assert_true(verifier_is_idle(house->verifier));
    assert_int_equal(verifier_leases(house->verifier), 0);
    assert_int_equal(verifier_waiters(house->verifier), 0);
    verifier_free(house->verifier);
    store_detach(house->client);
    uv_run(&house->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&house->loop), 0);
    store_close(house->store);
    memory_free(house->memory);
    metrics_free(house->metrics);
    breaker_board_free(house->breakers);
    budget_plan_release(house->directory.snapshot.plan);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", house->path, files[i]);
        unlink(path);
    }
    rmdir(house->path);
    free(house->no_prefixes[0]);
    free(house);
    return 0;
}

/* --- an asker that remembers its verdict --- */

struct person {
    struct asker asker;
    struct verdict verdict;
    bool answered;
};

static inline void on_answered(struct asker *asker, const struct verdict *verdict) {
    struct person *person = (struct person *)asker;
    person->verdict = *verdict;
    person->answered = true;
}

static inline void set(struct triple *triple, enum triple_field field, const char *text) {
    assert_true(triple_set(triple, field, text, strlen(text)));
}

static inline void ask_as(struct house *house, struct person *person, const char *client,
                          struct budget_limits limits, struct freshness_wish wish, int64_t wait_ms,
                          const char *mobile) {
    memset(person, 0, sizeof *person);
    snprintf(person->asker.client.id, sizeof person->asker.client.id, "%s", client);
    person->asker.client.limits = limits;
    person->asker.client.meter = &house->meter;
    set(&person->asker.triple, TRIPLE_NAME, "李测试");
    set(&person->asker.triple, TRIPLE_ID_CARD, "11010519491231002X");
    set(&person->asker.triple, TRIPLE_MOBILE, mobile);
    person->asker.wish = wish;
    person->asker.wait_ms = wait_ms;
    person->asker.answered = on_answered;
    person->answered = verifier_ask(house->verifier, &person->asker, &person->verdict);
}

static inline void ask_with(struct house *house, struct person *person, struct freshness_wish wish,
                            int64_t wait_ms, const char *mobile) {
    ask_as(house, person, "anonymous", BUDGET_NO_LIMITS, wish, wait_ms, mobile);
}

static inline void ask(struct house *house, struct person *person, struct freshness_wish wish) {
    ask_with(house, person, wish, 60000, "13800000001");
}

/* The store answers from its own thread, so the loop is turned until what is awaited is there. The
 * last resort is the test's own timeout. */
/* Not UV_RUN_ONCE: when a timer at its beginning has brought what is awaited, it would go on to
 * wait for something else. */
static inline void turn(struct house *house) {
    uv_run(&house->loop, UV_RUN_NOWAIT);
    usleep(50);
}

static inline void turn_until_called(struct house *house, int count) {
    while (house->upstream.count < count)
        turn(house);
}

static inline void turn_until_answered(struct house *house, const struct person *person) {
    while (!person->answered)
        turn(house);
}

static inline void turn_until_idle(struct house *house) {
    while (!verifier_is_idle(house->verifier))
        turn(house);
}

static inline void bring_forward(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (handle->type != UV_TIMER || !uv_is_active(handle))
        return;
    uv_timer_set_repeat((uv_timer_t *)handle, 1);
    uv_timer_again((uv_timer_t *)handle);
}

/* Nobody waits any longer than now. */
static inline void end_all_patience(struct house *house) {
    uv_walk(&house->loop, bring_forward, NULL);
}

/* One question, paid and answered. */
static inline void pay(struct house *house, const char *status) {
    struct person person;
    int before = house->upstream.count;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, before + 1);
    seller_answers(&house->upstream, status);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    assert_int_equal(person.verdict.source, SOURCE_UPSTREAM);
    assert_int_equal(person.verdict.billed, BILLED_YES);
    turn_until_idle(house);
}

/* Memory is emptied, so that the store is what answers. */
static inline void forget_memory(struct house *house) {
    struct triple triple;
    set(&triple, TRIPLE_NAME, "李测试");
    set(&triple, TRIPLE_ID_CARD, "11010519491231002X");
    set(&triple, TRIPLE_MOBILE, "13800000001");
    struct digest digest = digest_triple(&house->key, &triple);
    memory_drop(house->memory, &digest);
}

/* The states of all rows, sorted. */
static inline void assert_rows(const struct house *house, const char *expected) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/s.db", house->path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT coalesce(group_concat(state), '') FROM (SELECT state FROM "
                           "ledger ORDER BY state)",
                           -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), expected);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}
