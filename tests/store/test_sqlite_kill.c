/*
 * kill -9 at any moment. A child leads and settles without pause and reports on a pipe what it was
 * told is durable; it is killed at a random moment, also while it opens or builds the file. Then
 * the file must be whole, hold all that was reported, and have an end for every row.
 *
 * SANYAO_TEST_SEED repeats a run's moments, SANYAO_TEST_KILLS sets how many (100).
 */
#include "store_rig.h"

#include <poll.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "runtime/log.h"

#define KILLS         100
#define ROUNDS_A_FILE 10 /* then a new file, so that its making is interrupted, too */
#define LONGEST_US    30000
#define CALLS_AT_ONCE 8

/* What the child was told: STORE_LEAD, or STORE_DONE. Smaller than PIPE_BUF: written whole. */
struct report {
    struct ledger_id id;
    struct digest triple;
    bool settled;
    bool answered;
};

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

static void tell(const struct child_call *call, bool settled) {
    struct report report;
    memset(&report, 0, sizeof report);
    report.id = call->asked.admit.id;
    report.triple = call->asked.admit.triple;
    report.settled = settled;
    report.answered = call->answered;
    if (write(call->child->pipe, &report, sizeof report) != (ssize_t)sizeof report)
        _exit(1);
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

static void run_child(const char *url, int pipe) {
    struct complaint complaint;
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

struct book {
    struct report *reports;
    size_t count;
    size_t room;
};

static void read_reports(int pipe, struct book *book) {
    struct report report;
    ssize_t size;
    while ((size = read(pipe, &report, sizeof report)) == (ssize_t)sizeof report) {
        if (book->count == book->room) {
            book->room = book->room ? book->room * 2 : 1024;
            book->reports = realloc(book->reports, book->room * sizeof report);
            assert_non_null(book->reports);
        }
        book->reports[book->count++] = report;
    }
    assert_int_equal(size, 0);
}

/* The child is killed after so long, counted from its begin, or from its first report, when it is
 * at work; it must not have ended before by itself. */
static void run_and_kill(const char *url, bool at_work, unsigned after_us, struct book *book) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        run_child(url, pipes[1]);
    }
    close(pipes[1]);
    struct pollfd first = {.fd = pipes[0], .events = POLLIN};
    if (at_work)
        assert_int_equal(poll(&first, 1, RIG_DEADLINE_MS), 1);
    usleep(after_us);
    kill(child, SIGKILL);
    read_reports(pipes[0], book);
    close(pipes[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void expect_text(sqlite3 *db, const char *sql, const char *wanted) {
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), wanted);
    sqlite3_finalize(statement);
}

static const char *wanted_state(const struct report *report) {
    return report->answered ? "settled" : "unknown";
}

static void expect_rows(sqlite3 *db, const struct book *book) {
    sqlite3_stmt *statement;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT state FROM ledger WHERE id = ?1", -1, &statement, NULL),
        SQLITE_OK);
    for (size_t i = 0; i < book->count; i++) {
        const struct report *report = &book->reports[i];
        sqlite3_bind_blob(statement, 1, report->id.bytes, sizeof report->id.bytes, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        if (report->settled)
            assert_string_equal((const char *)sqlite3_column_text(statement, 0),
                                wanted_state(report));
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
}

static void expect_answers(struct rig *rig, const struct book *book) {
    for (size_t i = 0; i < book->count; i++) {
        const struct report *report = &book->reports[i];
        struct answer answer;
        if (!report->settled || !report->answered)
            continue;
        assert_int_equal(rig_find(rig, 0, &report->triple, &answer), STORE_HIT);
        assert_string_equal(answer.status, "01");
    }
}

static void expect_whole(const char *path, const char *url, const struct book *book) {
    struct rig rig;
    sqlite3 *db;
    rig_open(&rig, url, &clock_system);
    expect_answers(&rig, book);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    expect_text(db, "PRAGMA integrity_check", "ok");
    expect_text(db, "SELECT count(*) FROM ledger WHERE state = 'reserved'", "0");
    /* Row and answer are written together or not at all. */
    expect_text(db,
                "SELECT (SELECT count(*) FROM ledger WHERE state = 'settled') - "
                "(SELECT count(*) FROM answers)",
                "0");
    expect_rows(db, book);
    sqlite3_close(db);
    rig_close(&rig);
}

static unsigned setting(const char *name, unsigned fallback) {
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

static void what_was_said_to_be_written_survives_kill_9(void **state) {
    (void)state;
    unsigned seed = setting("SANYAO_TEST_SEED", randombytes_random());
    unsigned kills = setting("SANYAO_TEST_KILLS", KILLS);
    print_message("SANYAO_TEST_SEED=%u\n", seed);
    char folder[256];
    char path[300];
    char url[320];
    rig_make_folder(folder);
    struct book book = {0};
    size_t reported = 0;
    for (unsigned round = 0; round < kills; round++) {
        if (round % ROUNDS_A_FILE == 0) {
            reported += book.count;
            book.count = 0;
        }
        snprintf(path, sizeof path, "%s/%u.db", folder, round / ROUNDS_A_FILE);
        snprintf(url, sizeof url, "sqlite:%s", path);
        run_and_kill(url, round % 2 == 1, (unsigned)rand_r(&seed) % LONGEST_US, &book);
        expect_whole(path, url, &book);
    }
    reported += book.count;
    print_message("%u kills, %zu reports\n", kills, reported);
    assert_true(reported > kills);
    free(book.reports);
    rig_remove_folder(folder);
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
