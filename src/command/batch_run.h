#pragma once
/*
 * batch_run: many questions to the service, some at a time, and never more calls than allowed.
 *
 * What the service refuses for now (429, 503) is asked again after its Retry-After; what it will
 * refuse all the same (no quota, no package, a wrong key) stops the run, and the line has no reply:
 * it is as if it had not been asked. Main thread, with curl's multi interface.
 */
#include <stdbool.h>
#include <stdint.h>

#include "command/batch_input.h"
#include "command/service_client.h"
#include "runtime/complaint.h"

#define BATCH_CONCURRENCY_MOST 256

/* The next line to be asked: fills it. A line with a fault is not to be given. */
typedef enum batch_step batch_take(void *arg, struct batch_line *line, struct complaint *complaint);

/* What came of a line; `ask` is NULL where it was sent and the reply was lost. False with a
 * complaint ends the run. */
typedef bool batch_reply(void *arg, const struct batch_line *line, const struct service_ask *ask,
                         struct complaint *complaint);

/* A few times a second. As batch_reply. */
typedef bool batch_tick(void *arg, int64_t now_ms, struct complaint *complaint);

struct batch_run {
    const struct service_client *client;
    const char *cache_control; /* NULL: none */
    long timeout_ms;           /* of one question */
    int concurrency;
    int64_t rate;      /* questions a second; 0: as fast as it goes */
    int64_t max_calls; /* billed calls; -1: any number */
    batch_take *take;
    batch_reply *reply;
    batch_tick *tick;
    void *arg;

    int64_t billed; /* calls that were billed, or may have been */
};

enum batch_end {
    BATCH_ALL_ASKED,
    BATCH_STOPPED, /* the complaint says why; what was under way has had its reply */
};

/* Asks until there is no line left, something stops it, or SIGINT or SIGTERM comes. */
enum batch_end batch_run_all(struct batch_run *run, struct complaint *complaint);
