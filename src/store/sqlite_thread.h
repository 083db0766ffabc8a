#pragma once
/*
 * sqlite_thread: the one thread that writes: takes whatever has queued up, has it written as one
 * transaction (group commit), posts what is finished.
 *
 * While one batch is on its way to the disk the next one gathers, so batches grow with the load by
 * themselves and nobody waits for a batch to fill. When nothing is asked it does what is due:
 * leases that end, writing again what could not be written, sweeping expired answers. Private to
 * this room.
 */
#include <uv.h>

#include "store/mailroom.h"
#include "store/sqlite_writer.h"

struct sqlite_thread {
    struct sqlite_writer *writer;
    struct mailroom *room;
    const struct clock *clock;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards what follows, till the empty line */
    uv_cond_t work;
    struct op_list queue;
    bool poked;
    bool stopping;
    bool away;
    char trouble[256];

    int64_t retry_at; /* the thread's own; monotonic milliseconds */
    int64_t sweep_at;
};

/* `writer` belongs to the thread from here until sqlite_thread_stop returned. */
bool sqlite_thread_start(struct sqlite_thread *thread, struct sqlite_writer *writer,
                         struct mailroom *room, const struct clock *clock,
                         struct complaint *complaint) __attribute__((warn_unused_result));

/* Writes what is queued and undelivered, trying for about a second where the file resists. */
void sqlite_thread_stop(struct sqlite_thread *thread);

/* Any thread. */
void sqlite_thread_submit(struct sqlite_thread *thread, struct store_op *op);
void sqlite_thread_poke(struct sqlite_thread *thread);
bool sqlite_thread_ready(struct sqlite_thread *thread, struct complaint *complaint);
