#pragma once
/*
 * sqlite_books: the statements, prepared once: what is written and read, in which words.
 *
 * The one writing connection's, inside transactions that the caller begins and ends; a function
 * that fails leaves in `trouble` why, and the caller rolls back. One thread at a time. Private to
 * this room.
 */
#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "store/store.h"

#define BOOKS_SCHEMA 4 /* the newest version of the schema */

enum books_statement {
    BOOKS_BEGIN,
    BOOKS_COMMIT,
    BOOKS_ROLLBACK,
    BOOKS_PROBE,
    BOOKS_RECOVER,
    BOOKS_RESERVE,
    BOOKS_SETTLE,
    BOOKS_KEEP,
    BOOKS_FIND,
    BOOKS_PAGE,
    BOOKS_CLOSED,
    BOOKS_WINDOW,
    BOOKS_OLDEST,
    BOOKS_CLOSE,
    BOOKS_OWNER,
    BOOKS_OWN,
    BOOKS_DISOWN,
    BOOKS_SWEEP,
    BOOKS_SWEEP_CLOSED,
    BOOKS_SWEEP_OWNERS,
    BOOKS_FUTURE,
    BOOKS_AHEAD,
    BOOKS_MEND,
    BOOKS_MEND_OWNERS,
    BOOKS_UNCOUNTED,
    BOOKS_COUNT_PACKAGES,
    BOOKS_COUNT_PERIODS,
    BOOKS_COUNTED,
    BOOKS_COUNTER,
    BOOKS_ADD,
    BOOKS_VERSION,
    BOOKS_DOCUMENT,
    BOOKS_WRITE,
    BOOKS_AUDIT,
    BOOKS_FORGET_TRIPLE,
    BOOKS_FORGET_NUMBER,
    BOOKS_FORGET_OWNER,
    BOOKS_STATEMENTS
};

struct sqlite_books {
    sqlite3 *db;
    sqlite3_stmt *statements[BOOKS_STATEMENTS];
    char trouble[256];
};

/* False with a complaint, and nothing left open. */
bool books_open(struct sqlite_books *books, sqlite3 *db, struct complaint *complaint)
    __attribute__((warn_unused_result));
void books_close(struct sqlite_books *books);

bool books_begin(struct sqlite_books *books) __attribute__((warn_unused_result));
bool books_commit(struct sqlite_books *books) __attribute__((warn_unused_result));
/* Also where no transaction is open any more. */
void books_rollback(struct sqlite_books *books);

/* Writes something that changes nothing: can the file be written again? */
bool books_probe(struct sqlite_books *books) __attribute__((warn_unused_result));

/* Rows `reserved` become `unknown`. Returns how many, -1 when it failed. */
int64_t books_recover(struct sqlite_books *books);

bool books_reserve(struct sqlite_books *books, const struct store_admit *admit, int64_t unix_ms)
    __attribute__((warn_unused_result));

/*
 * When the admitted number may be asked about again, in Unix milliseconds; 0: now. -1: it failed.
 * The number's calls are those of the ledger, in the same window.
 */
int64_t books_closed_until(struct sqlite_books *books, const struct store_admit *admit,
                           int64_t unix_ms);

/* Since when the number is proven to be another triple's, in Unix seconds; 0: it is not. -1: it
 * failed. */
int64_t books_proven_other(struct sqlite_books *books, const struct store_admit *admit,
                           int64_t unix_s);

/* The answer of `settle`, in place of an older one. */
bool books_keep(struct sqlite_books *books, const struct store_settle *settle)
    __attribute__((warn_unused_result));

/*
 * Ends the row and keeps the answer, if that is to be. Does nothing for a row that was settled
 * before. `stored`: an answer was written (not where a newer one is kept).
 */
bool books_settle(struct sqlite_books *books, const struct store_settle *settle, bool *stored)
    __attribute__((warn_unused_result));

/* STORE_HIT, STORE_MISS, or STORE_AWAY with trouble. */
enum store_outcome books_find(struct sqlite_books *books, const struct digest *triple,
                              struct answer *answer);

/* What ended is deleted so much later: a clock that was a day ahead for a while, over a start, has
 * deleted nothing that is fresh once it is right again. */
#define BOOKS_SWEEP_LATE_S (2 * 24 * 3600)

/* Deletes up to `most` answers, closed numbers and owners each whose end came BOOKS_SWEEP_LATE_S or
 * more before `unix_ms`. The largest of the three counts, -1 when it failed. */
int books_sweep(struct sqlite_books *books, int64_t unix_ms, int most);

/*
 * Answers and owners that seem to be of the future: either the clock was ahead when they came, or
 * it is behind now. They are taken for just checked, so that none is fresh for longer than it was
 * meant to be. Looks at what is kept of the numbers of calls that are of the future: for when the
 * clock may have changed. In a transaction of its own. Returns how many answers, -1 when it failed.
 */
int64_t books_mend_future(struct sqlite_books *books, int64_t unix_s);

/* For the other files that use the statements: runs one that gives no rows. */
bool books_run(struct sqlite_books *books, enum books_statement which)
    __attribute__((warn_unused_result));

/* The same of one whose one value is asked for. 0 where there is no row, -1 when it failed. */
int64_t books_ask(struct sqlite_books *books, enum books_statement which);

/* The same question, and a page of the ledger, on a reader's own connection. NULL: the connection
 * says why. */
sqlite3_stmt *books_prepare_find(sqlite3 *db);
sqlite3_stmt *books_prepare_page(sqlite3 *db);
enum store_outcome books_find_with(sqlite3_stmt *find, const struct digest *triple,
                                   struct answer *answer);

/* Fills in what `page` gives out. A range of the primary key: some hundred microseconds. */
void books_page_with(sqlite3_stmt *statement, struct store_page *page);
