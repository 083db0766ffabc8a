#pragma once
/*
 * ledger_query: which part of the ledger is wanted, and in which form.
 */
#include <stdbool.h>
#include <stdint.h>

#include "money/export.h"
#include "runtime/complaint.h"
#include "store/store.h"

struct ledger_query {
    int64_t from_ms; /* Unix; rows reserved in [from_ms, to_ms) */
    int64_t to_ms;
    int state;                       /* enum ledger_state; -1: any */
    char client[LEDGER_NAME_SIZE];   /* empty: any */
    char status[RESULT_STATUS_SIZE]; /* empty: any */
    char package[LEDGER_NAME_SIZE];  /* empty: any */
    char credential[LEDGER_NAME_SIZE];
    bool counted; /* only rows that count as used */
    bool windows; /* counts of the seller's windows instead of rows */
    enum export_format format;
    bool bom;
    unsigned seen; /* which parameters were given */
};

void ledger_query_begin(struct ledger_query *query);

/* Takes one parameter. False with a complaint that names it, never its value. */
bool ledger_query_add(struct ledger_query *query, const char *name, const char *value, size_t size,
                      struct complaint *complaint) __attribute__((warn_unused_result));

/* After the last: fills what was not given. By default it is the 24 hours till now. */
bool ledger_query_end(struct ledger_query *query, int64_t now_ms, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* Is the row wanted, but for its time? */
bool ledger_query_wants(const struct ledger_query *query, const struct store_row *row);
