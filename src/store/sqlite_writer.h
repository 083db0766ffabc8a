#pragma once
/*
 * sqlite_writer: one batch of operations, one transaction; the leases; what could not be written.
 *
 * Invariants:
 * - Nobody is told STORE_LEAD or STORE_DONE before the transaction is on the disk. When it does not
 *   get there, the leases taken in it are taken back and every admit that needs one is away.
 * - A settlement ends its lease and answers its followers whether or not it can be written.
 * - Settlements that could not be written are the first thing of every following transaction, so
 *   nothing new is admitted before them.
 *
 * The store thread's own (but for open and close). Private to this room.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "store/lease.h"
#include "store/op_list.h"
#include "store/sqlite_books.h"

struct sqlite_writer {
    const struct clock *clock;
    struct sqlite_books books;
    struct lease_table leases;
    struct op_list undelivered; /* settlements; our copies have no client */
    struct op_list finished;    /* in order; the caller's to take */
    uint64_t batch;
    bool writing; /* this batch's transaction is open and whole so far */
    bool away;    /* the last transaction did not get to the disk; books.trouble says why */
};

/* Rows left `reserved` by a process that is gone become `unknown`. False with a complaint. */
bool sqlite_writer_open(struct sqlite_writer *writer, sqlite3 *db, const struct clock *clock,
                        struct complaint *complaint) __attribute__((warn_unused_result));

/* What is still undelivered is given up, with a line in the log. */
void sqlite_writer_close(struct sqlite_writer *writer);

/*
 * Does all of `ops`, and what is due: undelivered settlements, leases that ran out. What is
 * finished then stands in `finished`; followers stay until their leader ends.
 */
void sqlite_writer_run(struct sqlite_writer *writer, struct op_list *ops);

/* When the next lease ends, in monotonic milliseconds; INT64_MAX: there is none. */
int64_t sqlite_writer_due(const struct sqlite_writer *writer);

/* Deletes a few expired answers. Are there more? */
bool sqlite_writer_sweep(struct sqlite_writer *writer);
