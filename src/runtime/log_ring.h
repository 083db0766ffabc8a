#pragma once
/*
 * log_ring: lines on their way from many threads to one descriptor that may be slow.
 *
 * Whoever has a line copies it in and goes on. One thread of the ring's own writes, in the order in
 * which the lines came, and is held up by the reader for as long as that likes. What finds no room
 * is lost and counted; from then on all is, until half of the ring is free, and a line says how
 * many they were, in the place where they would have stood. A descriptor that refuses (a full disk,
 * a closed pipe) is tried again every second, and what is in the ring is kept for it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_ring_settings {
    int fd; /* borrowed; its flags are left alone */
    size_t size;
    /* Writes the line that tells of `lines` lost ones, and returns its size, at most `room`. */
    size_t (*tell_lost)(uint64_t lines, char *line, size_t room);
    /* About every second, on the ring's thread, as long as nothing holds it up; it may put. */
    void (*look)(void);
};

#define LOG_RING_LOST_SIZE 512 /* the room for the line that tells of lost ones */

struct log_ring;

/* With a thread of its own. NULL: no memory, or no thread. */
struct log_ring *log_ring_start(const struct log_ring_settings *settings);

/* A whole line with its end; any thread. False: it is lost. */
bool log_ring_put(struct log_ring *ring, const char *line, size_t size);

/* Lines lost so far; any thread. */
uint64_t log_ring_lost(struct log_ring *ring);

/* Waits at most so long until all is written; what is put afterwards is lost. True: the thread has
 * ended. False: it is still held up, and goes on by itself. Once. */
bool log_ring_stop(struct log_ring *ring, int64_t patience_ms);

/* After log_ring_stop was true, when nobody else has it. */
void log_ring_free(struct log_ring *ring);
