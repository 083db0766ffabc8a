#pragma once
/*
 * ledger: what one paid call is in the books.
 *
 * Every reservation is one row, keyed by the call's id. It begins as `reserved`, durable before
 * anything is sent, and ends in one of the other states. Value types; no threads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/failure.h"

#define LEDGER_NAME_SIZE 64 /* a client's, credential's or package's id, with its zero */

enum ledger_state {
    LEDGER_RESERVED, /* the intent: nothing is known of the call yet */
    LEDGER_SETTLED,  /* answered */
    LEDGER_RELEASED, /* certainly not sent, or certainly not billed */
    LEDGER_UNKNOWN,  /* sent, no answer seen; counts as billed */
    LEDGER_STATES
};

/* As it stands in the store and in every export. */
extern const char *const ledger_state_name[LEDGER_STATES];

/* UUID version 7 (RFC 9562): ordered by time, unique without asking anyone. */
struct ledger_id {
    uint8_t bytes[16];
};

struct ledger_id ledger_id_make(int64_t unix_ms);

/* When it was made, in Unix milliseconds, by the clock of whoever made it. */
int64_t ledger_id_time_ms(const struct ledger_id *id);

/* A bound: before every id made at `unix_ms` or later, and behind every earlier one. */
struct ledger_id ledger_id_bound(int64_t unix_ms);

/* As memcmp: their order, which is that of time. */
int ledger_id_compare(const struct ledger_id *a, const struct ledger_id *b);

#define LEDGER_ID_TEXT_SIZE 37
void ledger_id_format(const struct ledger_id *id, char text[LEDGER_ID_TEXT_SIZE]);

/* On whose account a call is. */
struct ledger_account {
    char client_id[LEDGER_NAME_SIZE];
    char credential[LEDGER_NAME_SIZE];
    char package[LEDGER_NAME_SIZE]; /* empty: none */
};

/* What the end of a call adds to its row. */
struct ledger_outcome {
    enum ledger_state state;
    enum billed billed;
    int http_status;                 /* 0: no reply */
    char status[RESULT_STATUS_SIZE]; /* the seller's; empty: none */
    char trace_id[ANSWER_TRACE_ID_SIZE];
    int64_t latency_ms;
    int64_t settled_at_ms; /* Unix milliseconds */
};

/* Does the call count as used, by its package and its client? Reserved, unknown, or answered and
 * billed. */
bool ledger_counts(const struct ledger_outcome *outcome);
