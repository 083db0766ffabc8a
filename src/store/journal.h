#pragma once
/*
 * journal: what this process intended to send and what became of it, on its own disk.
 *
 * A SQLite file of the process's own beside a shared store. The intent of a call is written before
 * the call leaves, the outcome when it ended, a mark when the shared store has it. So the journal
 * is what waits while the shared store is away, what tells after a crash which calls have no
 * outcome, and what a lost ledger is rebuilt from. The embedded store needs none: its file is all
 * of that.
 *
 * One thread writes and commits in groups; every worker attaches a client to its loop, and every
 * `done` is called on that loop, never before the function that was given the operation returned.
 * Operations belong to the caller and stay in place until then. An intent or an outcome that is
 * said to be written is on the disk.
 *
 * It holds digests and never a person's data. A delivered answer stays in it for JOURNAL_ANSWER_MS:
 * long enough for a shared store that loses its last moments to be given them again. It also holds
 * what money is arranged by: each document in the newest version that this process saw.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "money/ledger.h"
#include "runtime/clock.h"
#include "runtime/complaint.h"
#include "store/records.h"

struct journal;
struct journal_client;

#define JOURNAL_ANSWER_MS INT64_C(3600000)

/* One call, as the journal has it. When it was reserved is in its id (ledger_id_time_ms). */
struct journal_call {
    int64_t line; /* ascending in the order in which the intents were written */
    bool ended;   /* is there an outcome? If not, of `settle` only id, triple, number, window and
                     account are known */
    bool delivered;
    struct store_settle
        settle; /* its `op` and `own` are not used; no answer any more JOURNAL_ANSWER_MS later */
};

/* Lines from here on are those of outcomes that are only in memory (see journal_write_outcome). No
 * line of the file is as high. */
#define JOURNAL_MEMORY_LINES ((int64_t)1 << 62)

/*
 * Opens or creates the file (mode 0600, one process at a time). Calls that a process that is gone
 * left without an outcome get one: `unknown`, ended now, not answered. Lines that are delivered and
 * older than `keep_ms` are deleted little by little, all but the newest of them. `clock` must
 * outlive it. NULL with a complaint that names journal.path.
 */
struct journal *journal_open(const char *path, int64_t keep_ms, const struct clock *clock,
                             struct complaint *complaint);

/* Writes what is waiting, trying for about a second where the file resists. All clients must be
 * detached. */
void journal_close(struct journal *journal);

/* Can it be written? When not, `complaint` says why. Any thread. */
bool journal_ready(struct journal *journal, struct complaint *complaint);

/* How many calls have ended that are not marked as delivered, those only in memory among them. Any
 * thread. What was delivered but is still only in memory counts, too. */
int64_t journal_undelivered(struct journal *journal);

/* Look at everything due now: the clock jumped, or the disk may be good again. Any thread. */
void journal_poke(struct journal *journal);

struct journal_delivered {
    struct ledger_id id;
    struct digest number;
    char window[STORE_WINDOW_SIZE];
};

/* The last call that was marked as delivered and counts for its number (was not released). False:
 * there is none. Any thread. */
bool journal_last_delivered(struct journal *journal, struct journal_delivered *last);

struct journal_client *journal_attach(struct journal *journal, uv_loop_t *loop,
                                      struct complaint *complaint);
/* No operation may be under way. The loop must run once more; frees the client. */
void journal_detach(struct journal_client *client);

struct journal_intent {
    struct store_op op;
    const struct store_admit *admit; /* unchanged until done */
    bool written;                    /* out */
};

void journal_write_intent(struct journal_client *client, struct journal_intent *intent);

/*
 * An outcome that cannot be written now is kept in memory and tried again, every second and before
 * any intent, and is among the undelivered meanwhile, behind those of the file. It may be marked as
 * delivered there. A call's second outcome changes nothing, but that one without `hold` lets go of
 * a lease that the first one held: then the call is to be delivered again. Without an intent the
 * outcome makes the line.
 */
struct journal_outcome {
    struct store_op op;
    const struct store_settle *settle; /* unchanged until done */
    bool written;                      /* out */
    bool repeated;                     /* out: the call had an outcome already */
    bool let_go;                       /* out: and that held the lease until now */
    int64_t line;                      /* the journal's own, as what follows */
    bool delivered;
};

void journal_write_outcome(struct journal_client *client, struct journal_outcome *outcome);

/* The shared store has it. Written with the next group; nobody waits for it: when the mark is lost
 * the call is delivered twice, which changes nothing. */
void journal_mark_delivered(struct journal_client *client, const struct ledger_id *id);

/*
 * Up to JOURNAL_FETCH_MOST ended and undelivered calls whose line is higher than `after`, in order.
 * Whoever came to the end begins again at 0: a call that ended late may stand before `after`, and
 * one that was only in memory gets a line of the file when it is written.
 */
#define JOURNAL_FETCH_MOST 64

struct journal_fetch {
    struct store_op op;
    int64_t after;
    struct journal_call *calls_owned; /* out: the caller frees it with free(); NULL: none */
    int count;                        /* out */
    bool read;                        /* out: false, it could not be read */
};

void journal_fetch_undelivered(struct journal_client *client, struct journal_fetch *fetch);

/*
 * Ended calls reserved at or after `since_ms` (Unix) are to be delivered again: the shared store
 * lost them. Those whose answer is gone come not `answered`; with the rest, ledger and windows are
 * restored. One transaction, which holds up the others: about a second for 200,000
 * calls.
 */
struct journal_redeliver {
    struct store_op op;
    int64_t since_ms;
    int64_t count; /* out: how many; -1: it could not be written */
};

void journal_mark_undelivered(struct journal_client *client, struct journal_redeliver *redeliver);

/* Keeps documents that the shared store has, where they are newer than what is kept. Copied;
 * written with the next group, and nobody waits for it: at the next start they are read again. */
void journal_keep_documents(struct journal_client *client, const struct store_document *documents,
                            int count);

/* Drops the answers about a triple, or about a number, delivered or not. The calls stay. */
struct journal_forget {
    struct store_op op;
    bool whole_number;
    struct digest digest; /* of the number, or of the triple */
    bool written;         /* out */
};

void journal_forget(struct journal_client *client, struct journal_forget *forget);

/*
 * Reads every line of a journal, also one that a running sanyao has open, in order. Stops when
 * `visit` returns false. It is read in pieces: what changes meanwhile may be told as it was before
 * or after. The file is left as it is; beside a copy in a directory that can be written, SQLite
 * leaves its own -shm and -wal. False with a complaint when the file is no journal or cannot be
 * read. No other thread involved.
 */
bool journal_read(const char *path, bool (*visit)(void *arg, const struct journal_call *call),
                  void *arg, struct complaint *complaint) __attribute__((warn_unused_result));

/* The same of its documents, in no order. One of an older sanyao has none. The document is the
 * visitor's until it returns. */
bool journal_read_documents(const char *path,
                            bool (*visit)(void *arg, const struct store_document *document),
                            void *arg, struct complaint *complaint)
    __attribute__((warn_unused_result));
