/*
 * kill -9 at any moment, of a child that intends and ends calls in a journal: the file must be
 * whole, hold all that was reported, and have an outcome for every call.
 */
#include "journal_rig.h"
#include "kill_rig.h"

#include "runtime/log.h"

#define CALLS_AT_ONCE 8

/* The child */

struct child {
    struct journal_client *client;
    int pipe;
    unsigned calls;
};

static void tell(const struct jcall *call, bool ended) {
    struct kill_report report;
    memset(&report, 0, sizeof report);
    report.id = call->admit.id;
    report.ended = ended;
    report.answered = call->settle.answered;
    kill_rig_tell(((const struct child *)call->owner)->pipe, &report);
}

static void child_begin(struct child *child, struct jcall *call);

static void child_ended(struct store_op *op) {
    struct journal_outcome *outcome = (struct journal_outcome *)op;
    struct jcall *call = (struct jcall *)((char *)outcome - offsetof(struct jcall, outcome));
    struct child *child = call->owner;
    if (!outcome->written || outcome->repeated)
        _exit(1);
    tell(call, true);
    if (child->calls % 3 == 0)
        journal_mark_delivered(child->client, &call->settle.id);
    child_begin(child, call);
}

static void child_intended(struct store_op *op) {
    struct journal_intent *intent = (struct journal_intent *)op;
    struct jcall *call = (struct jcall *)((char *)intent - offsetof(struct jcall, intent));
    if (!intent->written)
        _exit(1);
    tell(call, false);
    journal_write_outcome(((struct child *)call->owner)->client, &call->outcome);
}

static void child_begin(struct child *child, struct jcall *call) {
    int64_t now = clock_unix_ms(&clock_system);
    if (child->calls++ % 4 != 0)
        jrig_prepare(call, now);
    else
        jrig_prepare_failed(call, now);
    call->owner = child;
    call->intent.op.done = child_intended;
    call->outcome.op.done = child_ended;
    journal_write_intent(child->client, &call->intent);
}

static void run_child(const char *path, int pipe) {
    struct complaint complaint;
    struct child child = {.pipe = pipe};
    static struct jcall calls[CALLS_AT_ONCE];
    uv_loop_t loop;
    struct journal *journal = journal_open(path, JOURNAL_KEEP_MS, &clock_system, &complaint);
    if (!journal || uv_loop_init(&loop) != 0)
        _exit(1);
    child.client = journal_attach(journal, &loop, &complaint);
    for (int i = 0; i < CALLS_AT_ONCE; i++)
        child_begin(&child, &calls[i]);
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(1);
}

/* The parent */

static void expect_reported(sqlite3 *db, const struct kill_book *book) {
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT state, answer IS NOT NULL OR delivered FROM calls "
                                        "WHERE id = ?1",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < book->count; i++) {
        const struct kill_report *report = &book->reports[i];
        sqlite3_bind_blob(statement, 1, report->id.bytes, sizeof report->id.bytes, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        if (report->ended)
            assert_string_equal((const char *)sqlite3_column_text(statement, 0),
                                report->answered ? "settled" : "released");
        if (report->ended && report->answered)
            assert_true(sqlite3_column_int(statement, 1));
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
}

struct reading {
    int64_t line;
    size_t calls;
    bool all_ended;
};

static bool on_read(void *arg, const struct journal_call *call) {
    struct reading *reading = arg;
    assert_true(call->line > reading->line);
    reading->line = call->line;
    reading->calls++;
    reading->all_ended = reading->all_ended && call->ended;
    return true;
}

static void expect_whole(const char *path, const struct kill_book *book) {
    struct complaint complaint = {""};
    struct reading reading = {.all_ended = true};
    struct journal_rig rig;
    sqlite3 *db;
    jrig_open(&rig, path, &clock_system);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    kill_rig_expect_text(db, "PRAGMA integrity_check", "ok");
    expect_reported(db, book);
    sqlite3_close(db);
    assert_true(journal_read(path, on_read, &reading, &complaint));
    assert_true(reading.all_ended);
    assert_true(reading.calls * 2 >= book->count);
    jrig_close(&rig);
}

static void what_was_said_to_be_written_survives_kill_9(void **state) {
    (void)state;
    kill_rig_run(&(struct kill_rig){run_child, expect_whole});
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_to_be_written_survives_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
