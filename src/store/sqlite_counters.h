#pragma once
/*
 * sqlite_counters: what clients and packages have used, kept beside the ledger's rows and in the
 * same transactions, and what may therefore be reserved.
 *
 * The writing connection's, inside the caller's transaction; a function that fails leaves in the
 * books' `trouble` why. Private to this room.
 */
#include <stdbool.h>
#include <stdint.h>

#include "store/records.h"
#include "store/sqlite_books.h"

/* Teaches the connection the function period(id, kind) that the statements use. */
void counters_register(sqlite3 *db);

/* Counts the rows of a file in which that was never done. One transaction; some seconds for a
 * million rows. */
bool counters_make(struct sqlite_books *books) __attribute__((warn_unused_result));

/*
 * Does money allow the admitted call? STORE_LEAD: its account is filled in; STORE_REFUSED,
 * STORE_OUTDATED, or STORE_AWAY with trouble. Nothing is written. Without a plan it does.
 */
enum store_outcome counters_decide(struct sqlite_books *books, struct store_admit *admit,
                                   int64_t unix_ms);

/* The row was reserved. */
bool counters_reserve(struct sqlite_books *books, const struct store_admit *admit)
    __attribute__((warn_unused_result));

/* The row has ended: gives back what turned out not to count. */
bool counters_end(struct sqlite_books *books, const struct store_settle *settle)
    __attribute__((warn_unused_result));

/* Of any scope. */
bool counters_add(struct sqlite_books *books, const char *scope, const char *name, int64_t value)
    __attribute__((warn_unused_result));
