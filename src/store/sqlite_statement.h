#pragma once
/*
 * sqlite_statement: preparing statements, and binding the ledger's values to them.
 *
 * What is bound is borrowed: it lies in an operation, which stays in place while the statement
 * runs. Private to this room.
 */
#include <stdbool.h>

#include <sqlite3.h>

#include "core/failure.h"

/* For as long as the connection lives. False: the connection says why. */
static inline bool statement_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement) {
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK;
}

static inline void bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, int size) {
    sqlite3_bind_blob(statement, index, bytes, size, SQLITE_STATIC);
}

static inline void bind_text(sqlite3_stmt *statement, int index, const char *text) {
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static inline void bind_text_or_null(sqlite3_stmt *statement, int index, const char *text) {
    if (*text)
        bind_text(statement, index, text);
    else
        sqlite3_bind_null(statement, index);
}

static inline void bind_int_or_null(sqlite3_stmt *statement, int index, int number) {
    if (number)
        sqlite3_bind_int(statement, index, number);
    else
        sqlite3_bind_null(statement, index);
}

static inline void bind_billed(sqlite3_stmt *statement, int index, enum billed billed) {
    if (billed == BILLED_UNKNOWN)
        sqlite3_bind_null(statement, index);
    else
        sqlite3_bind_int(statement, index, billed == BILLED_YES);
}
