#pragma once
/*
 * journal: the last calls and what became of them, for GET /sandbox/log. A ring in memory; nothing
 * of it is ever written to disk. Not safe from several threads: the world's lock guards it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "sandbox/call.h"
#include "sandbox/gateway.h"

enum { JOURNAL_STATUS_SIZE = 9, JOURNAL_BEHAVIOUR_SIZE = 40 };

struct journal_outcome {
    int64_t unix_ms; /* the sandbox's own wall clock */
    unsigned http;   /* decided at arrival, whether or not it gets through; 0: no reply */
    char status[JOURNAL_STATUS_SIZE]; /* the seller's; "" when it was not reached */
    const struct gateway_refusal *refusal;
    bool billed;
    char behaviour[JOURNAL_BEHAVIOUR_SIZE]; /* "" for none */
};

struct journal;

/* Keeps the last `capacity` calls (may be 0); NULL when memory is out. */
struct journal *journal_new(size_t capacity) __attribute__((warn_unused_result));
void journal_free(struct journal *journal);

/* Takes the call over; the oldest gives way. */
void journal_add(struct journal *journal, struct call *call, const struct journal_outcome *outcome);

/* Forgets all calls; numbering begins anew. */
void journal_clear(struct journal *journal);

/* The last `limit` calls as a JSON array, oldest first; NULL when memory is out. */
cJSON *journal_json(const struct journal *journal, size_t limit)
    __attribute__((warn_unused_result));
