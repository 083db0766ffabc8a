#include "http/measure.h"

#include "http/problem.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server.h"
#include "http/service.h"

/* The words of the API: one for each kind, and a second one for 203. */
#define WORDS        (RESULT_KINDS + 1)
#define WORD_VIRTUAL RESULT_KINDS

/* How a request can end on a route: with a word from a source, or with a problem. */
#define ANSWERS (WORDS * SOURCE_NONE)
#define ENDINGS (ANSWERS + PROBLEMS)

static const char *const route_names[ROUTE_NAMES] = {
    [ROUTE_OTHER] = "other",
    [ROUTE_VERIFY_POST] = "verify_post",
    [ROUTE_VERIFY_GET] = "verify_get",
    [ROUTE_CARRIEROPERATOR] = "carrieroperator",
    [ROUTE_VERIFY_BATCH] = "verify_batch",
};

_Static_assert(ROUTE_NAMES *ENDINGS <= METRICS_REQUEST_CELLS,
               "a client's block has room for every cell");
_Static_assert(SOURCES == METRICS_SOURCES, "there is a histogram for each source");

static enum route_name route_of(const struct request *request) {
    return request->route != NULL ? request->route->name : ROUTE_OTHER;
}

void measure_begin(struct request *request) {
    request->measure.began_ns = metrics_now_ns();
}

void measure_client(struct request *request, int number) {
    request->measure.client = number;
}

static int ending_of(const struct verdict *verdict) {
    bool is_virtual = verdict->kind == RESULT_ABNORMAL && verdict->answer.virtual_operator;
    int word = is_virtual ? WORD_VIRTUAL : (int)verdict->kind;
    return 1 + word * SOURCE_NONE + (int)verdict->source;
}

void measure_answer(struct request *request, const struct verdict *verdict) {
    request->measure.ending = ending_of(verdict);
}

void measure_problem(struct request *request, int problem) {
    request->measure.ending = 1 + ANSWERS + problem;
}

static void count(struct metrics_row *row, const struct measure *measure, enum route_name route) {
    int ending = measure->ending - 1;
    metrics_count_request(row, measure->client, (int)route * ENDINGS + ending,
                          ending < ANSWERS ? ending % SOURCE_NONE : SOURCE_NONE,
                          metrics_now_ns() - measure->began_ns);
}

void measure_end(struct request *request) {
    struct metrics_row *row = server_service(request->server)->row;
    if (row != NULL && request->measure.ending != 0)
        count(row, &request->measure, route_of(request));
}

void measure_batched_answer(struct metrics_row *row, struct measure *measure,
                            const struct verdict *verdict) {
    measure->ending = ending_of(verdict);
    count(row, measure, ROUTE_VERIFY_BATCH);
}

void measure_batched_problem(struct metrics_row *row, struct measure *measure, int problem) {
    measure->ending = 1 + ANSWERS + problem;
    count(row, measure, ROUTE_VERIFY_BATCH);
}

bool measure_read_cell(int cell, struct measure_labels *labels) {
    int route = cell / ENDINGS;
    int ending = cell % ENDINGS;
    if (route >= ROUTE_NAMES)
        return false;
    labels->route = route_names[route];
    if (ending >= ANSWERS) {
        labels->result = problem_table[ending - ANSWERS].code;
        labels->source = source_name[SOURCE_NONE];
        return true;
    }
    int word = ending / SOURCE_NONE;
    bool is_virtual = word == WORD_VIRTUAL;
    labels->result = result_name(is_virtual ? RESULT_ABNORMAL : (enum result_kind)word, is_virtual);
    labels->source = source_name[ending % SOURCE_NONE];
    return true;
}
