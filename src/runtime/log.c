#include "runtime/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/log_line.h"
#include "runtime/log_repeat.h"
#include "runtime/log_ring.h"

#define RING_SIZE    ((size_t)1024 * 1024)
#define STOP_WAIT_MS 1000

static struct {
    atomic_int level;
    atomic_int style; /* enum log_style */
    int fd;
    struct log_ring *_Atomic ring; /* NULL: whoever logs writes. Never freed: any thread may log */
    pthread_mutex_t mutex;         /* over the rest */
    struct log_repeat repeat;
} logger = {.level = LOG_INFO,
            .style = LOG_STYLE_JSON,
            .fd = STDOUT_FILENO,
            .mutex = PTHREAD_MUTEX_INITIALIZER};

void log_init(enum log_level level, enum log_format format, int fd) {
    logger.fd = fd;
    log_change(level, format);
}

/* https://no-color.org */
static bool wants_color(bool terminal) {
    const char *no_color = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    return terminal && (no_color == NULL || no_color[0] == '\0') &&
           (kind == NULL || strcmp(kind, "dumb") != 0);
}

void log_change(enum log_level level, enum log_format format) {
    bool terminal = isatty(logger.fd);
    enum log_style style = LOG_STYLE_JSON;
    if (format == LOG_HUMAN || (format == LOG_AUTO && terminal))
        style = wants_color(terminal) ? LOG_STYLE_COLOR : LOG_STYLE_HUMAN;
    atomic_store(&logger.level, (int)level);
    atomic_store(&logger.style, (int)style);
}

bool log_enabled(enum log_level level) {
    return (int)level >= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

static size_t format(enum log_level level, const char *event, const struct log_field *fields,
                     int count, char *buffer, size_t room) {
    const struct log_line line = {.unix_ms = clock_unix_ms(&clock_system),
                                  .level = level,
                                  .event = event,
                                  .fields = fields,
                                  .count = count};
    int style = atomic_load_explicit(&logger.style, memory_order_relaxed);
    return log_line_format(&line, (enum log_style)style, buffer, room);
}

/* Nobody is left to be told when the log itself cannot be written. */
static void write_whole(const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(logger.fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        size -= (size_t)written;
    }
}

static void write_line(struct log_ring *ring, enum log_level level, const char *event,
                       const struct log_field *fields, int count) {
    char buffer[LOG_LINE_SIZE];
    size_t size = format(level, event, fields, count, buffer, sizeof buffer);
    if (ring != NULL)
        log_ring_put(ring, buffer, size);
    else
        write_whole(buffer, size);
}

static void write_sum(struct log_ring *ring, const struct log_repeat_sum *sum) {
    const struct log_field fields[] = {LOG_NUMBER("repeated", sum->count)};
    if (log_enabled(sum->level))
        write_line(ring, sum->level, sum->event, fields, 1);
}

static bool admit(struct log_ring *ring, enum log_level level, const char *event) {
    struct log_repeat_sum sum;
    pthread_mutex_lock(&logger.mutex);
    bool admitted =
        log_repeat_admit(&logger.repeat, level, event, clock_monotonic_ms(&clock_system), &sum);
    pthread_mutex_unlock(&logger.mutex);
    if (sum.count > 0)
        write_sum(ring, &sum);
    return admitted;
}

void log_write(enum log_level level, bool each, const char *event, const struct log_field *fields,
               int count) {
    struct log_ring *ring = atomic_load_explicit(&logger.ring, memory_order_acquire);
    if (ring == NULL || each || level < LOG_WARN || admit(ring, level, event))
        write_line(ring, level, event, fields, count);
}

/* --- without waiting --- */

static void write_sums(struct log_ring *ring, int64_t now_ms) {
    struct log_repeat_sum sum;
    bool more = true;
    while (more) {
        pthread_mutex_lock(&logger.mutex);
        more = log_repeat_take(&logger.repeat, now_ms, &sum);
        pthread_mutex_unlock(&logger.mutex);
        if (more)
            write_sum(ring, &sum);
    }
}

static void look(void) {
    struct log_ring *ring = atomic_load_explicit(&logger.ring, memory_order_acquire);
    if (ring != NULL)
        write_sums(ring, clock_monotonic_ms(&clock_system));
}

static size_t tell_lost(uint64_t lines, char *line, size_t room) {
    const struct log_field fields[] = {LOG_NUMBER("lines", lines)};
    return format(LOG_WARN, "lines of the log were lost: nobody took them", fields, 1, line, room);
}

bool log_start(void) {
    const struct log_ring_settings settings = {
        .fd = logger.fd, .size = RING_SIZE, .tell_lost = tell_lost, .look = look};
    struct log_ring *ring = log_ring_start(&settings);
    atomic_store_explicit(&logger.ring, ring, memory_order_release);
    return ring != NULL;
}

void log_stop(void) {
    struct log_ring *ring = atomic_load_explicit(&logger.ring, memory_order_acquire);
    if (ring == NULL)
        return;
    write_sums(ring, INT64_MAX);
    log_ring_stop(ring, STOP_WAIT_MS);
}

void log_print(struct text *text) {
    struct log_ring *ring = atomic_load_explicit(&logger.ring, memory_order_acquire);
    uint64_t lost = ring != NULL ? log_ring_lost(ring) : 0;
    text_addf(text,
              "# HELP sanyao_log_lines_lost_total Lines of the log that nobody took\n"
              "# TYPE sanyao_log_lines_lost_total counter\n"
              "sanyao_log_lines_lost_total %llu\n",
              (unsigned long long)lost);
}
