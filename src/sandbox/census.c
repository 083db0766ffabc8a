#include "sandbox/census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/table.h"

enum { QUESTIONS_MAX = 1000000, HTTP_MAX = 600 };

struct tally {
    uint64_t received;
    uint64_t billed;
};

struct census {
    uint64_t received;
    uint64_t billed;
    uint64_t unanswered;
    uint64_t by_http[HTTP_MAX];
    struct tally by_shape[CALL_SHAPES];
    uint64_t *by_refusal;       /* in the order of gateway_all() */
    struct table *by_status;    /* of uint64_t */
    struct table *by_behaviour; /* of uint64_t */
    struct table *questions;    /* of struct tally, by key_of_question */
    bool questions_full;

    uint64_t in_flight;
    uint64_t in_flight_peak;
    uint64_t connections; /* numbers given out */
    uint64_t connections_forgotten;
    uint64_t connections_open;
    uint64_t connections_refused;
    uint64_t callers; /* connections that carried a call */
    uint64_t callers_open;
    uint64_t callers_peak;
};

struct census *census_new(void) {
    struct census *census = calloc(1, sizeof *census);
    if (census == NULL) {
        return NULL;
    }
    size_t refusals;
    gateway_all(&refusals);
    census->by_refusal = calloc(refusals, sizeof *census->by_refusal);
    census->by_status = table_new(sizeof(uint64_t));
    census->by_behaviour = table_new(sizeof(uint64_t));
    census->questions = table_new(sizeof(struct tally));
    if (census->by_refusal == NULL || census->by_status == NULL || census->by_behaviour == NULL ||
        census->questions == NULL) {
        census_free(census);
        return NULL;
    }
    return census;
}

void census_free(struct census *census) {
    if (census == NULL) {
        return;
    }
    table_free(census->by_status, NULL);
    table_free(census->by_behaviour, NULL);
    table_free(census->questions, NULL);
    free(census->by_refusal);
    free(census);
}

/* The three values, each with its length before it; NULL when memory is out. */
static char *key_of_question(const struct seller_question *question, size_t *size) {
    const struct text values[] = {question->id_card, question->mobile, question->name};
    *size = 0;
    for (size_t i = 0; i < CALL_PARAMETERS; i++) {
        *size += sizeof(size_t) + values[i].size;
    }
    char *key = malloc(*size);
    char *to = key;
    for (size_t i = 0; key != NULL && i < CALL_PARAMETERS; i++) {
        memcpy(to, &values[i].size, sizeof(size_t));
        to += sizeof(size_t);
        if (values[i].size > 0) {
            memcpy(to, values[i].data, values[i].size);
        }
        to += values[i].size;
    }
    return key;
}

static struct tally *tally_of(struct census *census, const struct call *call) {
    struct seller_question question = call_question(call);
    size_t size;
    char *key = key_of_question(&question, &size);
    struct text text = {.data = key, .size = size};
    struct tally *tally = NULL;
    if (key != NULL && table_count(census->questions) >= QUESTIONS_MAX) {
        tally = table_find(census->questions, text);
    } else if (key != NULL) {
        tally = table_take(census->questions, text);
    }
    free(key);
    return tally;
}

static void count_question(struct census *census, const struct call *call, bool billed) {
    struct tally *tally = tally_of(census, call);
    if (tally == NULL) {
        census->questions_full = true;
        return;
    }
    tally->received++;
    tally->billed += billed ? 1 : 0;
}

static void count_text(struct table *table, const char *key) {
    uint64_t *count = *key == '\0' ? NULL : table_take(table, text_of(key));
    if (count != NULL) {
        ++*count;
    }
}

static void count_refusal(struct census *census, const struct gateway_refusal *refusal) {
    size_t refusals;
    const struct gateway_refusal *all = gateway_all(&refusals);
    if (refusal != NULL) {
        census->by_refusal[refusal - all]++;
    }
}

void census_arrive(struct census *census, const struct call *call,
                   const struct journal_outcome *outcome) {
    census->received++;
    census->billed += outcome->billed ? 1 : 0;
    if (call->path_is_right) {
        census->by_shape[call->shape].received++;
        census->by_shape[call->shape].billed += outcome->billed ? 1 : 0;
    }
    if (outcome->http == 0) {
        census->unanswered++;
    } else if (outcome->http < HTTP_MAX) {
        census->by_http[outcome->http]++;
    }
    count_refusal(census, outcome->refusal);
    count_text(census->by_status, outcome->status);
    count_text(census->by_behaviour, outcome->behaviour);
    count_question(census, call, outcome->billed);

    census->in_flight++;
    if (census->in_flight > census->in_flight_peak) {
        census->in_flight_peak = census->in_flight;
    }
    if (call->nth > 1) {
        return;
    }
    census->callers++;
    census->callers_open++;
    if (census->callers_open > census->callers_peak) {
        census->callers_peak = census->callers_open;
    }
}

void census_leave(struct census *census) {
    census->in_flight--;
}

void census_refuse(struct census *census) {
    census->connections_refused++;
}

uint64_t census_connect(struct census *census) {
    census->connections_open++;
    return ++census->connections;
}

void census_disconnect(struct census *census, bool had_calls) {
    census->connections_open--;
    census->callers_open -= had_calls ? 1 : 0;
}

static bool remove_each(struct text key, void *value, void *context) {
    (void)key;
    (void)value;
    (void)context;
    return false;
}

void census_clear(struct census *census) {
    size_t refusals;
    gateway_all(&refusals);
    census->received = 0;
    census->billed = 0;
    census->unanswered = 0;
    memset(census->by_http, 0, sizeof census->by_http);
    memset(census->by_shape, 0, sizeof census->by_shape);
    memset(census->by_refusal, 0, refusals * sizeof *census->by_refusal);
    table_sweep(census->by_status, remove_each, NULL);
    table_sweep(census->by_behaviour, remove_each, NULL);
    table_sweep(census->questions, remove_each, NULL);
    census->questions_full = false;
    census->in_flight_peak = census->in_flight;
    census->connections_forgotten = census->connections - census->connections_open;
    census->connections_refused = 0;
    census->callers = census->callers_open;
    census->callers_peak = census->callers_open;
}

static void add_count(cJSON *json, const char *name, uint64_t count) {
    cJSON_AddNumberToObject(json, name, (double)count);
}

static bool add_table_entry(struct text key, void *value, void *context) {
    char name[JOURNAL_BEHAVIOUR_SIZE];
    const uint64_t *count = value;
    snprintf(name, sizeof name, "%.*s", (int)key.size, key.data);
    add_count(context, name, *count);
    return true;
}

static void add_by_http(const struct census *census, cJSON *json) {
    cJSON *counts = cJSON_AddObjectToObject(json, "byHttp");
    for (unsigned http = 0; http < HTTP_MAX; http++) {
        if (census->by_http[http] > 0) {
            char name[16];
            snprintf(name, sizeof name, "%u", http);
            add_count(counts, name, census->by_http[http]);
        }
    }
}

static void add_by_refusal(const struct census *census, cJSON *json) {
    size_t refusals;
    const struct gateway_refusal *all = gateway_all(&refusals);
    cJSON *counts = cJSON_AddObjectToObject(json, "byGateway");
    for (size_t i = 0; i < refusals; i++) {
        if (census->by_refusal[i] > 0) {
            add_count(counts, all[i].name, census->by_refusal[i]);
        }
    }
}

static void add_by_shape(const struct census *census, cJSON *json) {
    cJSON *shapes = cJSON_AddObjectToObject(json, "byShape");
    for (enum call_shape shape = 0; shape < CALL_SHAPES; shape++) {
        cJSON *counts = cJSON_AddObjectToObject(shapes, call_shape_name(shape));
        add_count(counts, "received", census->by_shape[shape].received);
        add_count(counts, "billed", census->by_shape[shape].billed);
    }
}

void census_add_json(const struct census *census, cJSON *json) {
    add_count(json, "received", census->received);
    add_count(json, "billed", census->billed);
    table_sweep(census->by_status, add_table_entry, cJSON_AddObjectToObject(json, "byStatus"));
    add_by_http(census, json);
    add_by_refusal(census, json);
    add_by_shape(census, json);
    table_sweep(census->by_behaviour, add_table_entry,
                cJSON_AddObjectToObject(json, "byBehaviour"));
    add_count(json, "unanswered", census->unanswered);
    add_count(json, "inFlight", census->in_flight);
    add_count(json, "inFlightPeak", census->in_flight_peak);
    cJSON *connections = cJSON_AddObjectToObject(json, "connections");
    add_count(connections, "total", census->connections - census->connections_forgotten);
    add_count(connections, "open", census->connections_open);
    add_count(connections, "refused", census->connections_refused);
    add_count(connections, "withCalls", census->callers);
    add_count(connections, "withCallsOpen", census->callers_open);
    add_count(connections, "withCallsPeak", census->callers_peak);
}

struct search {
    struct text wanted[CALL_PARAMETERS];
    struct census_count found;
};

static bool add_if_wanted(struct text key, void *value, void *context) {
    struct search *search = context;
    const struct tally *tally = value;
    const char *at = key.data;
    for (size_t i = 0; i < CALL_PARAMETERS; i++) {
        struct text part = {.data = at + sizeof(size_t)};
        memcpy(&part.size, at, sizeof(size_t));
        if (search->wanted[i].data != NULL && !text_equal(part, search->wanted[i])) {
            return true;
        }
        at = part.data + part.size;
    }
    search->found.received += tally->received;
    search->found.billed += tally->billed;
    return true;
}

struct census_count census_of(struct census *census, const struct seller_question *question) {
    struct search search = {
        .wanted = {question->id_card, question->mobile, question->name},
        .found = {.complete = !census->questions_full},
    };
    table_sweep(census->questions, add_if_wanted, &search);
    return search.found;
}
