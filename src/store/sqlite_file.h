#pragma once
/*
 * sqlite_file: the database as a file: whose it is, what is in it, and who may open it.
 *
 * One process at a time: an flock on PATH.lock, held as long as the file is open; the lock file is
 * left lying. A file is touched only when it is empty or a sanyao store of a schema this program
 * knows. The file is made with mode 0600; SQLite gives the same to its -wal and -shm. Private to
 * this room; no threads of its own.
 */
#include <stdbool.h>

#include <sqlite3.h>

#include "runtime/complaint.h"

#define SQLITE_FILE_SCHEMA 2 /* the newest version of the schema that this program knows */

struct sqlite_file {
    char *path; /* absolute */
    int lock;
    sqlite3 *db; /* the one connection that writes; for one thread at a time */
};

/* False with a complaint, and nothing left open. */
bool sqlite_file_open(struct sqlite_file *file, const char *path, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* Empties the write-ahead log and lets go. All readers must be closed. */
void sqlite_file_close(struct sqlite_file *file);

/* A connection that only reads, for one thread; the caller closes it. NULL with a complaint. */
sqlite3 *sqlite_file_reader(const struct sqlite_file *file, struct complaint *complaint);
