#include "runtime/log_ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#define NS_PER_MS 1000000ull
#define LOOK_MS   1000
#define RETRY_MS  1000
/* Lines are gathered for so long, so that a busy worker need not wake the writer for each. */
#define GATHER_MS 5
#define WRITE_MAX ((size_t)64 * 1024)
#define NEVER     UINT64_MAX

struct log_ring {
    struct log_ring_settings settings;
    uv_thread_t thread;
    uv_mutex_t mutex; /* over all that follows */
    uv_cond_t work;   /* the writer waits for it */
    uv_cond_t end;    /* log_ring_stop does */
    uint64_t head;    /* bytes ever put */
    uint64_t tail;    /* bytes ever written */
    uint64_t wake_at; /* with so many to be written, the writer wants to be woken */
    uint64_t lost;    /* lines */
    uint64_t untold;  /* of those, the ones that no line tells of yet */
    uint64_t looked_at;
    bool mid_line; /* what was written ends within a line */
    bool failing;  /* the descriptor refused the last time */
    bool stopping;
    bool ended;
    char bytes[];
};

static uint64_t used(const struct log_ring *ring) {
    return ring->head - ring->tail;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static void copy_in(struct log_ring *ring, const char *line, size_t size) {
    size_t at = ring->head % ring->settings.size;
    size_t first = smaller(size, ring->settings.size - at);
    memcpy(ring->bytes + at, line, first);
    memcpy(ring->bytes, line + first, size - first);
    ring->head += size;
}

bool log_ring_put(struct log_ring *ring, const char *line, size_t size) {
    uv_mutex_lock(&ring->mutex);
    bool taken =
        !ring->ended && ring->untold == 0 && size <= ring->settings.size - (size_t)used(ring);
    if (taken) {
        copy_in(ring, line, size);
    } else {
        ring->lost++;
        ring->untold++;
    }
    if (used(ring) >= ring->wake_at) {
        ring->wake_at = NEVER;
        uv_cond_signal(&ring->work);
    }
    uv_mutex_unlock(&ring->mutex);
    return taken;
}

uint64_t log_ring_lost(struct log_ring *ring) {
    uv_mutex_lock(&ring->mutex);
    uint64_t lost = ring->lost;
    uv_mutex_unlock(&ring->mutex);
    return lost;
}

/* --- the writer, which holds the mutex but where it says so --- */

static void wait_for_work(struct log_ring *ring, uint64_t wake_at, uint64_t ms) {
    if (ring->stopping)
        return;
    ring->wake_at = wake_at;
    uv_cond_timedwait(&ring->work, &ring->mutex, ms * NS_PER_MS);
    ring->wake_at = NEVER;
}

static void tell_lost(struct log_ring *ring) {
    char line[LOG_RING_LOST_SIZE];
    if (ring->untold == 0 || used(ring) > ring->settings.size / 2)
        return;
    copy_in(ring, line, ring->settings.tell_lost(ring->untold, line, sizeof line));
    ring->untold = 0;
}

/* Another reader of a named pipe does not want the second half of a line. */
static void drop_line(struct log_ring *ring) {
    bool dropped = false;
    while (!dropped && used(ring) > 0)
        dropped = ring->bytes[ring->tail++ % ring->settings.size] == '\n';
    ring->mid_line = false;
    ring->lost++;
    ring->untold++;
}

static void on_refused(struct log_ring *ring, int error) {
    ring->failing = true;
    if (error == EPIPE && ring->mid_line)
        drop_line(ring);
    wait_for_work(ring, NEVER, RETRY_MS);
}

/* Somebody who shares the descriptor made it non-blocking. */
static void wait_until_writable(struct log_ring *ring) {
    struct pollfd descriptor = {.fd = ring->settings.fd, .events = POLLOUT};
    uv_mutex_unlock(&ring->mutex);
    poll(&descriptor, 1, RETRY_MS);
    uv_mutex_lock(&ring->mutex);
}

/* What is written stays in its place meanwhile: only the tail frees it. */
static void write_some(struct log_ring *ring) {
    size_t at = ring->tail % ring->settings.size;
    size_t size = smaller(smaller((size_t)used(ring), ring->settings.size - at), WRITE_MAX);
    uv_mutex_unlock(&ring->mutex);
    ssize_t written = write(ring->settings.fd, ring->bytes + at, size);
    int error = errno;
    uv_mutex_lock(&ring->mutex);
    if (written > 0) {
        ring->tail += (uint64_t)written;
        ring->mid_line = ring->bytes[(ring->tail - 1) % ring->settings.size] != '\n';
        ring->failing = false;
        if (used(ring) == 0)
            wait_for_work(ring, ring->settings.size / 2, GATHER_MS);
    } else if (written < 0 && error == EAGAIN) {
        wait_until_writable(ring);
    } else if (written == 0 || error != EINTR) {
        on_refused(ring, error);
    }
}

static void look(struct log_ring *ring) {
    uint64_t now = uv_hrtime() / NS_PER_MS;
    if (now - ring->looked_at < LOOK_MS)
        return;
    ring->looked_at = now;
    uv_mutex_unlock(&ring->mutex);
    ring->settings.look();
    uv_mutex_lock(&ring->mutex);
}

static void run(void *arg) {
    struct log_ring *ring = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    uv_mutex_lock(&ring->mutex);
    for (;;) {
        look(ring);
        tell_lost(ring);
        if (ring->stopping && (used(ring) == 0 || ring->failing))
            break;
        if (used(ring) > 0)
            write_some(ring);
        else
            wait_for_work(ring, 1, LOOK_MS);
    }
    ring->ended = true;
    uv_cond_signal(&ring->end);
    uv_mutex_unlock(&ring->mutex);
}

/* --- its life --- */

static void free_parts(struct log_ring *ring) {
    uv_cond_destroy(&ring->end);
    uv_cond_destroy(&ring->work);
    uv_mutex_destroy(&ring->mutex);
    free(ring);
}

struct log_ring *log_ring_start(const struct log_ring_settings *settings) {
    struct log_ring *ring = calloc(1, sizeof *ring + settings->size);
    if (ring == NULL)
        return NULL;
    ring->settings = *settings;
    ring->wake_at = NEVER;
    ring->looked_at = uv_hrtime() / NS_PER_MS;
    if (uv_mutex_init(&ring->mutex) != 0 || uv_cond_init(&ring->work) != 0 ||
        uv_cond_init(&ring->end) != 0) {
        free(ring);
        return NULL;
    }
    if (uv_thread_create(&ring->thread, run, ring) != 0) {
        free_parts(ring);
        return NULL;
    }
    return ring;
}

/* A thread that is held up cannot be joined; nobody will ask for how it ended. */
bool log_ring_stop(struct log_ring *ring, int64_t patience_ms) {
    uint64_t until = uv_hrtime() + (uint64_t)patience_ms * NS_PER_MS;
    uv_mutex_lock(&ring->mutex);
    ring->stopping = true;
    ring->failing = false; /* it is tried once more */
    uv_cond_signal(&ring->work);
    for (uint64_t now = uv_hrtime(); !ring->ended && now < until; now = uv_hrtime())
        uv_cond_timedwait(&ring->end, &ring->mutex, until - now);
    bool ended = ring->ended;
    uv_mutex_unlock(&ring->mutex);
    if (ended)
        uv_thread_join(&ring->thread);
    else
        pthread_detach(ring->thread);
    return ended;
}

void log_ring_free(struct log_ring *ring) {
    free_parts(ring);
}
