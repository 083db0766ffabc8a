#include <stdlib.h>

#include "money/directory_own.h"

/* What was borrowed before, and may still be looked at in this turn. */
struct directory_held {
    struct directory_held *next;
    struct directory_snapshot *snapshot;
};

static void release_held(struct directory_reader *reader) {
    while (reader->held != NULL) {
        struct directory_held *held = reader->held;
        reader->held = held->next;
        directory_snapshot_release(held->snapshot);
        free(held);
    }
}

static void take_newest(struct directory_reader *reader) {
    struct directory *directory = reader->directory;
    struct directory_held *held = malloc(sizeof *held);
    if (held == NULL)
        return; /* the old one until there is memory again */
    *held = (struct directory_held){.next = reader->held, .snapshot = reader->snapshot};
    reader->held = held;
    uv_mutex_lock(&directory->mutex);
    reader->snapshot = directory->now;
    directory_snapshot_retain(reader->snapshot);
    uv_mutex_unlock(&directory->mutex);
}

static bool is_newest(const struct directory_reader *reader) {
    return atomic_load_explicit(&reader->directory->now, memory_order_acquire) == reader->snapshot;
}

static void on_wake(uv_async_t *wake) {
    struct directory_reader *reader = wake->data;
    if (uv_is_closing((uv_handle_t *)wake))
        return;
    if (!is_newest(reader))
        take_newest(reader);
    release_held(reader);
    reader->changed(reader->arg);
}

struct directory_reader *directory_attach(struct directory *directory, uv_loop_t *loop,
                                          void (*changed)(void *arg), void *arg,
                                          struct complaint *complaint) {
    struct directory_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        complain(complaint, "no memory for a worker's view of the clients");
        return NULL;
    }
    *reader = (struct directory_reader){.directory = directory, .changed = changed, .arg = arg};
    reader->wake.data = reader;
    if (uv_async_init(loop, &reader->wake, on_wake) != 0) {
        complain(complaint, "no resources for a wake-up across threads");
        free(reader);
        return NULL;
    }
    uv_mutex_lock(&directory->mutex);
    reader->snapshot = directory->now;
    directory_snapshot_retain(reader->snapshot);
    reader->next = directory->readers;
    directory->readers = reader;
    uv_mutex_unlock(&directory->mutex);
    return reader;
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void directory_detach(struct directory_reader *reader) {
    struct directory *directory = reader->directory;
    uv_mutex_lock(&directory->mutex);
    struct directory_reader **link = &directory->readers;
    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    uv_mutex_unlock(&directory->mutex);
    release_held(reader);
    directory_snapshot_release(reader->snapshot);
    reader->snapshot = NULL;
    uv_close((uv_handle_t *)&reader->wake, on_closed);
}

/* The wake-up is not waited for: a worker may be in the middle of a turn in which it accepts who
 * was told of the change already. */
const struct directory_snapshot *directory_read(struct directory_reader *reader) {
    if (!is_newest(reader))
        take_newest(reader);
    return reader->snapshot;
}

struct directory *directory_of(const struct directory_reader *reader) {
    return reader->directory;
}

/* Under the lock: a reader that is being detached is in the list no more. */
void directory_tell(struct directory *directory) {
    uv_mutex_lock(&directory->mutex);
    for (struct directory_reader *reader = directory->readers; reader != NULL;
         reader = reader->next)
        uv_async_send(&reader->wake);
    uv_mutex_unlock(&directory->mutex);
}
