/*
 * The scripts on money: reserve decides as budget_judge does, whatever is bought and used; reserve
 * and book leave the counters equal to the rows' sums, whatever comes in which order; documents,
 * the audit and hits are written whole or not at all. On a redis-server in cluster mode.
 */
#include "money_rig.h"
#include "script_rig.h"

#include <signal.h>

#include "store/redis_records.h"

#define LAPSE_MS 60000
#define HUGE     INT64_C(1000000000000)

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct redis_server server;

struct scene {
    struct link_rig rig;
    struct script_said said;
};

static int start_server(void **state) {
    (void)state;
    redis_server_run_cluster(&server);
    return 0;
}

static int remove_server(void **state) {
    (void)state;
    redis_server_remove(&server);
    return 0;
}

static int open_scene(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    script_rig_open(&scene->rig, &server);
    *state = scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    script_expect_ttls(&server);
    link_rig_close(&scene->rig);
    free(scene);
    return 0;
}

static int64_t now_ms(void) {
    return clock_unix_ms(&clock_system);
}

static int below(uint32_t bound) {
    return (int)randombytes_uniform(bound);
}

/* --- words --- */

struct call {
    struct rig_admit asked;
    struct rig_settle end;
};

static void prepare(struct call *call, const char *client, int64_t unix_ms) {
    struct digest triple = rig_digest();
    rig_prepare(&call->asked, &triple, FRESHNESS_ANY);
    call->asked.admit.id = ledger_id_make(unix_ms);
    strcpy(call->asked.admit.account.client_id, client);
}

static struct redis_reserved reserve(struct scene *scene, const struct call *call,
                                     const struct budget *budget) {
    const struct store_admit *admit = &call->asked.admit;
    const struct redis_reservation reservation = {.id = &admit->id,
                                                  .number = &admit->number,
                                                  .account = &admit->account,
                                                  .budget = budget,
                                                  .lapse_ms = LAPSE_MS};
    script_say(&scene->rig, &scene->said,
               redis_send_reserve(scene->rig.link, script_replied, &scene->said, &reservation));
    return scene->said.reserved;
}

/* 's': settled and billed, 'n': settled and not billed, 'r', 'u'. */
static void let_end(struct call *call, char letter) {
    rig_end(&call->end, &call->asked, rig_answer("01", now_ms() / 1000));
    struct ledger_outcome *ledger = &call->end.settle.ledger;
    if (letter == 'n')
        ledger->billed = BILLED_NO;
    if (letter == 'r')
        *ledger = (struct ledger_outcome){.state = LEDGER_RELEASED, .billed = BILLED_NO};
    if (letter == 'u')
        *ledger = (struct ledger_outcome){.state = LEDGER_UNKNOWN, .billed = BILLED_UNKNOWN};
}

static void book(struct scene *scene, struct call *call, char letter) {
    let_end(call, letter);
    script_say(&scene->rig, &scene->said,
               redis_send_book(scene->rig.link, script_replied, &scene->said, &call->end.settle));
}

static void give_up(struct scene *scene, const struct call *call) {
    script_say(
        &scene->rig, &scene->said,
        redis_send_give_up(scene->rig.link, script_replied, &scene->said, &call->asked.admit.id));
}

static int64_t counter(const struct redis_key *key, const char *name) {
    redisReply *reply = redis_server_ask(&server, "HGET %s %s", key->text, name);
    int64_t value = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return value;
}

static void set_counter(const struct redis_key *key, const char *name, int64_t value) {
    redis_server_do(&server, "HSET %s %s %lld", key->text, name, (long long)value);
}

/* --- what the rows say --- */

static void add_row(struct money_sums *sums, const char *scope, const redisReply *id,
                    const redisReply *text) {
    struct redis_row row;
    struct ledger_id call;
    assert_int_equal(id->len, sizeof call.bytes);
    memcpy(call.bytes, id->str, sizeof call.bytes);
    assert_true(redis_row_decode(text->str, text->len, &row));
    const struct period day = period_day(ledger_id_time_ms(&call));
    const struct period month = period_month(ledger_id_time_ms(&call));
    const char *label = scope + strcspn(scope, ":") + 1;
    bool counts = row.outcome.state == LEDGER_RESERVED || row.outcome.state == LEDGER_UNKNOWN ||
                  (row.outcome.state == LEDGER_SETTLED && row.outcome.billed == BILLED_YES);
    if (strcmp(scope, "package") == 0) {
        if (row.account.package[0] != '\0')
            money_add(sums, row.account.package, counts);
    } else if (strcmp(label, day.label) == 0 || strcmp(label, month.label) == 0) {
        money_add(sums, row.account.client_id, counts);
    }
}

static struct money_sums rows_of(const char *scope) {
    struct money_sums sums = {.count = 0};
    redisReply *keys = redis_server_ask(&server, "KEYS {ledger}rows:*");
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *rows = redis_server_ask(&server, "HGETALL %s", keys->element[i]->str);
        for (size_t j = 0; j < rows->elements; j += 2)
            add_row(&sums, scope, rows->element[j], rows->element[j + 1]);
        freeReplyObject(rows);
    }
    freeReplyObject(keys);
    return sums;
}

static void expect_sums(const char *key) {
    const struct money_sums rows = rows_of(key + strlen("{ledger}used:"));
    redisReply *kept = redis_server_ask(&server, "HGETALL %s", key);
    int64_t difference = 0;
    for (size_t i = 0; i < kept->elements; i += 2) {
        int64_t value = strtoll(kept->element[i + 1]->str, NULL, 10);
        if (value != money_sum(&rows, kept->element[i]->str))
            fail_msg("%s of %s: %lld", kept->element[i]->str, key, (long long)value);
        difference += value;
    }
    for (int i = 0; i < rows.count; i++)
        difference -= rows.counters[i].value;
    assert_int_equal(difference, 0);
    freeReplyObject(kept);
}

/* All counters that there are, and those of the days in question. */
static void expect_counters_are_the_rows(void) {
    redisReply *keys = redis_server_ask(&server, "KEYS {ledger}used:*");
    for (size_t i = 0; i < keys->elements; i++)
        expect_sums(keys->element[i]->str);
    freeReplyObject(keys);
    expect_sums("{ledger}used:package");
    char key[64];
    snprintf(key, sizeof key, "{ledger}used:day:%s", period_day(now_ms()).label);
    expect_sums(key);
}

/* --- reserve and budget_judge --- */

static int64_t some_number(void) {
    if (below(8) == 0)
        return HUGE + below(3);
    return below(6);
}

struct case_ {
    struct budget budget;
    int64_t used[BUDGET_LINES_MOST];
    int64_t day_used;
    int64_t month_used;
};

static void make_up(struct case_ *made) {
    struct budget_plan *plan = money_plan(below(3));
    int lines = below(20) == 0 ? BUDGET_LINES_MOST : below(5);
    bool metered = below(4) > 0;
    for (int i = 0; i < lines; i++) {
        char package[16];
        char credential[16];
        bool bought = metered ? below(20) > 0 : below(3) == 0;
        int64_t expires = below(3) > 0 ? 0 : now_ms() + (below(2) ? 1 : -1) * SCRIPT_HOUR_MS;
        snprintf(package, sizeof package, "p-%d", i);
        snprintf(credential, sizeof credential, "c-%d", i);
        money_line(plan, bought ? package : "", credential, bought ? some_number() : -1, expires);
        made->used[i] = bought ? some_number() : 0;
    }
    made->budget.plan = plan;
    made->budget.limits = (struct budget_limits){
        .day_calls = below(2) ? -1 : some_number(),
        .month_calls = below(2) ? -1 : some_number(),
        .reserve_percent = below(2) ? 0 : below(101),
        .shadow = below(4) == 0,
    };
    made->day_used = some_number();
    made->month_used = made->day_used + below(4);
}

static void put_there(const struct case_ *made, const struct redis_key keys[REDIS_LEDGER_KEYS]) {
    const struct budget_plan *plan = made->budget.plan;
    redis_server_do(&server, "FLUSHALL");
    redis_server_do(&server, "SET %s %lld", keys[REDIS_KEY_OF_VERSION].text,
                    (long long)plan->version);
    for (int i = 0; i < plan->count; i++) {
        if (made->used[i] != 0)
            set_counter(&keys[REDIS_KEY_BY_PACKAGE], plan->lines[i].package, made->used[i]);
    }
    set_counter(&keys[REDIS_KEY_BY_DAY], "shop", made->day_used);
    set_counter(&keys[REDIS_KEY_BY_MONTH], "shop", made->month_used);
}

static void expect_taken(const struct case_ *made, const struct redis_key keys[REDIS_LEDGER_KEYS],
                         const struct call *call, int line) {
    const struct budget_line *drawn = &made->budget.plan->lines[line];
    struct redis_row row;
    const struct ledger_id *id = &call->asked.admit.id;
    redisReply *reply = redis_server_ask(&server, "HGET %s %b", keys[REDIS_KEY_ROWS].text,
                                         id->bytes, sizeof id->bytes);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_true(redis_row_decode(reply->str, reply->len, &row));
    freeReplyObject(reply);
    assert_int_equal(row.letter, 'R');
    assert_string_equal(row.account.client_id, "shop");
    assert_string_equal(row.account.package, drawn->package);
    assert_string_equal(row.account.credential, drawn->credential);
    if (drawn->package[0] != '\0')
        assert_int_equal(counter(&keys[REDIS_KEY_BY_PACKAGE], drawn->package),
                         made->used[line] + 1);
    assert_int_equal(counter(&keys[REDIS_KEY_BY_DAY], "shop"), made->day_used + 1);
    assert_int_equal(counter(&keys[REDIS_KEY_BY_MONTH], "shop"), made->month_used + 1);
}

static void expect_as_judged(struct scene *scene, const struct case_ *made) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct call call;
    struct budget_finding judged = {.day_used = made->day_used, .month_used = made->month_used};
    prepare(&call, "shop", now_ms());
    redis_keys_of_row(&call.asked.admit.id, keys);
    put_there(made, keys);
    int line = budget_judge(&made->budget, made->used, 0, 0, now_ms(), &judged);
    long long writes = redis_server_writes(&server);
    struct redis_reserved reserved = reserve(scene, &call, &made->budget);
    assert_int_equal(reserved.what, line >= 0 ? REDIS_RESERVED : REDIS_RESERVE_REFUSED);
    assert_int_equal(reserved.line, line);
    assert_int_equal(reserved.finding.bound, judged.bound);
    assert_int_equal(reserved.finding.limit, judged.limit);
    assert_int_equal(reserved.finding.used, judged.used);
    assert_int_equal(reserved.finding.day_used, made->day_used + (line >= 0));
    assert_int_equal(reserved.finding.month_used, made->month_used + (line >= 0));
    if (line >= 0)
        expect_taken(made, keys, &call, line);
    else
        assert_int_equal(redis_server_writes(&server), writes);
}

static void a_reservation_is_decided_as_the_rule_says(void **state) {
    struct scene *scene = *state;
    int bounds[BUDGET_BOUNDS] = {0};
    for (int round = 0; round < 4000; round++) {
        struct case_ made = {.day_used = 0};
        make_up(&made);
        expect_as_judged(scene, &made);
        bounds[scene->said.reserved.finding.bound]++;
        budget_plan_release(made.budget.plan);
    }
    /* Each of them was tried. */
    for (int bound = 0; bound < BUDGET_BOUNDS; bound++)
        assert_true(bounds[bound] > 10);
}

static void large_numbers_are_exact(void **state) {
    struct scene *scene = *state;
    struct case_ made = {.day_used = INT64_C(9007199254740000),
                         .month_used = INT64_C(9007199254740001)};
    made.budget.plan = money_plan(INT64_C(9007199254740003));
    money_line(made.budget.plan, "p-0", "c-0", INT64_C(9007199254740005), 0);
    made.used[0] = INT64_C(9007199254740004);
    made.budget.limits = BUDGET_NO_LIMITS;
    expect_as_judged(scene, &made);
    made.used[0]++;
    expect_as_judged(scene, &made);
    assert_int_equal(scene->said.reserved.finding.bound, BUDGET_EXHAUSTED);
    budget_plan_release(made.budget.plan);
}

static void a_plan_of_another_version_writes_nothing(void **state) {
    struct scene *scene = *state;
    struct call call;
    struct budget budget = {.plan = money_plan(7), .limits = BUDGET_NO_LIMITS};
    money_line(budget.plan, "", "main", -1, 0);
    static const int64_t versions[] = {0, 6, 8, INT64_C(9007199254740001)};
    for (size_t i = 0; i < COUNT(versions); i++) {
        prepare(&call, "shop", now_ms());
        redis_server_do(&server, "FLUSHALL");
        if (versions[i] != 0)
            redis_server_do(&server, "SET {ledger}version %lld", (long long)versions[i]);
        long long writes = redis_server_writes(&server);
        struct redis_reserved reserved = reserve(scene, &call, &budget);
        assert_int_equal(reserved.what, REDIS_RESERVE_OUTDATED);
        assert_int_equal(reserved.version, versions[i]);
        assert_int_equal(redis_server_writes(&server), writes);
    }
    /* A row that is there is told of all the same, and of whom it is. */
    redis_server_do(&server, "SET {ledger}version 7");
    assert_int_equal(reserve(scene, &call, &budget).what, REDIS_RESERVED);
    redis_server_do(&server, "SET {ledger}version 8");
    struct redis_reserved there = reserve(scene, &call, &budget);
    assert_int_equal(there.what, REDIS_RESERVE_THERE);
    assert_string_equal(there.account.credential, "main");
    budget_plan_release(budget.plan);
}

/* --- counters --- */

static const char ends[] = "snru";

/* Does the event; 'R' reserves, 'U' gives up. */
static void happen(struct scene *scene, struct call *call, char event,
                   const struct budget *budget) {
    if (event == 'R')
        reserve(scene, call, budget);
    else if (event == 'U')
        give_up(scene, call);
    else
        book(scene, call, event);
}

/* Every way of three events and each of them twice, from a row that is not there. */
static void every_way_leaves_the_counters_equal_to_the_rows(void **state) {
    struct scene *scene = *state;
    static const char events[] = "RUsnru";
    struct budget budget = {.plan = money_plan(0), .limits = BUDGET_NO_LIMITS};
    money_line(budget.plan, "p-1", "c-1", 100000, 0);
    for (int way = 0; way < 6 * 6 * 6; way++) {
        struct call call;
        /* Whoever ends it does not know the package of a row that is there. */
        prepare(&call, way % 2 ? "shop" : "batch", now_ms() - (way % 3) * SCRIPT_DAY_MS);
        for (int step = way, i = 0; i < 3; i++, step /= 6) {
            happen(scene, &call, events[step % 6], &budget);
            happen(scene, &call, events[step % 6], &budget);
        }
        if (way % 12 == 0)
            expect_counters_are_the_rows();
    }
    expect_counters_are_the_rows();
    budget_plan_release(budget.plan);
}

static void a_row_that_was_lost_counts_again(void **state) {
    struct scene *scene = *state;
    struct redis_key keys[REDIS_LEDGER_KEYS];
    for (const char *end = ends; *end != '\0'; end++) {
        struct call call;
        prepare(&call, "shop", now_ms());
        strcpy(call.asked.admit.account.package, "p-9");
        redis_keys_of_row(&call.asked.admit.id, keys);
        redis_server_do(&server, "FLUSHALL");
        book(scene, &call, *end);
        int counts = *end == 's' || *end == 'u';
        assert_int_equal(counter(&keys[REDIS_KEY_BY_PACKAGE], "p-9"), counts);
        assert_int_equal(counter(&keys[REDIS_KEY_BY_DAY], "shop"), counts);
        assert_int_equal(counter(&keys[REDIS_KEY_BY_MONTH], "shop"), counts);
        expect_counters_are_the_rows();
    }
}

static void anything_in_any_order_leaves_the_counters_right(void **state) {
    struct scene *scene = *state;
    static const char *const clients[] = {"shop", "batch", "kiosk"};
    struct budget budget = {.plan = money_plan(0), .limits = BUDGET_NO_LIMITS};
    struct call calls[40];
    money_line(budget.plan, "p-1", "c-1", 12, 0);
    money_line(budget.plan, "p-2", "c-2", 100000, 0);
    for (size_t i = 0; i < COUNT(calls); i++)
        prepare(&calls[i], clients[i % 3], now_ms() - below(40) * SCRIPT_DAY_MS);
    for (int step = 0; step < 600; step++) {
        happen(scene, &calls[below(COUNT(calls))], "RRUsnru"[below(7)], below(4) ? &budget : NULL);
        if (step % 100 == 0)
            expect_counters_are_the_rows();
    }
    expect_counters_are_the_rows();
    budget_plan_release(budget.plan);
}

/* --- a server without memory --- */

struct scenery {
    struct call reserved;
    struct call other;
    struct budget budget;
    struct store_write_document writes[4];
    struct store_counter hit;
    struct store_add_counters add;
};

static bool send_reserve(struct scene *scene, const struct scenery *there) {
    const struct store_admit *admit = &there->other.asked.admit;
    const struct redis_reservation reservation = {.id = &admit->id,
                                                  .number = &admit->number,
                                                  .account = &admit->account,
                                                  .budget = &there->budget,
                                                  .lapse_ms = LAPSE_MS};
    return redis_send_reserve(scene->rig.link, script_replied, &scene->said, &reservation);
}

static void what_a_full_server_refuses_is_not_half_done(void **state) {
    struct scene *scene = *state;
    struct scenery there = {.hit = {"shop/p-1", 3}};
    there.budget = (struct budget){.plan = money_plan(0), .limits = BUDGET_NO_LIMITS};
    money_line(there.budget.plan, "p-1", "c-1", 10, 0);
    prepare(&there.reserved, "shop", now_ms());
    prepare(&there.other, "shop", now_ms());
    reserve(scene, &there.reserved, &there.budget);
    let_end(&there.reserved, 'r');
    there.writes[0] = (struct store_write_document){
        .kind = STORE_CLIENT, .id = "shop", .body = "{}", .audit = "{}"};
    there.writes[1] = (struct store_write_document){
        .kind = STORE_CLIENT, .id = "old", .body = "{}", .expected = 9, .restore = true};
    there.writes[2] = (struct store_write_document){.audit = "{}"};
    there.add =
        (struct store_add_counters){.scope = "hits:2026-11", .counters = &there.hit, .count = 1};

    char *before = script_snapshot(&server);
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    struct redis_link *link = scene->rig.link;
    struct script_said *said = &scene->said;
    script_say_refused(&scene->rig, said, send_reserve(scene, &there), "OOM");
    script_say_refused(&scene->rig, said,
                       redis_send_book(link, script_replied, said, &there.reserved.end.settle),
                       "OOM");
    for (int i = 0; i < 3; i++)
        script_say_refused(
            &scene->rig, said,
            redis_send_write_document(link, script_replied, said, &there.writes[i], true), "OOM");
    script_say_refused(&scene->rig, said,
                       redis_send_add_counters(link, script_replied, said, &there.add), "OOM");
    char *after = script_snapshot(&server);
    assert_string_equal(after, before);
    free(before);
    free(after);
    redis_server_do(&server, "CONFIG SET maxmemory 0");

    /* Then it does all of it. */
    script_say(&scene->rig, said, send_reserve(scene, &there));
    for (int i = 0; i < 3; i++)
        script_say(&scene->rig, said,
                   redis_send_write_document(link, script_replied, said, &there.writes[i], true));
    script_say(&scene->rig, said, redis_send_add_counters(link, script_replied, said, &there.add));
    assert_int_equal(redis_server_count(&server, "LLEN {ledger}audit"), 2);
    assert_int_equal(redis_server_count(&server, "HLEN {ledger}documents"), 2);
    assert_int_equal(redis_server_count(&server, "ZCARD {ledger}changes"), 2);
    assert_int_equal(redis_server_count(&server, "HSTRLEN {ledger}hits:2026-11 shop/p-1"), 1);
    budget_plan_release(there.budget.plan);
}

int main(void) {
#define SCENE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        SCENE(a_reservation_is_decided_as_the_rule_says),
        SCENE(large_numbers_are_exact),
        SCENE(a_plan_of_another_version_writes_nothing),
        SCENE(every_way_leaves_the_counters_equal_to_the_rows),
        SCENE(a_row_that_was_lost_counts_again),
        SCENE(anything_in_any_order_leaves_the_counters_right),
        SCENE(what_a_full_server_refuses_is_not_half_done),
    };
    if (sodium_init() < 0)
        return 1;
    period_set_zone("Asia/Shanghai");
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, remove_server);
}
