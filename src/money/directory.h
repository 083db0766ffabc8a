#pragma once
/*
 * directory: this process's copy of what money is arranged by, and its clients' meters.
 *
 * One per process, on the main loop: it reads the documents when the process starts, when the store
 * says that some were written, when somebody asks for it, and every 10 seconds in case a notice was
 * lost. What it knows is published whole as an immutable snapshot, of which each worker has one at
 * a time. It also brings the hits that were counted into the store, every 5 seconds and at the end,
 * and looks at what clients and packages have used.
 *
 * A store that has fewer documents than this copy has lost them: they are given back.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/failure.h"
#include "money/budget.h"
#include "money/client.h"
#include "money/credential.h"
#include "money/meter.h"
#include "money/package.h"
#include "runtime/clock.h"
#include "runtime/complaint.h"
#include "store/records.h"

struct directory;
struct directory_reader;

/* --- what is known at one moment; immutable --- */

struct directory_client {
    struct client client;
    struct meter *meter;
};

struct directory_snapshot {
    atomic_int refs;
    int64_t version; /* -1: nothing was read yet */
    int client_count;
    struct directory_client *clients; /* by id (strcmp); removed ones are among them */
    int package_count;
    struct package *packages; /* in the order in which they are drawn; removed ones too */
    int credential_count;
    struct credential *credentials; /* marks that were ever written, by id */
    struct budget_plan *plan;
    enum failure no_plan; /* where the plan has no line: what a caller is told */
    struct meter *anonymous;
};

/* NULL: no such client. Removed ones are not found. */
const struct directory_client *directory_find_client(const struct directory_snapshot *snapshot,
                                                     const char *id);

/* By id, also a removed one. NULL: none. */
const struct package *directory_find_package(const struct directory_snapshot *snapshot,
                                             const char *id);

/* Is any package registered and not removed? Else the balance is unmetered. */
bool directory_is_metered(const struct directory_snapshot *snapshot);

/* --- the process's own; on the main loop but where it says any thread --- */

/* A usable AppCode, in the order of the settings. */
struct directory_credential {
    char id[LEDGER_NAME_SIZE];
    char appcode[CREDENTIAL_FINGERPRINT_SIZE]; /* its fingerprint */
    int provider;                              /* whose it is, in the order of the settings */
};

struct directory_parts {
    uv_loop_t *loop;
    const struct clock *clock;
    struct store_client *store; /* attached to the same loop; the directory is its watcher */
    /* A mark has come to an AppCode that is configured, or has gone from it (CREDENTIAL_GOOD).
     * NULL: nobody wants to know. */
    void (*marked)(void *arg, const char *credential, enum credential_mark mark);
    void *arg;
    int64_t poll_ms; /* a notice may be lost: read this often; 0: every 10 seconds */
    int64_t look_ms; /* hits and what was used, this often; 0: every 5 seconds */
};

/* Borrowed for its life. NULL with a complaint. Begins to read at once. */
struct directory *directory_new(const struct directory_parts *parts, struct complaint *complaint);

/* The credentials that there are; copied. At the start and at each reload; `changed` marks of a
 * code that is another now do not count any more. A refused one (but not a spent one) is offered
 * again `refused_for_ms` after its mark, until it is marked anew. */
void directory_set_credentials(struct directory *directory,
                               const struct directory_credential *credentials, int count,
                               int64_t refused_for_ms);

/* Brings the last hits into the store; `ended` is called when nothing of it is under way any more,
 * after which it may be freed. All readers must be detached. */
void directory_end(struct directory *directory, void (*ended)(void *arg), void *arg);
void directory_free(struct directory *directory);

/* Borrowed until the loop's next turn. */
const struct directory_snapshot *directory_now(const struct directory *directory);

/* A document as it was last read, for changing it; NULL: there is none. Borrowed until the loop's
 * next turn. */
const struct store_document *directory_document(const struct directory *directory,
                                                enum store_document_kind kind, const char *id);
/* All of a kind, by id. */
void directory_each(const struct directory *directory, enum store_document_kind kind,
                    void (*visit)(void *arg, const struct store_document *document), void *arg);

/* What is left of a package, as it was last looked at: some seconds ago while the store is there.
 * Negative where calls were counted that were not bought. False: nobody has looked yet. */
bool directory_package_left(const struct directory *directory, const struct package *package,
                            int64_t *left) __attribute__((warn_unused_result));

/* Reads what was written since, then calls `done` (may be NULL) on the main loop: `read` false:
 * the store is away. */
void directory_refresh(struct directory *directory, void (*done)(void *arg, bool read), void *arg);

/* What was written through another way and could not be read behind it: known from now on. Nothing
 * happens where it, or something newer, was read meanwhile. Main loop. */
void directory_note_written(struct directory *directory, const struct store_write_document *write);

/* The same as directory_refresh, without a call back. Any thread. */
void directory_poke(struct directory *directory);

/*
 * Upstream has refused the credential with this AppCode (its fingerprint; `provider` is not looked
 * at), which need not be the configured one any more: then nothing is marked. Writes its mark
 * (unless it bears one for this code already that holds), and publishes. A mark of the same kind is
 * written once, whoever says it. CREDENTIAL_GOOD: upstream took it: a mark that does not hold any
 * more is taken away. Any thread.
 */
void directory_mark(struct directory *directory, const struct directory_credential *credential,
                    enum credential_mark mark);

/* Something changed at the credential (a package was added, a reload): its mark is taken away.
 * NULL: all marks. Main loop. */
void directory_clear_marks(struct directory *directory, const char *credential);

/* --- a worker's view --- */

/* `changed` is called on the worker's loop after a new snapshot was taken, also when a refresh that
 * directory_poke asked for has brought nothing new or failed: whoever waits for it may go on. */
struct directory_reader *directory_attach(struct directory *directory, uv_loop_t *loop,
                                          void (*changed)(void *arg), void *arg,
                                          struct complaint *complaint);
/* The loop must run once more. */
void directory_detach(struct directory_reader *reader);

/* The newest there is, also where `changed` was not called yet. On the worker's thread; borrowed
 * until the loop's next turn. A plan may be retained. */
const struct directory_snapshot *directory_read(struct directory_reader *reader);
struct directory *directory_of(const struct directory_reader *reader);
