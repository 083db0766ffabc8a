#pragma once
/*
 * sqlite_records: documents, the audit and counters (records.h) as the embedded store keeps them.
 *
 * Writing is the writing connection's, inside the caller's transaction; reading has statements of
 * its own on each client's connection. Private to this room.
 */
#include <stdbool.h>

#include "store/records.h"
#include "store/sqlite_books.h"

/* Fills in `outcome` and `version`; false: it failed, with trouble, and nothing of the transaction
 * may stay. */
bool records_write(struct sqlite_books *books, struct store_write_document *write)
    __attribute__((warn_unused_result));
bool records_add(struct sqlite_books *books, struct store_add_counters *add)
    __attribute__((warn_unused_result));
bool records_forget(struct sqlite_books *books, struct store_forget *forget)
    __attribute__((warn_unused_result));

enum records_reading {
    RECORDS_VERSION,
    RECORDS_DOCUMENTS,
    RECORDS_AUDIT,
    RECORDS_NEWEST_AUDIT,
    RECORDS_COUNTERS,
    RECORDS_READINGS
};

/* A client's. */
struct records_reader {
    sqlite3_stmt *statements[RECORDS_READINGS];
};

/* False: the connection says why; to be closed all the same. */
bool records_reader_open(struct records_reader *reader, sqlite3 *db)
    __attribute__((warn_unused_result));
void records_reader_close(struct records_reader *reader);

/* Fill in what the operation gives out. */
void records_read_documents(struct records_reader *reader, struct store_read_documents *read);
void records_read_audit(struct records_reader *reader, struct store_read_audit *read);
void records_read_counters(struct records_reader *reader, struct store_read_counters *read);
