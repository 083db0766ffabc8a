#pragma once
/*
 * worker: one thread with one libuv loop that carries everything of its questions: its listeners,
 * its memory cache, its flights, its upstream connections, its handle on the store.
 *
 * Workers share nothing but the configuration, the hash key, the store behind its handles, and the
 * metrics (a row each).
 */
#include <stdatomic.h>

#include "core/digest.h"
#include "runtime/complaint.h"
#include "runtime/config.h"
#include "runtime/metrics.h"
#include "store/store.h"

struct worker;

/* All borrowed for the worker's life, but `fds`. */
struct worker_settings {
    const struct config *config;
    const struct clock *clock;
    const struct digest_key *key;
    struct store *store;
    const atomic_bool *draining;
    struct metrics_row *metrics; /* all rows */
    int rows;
    int row;        /* this worker's */
    const int *fds; /* listening sockets; the descriptors are taken, also on failure */
    int fd_count;
    void (*ended)(void *arg); /* on the worker's thread, when it has drained */
    void *arg;
};

/* Builds it and starts its thread. NULL with a complaint. */
struct worker *worker_start(const struct worker_settings *settings, struct complaint *complaint);

/* Any thread: take no new connection, finish what is under way, then call `ended`. `draining` of
 * the settings must be set before. */
void worker_drain(struct worker *worker);

/* After `ended`: joins the thread and frees. */
void worker_join(struct worker *worker);
