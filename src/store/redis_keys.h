#pragma once
/*
 * redis_keys: how the shared store names what it keeps.
 *
 *   {NUMBER}TRIPLE        the answer                     {ledger}rows:BUCKET   rows
 *   {NUMBER}lTRIPLE       the lease of its call          {ledger}open          those without an end
 *   {NUMBER}w             the calls of the window        {ledger}totals        counts
 *   {NUMBER}c             closed until
 *   {NUMBER}o             who is proven to be the owner
 *
 * NUMBER is 11 characters of the number's digest (its first 8 bytes, as in the ledger), TRIPLE 22
 * of the triple's, BUCKET counts ten minutes since 1970. All keys of one number begin with one hash
 * tag, and so do all of the ledger, so that every script touches one hash slot of a Redis Cluster.
 * Digests are written in base64url: raw bytes could hold a brace. Value types; no threads.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/digest.h"
#include "money/ledger.h"

#define REDIS_TRIPLE_TEXT 22 /* a triple's digest in base64url, without a terminating zero */
#define REDIS_KEY_SIZE    40

struct redis_key {
    char text[REDIS_KEY_SIZE]; /* terminated by a zero; keys hold none inside */
    size_t size;
};

/* The keys of one question, in the order in which the scripts take them. */
enum redis_number_key {
    REDIS_KEY_ANSWER,
    REDIS_KEY_LEASE,
    REDIS_KEY_WINDOW,
    REDIS_KEY_CLOSED,
    REDIS_KEY_OWNER,
    REDIS_NUMBER_KEYS
};

/* The keys of one row, in the order in which the scripts take them. */
enum redis_ledger_key { REDIS_KEY_ROWS, REDIS_KEY_OPEN, REDIS_KEY_TOTALS, REDIS_LEDGER_KEYS };

void redis_keys_of_number(const struct digest *number, const struct digest *triple,
                          struct redis_key keys[REDIS_NUMBER_KEYS]);

/* Rows lie in hashes of ten minutes, by the time in the call's id. */
void redis_keys_of_row(const struct ledger_id *id, struct redis_key keys[REDIS_LEDGER_KEYS]);

int64_t redis_bucket_of(int64_t unix_ms);
struct redis_key redis_key_of_bucket(int64_t bucket);

void redis_triple_text(const struct digest *triple, char text[REDIS_TRIPLE_TEXT + 1]);
