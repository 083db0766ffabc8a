#pragma once
/*
 * worker: one thread with one libuv loop that carries everything of its questions: its listeners,
 * its memory cache, its flights, its upstream connections, its handle on the store.
 *
 * Workers share nothing but the configuration, the hash key, the store behind its handles, the
 * breakers, and the metrics (a row each). Another configuration is taken by each on its own loop,
 * between two turns.
 */
#include <stdatomic.h>

#include "core/digest.h"
#include "core/novelty.h"
#include "money/directory.h"
#include "runtime/complaint.h"
#include "runtime/config.h"
#include "runtime/metrics.h"
#include "store/store.h"
#include "upstream/breaker.h"

struct worker;

/* All borrowed for the worker's life, but `fds` and `config`. */
struct worker_settings {
    struct config *config; /* the worker takes a reference */
    const struct clock *clock;
    const struct digest_key *key;
    struct store *store;
    struct directory *directory;
    struct novelty *novelty;
    struct breaker_board *breakers; /* of the process */
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

/* Main thread, before worker_drain: take these settings as soon as the loop comes to it. */
void worker_reload(struct worker *worker, struct config *config);

/* Main thread: waits until it has, but not for long. False: it has not yet, and will. */
bool worker_has_reloaded(struct worker *worker);

/* Any thread: take no new connection, finish what is under way, then call `ended`. `draining` of
 * the settings must be set before. */
void worker_drain(struct worker *worker);

/* After `ended`: joins the thread and frees. */
void worker_join(struct worker *worker);
