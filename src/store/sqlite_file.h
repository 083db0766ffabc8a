#pragma once
/*
 * sqlite_file: a database as a file: whose it is, what is in it, and who may open it.
 *
 * One process at a time: an flock on PATH.lock, held as long as the file is open; the lock file is
 * left lying. A file is touched only when it is empty or of its kind and of a schema this program
 * knows. The file is made with mode 0600; SQLite gives the same to its -wal and -shm. Private to
 * this room; no threads of its own.
 */
#include <stdbool.h>

#include <sqlite3.h>

#include "runtime/complaint.h"

/* A kind of file. Lives as long as the program. */
struct sqlite_kind {
    const char *name;         /* "sanyao store" */
    const char *setting;      /* what complaints begin with, "store.url" */
    int application_id;       /* what marks a file as one of this kind */
    int newest;               /* the newest version of the schema that this program knows */
    int oldest;               /* the oldest one that sqlite_file_look takes; 0: only the newest */
    const char *const *steps; /* by version: what leads to it from the version before */
};

struct sqlite_file {
    const struct sqlite_kind *kind;
    char *path; /* absolute */
    int lock;
    sqlite3 *db; /* the one connection that writes; for one thread at a time */
};

/* False with a complaint, and nothing left open. */
bool sqlite_file_open(struct sqlite_file *file, const struct sqlite_kind *kind, const char *path,
                      struct complaint *complaint) __attribute__((warn_unused_result));

/* Empties the write-ahead log and lets go. All readers must be closed. */
void sqlite_file_close(struct sqlite_file *file);

/* A connection that only reads, for one thread; the caller closes it. NULL with a complaint. */
sqlite3 *sqlite_file_reader(const struct sqlite_file *file, struct complaint *complaint);

/*
 * The same of a file that nobody here has open, without its lock: another process may have it, or
 * it is a copy that cannot be written. Only where its schema is no older than the kind's `oldest`;
 * it stays as it is. NULL with a complaint.
 */
sqlite3 *sqlite_file_look(const struct sqlite_kind *kind, const char *path,
                          struct complaint *complaint);
