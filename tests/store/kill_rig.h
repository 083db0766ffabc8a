#pragma once
/*
 * kill_rig: kill -9 at any moment. A child does its work without pause and reports on a pipe what
 * it was told is written; it is killed at a random moment, every other time counted from its begin,
 * so also while it opens or builds the file. Then the test looks whether the file is whole.
 *
 * SANYAO_TEST_SEED repeats a run's moments, SANYAO_TEST_KILLS sets how many (100).
 */
#include "store_rig.h"

#include <poll.h>
#include <sys/wait.h>

#include <sqlite3.h>

#define KILL_RIG_KILLS         100
#define KILL_RIG_ROUNDS_A_FILE 10 /* then a new file, so that its making is interrupted, too */
#define KILL_RIG_LONGEST_US    30000

/* What the child was told is written. Smaller than PIPE_BUF: written whole. */
struct kill_report {
    struct ledger_id id;
    struct digest triple;
    bool ended;
    bool answered;
};

struct kill_book {
    struct kill_report *reports;
    size_t count;
    size_t room;
};

struct kill_rig {
    /* Works on the file till it is killed; never returns. */
    void (*child)(const char *path, int pipe);
    /* Fails the test where something that was reported is not there. */
    void (*expect_whole)(const char *path, const struct kill_book *book);
};

/* The child */

static inline void kill_rig_tell(int pipe, const struct kill_report *report) {
    if (write(pipe, report, sizeof *report) != (ssize_t)sizeof *report)
        _exit(1);
}

/* The parent */

static inline void kill_rig_read(int pipe, struct kill_book *book) {
    struct kill_report report;
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

/* It must not have ended before by itself. */
static inline void kill_rig_round(const struct kill_rig *rig, const char *path, bool at_work,
                                  unsigned after_us, struct kill_book *book) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        rig->child(path, pipes[1]);
    }
    close(pipes[1]);
    struct pollfd first = {.fd = pipes[0], .events = POLLIN};
    if (at_work)
        assert_int_equal(poll(&first, 1, RIG_DEADLINE_MS), 1);
    usleep(after_us);
    kill(child, SIGKILL);
    kill_rig_read(pipes[0], book);
    close(pipes[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static inline void kill_rig_expect_text(sqlite3 *db, const char *sql, const char *wanted) {
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), wanted);
    sqlite3_finalize(statement);
}

static inline unsigned kill_rig_setting(const char *name, unsigned fallback) {
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

static inline void kill_rig_run(const struct kill_rig *rig) {
    unsigned seed = kill_rig_setting("SANYAO_TEST_SEED", randombytes_random());
    unsigned kills = kill_rig_setting("SANYAO_TEST_KILLS", KILL_RIG_KILLS);
    print_message("SANYAO_TEST_SEED=%u\n", seed);
    char folder[256];
    char path[300];
    rig_make_folder(folder);
    struct kill_book book = {0};
    size_t reported = 0;
    for (unsigned round = 0; round < kills; round++) {
        if (round % KILL_RIG_ROUNDS_A_FILE == 0) {
            reported += book.count;
            book.count = 0;
        }
        snprintf(path, sizeof path, "%s/%u.db", folder, round / KILL_RIG_ROUNDS_A_FILE);
        kill_rig_round(rig, path, round % 2 == 1, (unsigned)rand_r(&seed) % KILL_RIG_LONGEST_US,
                       &book);
        rig->expect_whole(path, &book);
    }
    reported += book.count;
    print_message("%u kills, %zu reports\n", kills, reported);
    assert_true(reported >= kills / 2);
    free(book.reports);
    rig_remove_folder(folder);
}
