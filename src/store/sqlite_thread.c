#include "store/sqlite_thread.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/log.h"

#define RETRY_MS          1000
#define SWEEP_MS          5000
#define SWEEP_PATIENCE_MS 60000 /* then it takes its turn even if the queue never empties */
#define STOP_TRIES        10
#define STOP_PAUSE_MS     100
#define NS_PER_MS         1000000ull

/* Copies that nobody waits for have no client. */
void batch_writer_give_up(struct batch_writer *writer) {
    int64_t lost = 0;
    struct store_op *op;
    for (; (op = op_list_take(&writer->unwritten)); lost++) {
        if (!op->client)
            free(op);
    }
    if (lost > 0)
        log_error("outcomes of calls could not be written and are lost; the calls become unknown",
                  LOG_NUMBER("calls", lost), LOG_TEXT("reason", writer->trouble));
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t writer_due(const struct sqlite_thread *thread) {
    int64_t due = thread->writer->kind->due(thread->writer);
    return thread->writer->away ? least(due, thread->retry_at) : due;
}

struct turn {
    struct op_list ops;
    bool poked;
    bool stopping;
};

/* What does not press comes, as a rule, soon after a batch: then nobody need wake the thread. */
static void wait_until_due(struct sqlite_thread *thread, int64_t due) {
    int64_t now = clock_monotonic_ms(thread->clock);
    int64_t look_at = now + SQLITE_THREAD_PATIENCE_MS;
    thread->watching = thread->worked;
    while (!thread->pressing && !thread->poked && !thread->stopping && now < due) {
        if (thread->watching && now >= look_at) {
            if (thread->queue.first)
                break;
            thread->watching = false;
        } else if (!thread->watching && thread->queue.first) {
            thread->watching = true;
            look_at = now + SQLITE_THREAD_PATIENCE_MS;
        }
        int64_t until = thread->watching ? least(due, look_at) : due;
        uv_cond_timedwait(&thread->work, &thread->mutex, (uint64_t)(until - now) * NS_PER_MS);
        now = clock_monotonic_ms(thread->clock);
    }
    thread->watching = true;
}

static struct turn wait_for_work(struct sqlite_thread *thread) {
    int64_t due = least(writer_due(thread), thread->sweep_at);
    uv_mutex_lock(&thread->mutex);
    wait_until_due(thread, due);
    struct turn turn = {thread->queue, thread->poked, thread->stopping};
    thread->queue.first = NULL;
    thread->pressing = false;
    thread->poked = false;
    thread->worked = turn.ops.first != NULL;
    uv_mutex_unlock(&thread->mutex);
    return turn;
}

static void publish(struct sqlite_thread *thread) {
    int64_t unwritten = 0;
    for (const struct store_op *op = thread->writer->unwritten.first; op; op = op->next)
        unwritten++;
    uv_mutex_lock(&thread->mutex);
    thread->unwritten = unwritten;
    thread->away = thread->writer->away;
    snprintf(thread->trouble, sizeof thread->trouble, "%s", thread->writer->trouble);
    uv_mutex_unlock(&thread->mutex);
}

static void write_batch(struct sqlite_thread *thread, struct op_list *ops) {
    bool was_away = thread->writer->away;
    thread->writer->kind->run(thread->writer, ops);
    if (thread->writer->away || was_away)
        publish(thread);
    thread->retry_at = clock_monotonic_ms(thread->clock) + RETRY_MS;
    /* Last: whoever is told may look at once whether the store is ready. */
    mailroom_post(thread->room, &thread->writer->finished);
}

static void sweep(struct sqlite_thread *thread, bool idle, int64_t now) {
    if (now < thread->sweep_at + (idle ? 0 : SWEEP_PATIENCE_MS))
        return;
    bool more = thread->writer->kind->sweep(thread->writer);
    thread->sweep_at = more ? now : now + SWEEP_MS;
}

static void finish_writing(struct sqlite_thread *thread) {
    struct op_list none = {0};
    for (int tries = 0; thread->writer->unwritten.first && tries < STOP_TRIES; tries++) {
        if (tries > 0)
            uv_sleep(STOP_PAUSE_MS);
        write_batch(thread, &none);
    }
}

static void work(void *arg) {
    struct sqlite_thread *thread = arg;
    pthread_setname_np(pthread_self(), thread->writer->kind->thread);
    struct turn turn;
    do {
        turn = wait_for_work(thread);
        int64_t now = clock_monotonic_ms(thread->clock);
        bool idle = !turn.ops.first;
        if (turn.poked)
            thread->sweep_at = now;
        if (!idle || turn.poked || writer_due(thread) <= now)
            write_batch(thread, &turn.ops);
        sweep(thread, idle, now);
    } while (!turn.stopping);
    finish_writing(thread);
}

bool sqlite_thread_start(struct sqlite_thread *thread, struct batch_writer *writer,
                         struct mailroom *room, const struct clock *clock,
                         struct complaint *complaint) {
    *thread = (struct sqlite_thread){.writer = writer, .room = room, .clock = clock};
    thread->sweep_at = clock_monotonic_ms(clock) + SWEEP_MS;
    if (uv_mutex_init(&thread->mutex) != 0)
        return complain(complaint, "%s: no resources for a mutex", writer->kind->name);
    if (uv_cond_init(&thread->work) == 0) {
        if (uv_thread_create(&thread->thread, work, thread) == 0)
            return true;
        uv_cond_destroy(&thread->work);
    }
    uv_mutex_destroy(&thread->mutex);
    return complain(complaint, "%s: no resources for a thread", writer->kind->name);
}

void sqlite_thread_stop(struct sqlite_thread *thread) {
    uv_mutex_lock(&thread->mutex);
    thread->stopping = true;
    uv_cond_signal(&thread->work);
    uv_mutex_unlock(&thread->mutex);
    uv_thread_join(&thread->thread);
    uv_cond_destroy(&thread->work);
    uv_mutex_destroy(&thread->mutex);
}

void sqlite_thread_submit(struct sqlite_thread *thread, struct store_op *op) {
    struct op_list ops = {0};
    op_list_add(&ops, op);
    sqlite_thread_submit_all(thread, &ops, true);
}

void sqlite_thread_submit_all(struct sqlite_thread *thread, struct op_list *ops, bool pressing) {
    uv_mutex_lock(&thread->mutex);
    op_list_append(&thread->queue, ops);
    bool wake = pressing ? !thread->pressing : !thread->watching;
    thread->pressing = thread->pressing || pressing;
    if (wake)
        uv_cond_signal(&thread->work);
    uv_mutex_unlock(&thread->mutex);
}

void sqlite_thread_poke(struct sqlite_thread *thread) {
    uv_mutex_lock(&thread->mutex);
    thread->poked = true;
    uv_cond_signal(&thread->work);
    uv_mutex_unlock(&thread->mutex);
}

int64_t sqlite_thread_unwritten(struct sqlite_thread *thread) {
    uv_mutex_lock(&thread->mutex);
    int64_t unwritten = thread->unwritten;
    uv_mutex_unlock(&thread->mutex);
    return unwritten;
}

bool sqlite_thread_ready(struct sqlite_thread *thread, struct complaint *complaint) {
    uv_mutex_lock(&thread->mutex);
    bool ready = !thread->away;
    if (!ready)
        complain(complaint, "the %s cannot be written: %s", thread->writer->kind->name,
                 thread->trouble);
    uv_mutex_unlock(&thread->mutex);
    return ready;
}
