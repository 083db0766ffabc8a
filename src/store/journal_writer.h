#pragma once
/*
 * journal_writer: one batch of the journal's operations, one transaction; what could not be
 * written.
 *
 * Invariants:
 * - Nobody is told that something is written before the transaction is on the disk. When it does
 *   not get there, no intent of the batch is left, and its outcomes are kept.
 * - Outcomes that could not be written are written in every following transaction before anything
 *   new, then come the batch's outcomes, then the rest in its order. Callers are told in the
 * batch's order.
 * - A mark is older than an outcome of the batch that takes it off, and is set before it.
 * - What is fetched is fetched after the transaction's end: it is on the disk, or known as kept.
 *
 * The journal thread's own (but for open, close and journal_writer_last). Private to this room.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "store/journal_books.h"
#include "store/sqlite_thread.h"

enum journal_op_kind {
    JOURNAL_OP_INTENT,
    JOURNAL_OP_OUTCOME,
    JOURNAL_OP_MARK,
    JOURNAL_OP_FETCH,
    JOURNAL_OP_REDELIVER,
    JOURNAL_OP_DOCUMENTS,
    JOURNAL_OP_FORGET,
};

/* On the heap and without a client: whoever finishes it frees it. */
struct journal_marking {
    struct store_op op;
    struct ledger_id id;
    bool written;
};

/* The same; with all that it points to in one piece of memory. */
struct journal_documents {
    struct store_op op;
    int count;
    struct store_document documents[];
};

/* NULL without memory. */
struct journal_documents *journal_documents_copy(const struct store_document *documents, int count);

struct journal_writer {
    struct batch_writer base; /* `unwritten`: outcomes; our copies have no client */
    const struct clock *clock;
    struct journal_books books;
    int64_t keep_ms;
    int64_t memory_line;        /* the next for an outcome that is kept */
    struct journal_mark newest; /* as of this batch */
    bool writing;               /* this batch's transaction is open and whole so far */
    int64_t raise_at;           /* when the floors are seen after; monotonic milliseconds */

    uv_mutex_t mutex;
    struct journal_mark last; /* what is on the disk of `newest`; guarded */
};

/* Calls that a process that is gone left become `unknown`. False with a complaint. */
bool journal_writer_open(struct journal_writer *writer, sqlite3 *db, int64_t keep_ms,
                         const struct clock *clock, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* What is still unwritten is given up, with a line in the log. */
void journal_writer_close(struct journal_writer *writer);

/* The newest call that is marked; its `line` is 0 when there is none. Any thread. */
struct journal_mark journal_writer_last(struct journal_writer *writer);
