#pragma once
/*
 * directory_own: the inside of the directory. Private to its own files.
 *
 *   refresh, poke, notice, poll ─→ wanted ─→ read ─┬─ less than we know ─→ give back ─→ read all
 *   mark, clear ─→ task ─→ counters ─→ write ──────┘    (the next read tells what came of it)
 *                                                  └─→ snapshot ─→ readers, waiters
 *
 * One operation on documents is under way at a time; what is to be written goes before what is to
 * be read, so that whoever asked for a refresh behind it sees it. All on the main loop, but for
 * what the mutex guards.
 */
#include "money/directory.h"
#include "money/period.h"

#define DIRECTORY_ACTOR "service" /* in the audit: nobody's token */

struct directory_waiter {
    struct directory_waiter *next;
    void (*done)(void *arg, bool read);
    void *arg;
};

/* A mark to be written; of CREDENTIAL_GOOD: marks to be taken away. */
struct directory_task {
    struct directory_task *next;
    char credential[LEDGER_NAME_SIZE];         /* empty: of all */
    char appcode[CREDENTIAL_FINGERPRINT_SIZE]; /* of the one that was refused */
    enum credential_mark mark;
    bool lapsed; /* of CREDENTIAL_GOOD: only one that does not hold any more */
    int conflicts;
};

struct directory_meter {
    struct meter meter; /* first */
    char client[LEDGER_NAME_SIZE];
};

struct directory_reader {
    struct directory *directory;
    struct directory_reader *next;
    uv_async_t wake;
    struct directory_snapshot *snapshot;
    struct directory_held *held; /* older ones, until the loop's next turn */
    void (*changed)(void *arg);
    void *arg;
};

/* Hits on their way into the store. */
struct directory_hits {
    struct store_add_counters add;
    struct store_counter *counters_owned; /* NULL: none under way */
    struct meter **meters_owned;          /* where each came from */
};

enum directory_scope { SCOPE_PACKAGE, SCOPE_DAY, SCOPE_MONTH, SCOPES };

struct directory_scope_read {
    struct store_read_counters read; /* first */
    struct directory *directory;
};

struct directory_look {
    struct directory_scope_read scopes[SCOPES];
    int under_way;
    struct period day;
    struct period month;
};

struct directory {
    struct directory_parts parts;
    uv_async_t wake;
    uv_timer_t poll;
    uv_timer_t look_timer;
    int handles;
    bool ending;
    bool last_hits; /* have they been sent? */
    void (*ended)(void *arg);
    void *ended_arg;

    /* What is known. */
    int64_t version;                  /* -1: nothing yet */
    struct store_document *documents; /* by kind and id */
    int document_count;
    int document_room;
    struct directory_credential *credentials;
    int credential_count;
    int64_t refused_for_ms;
    struct store_counter *used; /* calls of packages, as last looked at; by name */
    int used_count;
    bool looked;                     /* was it ever? */
    struct directory_meter **meters; /* by client */
    int meter_count;
    int meter_room;
    struct meter *anonymous;
    bool stale; /* there was no memory for a snapshot of it */

    /* The one operation. */
    bool busy;
    bool wanted;    /* somebody asked for a read */
    bool must_read; /* before anything more is written */
    bool away;      /* nothing is written until something could be read */
    bool whole;     /* all is to be read: the store has lost something */
    bool restored;  /* what it lost was given back */
    int restoring;  /* the next document to give back; -1: none */
    bool tell;      /* readers wait for the read under way, */
    bool tell_next; /* or for the next one */
    struct directory_waiter *served;
    struct directory_waiter *waiting;
    struct directory_task *tasks;
    struct store_read_documents read;
    struct store_write_document write;
    struct store_read_counters task_read;
    char *body_owned; /* of the write */
    char *audit_owned;

    struct directory_hits hits;
    struct directory_look look;
    struct directory_snapshot *retired; /* until the loop's next turn */

    uv_mutex_t mutex; /* guards what follows */
    /* Only the main loop changes it, and whoever compares it needs no mutex. */
    _Atomic(struct directory_snapshot *) now;
    struct directory_reader *readers;
    struct directory_task *told; /* marks that came from other threads */
    bool poked;
};

/* --- directory.c --- */

/* Begins what is to be done next, if nothing is under way. */
void directory_go_on(struct directory *directory);
/* Where `document` would be, and whether it is there. */
int directory_place(const struct directory *directory, enum store_document_kind kind,
                    const char *id, bool *found);
/* A new snapshot of what is known, for all. */
void directory_publish(struct directory *directory);
/* Calls all readers' `changed`. */
void directory_tell(struct directory *directory);

/* The store did not do what it was asked to: nothing more is written until something was read. */
void directory_turned_away(struct directory *directory);

/* --- directory_snapshot.c --- */

struct directory_snapshot *directory_snapshot_make(struct directory *directory);
void directory_snapshot_retain(struct directory_snapshot *snapshot);
void directory_snapshot_release(struct directory_snapshot *snapshot);
/* Links snapshots that wait for their release; each is in one list at most. */
struct directory_snapshot **directory_snapshot_next(struct directory_snapshot *snapshot);
/* The plan that the snapshot would have if it were made now. NULL without memory. */
struct budget_plan *directory_plan_make(const struct directory *directory,
                                        const struct directory_snapshot *snapshot);
/* NULL: there is none of this id. */
const struct directory_credential *directory_configured(const struct directory *directory,
                                                        const char *id);
/* The mark that this AppCode has in the snapshot; one of another code is none. */
enum credential_mark directory_mark_of(const struct directory_snapshot *snapshot,
                                       const struct directory_credential *credential);
/* Of one that upstream refuses, not of a spent one: is it time to try it again? */
bool directory_mark_lapsed(const struct directory *directory, const struct credential *credential);
/* Calls of it, as last looked at. */
int64_t directory_used(const struct directory *directory, const char *package);

/* --- directory_task.c --- */

/* Begins the first task's next operation; false: there is none to begin. */
bool directory_start_task(struct directory *directory);
/* Takes the list over. */
void directory_add_tasks(struct directory *directory, struct directory_task *tasks);
void directory_free_tasks(struct directory_task *tasks);
/* Keeps what was read of the scope "package"; the array is taken. */
void directory_keep_used(struct directory *directory, struct store_counter *counters_owned,
                         int count);

/* --- directory_count.c --- */

/* The client's, made where it is not there. NULL without memory. */
struct meter *directory_meter_of(struct directory *directory, const char *client);
/* Brings hits into the store, and looks at what was used. */
void directory_look(struct directory *directory);
/* Is nothing of it under way? At the end it sends what hits are left. */
bool directory_count_ends(struct directory *directory);
