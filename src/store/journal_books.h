#pragma once
/*
 * journal_books: the journal's statements, prepared once: what is written and read, in which words.
 *
 * The one writing connection's, inside transactions that the caller begins and ends; a function
 * that fails leaves in `trouble` why, and the caller rolls back. One thread at a time. Private to
 * this room.
 */
#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "store/journal.h"

#define JOURNAL_SCHEMA 4 /* the newest version of the schema */

enum journal_statement {
    JOURNAL_BEGIN,
    JOURNAL_COMMIT,
    JOURNAL_ROLLBACK,
    JOURNAL_PROBE,
    JOURNAL_RECOVER,
    JOURNAL_NEXT_LINE,
    JOURNAL_INTEND,
    JOURNAL_END,
    JOURNAL_END_ALONE,
    JOURNAL_FIND_HELD,
    JOURNAL_LET_GO,
    JOURNAL_DELIVER,
    JOURNAL_DELIVER_RELEASED,
    JOURNAL_FIND_MARKED,
    JOURNAL_FIRST_SINCE,
    JOURNAL_REDELIVER,
    JOURNAL_UNDELIVERED,
    JOURNAL_COUNT,
    JOURNAL_NEWEST,
    JOURNAL_NEWEST_BELOW,
    JOURNAL_SWEEP,
    JOURNAL_FORGET_STEP,
    JOURNAL_FORGET,
    JOURNAL_LEFT,
    JOURNAL_FLOORS,
    JOURNAL_KEEP_FLOORS,
    JOURNAL_FLOOR,
    JOURNAL_FORGET_TRIPLE,
    JOURNAL_FORGET_NUMBER,
    JOURNAL_DOCUMENT,
    JOURNAL_STATEMENTS
};

/* Every line before `line` has ended and is delivered; no line whose id is before `answers` has an
 * answer. */
struct journal_floors {
    int64_t line;
    struct ledger_id answers;
};

struct journal_books {
    sqlite3 *db;
    sqlite3_stmt *statements[JOURNAL_STATEMENTS];
    int64_t next_line;
    struct journal_floors floors;
    struct journal_floors kept;  /* the file's, which are never above those */
    struct ledger_id forgetting; /* how far answers were looked at this time, */
    struct ledger_id left;       /* and the first that had to be left */
    bool unfinished;             /* of a mark only the id is known */
    char trouble[256];
};

/* What is known of the deliveries: how many there were, as the number of the last, and which of
 * those that count was the last; `line` 0: there is none. */
struct journal_mark {
    int64_t undelivered; /* calls that have ended */
    int64_t deliveries;
    int64_t line;
    struct journal_delivered last;
};

/* False with a complaint, and nothing left open. */
bool journal_books_open(struct journal_books *books, sqlite3 *db, struct complaint *complaint)
    __attribute__((warn_unused_result));
void journal_books_close(struct journal_books *books);

bool journal_books_begin(struct journal_books *books) __attribute__((warn_unused_result));
bool journal_books_commit(struct journal_books *books) __attribute__((warn_unused_result));
/* Also where no transaction is open any more. */
void journal_books_rollback(struct journal_books *books);

/* Writes something that changes nothing: can the file be written again? */
bool journal_books_probe(struct journal_books *books) __attribute__((warn_unused_result));

/* Calls without an outcome become `unknown`, as of `unix_ms`. How many; -1 when it failed. */
int64_t journal_books_recover(struct journal_books *books, int64_t unix_ms);

/* Does nothing where the call has a line. */
bool journal_books_intend(struct journal_books *books, const struct store_admit *admit)
    __attribute__((warn_unused_result));

/* Makes the line where there is none. `repeated`: there was an outcome, and nothing changed; but
 * with `let_go` that the lease is not held any more, and the call not delivered. */
bool journal_books_end(struct journal_books *books, const struct store_settle *settle,
                       bool *repeated, bool *let_go, struct journal_mark *mark)
    __attribute__((warn_unused_result));

/* Marks the call as the next delivery, and `mark` with it, of which only journal_books_finish_marks
 * makes a whole. Does nothing for a call that has not ended, that is delivered, or that is not
 * there. */
bool journal_books_deliver(struct journal_books *books, const struct ledger_id *id,
                           struct journal_mark *mark, bool *delivered)
    __attribute__((warn_unused_result));
bool journal_books_finish_marks(struct journal_books *books, struct journal_mark *mark)
    __attribute__((warn_unused_result));

/* Takes the marks off calls reserved at `since_ms` or later. How many; -1 when it failed. */
int64_t journal_books_redeliver(struct journal_books *books, int64_t since_ms);

/* Reads what is known of the deliveries. */
bool journal_books_newest(struct journal_books *books, struct journal_mark *mark)
    __attribute__((warn_unused_result));

/* Up to `most` calls behind the line `after` that ended and are not delivered, in order. How many;
 * -1 when it failed. */
int journal_books_undelivered(struct journal_books *books, int64_t after,
                              struct journal_call *calls, int most);

/* Deletes up to `most` delivered calls reserved before `unix_ms`, but for the line `spared`. How
 * many; -1 when it failed. */
int journal_books_sweep(struct journal_books *books, int64_t unix_ms, int64_t spared, int most);

/* Drops the answers of delivered calls reserved before `unix_ms`, among the next `most` calls. Are
 * there `more`? */
bool journal_books_forget(struct journal_books *books, int64_t unix_ms, int most, bool *more)
    __attribute__((warn_unused_result));

/* Sees how far back must be looked from now on, reading up to `most` lines. At a transaction's
 * beginning: what it does may be undone. */
bool journal_books_raise_floors(struct journal_books *books, const struct journal_mark *mark,
                                int most) __attribute__((warn_unused_result));

/* Drops the answers about a triple or a number, of calls delivered or not. */
bool journal_books_forget_about(struct journal_books *books, bool whole_number,
                                const struct digest *digest) __attribute__((warn_unused_result));

/* Keeps the document, unless as new a one is there. */
bool journal_books_keep(struct journal_books *books, const struct store_document *document)
    __attribute__((warn_unused_result));

/* The same as journal_books_undelivered on a reader's own connection, of all calls. NULL: the
 * connection says why. */
sqlite3_stmt *journal_books_prepare_all(sqlite3 *db);
int journal_books_read(sqlite3_stmt *all, int64_t after, struct journal_call *calls, int most);

/* All documents, for a reader. False: the connection says why. */
bool journal_books_read_documents(sqlite3 *db,
                                  bool (*visit)(void *arg, const struct store_document *document),
                                  void *arg) __attribute__((warn_unused_result));
