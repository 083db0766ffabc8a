/* The pipeline with a real store and a clock that is turned by hand. Two are played: the seller, by
 * the upstream functions at the top, which keep each call until the test answers it, and the
 * directory, whose snapshot is the test's. */
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

static void seller_ends(struct upstream *upstream, const struct upstream_outcome *outcome) {
    struct upstream_call *call = upstream->calls[--upstream->open];
    call->done(call, outcome);
}

static void seller_answers(struct upstream *upstream, const char *status) {
    struct upstream_outcome outcome = {
        .end = UPSTREAM_REPLIED, .http_status = 200, .cause = "-", .priced = true};
    outcome.reply.class = REPLY_ANSWER;
    snprintf(outcome.reply.answer.status, sizeof outcome.reply.answer.status, "%s", status);
    snprintf(outcome.reply.answer.trace_id, sizeof outcome.reply.answer.trace_id, "trace-%d",
             upstream->count);
    seller_ends(upstream, &outcome);
}

static void seller_refuses(struct upstream *upstream, enum reply_class class) {
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

static void add_line(struct budget_plan *plan, const char *package, const char *credential,
                     int64_t calls) {
    struct budget_line *line = &plan->lines[plan->count++];
    snprintf(line->package, sizeof line->package, "%s", package);
    snprintf(line->credential, sizeof line->credential, "%s", credential);
    line->calls = calls;
}

/* An empty one, in the place of that which was. */
static struct budget_plan *new_plan(struct directory_reader *reader) {
    budget_plan_release(reader->snapshot.plan);
    reader->snapshot.plan = budget_plan_new(4);
    assert_non_null(reader->snapshot.plan);
    reader->snapshot.plan->count = 0;
    return reader->snapshot.plan;
}

/* --- the clock, turned by hand --- */

static _Atomic int64_t test_now_ms; /* the store's thread reads it too */

static int64_t read_clock(const struct clock *clock) {
    (void)clock;
    return test_now_ms;
}

static const struct clock test_clock = {read_clock, read_clock};

static void pass(int64_t seconds) {
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

static void forget_changed(void *arg, const struct digest *triple) {
    memory_drop(arg, triple);
}

static int open_house(void **state) {
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

static int close_house(void **state) {
    static const char *const files[] = {"s.db", "s.db-wal", "s.db-shm", "s.db.lock"};
    struct house *house = *state;
    char path[PATH_SIZE + 16];
    assert_true(verifier_is_idle(house->verifier));
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

static void on_answered(struct asker *asker, const struct verdict *verdict) {
    struct person *person = (struct person *)asker;
    person->verdict = *verdict;
    person->answered = true;
}

static void set(struct triple *triple, enum triple_field field, const char *text) {
    assert_true(triple_set(triple, field, text, strlen(text)));
}

static void ask_as(struct house *house, struct person *person, const char *client,
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

static void ask_with(struct house *house, struct person *person, struct freshness_wish wish,
                     int64_t wait_ms, const char *mobile) {
    ask_as(house, person, "anonymous", BUDGET_NO_LIMITS, wish, wait_ms, mobile);
}

static void ask(struct house *house, struct person *person, struct freshness_wish wish) {
    ask_with(house, person, wish, 60000, "13800000001");
}

/* The store answers from its own thread, so the loop is turned until what is awaited is there. The
 * last resort is the test's own timeout. */
static void turn_until_called(struct house *house, int count) {
    while (house->upstream.count < count)
        uv_run(&house->loop, UV_RUN_ONCE);
}

static void turn_until_answered(struct house *house, const struct person *person) {
    while (!person->answered)
        uv_run(&house->loop, UV_RUN_ONCE);
}

static void turn_until_idle(struct house *house) {
    while (!verifier_is_idle(house->verifier))
        uv_run(&house->loop, UV_RUN_ONCE);
}

static void bring_forward(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (handle->type != UV_TIMER || !uv_is_active(handle))
        return;
    uv_timer_set_repeat((uv_timer_t *)handle, 1);
    uv_timer_again((uv_timer_t *)handle);
}

/* Nobody waits any longer than now. */
static void end_all_patience(struct house *house) {
    uv_walk(&house->loop, bring_forward, NULL);
}

/* One question, paid and answered. */
static void pay(struct house *house, const char *status) {
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
static void forget_memory(struct house *house) {
    struct triple triple;
    set(&triple, TRIPLE_NAME, "李测试");
    set(&triple, TRIPLE_ID_CARD, "11010519491231002X");
    set(&triple, TRIPLE_MOBILE, "13800000001");
    struct digest digest = digest_triple(&house->key, &triple);
    memory_drop(house->memory, &digest);
}

/* The states of all rows, sorted. */
static void assert_rows(const struct house *house, const char *expected) {
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

/* --- the tests --- */

static void a_paid_answer_serves_until_its_time_is_over(void **state) {
    struct house *house = *state;
    struct person person;
    pay(house, "01");
    for (int store = 0; store < 2; store++) {
        if (store)
            forget_memory(house);
        ask(house, &person, FRESHNESS_ANY);
        assert_true(person.answered);
        assert_int_equal(person.verdict.source, SOURCE_CACHE);
        assert_int_equal(person.verdict.billed, BILLED_NO);
    }
    pass(30 * DAY_S - 1);
    ask(house, &person, FRESHNESS_ANY);
    assert_true(person.answered);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    pass(1);
    ask(house, &person, FRESHNESS_ANY);
    assert_false(person.answered);
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "02");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.forward, FORWARD_STALE);
    assert_string_equal(person.verdict.answer.status, "02");
    turn_until_idle(house);
}

static void one_question_is_one_call_and_one_bill(void **state) {
    enum { ASKERS = 50 };
    struct house *house = *state;
    static struct person people[ASKERS];
    int billed = 0;
    int collapsed = 0;
    for (int i = 0; i < ASKERS; i++)
        ask(house, &people[i], FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "01");
    for (int i = 0; i < ASKERS; i++) {
        turn_until_answered(house, &people[i]);
        billed += people[i].verdict.billed == BILLED_YES;
        collapsed += people[i].verdict.collapsed;
        assert_int_equal(people[i].verdict.source, SOURCE_UPSTREAM);
    }
    assert_int_equal(house->upstream.count, 1);
    assert_int_equal(billed, 1);
    assert_int_equal(collapsed, ASKERS - 1);
    turn_until_idle(house);
}

static void a_failure_reaches_everyone_and_is_not_kept(void **state) {
    struct house *house = *state;
    struct person leader;
    struct person follower;
    const struct upstream_outcome broken = {.end = UPSTREAM_BROKEN, .cause = "cut"};
    ask(house, &leader, FRESHNESS_ANY);
    ask(house, &follower, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_ends(&house->upstream, &broken);
    turn_until_answered(house, &leader);
    turn_until_answered(house, &follower);
    assert_int_equal(leader.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    assert_int_equal(leader.verdict.billed, BILLED_UNKNOWN);
    assert_int_equal(follower.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    assert_int_equal(follower.verdict.billed, BILLED_NO);
    turn_until_idle(house);
    pay(house, "01");
    assert_int_equal(house->upstream.count, 2);
}

static void a_caller_that_waits_no_longer_leaves_the_call_alone(void **state) {
    struct house *house = *state;
    struct person hasty;
    struct person later;
    ask_with(house, &hasty, FRESHNESS_ANY, 0, "13800000001");
    turn_until_answered(house, &hasty);
    assert_int_equal(hasty.verdict.failure, FAILURE_UPSTREAM_TIMEOUT);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "01");
    turn_until_idle(house);
    ask(house, &later, FRESHNESS_ANY);
    assert_true(later.answered);
    assert_int_equal(later.verdict.source, SOURCE_CACHE);
    assert_int_equal(house->upstream.count, 1);
}

static void no_cache_asks_again_and_others_profit(void **state) {
    struct house *house = *state;
    struct person fresh;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.no_cache = true;
    pay(house, "01");
    ask(house, &fresh, wish);
    assert_false(fresh.answered);
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "02");
    turn_until_answered(house, &fresh);
    assert_int_equal(fresh.verdict.forward, FORWARD_REQUEST);
    ask(house, &person, FRESHNESS_ANY);
    assert_string_equal(person.verdict.answer.status, "02");
    turn_until_idle(house);
}

static void only_if_cached_never_spends(void **state) {
    struct house *house = *state;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    wish.only_if_cached = true;
    ask(house, &person, wish);
    assert_true(person.answered);
    assert_int_equal(person.verdict.failure, FAILURE_NOT_CACHED);
    pay(house, "01");
    ask(house, &person, wish);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    pass(31 * DAY_S);
    ask(house, &person, wish);
    assert_int_equal(person.verdict.failure, FAILURE_NOT_CACHED);
    assert_int_equal(house->upstream.count, 1);
}

static void an_old_answer_serves_when_upstream_cannot(void **state) {
    struct house *house = *state;
    struct person person;
    const struct upstream_outcome down = {.end = UPSTREAM_NOT_SENT, .cause = "refused"};
    pay(house, "01");
    pass(31 * DAY_S);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 2);
    seller_ends(&house->upstream, &down);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    assert_int_equal(person.verdict.source, SOURCE_STALE);
    turn_until_idle(house);
    pass(7 * DAY_S);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 3);
    seller_ends(&house->upstream, &down);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    turn_until_idle(house);
}

static void whoever_wants_it_new_gets_the_failure(void **state) {
    struct house *house = *state;
    struct person person;
    struct freshness_wish wish = FRESHNESS_ANY;
    const struct upstream_outcome down = {.end = UPSTREAM_NOT_SENT, .cause = "refused"};
    wish.max_age = DAY_S;
    pay(house, "01");
    pass(2 * DAY_S);
    ask(house, &person, wish);
    turn_until_called(house, 2);
    seller_ends(&house->upstream, &down);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    turn_until_idle(house);
}

static void a_203_closes_the_number_for_all_who_ask_about_it(void **state) {
    struct house *house = *state;
    struct person person;
    pay(house, "203");
    for (int i = 0; i < 3; i++) {
        ask(house, &person, FRESHNESS_ANY);
        turn_until_answered(house, &person);
        assert_int_equal(person.verdict.source, SOURCE_GUARD);
        assert_string_equal(person.verdict.answer.status, "203");
        assert_int_equal(person.verdict.billed, BILLED_NO);
        assert_int_equal(person.verdict.retry_after_s, DAY_S - i * 3600);
        pass(3600);
    }
    pass(DAY_S - 3 * 3600);
    pay(house, "01");
    assert_int_equal(house->upstream.count, 2);
    turn_until_idle(house);
}

static void what_is_kept_serves_while_the_number_is_closed(void **state) {
    struct house *house = *state;
    struct person person;
    struct freshness_wish insist = FRESHNESS_ANY;
    insist.no_cache = true;
    pay(house, "01");
    ask(house, &person, insist);
    turn_until_called(house, 2);
    seller_answers(&house->upstream, "203");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.source, SOURCE_UPSTREAM);
    turn_until_idle(house);
    ask(house, &person, FRESHNESS_ANY);
    assert_true(person.answered);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    ask(house, &person, insist);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.source, SOURCE_GUARD);
    turn_until_idle(house);
}

static void a_virtual_operators_203_is_kept(void **state) {
    struct house *house = *state;
    struct person person;
    ask_with(house, &person, FRESHNESS_ANY, 60000, "17000000001");
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "203");
    turn_until_answered(house, &person);
    assert_true(person.verdict.answer.virtual_operator);
    turn_until_idle(house);
    ask_with(house, &person, FRESHNESS_ANY, 60000, "17000000001");
    assert_true(person.answered);
    assert_int_equal(person.verdict.source, SOURCE_CACHE);
    assert_int_equal(house->upstream.count, 1);
}

static void nothing_is_sent_without_the_store(void **state) {
    struct house *house = *state;
    struct person person;
    sqlite3 *other = NULL;
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/s.db", house->path);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_STORE_UNAVAILABLE);
    assert_int_equal(house->upstream.count, 0);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    turn_until_idle(house);
}

static void nothing_is_admitted_that_could_not_be_sent(void **state) {
    struct house *house = *state;
    struct person person;
    new_plan(&house->directory);
    house->directory.snapshot.no_plan = FAILURE_UPSTREAM_REFUSED_CREDENTIAL;
    ask(house, &person, FRESHNESS_ANY);
    assert_true(person.answered);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    add_line(new_plan(&house->directory), "", "main", -1);
    house->upstream.full = true;
    ask(house, &person, FRESHNESS_ANY);
    assert_int_equal(person.verdict.failure, FAILURE_OVERLOADED);
    house->upstream.full = false;
    verifier_drain(house->verifier);
    ask(house, &person, FRESHNESS_ANY);
    assert_int_equal(person.verdict.failure, FAILURE_SHUTTING_DOWN);
    assert_int_equal(house->upstream.count, 0);
}

static void a_drain_finishes_what_was_begun(void **state) {
    struct house *house = *state;
    struct person person;
    struct person late;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    verifier_drain(house->verifier);
    ask(house, &late, FRESHNESS_ANY);
    assert_false(late.answered);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    turn_until_answered(house, &late);
    assert_int_equal(late.verdict.source, SOURCE_UPSTREAM);
    turn_until_idle(house);
}

/* --- several calls for one question --- */

static void seller_is_not_reached(struct upstream *upstream) {
    const struct upstream_outcome outcome = {.end = UPSTREAM_NOT_SENT, .cause = "-"};
    seller_ends(upstream, &outcome);
}

static void what_was_never_sent_is_sent_again(void **state) {
    struct house *house = *state;
    struct person person;
    struct person late;
    house->config.upstream_retries = 2;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_is_not_reached(&house->upstream);
    turn_until_called(house, 2);
    ask(house, &late, FRESHNESS_ANY);
    seller_refuses(&house->upstream, REPLY_THROTTLED);
    turn_until_called(house, 3);
    assert_false(person.answered);
    assert_string_equal(house->upstream.calls[0]->triple.mobile, "13800000001");
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    turn_until_answered(house, &late);
    assert_int_equal(person.verdict.billed, BILLED_YES);
    assert_true(person.verdict.stored);
    assert_int_equal(late.verdict.billed, BILLED_NO);
    assert_true(late.verdict.collapsed);
    turn_until_idle(house);
    assert_rows(house, "released,released,settled");
}

static void it_is_not_sent_for_ever(void **state) {
    struct house *house = *state;
    struct person person;
    house->config.upstream_retries = 1;
    ask(house, &person, FRESHNESS_ANY);
    for (int calls = 1; calls <= 2; calls++) {
        turn_until_called(house, calls);
        seller_is_not_reached(&house->upstream);
    }
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_UNAVAILABLE);
    assert_int_equal(person.verdict.billed, BILLED_NO);
    turn_until_idle(house);
    assert_rows(house, "released,released");

    /* Nothing is left that would keep the next one waiting. */
    pay(house, "01");
}

static void what_may_have_been_billed_is_never_sent_again(void **state) {
    static const enum upstream_end ends[] = {UPSTREAM_TIMED_OUT, UPSTREAM_BROKEN};
    static const enum failure failures[] = {FAILURE_UPSTREAM_TIMEOUT, FAILURE_UPSTREAM_UNAVAILABLE};
    struct house *house = *state;
    struct budget_plan *plan = new_plan(&house->directory);
    add_line(plan, "", "main", -1);
    add_line(plan, "", "spare", -1);
    house->config.upstream_retries = 2;
    for (int i = 0; i < 2; i++) {
        struct person person;
        const struct upstream_outcome outcome = {.end = ends[i], .cause = "-"};
        ask(house, &person, FRESHNESS_ANY);
        turn_until_called(house, i + 1);
        seller_ends(&house->upstream, &outcome);
        turn_until_answered(house, &person);
        assert_int_equal(person.verdict.failure, failures[i]);
        assert_int_equal(person.verdict.billed, BILLED_UNKNOWN);
        turn_until_idle(house);
        assert_int_equal(house->upstream.count, i + 1);
    }
    assert_rows(house, "unknown,unknown");
}

static void nobody_calls_again_whom_nobody_waits_for(void **state) {
    struct house *house = *state;
    struct person person;
    house->config.upstream_retries = 2;
    house->config.upstream_retry_delay_ms = 1;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    end_all_patience(house);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_TIMEOUT);
    seller_is_not_reached(&house->upstream);
    turn_until_idle(house);
    assert_int_equal(house->upstream.count, 1);
    assert_rows(house, "released");
}

static void a_rest_ends_with_the_drain(void **state) {
    struct house *house = *state;
    struct person person;
    house->config.upstream_retries = 2;
    house->config.upstream_retry_delay_ms = 200;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_is_not_reached(&house->upstream);
    for (int i = 0; i < 3; i++)
        uv_run(&house->loop, UV_RUN_NOWAIT);
    verifier_drain(house->verifier);
    turn_until_answered(house, &person);
    assert_true(person.verdict.failure == FAILURE_SHUTTING_DOWN ||
                person.verdict.failure == FAILURE_UPSTREAM_UNAVAILABLE);
    turn_until_idle(house);
    assert_int_equal(house->upstream.count, 1);
}

/* --- money --- */

static void a_package_is_drawn_to_its_end(void **state) {
    struct house *house = *state;
    struct person person;
    add_line(new_plan(&house->directory), "p1", "main", 1);
    pay(house, "01");
    ask_with(house, &person, FRESHNESS_ANY, 60000, SECOND);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_PACKAGE_EXHAUSTED);
    assert_int_equal(person.verdict.finding.bound, BUDGET_EXHAUSTED);
    assert_int_equal(person.verdict.finding.limit, 1);
    assert_int_equal(person.verdict.finding.used, 1);
    assert_int_equal(house->upstream.count, 1);
}

static void ones_quota_is_not_the_others(void **state) {
    struct house *house = *state;
    struct person poor;
    struct person rich;
    struct budget_limits none = BUDGET_NO_LIMITS;
    none.day_calls = 0;
    ask_as(house, &poor, "poor", none, FRESHNESS_ANY, 60000, FIRST);
    ask_as(house, &rich, "rich", BUDGET_NO_LIMITS, FRESHNESS_ANY, 60000, FIRST);
    turn_until_called(house, 1);
    assert_true(poor.answered);
    assert_int_equal(poor.verdict.failure, FAILURE_CLIENT_QUOTA_EXHAUSTED);
    assert_int_equal(poor.verdict.finding.bound, BUDGET_DAY);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &rich);
    assert_int_equal(rich.verdict.billed, BILLED_YES);
    turn_until_idle(house);
    ask_as(house, &poor, "poor", none, FRESHNESS_ANY, 60000, FIRST);
    assert_true(poor.answered);
    assert_int_equal(poor.verdict.source, SOURCE_CACHE);
    assert_int_equal(house->meter.hits, 1);
}

static void a_refused_credential_hands_over_to_the_next(void **state) {
    struct house *house = *state;
    struct person person;
    struct budget_plan *plan = new_plan(&house->directory);
    add_line(plan, "", "main", -1);
    add_line(plan, "", "spare", -1);
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    assert_string_equal(house->upstream.calls[0]->credential, "main");
    seller_refuses(&house->upstream, REPLY_QUOTA_EXHAUSTED);
    assert_string_equal(house->directory.directory.marked, "main");
    assert_int_equal(house->directory.directory.mark, CREDENTIAL_EXHAUSTED);
    /* At once: the mark need not be there. */
    turn_until_called(house, 2);
    assert_false(person.answered);
    assert_string_equal(house->upstream.calls[0]->credential, "spare");
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    assert_int_equal(person.verdict.billed, BILLED_YES);
    turn_until_idle(house);
    assert_rows(house, "released,settled");
}

static void the_last_credentials_refusal_is_told(void **state) {
    struct house *house = *state;
    struct person person;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_refuses(&house->upstream, REPLY_CREDENTIAL_UNKNOWN);
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    assert_int_equal(person.verdict.billed, BILLED_NO);
    turn_until_idle(house);
    assert_rows(house, "released");
}

static void without_a_credential_left_it_is_told(void **state) {
    struct house *house = *state;
    struct person person;
    ask(house, &person, FRESHNESS_ANY);
    turn_until_called(house, 1);
    seller_refuses(&house->upstream, REPLY_UNAUTHORIZED);
    new_plan(&house->directory);
    house->directory.snapshot.no_plan = FAILURE_UPSTREAM_REFUSED_CREDENTIAL;
    while (!person.answered) {
        uv_run(&house->loop, UV_RUN_NOWAIT);
        verifier_directory_changed(house->verifier);
    }
    assert_int_equal(person.verdict.failure, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    turn_until_idle(house);
}

static void an_outdated_plan_is_made_anew(void **state) {
    struct house *house = *state;
    struct person person;
    house->directory.snapshot.plan->version = 7;
    ask(house, &person, FRESHNESS_ANY);
    while (house->directory.directory.pokes == 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(house->upstream.count, 0);
    house->directory.snapshot.plan->version = 0;
    verifier_directory_changed(house->verifier);
    turn_until_called(house, 1);
    seller_answers(&house->upstream, "01");
    turn_until_answered(house, &person);
    assert_int_equal(person.verdict.failure, FAILURE_NONE);
    turn_until_idle(house);
}

static void nothing_is_asked_before_the_directory_was_read(void **state) {
    struct house *house = *state;
    struct person person;
    house->directory.snapshot.version = -1;
    ask(house, &person, FRESHNESS_ANY);
    while (!person.answered) {
        uv_run(&house->loop, UV_RUN_NOWAIT);
        verifier_directory_changed(house->verifier);
    }
    assert_int_equal(person.verdict.failure, FAILURE_STORE_UNAVAILABLE);
    assert_int_equal(house->upstream.count, 0);
    turn_until_idle(house);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)
    const struct CMUnitTest tests[] = {
        TEST(a_paid_answer_serves_until_its_time_is_over),
        TEST(one_question_is_one_call_and_one_bill),
        TEST(a_failure_reaches_everyone_and_is_not_kept),
        TEST(a_caller_that_waits_no_longer_leaves_the_call_alone),
        TEST(no_cache_asks_again_and_others_profit),
        TEST(only_if_cached_never_spends),
        TEST(an_old_answer_serves_when_upstream_cannot),
        TEST(whoever_wants_it_new_gets_the_failure),
        TEST(a_203_closes_the_number_for_all_who_ask_about_it),
        TEST(what_is_kept_serves_while_the_number_is_closed),
        TEST(a_virtual_operators_203_is_kept),
        TEST(nothing_is_sent_without_the_store),
        TEST(nothing_is_admitted_that_could_not_be_sent),
        TEST(a_drain_finishes_what_was_begun),
        TEST(a_package_is_drawn_to_its_end),
        TEST(ones_quota_is_not_the_others),
        TEST(what_was_never_sent_is_sent_again),
        TEST(it_is_not_sent_for_ever),
        TEST(what_may_have_been_billed_is_never_sent_again),
        TEST(nobody_calls_again_whom_nobody_waits_for),
        TEST(a_rest_ends_with_the_drain),
        TEST(a_refused_credential_hands_over_to_the_next),
        TEST(the_last_credentials_refusal_is_told),
        TEST(without_a_credential_left_it_is_told),
        TEST(an_outdated_plan_is_made_anew),
        TEST(nothing_is_asked_before_the_directory_was_read),
    };
#undef TEST
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
