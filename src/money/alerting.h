#pragma once
/*
 * alerting: looks whether something is to be told, writes the alerts' documents, and delivers them.
 *
 *   timer, directory ─→ counters, breakers ─→ alert_judge ─→ documents by compare-and-set
 *                                                       └─ written by us ─→ delivery
 *   delivery:  webhooks, one after the other ─→ document: who has it ─┬─ all ─→ over
 *                        ↑                                            └─ wait, jittered ─┐
 *                        └───────────────────────────────────────────────────────────────┘
 *
 * Of all processes on a store the one whose document was written delivers it, and holds it
 * meanwhile; where the holder does not come back in time, another one takes it over. A message
 * reaches each webhook at least once, and once where nobody is killed in between. A store that is
 * away is told of by each process for itself, at once; its document is written when it is back.
 *
 * One per process, on the main loop; webhooks are called on libuv's threads.
 */
#include <stdint.h>

#include <uv.h>

#include "core/novelty.h"
#include "money/directory.h"
#include "runtime/clock.h"
#include "runtime/complaint.h"
#include "runtime/config.h"
#include "runtime/metrics.h"
#include "store/store.h"
#include "upstream/breaker.h"

struct alerting;

struct alerting_parts {
    uv_loop_t *loop;
    const struct clock *clock;
    struct store_client *store;           /* attached to the same loop */
    struct directory *directory;          /* of the same loop */
    struct novelty *novelty;              /* NULL: nobody tells of statuses */
    const struct breaker_board *breakers; /* NULL: nothing is told of them */
    struct config *config;                /* a reference is taken */
    struct metrics_row *metrics;          /* the main loop's own */
    const char *instance;                 /* this process's name; copied */
    int64_t period_ms;                    /* between two looks */
    int64_t first_retry_ms;               /* after the first attempt; doubled each time, */
    int64_t most_retry_ms;                /* up to this */
};

/* NULL with a complaint. Looks for the first time when the directory has been read. */
struct alerting *alerting_new(const struct alerting_parts *parts, struct complaint *complaint);

/* Other thresholds and webhooks. */
void alerting_set_config(struct alerting *alerting, struct config *config);

/* Calls `ended` when nothing of it is under way any more, which may be within a second; then it may
 * be freed. What is not delivered is taken over by another process, or by the next one. */
void alerting_end(struct alerting *alerting, void (*ended)(void *arg), void *arg);
void alerting_free(struct alerting *alerting);
