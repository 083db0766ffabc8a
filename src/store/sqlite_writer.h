#pragma once
/*
 * sqlite_writer: one batch of operations, one transaction; the leases; what could not be written.
 *
 * Invariants:
 * - Nobody is told STORE_LEAD or STORE_DONE before the transaction is on the disk. When it does not
 *   get there, the leases taken in it are taken back, those passed on are given back, and away is
 *   every admit that leads by one or was refused by what would have been written.
 * - A settlement ends its lease and answers its followers, or holds it, whether or not it can be
 *   written.
 * - Settlements that could not be written are the first thing of every following transaction, so
 *   nothing new is admitted before them.
 *
 * A batch also writes what could not be written before and ends leases that ran out; followers stay
 * until their leader ends. Sweeping deletes a few expired answers, and mends those that a clock
 * which was set back has left in the future. The store thread's own (but for
 * open and close). Private to this room.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "store/lease.h"
#include "store/sqlite_books.h"
#include "store/sqlite_thread.h"

struct sqlite_writer {
    struct batch_writer base; /* `unwritten`: settlements; our copies have no client */
    const struct clock *clock;
    struct sqlite_books books;
    struct lease_table leases;
    uint64_t batch;
    bool writing;      /* this batch's transaction is open and whole so far */
    bool looked;       /* at what is of the future */
    int64_t offset_ms; /* Unix less monotonic time when it was last looked at */
};

/* Rows left `reserved` by a process that is gone become `unknown`. False with a complaint. */
bool sqlite_writer_open(struct sqlite_writer *writer, sqlite3 *db, const struct clock *clock,
                        struct complaint *complaint) __attribute__((warn_unused_result));

/* What is still unwritten is given up, with a line in the log. */
void sqlite_writer_close(struct sqlite_writer *writer);
