/*
 * kill -9 at any moment. A child intends and ends calls without pause and reports on a pipe what it
 * was told is written; it is killed at a random moment, every other time while it opens or builds
 * the file. Then the file must be whole, hold all that was reported, and have an outcome for every
 * call.
 *
 * SANYAO_TEST_SEED repeats a run's moments, SANYAO_TEST_KILLS sets how many (100).
 */
#include "journal_rig.h"

#include <poll.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "runtime/log.h"

#define KILLS         100
#define ROUNDS_A_FILE 10 /* then a new file, so that its making is interrupted, too */
#define LONGEST_US    30000
#define CALLS_AT_ONCE 8

/* What the child was told is written. Smaller than PIPE_BUF: written whole. */
struct report {
    struct ledger_id id;
    bool ended;
    bool answered;
};

/* The child */

struct child {
    struct journal_client *client;
    int pipe;
    unsigned calls;
};

static void tell(const struct jcall *call, bool ended) {
    const struct child *child = call->owner;
    struct report report;
    memset(&report, 0, sizeof report);
    report.id = call->admit.id;
    report.ended = ended;
    report.answered = call->settle.answered;
    if (write(child->pipe, &report, sizeof report) != (ssize_t)sizeof report)
        _exit(1);
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
static void run_and_kill(const char *path, bool at_work, unsigned after_us, struct book *book) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        run_child(path, pipes[1]);
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

static void expect_reported(sqlite3 *db, const struct book *book) {
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT state, answer IS NOT NULL OR delivered FROM calls "
                                        "WHERE id = ?1",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < book->count; i++) {
        const struct report *report = &book->reports[i];
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

static void expect_whole(const char *path, const struct book *book) {
    struct complaint complaint = {""};
    struct reading reading = {.all_ended = true};
    struct journal_rig rig;
    sqlite3 *db;
    jrig_open(&rig, path, &clock_system);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    expect_text(db, "PRAGMA integrity_check", "ok");
    expect_reported(db, book);
    sqlite3_close(db);
    assert_true(journal_read(path, on_read, &reading, &complaint));
    assert_true(reading.all_ended);
    assert_true(reading.calls * 2 >= book->count);
    jrig_close(&rig);
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
    rig_make_folder(folder);
    struct book book = {0};
    size_t reported = 0;
    for (unsigned round = 0; round < kills; round++) {
        if (round % ROUNDS_A_FILE == 0) {
            reported += book.count;
            book.count = 0;
        }
        snprintf(path, sizeof path, "%s/%u.db", folder, round / ROUNDS_A_FILE);
        run_and_kill(path, round % 2 == 1, (unsigned)rand_r(&seed) % LONGEST_US, &book);
        expect_whole(path, &book);
    }
    reported += book.count;
    print_message("%u kills, %zu reports\n", kills, reported);
    assert_true(reported >= kills / 2);
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
