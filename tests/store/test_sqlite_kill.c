/*
 * kill -9 at any moment, of a child that leads and settles in the embedded store: the file must be
 * whole, hold all that was reported, and have an end for every row.
 */
#include "kill_rig.h"

#include "runtime/log.h"

#define CALLS_AT_ONCE 8

/* The child */

struct child {
    struct store_client *client;
    int pipe;
    unsigned calls;
};

struct child_call {
    struct rig_admit asked;
    struct rig_settle end;
    struct child *child;
    bool answered;
};

static void tell(const struct child_call *call, bool ended) {
    struct kill_report report;
    memset(&report, 0, sizeof report);
    report.id = call->asked.admit.id;
    report.triple = call->asked.admit.triple;
    report.ended = ended;
    report.answered = call->answered;
    kill_rig_tell(call->child->pipe, &report);
}

static void child_begin(struct child_call *call);

static void child_settled(struct store_op *op) {
    struct child_call *call = ((struct rig_settle *)op)->owner;
    if (call->end.settle.outcome != STORE_DONE)
        _exit(1);
    tell(call, true);
    child_begin(call);
}

static void child_admitted(struct store_op *op) {
    struct child_call *call = ((struct rig_admit *)op)->owner;
    if (call->asked.admit.outcome != STORE_LEAD)
        _exit(1);
    tell(call, false);
    call->answered = call->child->calls++ % 4 != 0;
    if (call->answered)
        rig_end(&call->end, &call->asked, rig_answer("01", 1800000000));
    else
        rig_end_failed(&call->end, &call->asked, FAILURE_UPSTREAM_TIMEOUT);
    call->end.settle.op.done = child_settled;
    call->end.owner = call;
    store_settle(call->child->client, &call->end.settle);
}

static void child_begin(struct child_call *call) {
    struct digest triple = rig_digest();
    rig_prepare(&call->asked, &triple, FRESHNESS_ANY);
    call->asked.admit.op.done = child_admitted;
    call->asked.owner = call;
    store_admit(call->child->client, &call->asked.admit);
}

static void run_child(const char *path, int pipe) {
    struct complaint complaint;
    char url[320];
    snprintf(url, sizeof url, "sqlite:%s", path);
    struct child child = {.pipe = pipe};
    static struct child_call calls[CALLS_AT_ONCE];
    uv_loop_t loop;
    struct store *store =
        store_open(&(struct store_settings){.url = url}, &clock_system, &complaint);
    if (!store || uv_loop_init(&loop) != 0)
        _exit(1);
    child.client = store_attach(store, &loop, NULL, NULL, &complaint);
    for (int i = 0; i < CALLS_AT_ONCE; i++) {
        calls[i].child = &child;
        child_begin(&calls[i]);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(1);
}

/* The parent */

static const char *wanted_state(const struct kill_report *report) {
    return report->answered ? "settled" : "unknown";
}

static void expect_rows(sqlite3 *db, const struct kill_book *book) {
    sqlite3_stmt *statement;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT state FROM ledger WHERE id = ?1", -1, &statement, NULL),
        SQLITE_OK);
    for (size_t i = 0; i < book->count; i++) {
        const struct kill_report *report = &book->reports[i];
        sqlite3_bind_blob(statement, 1, report->id.bytes, sizeof report->id.bytes, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        if (report->ended)
            assert_string_equal((const char *)sqlite3_column_text(statement, 0),
                                wanted_state(report));
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
}

static void expect_answers(struct rig *rig, const struct kill_book *book) {
    for (size_t i = 0; i < book->count; i++) {
        const struct kill_report *report = &book->reports[i];
        struct answer answer;
        if (!report->ended || !report->answered)
            continue;
        assert_int_equal(rig_find(rig, 0, &report->triple, &answer), STORE_HIT);
        assert_string_equal(answer.status, "01");
    }
}

static void expect_whole(const char *path, const struct kill_book *book) {
    char url[320];
    snprintf(url, sizeof url, "sqlite:%s", path);
    struct rig rig;
    sqlite3 *db;
    rig_open(&rig, url, &clock_system);
    expect_answers(&rig, book);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    kill_rig_expect_text(db, "PRAGMA integrity_check", "ok");
    kill_rig_expect_text(db, "SELECT count(*) FROM ledger WHERE state = 'reserved'", "0");
    /* Row and answer are written together or not at all. */
    kill_rig_expect_text(db,
                         "SELECT (SELECT count(*) FROM ledger WHERE state = 'settled') - "
                         "(SELECT count(*) FROM answers)",
                         "0");
    expect_rows(db, book);
    sqlite3_close(db);
    rig_close(&rig);
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
