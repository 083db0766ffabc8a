#include <stdlib.h>

#include "money/directory_own.h"

static void on_wake(uv_async_t *wake) {
    struct directory_reader *reader = wake->data;
    struct directory *directory = reader->directory;
    uv_mutex_lock(&directory->mutex);
    struct directory_snapshot *before = reader->snapshot;
    reader->snapshot = directory->now;
    directory_snapshot_retain(reader->snapshot);
    uv_mutex_unlock(&directory->mutex);
    directory_snapshot_release(before);
    if (!uv_is_closing((uv_handle_t *)wake))
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
    directory_snapshot_release(reader->snapshot);
    reader->snapshot = NULL;
    uv_close((uv_handle_t *)&reader->wake, on_closed);
}

const struct directory_snapshot *directory_read(const struct directory_reader *reader) {
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
