#pragma once
/*
 * statement: what each client's calls of a month cost, and what its hits saved.
 *
 * A line is a client's calls of one package under one credential. Its cost is rounded once, by the
 * price of its package, and every sum is one of lines. What counts is what a quota counts: calls
 * reserved, unknown, or answered and billed. Memory is by lines, whatever the number of rows. Value
 * types; one thread; no floating point.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "money/package.h"
#include "runtime/text.h"
#include "store/store.h"

struct statement_sum {
    int64_t calls;
    int64_t unknown; /* of the calls */
    int64_t cost_fen;
    int64_t hits;
    int64_t saved_fen; /* what the hits would have cost */
};

struct statement_line {
    char client[LEDGER_NAME_SIZE];
    char package[LEDGER_NAME_SIZE];    /* empty: none was registered */
    char credential[LEDGER_NAME_SIZE]; /* empty: only hits, of no known package */
    struct statement_sum sum;
};

/* All zero: nothing yet. */
struct statement {
    struct statement_line *lines; /* owned; by client, package, credential */
    size_t count;
    size_t room;
};

/* Adds a row where it counts, whatever its time. False without memory. */
bool statement_add_row(struct statement *statement, const struct store_row *row)
    __attribute__((warn_unused_result));

/* A package's price and credential; NULL: there is no such package, and its calls cost nothing that
 * is known. */
typedef const struct package *statement_find(void *arg, const char *package);

/* Adds hits of "client/package". A name without a client is left out. False without memory. */
bool statement_add_hits(struct statement *statement, const char *name, int64_t hits,
                        statement_find *find, void *arg) __attribute__((warn_unused_result));

/* After the last row: what each line costs. */
void statement_price(struct statement *statement, statement_find *find, void *arg);

/* {"month","timezone","clients":[{"client",…,"lines":[{"package"|null,"credential"|null,…}]}],
 * "total":{…}}, where … is "calls","unknown","costCny","hits","savedCny". NULL without memory. */
cJSON *statement_to_json(const struct statement *statement, const char *month, const char *zone);

/* One row a line, whose sums are left to the spreadsheet. No row is longer than the size. */
#define STATEMENT_ROW_SIZE 1024
void statement_csv_names(bool bom, struct text *text);
void statement_csv_row(const struct statement_line *line, const char *month, struct text *text);

void statement_free(struct statement *statement);
