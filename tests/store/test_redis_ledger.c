/*
 * The scripts on the ledger's keys (reserve, book, lapsed), and give_up, find_row, probe and ping,
 * each by itself, on a redis-server in cluster mode. Whatever is done, the totals are the rows.
 */
#include "script_rig.h"

#include <signal.h>

#define LAPSE_MS 60000

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct redis_server server;

struct scene {
    struct link_rig rig;
};

/* One call in the ledger. */
struct call {
    struct rig_admit asked;
    struct rig_settle end;
    struct redis_key keys[REDIS_LEDGER_KEYS];
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

static int64_t now_ms(void) {
    return clock_unix_ms(&clock_system);
}

/* --- words --- */

static void prepare_at(struct call *call, int64_t reserved_at_ms) {
    struct digest triple = rig_digest();
    rig_prepare(&call->asked, &triple, FRESHNESS_ANY);
    call->asked.admit.id = ledger_id_make(reserved_at_ms);
    strcpy(call->asked.admit.account.package, "gold");
    rig_end(&call->end, &call->asked, rig_answer("01", now_ms() / 1000));
    redis_keys_of_row(&call->asked.admit.id, call->keys);
}

static void prepare(struct call *call) {
    prepare_at(call, now_ms());
}

/* The end that the letter stands for; settled is billed. */
static void let_end(struct call *call, char letter) {
    rig_end(&call->end, &call->asked, rig_answer("01", now_ms() / 1000));
    if (letter == 's')
        return;
    rig_end_failed(&call->end, &call->asked, FAILURE_UPSTREAM_TIMEOUT);
    if (letter != 'r')
        return;
    call->end.settle.ledger.state = LEDGER_RELEASED;
    call->end.settle.ledger.billed = BILLED_NO;
}

static struct redis_reservation reservation_of(const struct call *call, int64_t lapse_ms) {
    const struct store_admit *admit = &call->asked.admit;
    return (struct redis_reservation){.id = &admit->id,
                                      .number = &admit->number,
                                      .account = &admit->account,
                                      .lapse_ms = lapse_ms};
}

/* 1: it is, 0: it was there already. */
static int reserve(struct scene *scene, struct call *call, int64_t lapse_ms) {
    struct script_said said;
    const struct redis_reservation reservation = reservation_of(call, lapse_ms);
    script_say(&scene->rig, &said,
               redis_send_reserve(scene->rig.link, script_replied, &said, &reservation));
    if (said.reserved.what == REDIS_RESERVE_THERE)
        return 0;
    assert_int_equal(said.reserved.what, REDIS_RESERVED);
    return 1;
}

static long long book(struct scene *scene, struct call *call, char letter) {
    struct script_said said;
    let_end(call, letter);
    script_say(&scene->rig, &said,
               redis_send_book(scene->rig.link, script_replied, &said, &call->end.settle));
    assert_int_equal(said.type, REDIS_REPLY_INTEGER);
    return said.integer;
}

static long long give_up(struct scene *scene, const struct call *call) {
    struct script_said said;
    script_say(&scene->rig, &said,
               redis_send_give_up(scene->rig.link, script_replied, &said, &call->asked.admit.id));
    assert_int_equal(said.type, REDIS_REPLY_INTEGER);
    return said.integer;
}

/* Says whether it has ended, too. */
static bool has_row(struct scene *scene, const struct call *call, bool *ended) {
    struct script_said said;
    script_say(&scene->rig, &said,
               redis_send_find_row(scene->rig.link, script_replied, &said, &call->asked.admit.id));
    *ended = said.ended_row;
    return said.type == REDIS_REPLY_STRING;
}

/* Its row; letter 0: there is none. */
static struct redis_row row_of(const struct call *call) {
    struct redis_row row = {.letter = 0};
    redisReply *reply =
        redis_server_ask(&server, "HGET %s %b", call->keys[REDIS_KEY_ROWS].text,
                         call->asked.admit.id.bytes, sizeof call->asked.admit.id.bytes);
    if (reply->type == REDIS_REPLY_STRING)
        assert_true(redis_row_decode(reply->str, reply->len, &row));
    freeReplyObject(reply);
    return row;
}

static int64_t lapses_at(const struct call *call) {
    return script_score(&server, call->keys[REDIS_KEY_OPEN].text, &call->asked.admit.id);
}

static long long total(const char *name) {
    redisReply *reply = redis_server_ask(&server, "HGET {ledger}totals %s", name);
    long long count = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return count;
}

static void count_rows(const char *key, long long counts[128], long long *billed) {
    redisReply *reply = redis_server_ask(&server, "HVALS %s", key);
    for (size_t i = 0; i < reply->elements; i++) {
        struct redis_row row;
        assert_true(redis_row_decode(reply->element[i]->str, reply->element[i]->len, &row));
        counts[(unsigned char)row.letter & 127]++;
        *billed += row.letter != 'R' && row.letter != 'U' && row.outcome.billed == BILLED_YES;
    }
    freeReplyObject(reply);
}

static void expect_totals_are_the_rows(void) {
    static const char letters[] = "RUsru";
    long long counts[128] = {0};
    long long billed = 0;
    redisReply *keys = redis_server_ask(&server, "KEYS {ledger}rows:*");
    for (size_t i = 0; i < keys->elements; i++)
        count_rows(keys->element[i]->str, counts, &billed);
    freeReplyObject(keys);
    for (const char *letter = letters; *letter != '\0'; letter++)
        assert_int_equal(total((char[]){*letter, '\0'}), counts[(unsigned char)*letter]);
    assert_int_equal(total("billed"), billed);
    /* What is open is reserved; what was given up is not open any more. */
    assert_int_equal(redis_server_count(&server, "ZCARD {ledger}open"), counts['R']);
}

static int open_scene(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    script_rig_open(&scene->rig, &server);
    *state = scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    expect_totals_are_the_rows();
    script_expect_ttls(&server);
    link_rig_close(&scene->rig);
    free(scene);
    return 0;
}

/* --- reserve --- */

static void a_reservation_is_a_row(void **state) {
    struct scene *scene = *state;
    struct call call;
    bool ended = false;
    prepare(&call);
    assert_false(has_row(scene, &call, &ended));
    assert_false(ended);
    assert_int_equal(reserve(scene, &call, LAPSE_MS), 1);
    assert_true(has_row(scene, &call, &ended));
    assert_false(ended);
    struct redis_row row = row_of(&call);
    assert_int_equal(row.letter, 'R');
    assert_int_equal(row.reserved_at_ms, ledger_id_time_ms(&call.asked.admit.id));
    assert_memory_equal(row.number, call.asked.admit.number.bytes, sizeof row.number);
    assert_string_equal(row.account.client_id, "tester");
    assert_string_equal(row.account.credential, "main");
    assert_string_equal(row.account.package, "gold");
    script_expect_near(lapses_at(&call), now_ms() + LAPSE_MS);
    assert_int_equal(total("R"), 1);
}

static void reserving_twice_changes_nothing(void **state) {
    struct scene *scene = *state;
    static const char ends[] = {0, 's', 'r', 'u'};
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct call call;
        prepare(&call);
        assert_int_equal(reserve(scene, &call, LAPSE_MS), 1);
        if (ends[i] != 0)
            assert_int_equal(book(scene, &call, ends[i]), 1);
        char *before = script_snapshot(&server);
        assert_int_equal(reserve(scene, &call, 2 * LAPSE_MS), 0);
        char *after = script_snapshot(&server);
        assert_string_equal(after, before);
        free(before);
        free(after);
    }
}

static void rows_lie_together_by_ten_minutes(void **state) {
    struct scene *scene = *state;
    struct call calls[3];
    prepare_at(&calls[0], INT64_C(1795536000000));
    prepare_at(&calls[1], INT64_C(1795536599999));
    prepare_at(&calls[2], INT64_C(1795536600000));
    for (int i = 0; i < 3; i++)
        assert_int_equal(reserve(scene, &calls[i], LAPSE_MS), 1);
    assert_int_equal(redis_server_count(&server, "HLEN {ledger}rows:2992560"), 2);
    assert_int_equal(redis_server_count(&server, "HLEN {ledger}rows:2992561"), 1);
}

/* --- book --- */

/* Brings a row into a state: none, R, U, or an end. */
static void bring(struct scene *scene, struct call *call, char letter) {
    prepare(call);
    if (letter == 0)
        return;
    assert_int_equal(reserve(scene, call, LAPSE_MS), 1);
    if (letter == 'U')
        assert_int_equal(give_up(scene, call), 1);
    else if (letter != 'R')
        assert_int_equal(book(scene, call, letter), 1);
}

static void a_row_ends_once(void **state) {
    struct scene *scene = *state;
    static const struct {
        char before;
        const char *given; /* each of these … */
        char after;        /* … makes it this; 0: what is given */
    } cases[] = {
        {0, "sru", 0},     {'R', "sru", 0},   {'U', "sru", 0},
        {'s', "sru", 's'}, {'r', "sru", 'r'}, {'u', "sru", 'u'},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (const char *given = cases[i].given; *given != '\0'; given++) {
            struct call call;
            bring(scene, &call, cases[i].before);
            char after = cases[i].after ? cases[i].after : *given;
            char *before = script_snapshot(&server);
            assert_int_equal(book(scene, &call, *given), cases[i].after == 0);
            assert_int_equal(row_of(&call).letter, after);
            assert_int_equal(lapses_at(&call), -1);
            if (cases[i].after != 0) {
                char *now = script_snapshot(&server);
                assert_string_equal(now, before);
                free(now);
            }
            free(before);
            expect_totals_are_the_rows();
        }
    }
}

static void only_a_reservation_is_given_up(void **state) {
    struct scene *scene = *state;
    static const struct {
        char before;
        char after;
    } cases[] = {{0, 0}, {'R', 'U'}, {'U', 'U'}, {'s', 's'}, {'r', 'r'}, {'u', 'u'}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call call;
        bring(scene, &call, cases[i].before);
        assert_int_equal(give_up(scene, &call), cases[i].before == 'R');
        assert_int_equal(row_of(&call).letter, cases[i].after);
        bool ended = false;
        assert_int_equal(has_row(scene, &call, &ended), cases[i].before != 0);
        assert_int_equal(ended, cases[i].after != 0 && cases[i].after != 'U');
        assert_int_equal(lapses_at(&call), -1);
        expect_totals_are_the_rows();
    }
}

/* The same row, whether it was there before or not. */
static void a_booked_row_says_everything(void **state) {
    struct scene *scene = *state;
    static const char befores[] = {0, 'R', 'U'};
    for (size_t i = 0; i < COUNT(befores); i++) {
        struct call call;
        bring(scene, &call, befores[i]);
        assert_int_equal(book(scene, &call, 's'), 1);
        const struct ledger_outcome *outcome = &call.end.settle.ledger;
        struct redis_row row = row_of(&call);
        assert_int_equal(row.letter, 's');
        assert_int_equal(row.reserved_at_ms, ledger_id_time_ms(&call.asked.admit.id));
        assert_memory_equal(row.number, call.asked.admit.number.bytes, sizeof row.number);
        assert_string_equal(row.account.client_id, "tester");
        assert_string_equal(row.account.credential, "main");
        assert_string_equal(row.account.package, "gold");
        assert_int_equal(row.outcome.state, LEDGER_SETTLED);
        assert_int_equal(row.outcome.billed, BILLED_YES);
        assert_int_equal(row.outcome.http_status, 200);
        assert_string_equal(row.outcome.status, "01");
        assert_string_equal(row.outcome.trace_id, outcome->trace_id);
        assert_int_equal(row.outcome.latency_ms, 321);
        assert_int_equal(row.outcome.settled_at_ms, outcome->settled_at_ms);
    }
}

static void only_a_bill_that_is_known_is_billed(void **state) {
    struct scene *scene = *state;
    static const enum billed bills[] = {BILLED_NO, BILLED_YES, BILLED_UNKNOWN, BILLED_YES};
    for (size_t i = 0; i < COUNT(bills); i++) {
        struct call call;
        struct script_said said;
        bring(scene, &call, 'R');
        call.end.settle.ledger.billed = bills[i];
        for (int twice = 0; twice < 2; twice++)
            script_say(&scene->rig, &said,
                       redis_send_book(scene->rig.link, script_replied, &said, &call.end.settle));
    }
    assert_int_equal(total("billed"), 2);
    assert_int_equal(total("s"), 4);
}

/* --- lapsed --- */

static int ask_lapsed(struct scene *scene, struct script_said *said, int most) {
    script_say(&scene->rig, said, redis_send_lapsed(scene->rig.link, script_replied, said, most));
    assert_int_equal(said->type, REDIS_REPLY_ARRAY);
    return said->id_count;
}

static bool is_among(const struct script_said *said, const struct call *call) {
    for (int i = 0; i < said->id_count; i++) {
        if (memcmp(&said->ids[i], &call->asked.admit.id, sizeof said->ids[i]) == 0)
            return true;
    }
    return false;
}

static void reservations_lapse_when_their_time_is_over(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct call calls[5];
    static const int64_t lapse_ms[] = {-3000, LAPSE_MS, -1000, 0, -2000};
    assert_int_equal(ask_lapsed(scene, &said, 10), 0);
    for (int i = 0; i < 5; i++) {
        prepare(&calls[i]);
        assert_int_equal(reserve(scene, &calls[i], lapse_ms[i]), 1);
    }
    assert_int_equal(ask_lapsed(scene, &said, 10), 4);
    assert_false(is_among(&said, &calls[1]));
    /* The oldest first, and not more than asked for; asking changes nothing. */
    assert_int_equal(ask_lapsed(scene, &said, 2), 2);
    assert_true(is_among(&said, &calls[0]) && is_among(&said, &calls[4]));

    assert_int_equal(give_up(scene, &calls[0]), 1);
    assert_int_equal(book(scene, &calls[4], 's'), 1);
    assert_int_equal(ask_lapsed(scene, &said, 10), 2);
    assert_true(is_among(&said, &calls[2]) && is_among(&said, &calls[3]));

    /* Its end comes after all. */
    assert_int_equal(row_of(&calls[0]).letter, 'U');
    assert_int_equal(book(scene, &calls[0], 's'), 1);
    assert_int_equal(row_of(&calls[0]).letter, 's');
    assert_int_equal(book(scene, &calls[0], 'u'), 0);
}

/* --- the others --- */

static void a_probe_writes_what_soon_goes(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    script_say(&scene->rig, &said, redis_send_probe(scene->rig.link, script_replied, &said));
    assert_int_equal(said.type, REDIS_REPLY_STATUS);
    script_expect_ttl(&server, "sanyao:probe", 60000);
    script_say(&scene->rig, &said, redis_send_ping(scene->rig.link, script_replied, &said));
    assert_int_equal(said.type, REDIS_REPLY_STATUS);
    assert_int_equal(redis_server_count(&server, "DBSIZE"), 1);
}

static void without_a_link_nothing_is_sent(void **state) {
    struct scene *scene = *state;
    static const struct redis_seen nothing;
    struct script_said said = {.done = 0};
    struct call call;
    struct link_rig down;
    prepare(&call);
    link_rig_prepare(&down, NULL);
    down.settings.scripts = redis_scripts;
    down.settings.script_count = REDIS_SCRIPTS;
    link_rig_open(&down);
    const struct store_admit *admit = &call.asked.admit;
    const struct redis_reservation reservation = reservation_of(&call, 1);
    struct redis_link *const links[] = {NULL, down.link};
    for (size_t i = 0; i < COUNT(links); i++) {
        struct redis_link *link = links[i];
        assert_false(redis_send_find(link, script_replied, &said, &admit->number, &admit->triple));
        assert_false(redis_send_admit(link, script_replied, &said, admit, &nothing));
        assert_false(
            redis_send_settle(link, script_replied, &said, &call.end.settle, 1, now_ms(), 1));
        assert_false(redis_send_book(link, script_replied, &said, &call.end.settle));
        assert_false(redis_send_reserve(link, script_replied, &said, &reservation));
        assert_false(redis_send_withdraw(link, script_replied, &said, admit, 1));
        assert_false(redis_send_lapsed(link, script_replied, &said, 1));
        assert_false(redis_send_give_up(link, script_replied, &said, &admit->id));
        assert_false(redis_send_find_row(link, script_replied, &said, &admit->id));
        assert_false(
            redis_send_find_place(link, script_replied, &said, &admit->id, &admit->number, ""));
        assert_false(redis_send_pass(link, script_replied, &said, admit, 1));
        assert_false(redis_send_ping(link, script_replied, &said));
        assert_false(redis_send_probe(link, script_replied, &said));
    }
    link_rig_close(&down);
    link_rig_turn(&scene->rig);
    assert_int_equal(said.done, 0);
    assert_int_equal(redis_server_count(&server, "DBSIZE"), 0);
}

static void what_a_full_server_refuses_changes_nothing(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct call call;
    struct call other;
    prepare(&call);
    prepare(&other);
    assert_int_equal(reserve(scene, &call, LAPSE_MS), 1);
    char *before = script_snapshot(&server);
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    const struct redis_reservation reservation = reservation_of(&other, LAPSE_MS);
    script_say_refused(&scene->rig, &said,
                       redis_send_reserve(scene->rig.link, script_replied, &said, &reservation),
                       "OOM");
    script_say_refused(&scene->rig, &said,
                       redis_send_book(scene->rig.link, script_replied, &said, &call.end.settle),
                       "OOM");
    script_say_refused(
        &scene->rig, &said,
        redis_send_give_up(scene->rig.link, script_replied, &said, &call.asked.admit.id), "OOM");
    script_say_refused(&scene->rig, &said, redis_send_probe(scene->rig.link, script_replied, &said),
                       "OOM");
    char *after = script_snapshot(&server);
    assert_string_equal(after, before);
    free(before);
    free(after);
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    assert_int_equal(book(scene, &call, 's'), 1);
}

/* Anything may come in any order, and often. */
static void the_totals_are_always_the_rows(void **state) {
    struct scene *scene = *state;
    static const char ends[] = "sru";
    struct call calls[6];
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < COUNT(calls); i++)
            prepare(&calls[i]);
        for (int step = 0; step < 24; step++) {
            struct call *call = &calls[randombytes_uniform(COUNT(calls))];
            switch (randombytes_uniform(4)) {
            case 0:
                reserve(scene, call, LAPSE_MS);
                break;
            case 1:
                give_up(scene, call);
                break;
            default:
                book(scene, call, ends[randombytes_uniform(3)]);
                break;
            }
        }
        expect_totals_are_the_rows();
    }
}

int main(void) {
#define SCENE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        SCENE(a_reservation_is_a_row),
        SCENE(reserving_twice_changes_nothing),
        SCENE(rows_lie_together_by_ten_minutes),
        SCENE(a_row_ends_once),
        SCENE(only_a_reservation_is_given_up),
        SCENE(a_booked_row_says_everything),
        SCENE(only_a_bill_that_is_known_is_billed),
        SCENE(reservations_lapse_when_their_time_is_over),
        SCENE(a_probe_writes_what_soon_goes),
        SCENE(without_a_link_nothing_is_sent),
        SCENE(what_a_full_server_refuses_changes_nothing),
        SCENE(the_totals_are_always_the_rows),
    };
    if (sodium_init() < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, remove_server);
}
