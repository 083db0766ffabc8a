#pragma once
/*
 * sqlite_thread: the one thread that writes: takes whatever has queued up, has it written as one
 * transaction (group commit), posts what is finished.
 *
 * While one batch is on its way to the disk the next one gathers, so batches grow with the load by
 * themselves and nobody waits for a batch to fill. When nothing is asked it does what is due: what
 * the writer says is, writing again what could not be written, sweeping. What a batch is and does
 * is its writer's (sqlite_writer: the store's). Private to this room.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "runtime/clock.h"
#include "store/mailroom.h"
#include "store/op_list.h"

#define SQLITE_THREAD_PATIENCE_MS 200

/* What a writer begins with. The thread's own while it runs. */
struct batch_writer {
    const struct batch_writer_kind *kind;
    const char *trouble;      /* why it is away */
    struct op_list unwritten; /* what must be written before the thread may end */
    struct op_list finished;  /* in order; taken after every batch */
    bool away;                /* the last transaction did not get to the disk */
};

struct batch_writer_kind {
    const char *name;   /* "store": for complaints */
    const char *thread; /* 15 characters at most */

    /* Does all of `ops`, and what is due. What is done then stands in `finished`. */
    void (*run)(struct batch_writer *writer, struct op_list *ops);
    /* When something is due, in monotonic milliseconds; INT64_MAX: nothing. */
    int64_t (*due)(const struct batch_writer *writer);
    /* A step of a few milliseconds. Is there more? */
    bool (*sweep)(struct batch_writer *writer);
};

/* Frees what is still unwritten, with a line in the log. After the thread's end. */
void batch_writer_give_up(struct batch_writer *writer);

struct sqlite_thread {
    struct batch_writer *writer;
    struct mailroom *room;
    const struct clock *clock;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards what follows, till the empty line */
    uv_cond_t work;
    struct op_list queue;
    bool pressing; /* somebody waits for what is in the queue */
    bool watching; /* the thread will look at the queue within SQLITE_THREAD_PATIENCE_MS */
    bool poked;
    bool stopping;
    bool away;
    char trouble[256];
    int64_t unwritten; /* as of the last batch */

    bool worked;      /* the thread's own, as what follows: in its last turn */
    int64_t retry_at; /* monotonic milliseconds */
    int64_t sweep_at;
};

/* `writer` belongs to the thread from here until sqlite_thread_stop returned. */
bool sqlite_thread_start(struct sqlite_thread *thread, struct batch_writer *writer,
                         struct mailroom *room, const struct clock *clock,
                         struct complaint *complaint) __attribute__((warn_unused_result));

/* Writes what is queued and unwritten, trying for about a second where the file resists. */
void sqlite_thread_stop(struct sqlite_thread *thread);

/* Any thread. */
void sqlite_thread_submit(struct sqlite_thread *thread, struct store_op *op);
/* Empties the list into the queue. Not `pressing`: it may wait for something that is, but not
 * longer than SQLITE_THREAD_PATIENCE_MS. */
void sqlite_thread_submit_all(struct sqlite_thread *thread, struct op_list *ops, bool pressing);
void sqlite_thread_poke(struct sqlite_thread *thread);
/* How many operations could not be written and are kept. */
int64_t sqlite_thread_unwritten(struct sqlite_thread *thread);
bool sqlite_thread_ready(struct sqlite_thread *thread, struct complaint *complaint);
