#pragma once
/*
 * census: what was received, since the start or the last reset, and what is under way.
 *
 * Counters are of calls as decided at arrival: a call is billed when the seller takes it, whether
 * or not its answer gets through. Not safe from several threads: the world's lock guards it.
 */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "sandbox/call.h"
#include "sandbox/journal.h"

struct census;

struct census *census_new(void) __attribute__((warn_unused_result));
void census_free(struct census *census);

/* A call arrived, with its outcome; it is in flight until census_leave(). */
void census_arrive(struct census *census, const struct call *call,
                   const struct journal_outcome *outcome);
void census_leave(struct census *census);

/* A connection was refused before anything was read. */
void census_refuse(struct census *census);

/* Number of a new connection, from 1. */
uint64_t census_connect(struct census *census);
void census_disconnect(struct census *census, bool had_calls);

/* Sets the counters to zero; what is under way stays counted. */
void census_clear(struct census *census);

/* Adds the counters to a JSON object. */
void census_add_json(const struct census *census, cJSON *json);

struct census_count {
    uint64_t received;
    uint64_t billed;
    bool complete; /* false: there were too many different questions to tell them all apart */
};

/* Counts the calls whose values equal all those given in `question`. */
struct census_count census_of(struct census *census, const struct seller_question *question);
