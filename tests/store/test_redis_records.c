/*
 * Documents and forgetting in the shared store, beyond what the contract asks of every kind: in
 * pieces, with money on a Redis of its own, while a server is away, and what the journals keep of
 * it.
 */
#include "money_rig.h"
#include "shared_rig.h"

#include <signal.h>

#include "runtime/log.h"
#include "store/journal.h"

static int start(void **state) {
    *state = shared_start(false);
    ((struct shared *)*state)->settings.timeout_ms = SHARED_PATIENT_MS;
    return 0;
}

static int start_apart(void **state) {
    *state = shared_start(true);
    ((struct shared *)*state)->settings.timeout_ms = SHARED_PATIENT_MS;
    return 0;
}

static int start_impatient(void **state) {
    *state = shared_start(true);
    return 0;
}

static int stop(void **state) {
    shared_free(*state);
    return 0;
}

static int64_t now_ms(void) {
    return clock_unix_ms(&clock_system);
}

static int64_t restore(struct rig *rig, const char *id, int64_t version) {
    struct money_write_document write = {
        .op = {.kind = STORE_CLIENT, .id = id, .body = "{}", .expected = version, .restore = true}};
    money_do_write_document(rig, 0, &write);
    assert_int_equal(write.op.outcome, STORE_DONE);
    return write.op.version;
}

/* --- documents --- */

#define MANY 300

static void many_documents_are_read_in_pieces(void **state) {
    struct shared *shared = *state;
    struct rig *rig = &shared->rig;
    char id[32];
    shared_open(shared);
    /* Of the first hundred all bear one version, as only restoring can make them: a piece of them
     * is larger than others. */
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "client-%03d", i);
        restore(rig, id, i < 100 ? 1 : 1 + i);
    }
    redis_server_do(shared_money(shared), "CONFIG RESETSTAT");
    struct money_read_documents read = {.op.since = 0};
    money_do_read_documents(rig, 1, &read);
    assert_int_equal(read.op.outcome, STORE_DONE);
    assert_int_equal(read.op.count, MANY);
    assert_int_equal(read.op.version, MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "client-%03d", i);
        assert_string_equal(read.op.documents_owned[i].id, id);
        assert_int_equal(read.op.documents_owned[i].version, i < 100 ? 1 : 1 + i);
    }
    assert_in_range(shared_runs(shared_money(shared), "evalsha"), 2, 6);
    store_documents_free(read.op.documents_owned, read.op.count);
    read.op.since = MANY - 10;
    money_do_read_documents(rig, 1, &read);
    assert_int_equal(read.op.count, 10);
    store_documents_free(read.op.documents_owned, read.op.count);
    /* A store that lost what it had says so. */
    redis_server_do(shared_money(shared), "FLUSHALL");
    money_do_read_documents(rig, 1, &read);
    assert_int_equal(read.op.outcome, STORE_DONE);
    assert_int_equal(read.op.version, 0);
    assert_int_equal(read.op.count, 0);
    assert_null(read.op.documents_owned);
}

static void what_a_later_version_wrote_is_passed_over(void **state) {
    struct shared *shared = *state;
    shared_open(shared);
    money_write(&shared->rig, STORE_CLIENT, "shop", "{}", 0, NULL, STORE_DONE);
    redis_server_do(shared_money(shared), "HSET {ledger}documents flag:x %s nonsense nonsense",
                    "2 {}");
    redis_server_do(shared_money(shared), "ZADD {ledger}changes 2 flag:x 3 nonsense");
    redis_server_do(shared_money(shared), "SET {ledger}version 3");
    struct money_read_documents read = {.op.since = 0};
    money_do_read_documents(&shared->rig, 1, &read);
    assert_int_equal(read.op.outcome, STORE_DONE);
    assert_int_equal(read.op.version, 3);
    assert_int_equal(read.op.count, 1);
    store_documents_free(read.op.documents_owned, read.op.count);
}

static void on_watched(void *arg) {
    ++*(int *)arg;
}

/* The channel is on the other server than the documents. */
static void a_writing_is_heard_where_money_is_apart(void **state) {
    struct shared *shared = *state;
    struct rig *rig = &shared->rig;
    int heard[RIG_CLIENTS] = {0};
    int before[RIG_CLIENTS];
    shared_open(shared);
    for (int i = 0; i < RIG_CLIENTS; i++)
        store_watch_documents(rig->clients[i].client, on_watched, &heard[i]);
    memcpy(before, heard, sizeof before);
    money_write(rig, STORE_CLIENT, "shop", "{}", 0, "{}", STORE_DONE);
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_wait(rig, &heard[i], before[i] + 1);
    assert_int_equal(redis_server_count(&shared->server, "EXISTS {ledger}documents"), 0);
    assert_int_equal(redis_server_count(&shared->ledger, "HLEN {ledger}documents"), 1);
}

static void whoever_may_have_missed_a_notice_is_told(void **state) {
    struct shared *shared = *state;
    int heard = 0;
    shared_open(shared);
    store_watch_documents(shared->rig.clients[0].client, on_watched, &heard);
    int before = heard;
    redis_server_do(&shared->server, "CLIENT KILL TYPE pubsub");
    shared_wait(shared, heard > before);
}

/* What can be done without the answers' server is. */
static void with_money_alone_there_money_goes_on(void **state) {
    struct shared *shared = *state;
    struct rig *rig = &shared->rig;
    struct complaint complaint;
    shared_open(shared);
    redis_server_kill(&shared->server);
    shared_wait(shared, !store_ready(rig->store, &complaint));
    assert_int_equal(money_write(rig, STORE_CLIENT, "shop", "{}", 0, "{\"line\":1}", STORE_DONE),
                     1);
    struct money_read_documents read = {.op.since = 0};
    money_do_read_documents(rig, 1, &read);
    assert_int_equal(read.op.count, 1);
    store_documents_free(read.op.documents_owned, read.op.count);
    assert_int_equal(money_counter(rig, "package", "p1"), 0);
    struct money_forget forget = {.op = {.number = rig_digest(), .whole_number = true}};
    money_do_forget(rig, 0, &forget);
    assert_int_equal(forget.op.outcome, STORE_AWAY);
}

static void with_money_away_everything_about_it_is(void **state) {
    struct shared *shared = *state;
    struct rig *rig = &shared->rig;
    struct complaint complaint;
    const struct store_counter hit = {"shop/p1", 1};
    shared_open(shared);
    for (int frozen = 1; frozen >= 0; frozen--) {
        if (frozen) {
            redis_server_freeze(&shared->ledger);
        } else {
            redis_server_thaw(&shared->ledger);
            redis_server_kill(&shared->ledger);
            shared_wait(shared, !store_ready(rig->store, &complaint));
        }
        money_write(rig, STORE_CLIENT, "shop", "{}", 0, "{}", STORE_AWAY);
        struct money_read_documents read = {.op.since = 0};
        money_do_read_documents(rig, 0, &read);
        assert_int_equal(read.op.outcome, STORE_AWAY);
        assert_null(read.op.documents_owned);
        struct money_read_audit audit = {.op.most = 5};
        money_do_read_audit(rig, 0, &audit);
        assert_int_equal(audit.op.outcome, STORE_AWAY);
        struct money_read_counters counters = {.op.scope = "package"};
        money_do_read_counters(rig, 0, &counters);
        assert_int_equal(counters.op.outcome, STORE_AWAY);
        struct money_add_counters add = {
            .op = {.scope = "hits:2026-11", .counters = &hit, .count = 1}};
        money_do_add_counters(rig, 0, &add);
        assert_int_equal(add.op.outcome, STORE_AWAY);
    }
}

/* --- money without a reply --- */

/* The reservation is made when nobody waits any more; what it took is given back. */
static void a_reservation_without_a_reply_takes_nothing(void **state) {
    struct shared *shared = *state;
    struct rig *rig = &shared->rig;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "c1", 5, 0);
    shared_open(shared);
    redis_server_freeze(&shared->ledger);
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_AWAY);
    redis_server_thaw(&shared->ledger);
    shared_wait(shared, shared_row(shared, &asked) == 'r');
    rig_wait_until_ready(rig);
    money_assert_books(rig, now_ms());
    assert_int_equal(money_counter(rig, "package", "p1"), 0);
    money_ask(rig, 1, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_LEAD);
    budget_plan_release(plan);
}

/* What became of the call is in the journal with the package that it was drawn from: so the
 * counters come back with the rows. */
static void counters_come_back_with_the_rows(void **state) {
    struct shared *shared = *state;
    struct rig *rig = &shared->rig;
    static const struct {
        enum ledger_state state;
        enum billed billed;
    } ends[] = {{LEDGER_SETTLED, BILLED_YES},
                {LEDGER_SETTLED, BILLED_NO},
                {LEDGER_RELEASED, BILLED_NO},
                {LEDGER_UNKNOWN, BILLED_UNKNOWN}};
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "c1", 3, 0);
    money_line(plan, "p2", "c2", 500, 0);
    shared_open(shared);
    for (int i = 0; i < 40; i++) {
        struct rig_admit asked;
        money_ask(rig, i % RIG_CLIENTS, &asked, i % 3 ? "shop" : "batch", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &asked, STORE_LEAD);
        money_end(rig, i % RIG_CLIENTS, &asked, ends[i % 4].state, ends[i % 4].billed);
    }
    int64_t used = money_counter(rig, "package", "p2");
    money_assert_books(rig, now_ms());
    redis_server_do(&shared->server, "FLUSHALL");
    assert_int_equal(money_counter(rig, "package", "p2"), 0);
    redis_server_do(&shared->server, "CLIENT KILL TYPE normal SKIPME yes");
    shared_wait(shared, shared_total(shared, "s") == 20);
    rig_wait_until_ready(rig);
    money_assert_books(rig, now_ms());
    assert_int_equal(money_counter(rig, "package", "p2"), used);
    budget_plan_release(plan);
}

/* --- forgetting --- */

struct remembered {
    struct rig_admit asked;
    struct rig_settle end;
};

static void keep_answer(struct shared *shared, struct remembered *kept,
                        const struct digest *number) {
    struct digest triple = rig_digest();
    rig_prepare(&kept->asked, &triple, FRESHNESS_ANY);
    kept->asked.admit.number = *number;
    rig_submit(&shared->rig, 0, &kept->asked);
    rig_expect(&shared->rig, &kept->asked, STORE_LEAD);
    rig_end(&kept->end, &kept->asked, rig_answer("01", now_ms() / 1000));
    rig_settle(&shared->rig, 0, &kept->end, STORE_DONE);
}

static bool is_kept(struct shared *shared, const struct remembered *kept) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    redis_keys_of_number(&kept->asked.admit.number, &kept->asked.admit.triple, "", keys);
    return script_exists(&shared->server, keys[REDIS_KEY_ANSWER].text);
}

static bool has_answer(void *arg, const struct journal_call *call) {
    *(int *)arg += call->settle.answered;
    return true;
}

static int answers_in(const char *journal) {
    struct complaint complaint = {""};
    int answers = 0;
    if (!journal_read(journal, has_answer, &answers, &complaint))
        fail_msg("%s", complaint.text);
    return answers;
}

/* All of a number, among many other keys; the rest of what is known of it stays. */
static void a_number_is_forgotten_among_many(void **state) {
    struct shared *shared = *state;
    struct remembered kept[4];
    struct digest number = rig_digest();
    struct digest other = rig_digest();
    struct redis_key keys[REDIS_NUMBER_KEYS];
    shared_open(shared);
    for (int i = 0; i < 4; i++)
        keep_answer(shared, &kept[i], i < 3 ? &number : &other);
    redis_keys_of_number(&number, &kept[0].asked.admit.triple, "", keys);
    assert_true(script_exists(&shared->server, keys[REDIS_KEY_OWNER].text));
    redis_server_do(&shared->server, "EVAL %s 0",
                    "for i = 1, 5000 do redis.call('SET', 'x' .. i, i, 'EX', 600) end "
                    "return 'ok'");
    struct money_forget forget = {.op = {.number = number, .whole_number = true}};
    money_do_forget(&shared->rig, 2, &forget);
    assert_int_equal(forget.op.outcome, STORE_DONE);
    assert_int_equal(forget.op.answers, 3);
    for (int i = 0; i < 4; i++)
        assert_int_equal(is_kept(shared, &kept[i]), i == 3);
    assert_false(script_exists(&shared->server, keys[REDIS_KEY_OWNER].text));
    assert_true(script_exists(&shared->server, keys[REDIS_KEY_WINDOW].text));
    assert_int_equal(shared_total(shared, "s"), 4);
    assert_int_equal(answers_in(shared->journal), 1);
}

/* Another replica had the answer in its journal, and would give it to a store that lost it. */
static void a_forgotten_answer_does_not_come_back(void **state) {
    struct shared *shared = *state;
    struct shared replica = *shared;
    struct remembered kept[2];
    struct digest number = rig_digest();
    struct digest other = rig_digest();
    shared_open(shared);
    snprintf(replica.journal, sizeof replica.journal, "%s/another.db", shared->folder);
    replica.settings.journal_path = replica.journal;
    shared_open(&replica);
    keep_answer(&replica, &kept[0], &number);
    keep_answer(&replica, &kept[1], &other);
    assert_int_equal(answers_in(replica.journal), 2);
    for (int i = 0; i < RIG_CLIENTS; i++) {
        /* That they were kept is told to all but to who kept them, and after who kept them knows.
         */
        shared_wait(&replica, replica.rig.clients[i].notices == (i > 0 ? 2 : 0));
        replica.rig.clients[i].notices = 0;
    }

    struct money_forget forget = {.op = {.number = number, .triple = kept[0].asked.admit.triple}};
    money_do_forget(&shared->rig, 0, &forget);
    assert_int_equal(forget.op.answers, 1);
    shared_wait(&replica, answers_in(replica.journal) == 1);
    for (int i = 0; i < RIG_CLIENTS; i++) {
        shared_wait(&replica, replica.rig.clients[i].notices == 1);
        assert_true(digest_equal(&replica.rig.clients[i].changed, &kept[0].asked.admit.triple));
    }

    /* It heeds the next one as well, and one about a whole number. */
    forget = (struct money_forget){.op = {.number = other, .whole_number = true}};
    money_do_forget(&shared->rig, 0, &forget);
    shared_wait(&replica, answers_in(replica.journal) == 0);

    redis_server_do(&shared->server, "FLUSHALL");
    redis_server_do(&shared->server, "CLIENT KILL TYPE normal SKIPME yes");
    shared_wait(&replica, shared_total(shared, "s") == 2);
    rig_wait_until_ready(&replica.rig);
    assert_false(is_kept(shared, &kept[0]));
    assert_false(is_kept(shared, &kept[1]));
    shared_close(&replica);
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    period_set_zone("Asia/Shanghai");
    signal(SIGPIPE, SIG_IGN);
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
#define WITH(test, begin) cmocka_unit_test_setup_teardown(test, begin, stop)
    const struct CMUnitTest tests[] = {
        WITH(many_documents_are_read_in_pieces, start),
        WITH(what_a_later_version_wrote_is_passed_over, start),
        WITH(a_writing_is_heard_where_money_is_apart, start_apart),
        WITH(whoever_may_have_missed_a_notice_is_told, start),
        WITH(with_money_alone_there_money_goes_on, start_apart),
        WITH(with_money_away_everything_about_it_is, start_impatient),
        WITH(a_reservation_without_a_reply_takes_nothing, start_impatient),
        WITH(counters_come_back_with_the_rows, start),
        WITH(a_number_is_forgotten_among_many, start),
        WITH(a_forgotten_answer_does_not_come_back, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
