#pragma once
/*
 * measure: how a request is counted: its client, route, result and source, and how long it took.
 *
 * Only what comes to the service listener is counted, and of that only questions and refusals: not
 * the checks of health, nor documents. It costs two looks at the clock and three additions; names
 * are only looked up when they are printed. The request's own thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/verdict.h"
#include "runtime/metrics.h"

struct request;

/* Of one request; all zero at first. */
struct measure {
    uint64_t began_ns;
    int client; /* its number (runtime/metrics) */
    int ending; /* 0: nothing that is counted */
};

void measure_begin(struct request *request);
void measure_client(struct request *request, int number);
/* What it was answered with: the last one counts. */
void measure_answer(struct request *request, const struct verdict *verdict);
void measure_problem(struct request *request, int problem); /* an enum problem */
/* It is answered now. */
void measure_end(struct request *request);

/* A question of a batch, which has a measure of its own: begun by metrics_now_ns, with its client.
 */
void measure_batched_answer(struct metrics_row *row, struct measure *measure,
                            const struct verdict *verdict);
void measure_batched_problem(struct metrics_row *row, struct measure *measure, int problem);

/* What a cell of metrics_sum_requests counts. False: nothing. */
struct measure_labels {
    const char *route;
    const char *result;
    const char *source;
};
bool measure_read_cell(int cell, struct measure_labels *labels);
