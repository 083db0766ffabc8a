#pragma once
/*
 * store: answers, leases and the ledger, behind one interface for every kind of store.
 *
 * One `struct store` serves the process. Each worker attaches a `struct store_client` to its libuv
 * loop; every callback of that client runs on that loop's thread. Operations are structs that the
 * caller owns and keeps in place, unchanged, until `done` was called; no operation is cancelled.
 *
 * What it promises:
 * - One leader: of all who ask `store_admit` for one triple while a call is under way, over all
 *   clients, exactly one gets STORE_LEAD. The others are called back when the leader settles, with
 *   its answer or its failure, whatever their wish. A leader that has not settled when its lease
 *   runs out is given up, and the next in line leads; when it settles after all, its row and its
 *   answer are written all the same.
 * - Intent first: STORE_LEAD is said only after the ledger row (state `reserved`) is durable.
 * - Numbers are left alone: at most `max_calls` calls of a number, over all clients, are admitted
 *   within any `window_ms`; calls that were released do not count. A settlement can close a number
 *   until the oldest call in its window is that old. A refusal writes nothing.
 * - Never more than was bought: with the row a call is taken from a package and from the client's
 *   day and month (money/budget), in one step; a call that turns out not to count is given back in
 *   the step that ends its row. A refusal writes nothing.
 * - Every row ends: `store_settle` moves the row to its last state and stores the answer in one
 *   transaction, idempotent by call id. A row found `reserved` when the store opens, from a process
 *   that is gone, becomes `unknown`.
 * - What could not be written is not lost: a settlement that failed is kept, tried again until it
 *   is written, and before anything new is admitted.
 *
 * It knows no person: only digests come in.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/answer.h"
#include "core/digest.h"
#include "core/failure.h"
#include "core/freshness.h"
#include "money/budget.h"
#include "money/ledger.h"
#include "runtime/clock.h"
#include "runtime/complaint.h"
#include "runtime/metrics.h"

struct store;
struct store_client;

enum store_outcome {
    STORE_HIT, /* find: `answer` is filled; it may be expired, freshness is the caller's to judge */
    STORE_MISS,     /* find: nothing kept */
    STORE_PENDING,  /* find: not known yet, `done` will be called */
    STORE_LEAD,     /* admit: make the call, then settle */
    STORE_ANSWERED, /* admit: `answer` is filled, by the leader or by a call that ended meanwhile */
    STORE_FAILED,   /* admit: the leader failed with `failure` */
    STORE_CLOSED,   /* admit: the number's window is full, or upstream answered 203 for it */
    STORE_INFERRED, /* admit: the number is proven to be another's, since `proven_at` */
    STORE_REFUSED,  /* admit: money forbids it; `finding` says what */
    STORE_OUTDATED, /* admit: the plan is not of the store's version: make a new one, ask again */
    STORE_DONE,     /* settle: durable */
    STORE_CONFLICT, /* write (records.h): the document is not as expected */
    STORE_AWAY,     /* the store did not do it; a settlement is kept and delivered later */
};

/* What every operation begins with. `done` is the caller's; the rest is the store's own. */
struct store_op {
    void (*done)(struct store_op *op);
    struct store_op *next;
    struct store_client *client;
    int kind;
    bool changed;
    uint64_t mark;
    uint64_t began_ns;                 /* where it is measured */
    void (*told)(struct store_op *op); /* the caller's `done` meanwhile */
};

struct store_find {
    struct store_op op;
    struct digest triple;
    struct digest number;
    enum store_outcome outcome; /* out: STORE_HIT, STORE_MISS, STORE_AWAY */
    struct answer answer;       /* out */
};

/* A provider has its own limit of a number, and so a window of its own: named by a few letters,
 * digits and hyphens, the built-in one's by nothing. */
#define STORE_WINDOW_SIZE 17

/* How often a number may be asked about. */
struct store_number_limit {
    int64_t max_calls;
    int64_t window_ms;
};

struct store_admit {
    struct store_op op;
    struct ledger_id id; /* the call's, made by the caller (ledger_id_make) */
    struct digest triple;
    struct digest number;
    struct freshness_wish wish; /* an answer that came meanwhile must satisfy it */
    int64_t lease_ms;           /* longer than the longest call */
    struct store_number_limit limit;
    bool infer; /* does a fresh 01 of this number for somebody else answer it? */
    char window[STORE_WINDOW_SIZE]; /* in which of the number's windows it counts */
    struct ledger_id after; /* not all zero: our call whose lease is held, see store_settle */
    struct budget budget;
    struct ledger_account account; /* the client; with STORE_LEAD also out: credential and package
                                      as `budget` decided */
    enum store_outcome outcome;    /* out: STORE_LEAD, STORE_ANSWERED, STORE_FAILED, STORE_CLOSED,
                                      STORE_INFERRED, STORE_REFUSED, STORE_OUTDATED, STORE_AWAY */
    struct answer answer;          /* out, with STORE_ANSWERED */
    bool collapsed;                /* out: the answer or failure is that of a call we waited for */
    enum failure failure;          /* out, with STORE_FAILED */
    int64_t reopens_at_ms;         /* out, with STORE_CLOSED: Unix milliseconds */
    int64_t proven_at;             /* out, with STORE_INFERRED: Unix seconds */
    struct budget_finding
        finding; /* out, with STORE_LEAD and STORE_REFUSED, where there is a plan */
};

/*
 * A call may end, and another one be made for the same question, without anybody else leading in
 * between: it is settled with `hold`, which leaves the lease with its id (and its end in time as it
 * was) and tells followers nothing, though a kept answer is stored; the next is admitted with that
 * id as `after`, which looks neither at kept answers nor at owners. Only with STORE_LEAD does the
 * lease pass to the new call, with its whole time. Else it stays where it is: whoever gives up then
 * settles the first call again with the same content and without `hold`, which changes no row and
 * no counter, and tells the followers as it says. A lease that has run out, or is another's by
 * then, is as any other's: `after` helps nothing.
 */
struct store_settle {
    struct store_op op;
    struct ledger_id id;
    struct digest triple;
    struct digest number;
    struct ledger_account account; /* as admitted */
    struct ledger_outcome ledger;  /* the row's last state and what is known of the call */
    bool answered;                 /* is there an answer? Followers are told it */
    bool keep;                     /* is the answer to be stored? Only with `answered` */
    bool own; /* may a kept 01 say whose the number is (store_admit's `infer`)? */
    struct answer answer;
    int64_t retain_until; /* Unix seconds; the expired answer is kept till then, for stale use */
    int64_t close_ms;     /* not 0: the number stays closed until its oldest call is this old */
    enum failure failure; /* what followers are told when not answered */
    bool again;           /* when not answered: followers are not told, but ask again */
    bool hold;            /* the lease stays with this call, for the next one's `after` */
    char window[STORE_WINDOW_SIZE]; /* as admitted */
    enum store_outcome outcome;     /* out: STORE_DONE, STORE_AWAY */
};

/* Borrowed while store_open runs. What only a shared store needs is not looked at by the embedded
 * one. */
struct store_settings {
    const char *url;
    const char *ledger_url;        /* shared: money on a Redis of its own; empty: the same */
    const char *ca_file;           /* shared, TLS: who may vouch for it; empty: the system's */
    const char *journal_path;      /* shared: this process's own file (see journal.h) */
    int64_t journal_keep_ms;       /* shared: how long a call's line stays in the journal */
    int64_t timeout_ms;            /* shared: how long one command may take */
    int64_t number_window_ms;      /* shared: how long a call counts for its number */
    void (*hear)(int64_t unix_ms); /* shared: the store's clock says so now; on any client's thread;
                                      NULL: nobody listens */
};

/*
 * Opens the store that `url` names. Creates what is missing; recovers what a crash left. NULL with
 * a complaint when it cannot, also when another process has the file open or its schema is newer
 * than this program. A shared store that cannot be reached now is away and not refused. `clock`
 * must outlive it. Call from the main thread.
 */
struct store *store_open(const struct store_settings *settings, const struct clock *clock,
                         struct complaint *complaint);

/* Writes what is waiting, closes, frees. All clients must be detached. */
void store_close(struct store *store);

/*
 * A worker's handle on its loop. `changed` is called (on that loop) after another client's
 * settlement stored an answer, so that a memory cache can drop its own; also after this client's
 * own, when it was delivered late. With NULL: notices may have been missed, so nothing that is
 * remembered is sure to be the newest. Notices and `done` come in the order in which things
 * happened.
 */
struct store_client *store_attach(struct store *store, uv_loop_t *loop,
                                  void (*changed)(void *arg, const struct digest *triple),
                                  void *arg, struct complaint *complaint);

/* No operation may be under way. The loop must run once more for libuv to let go; frees the client.
 */
void store_detach(struct store_client *client);

/* From now on how long its operations take is counted in `row`, which is borrowed; by the names of
 * store_op_name. Between two turns of its loop. */
void store_measure(struct store_client *client, struct metrics_row *row);

extern const char *const store_op_name[];
extern const int store_op_names;

/*
 * Answers at once where it can: the return value is the outcome, and `done` is called only after
 * STORE_PENDING, never before this returns.
 */
enum store_outcome store_find(struct store_client *client, struct store_find *find);

/* `done` is always called later, never before this returns. */
void store_admit(struct store_client *client, struct store_admit *admit);
void store_settle(struct store_client *client, struct store_settle *settle);

/*
 * Ledger rows reserved in [from_ms, to_ms) (Unix), in the order of their ids, which is that of time
 * by the clocks of those who made them: a page of them, behind the id `after` (all zero: from the
 * beginning). Rows that end meanwhile may be told as they were before or after.
 *
 * The time in the id decides, and not `reserved_at_ms`, which in the embedded store is when the row
 * was written. To read all, ask again with the last row's id as `after` until `more` is false; the
 * last page may be empty. A shared store looks through the time asked for in steps of a week where
 * nothing lies, so ask for years, not for all of time.
 */
#define STORE_PAGE_MOST 256

struct store_row {
    struct ledger_id id;
    int64_t reserved_at_ms;
    uint8_t number[8]; /* the digest's first bytes */
    struct ledger_account account;
    bool ended; /* else nothing is known of the outcome but its state, reserved or unknown */
    struct ledger_outcome outcome;
};

struct store_page {
    struct store_op op;
    int64_t from_ms;
    int64_t to_ms;
    struct ledger_id after;
    struct store_row *rows_owned; /* out: the caller frees it with free(); NULL: none */
    int count;                    /* out */
    bool more;                    /* out: there may be more behind them */
    enum store_outcome outcome;   /* out: STORE_DONE, STORE_AWAY */
};

/* `done` is always called later, never before this returns. */
void store_read_page(struct store_client *client, struct store_page *page);

/* Before the client leaves: admits that wait for somebody else's call end away, since the caller
 * has nobody left who wants the answer. Those that lead are not touched. */
void store_stop_following(struct store_client *client);

/* Able to admit? When not, `complaint` says why. Any thread. */
bool store_ready(struct store *store, struct complaint *complaint);

/* How many ends of calls this process keeps that the store does not have yet. Any thread. */
int64_t store_undelivered(struct store *store);

/* The clock jumped, or a reason to be away may be gone: look at everything due now. Any thread. */
void store_poke(struct store *store);
