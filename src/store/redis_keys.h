#pragma once
/*
 * redis_keys: how the shared store names what it keeps.
 *
 *   {NUMBER}TRIPLE   the answer              {ledger}rows:BUCKET      rows
 *   {NUMBER}lTRIPLE  the lease of its call   {ledger}open             those without an end
 *   {NUMBER}wWINDOW  calls of the window     {ledger}totals           rows by state, billed ones
 *   {NUMBER}cWINDOW  closed until            {ledger}used:package     rows that count, by package
 *   {NUMBER}o        who is proven to be     {ledger}used:day:DAY     the same by client
 *                    the owner               {ledger}used:month:MONTH the same
 *                                            {ledger}hits:MONTH       answers without a call
 *                                            {ledger}version          how many documents were
 *                                                                     written
 *                                            {ledger}documents        kind:id → version, body
 *                                            {ledger}changes          kind:id by version
 *                                            {ledger}audit            a list of lines
 *
 * NUMBER is 11 characters of the number's digest (its first 8 bytes, as in the ledger), TRIPLE 22
 * of the triple's, WINDOW the name of a provider's own window (store.h), nothing for the built-in
 * one, BUCKET counts ten minutes since 1970, DAY and MONTH are labels of money/period.
 * All keys of one number begin with one hash tag, and so do all of the ledger, so that every script
 * touches one hash slot of a Redis Cluster.
 * Digests are written in base64url: raw bytes could hold a brace. Value types; no threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/digest.h"
#include "money/ledger.h"

#define REDIS_TRIPLE_TEXT  22 /* a triple's digest in base64url, without a terminating zero */
#define REDIS_KEY_SIZE     40
#define REDIS_PATTERN_SIZE (REDIS_KEY_SIZE + 1)

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

/* The keys of one row, in the order in which the scripts take them: as many as each needs. */
enum redis_ledger_key {
    REDIS_KEY_ROWS,
    REDIS_KEY_OPEN,
    REDIS_KEY_TOTALS,
    REDIS_ROW_KEYS, /* what is known of a row without its counters */
    REDIS_KEY_BY_PACKAGE = REDIS_ROW_KEYS,
    REDIS_KEY_BY_DAY,
    REDIS_KEY_BY_MONTH,
    REDIS_COUNTED_KEYS,
    REDIS_KEY_OF_VERSION = REDIS_COUNTED_KEYS,
    REDIS_LEDGER_KEYS
};

/* The keys of documents, in the order in which the scripts take them. */
enum redis_document_key {
    REDIS_KEY_VERSION,
    REDIS_KEY_DOCUMENTS,
    REDIS_KEY_CHANGES,
    REDIS_KEY_AUDIT,
    REDIS_DOCUMENT_KEYS
};

/* The first of those of a number, alone. */
struct redis_key redis_key_of_answer(const struct digest *number, const struct digest *triple);

/* `window`: its name, at most STORE_WINDOW_SIZE - 1 characters. */
void redis_keys_of_number(const struct digest *number, const struct digest *triple,
                          const char *window, struct redis_key keys[REDIS_NUMBER_KEYS]);

/* Rows lie in hashes of ten minutes, by the time in the call's id, and count in the day and the
 * month of the same moment. */
void redis_keys_of_row(const struct ledger_id *id, struct redis_key keys[REDIS_LEDGER_KEYS]);

int64_t redis_bucket_of(int64_t unix_ms);
struct redis_key redis_key_of_bucket(int64_t bucket);

void redis_keys_of_documents(struct redis_key keys[REDIS_DOCUMENT_KEYS]);

/* Where the counters of a scope (store/records.h) lie. */
struct redis_key redis_key_of_scope(const char *scope);

/* What all answers of a number begin with, and a pattern's asterisk behind it. */
void redis_pattern_of_number(const struct digest *number, char pattern[REDIS_PATTERN_SIZE]);

/* Whose answer lies under the key, if it is an answer's. */
bool redis_triple_of_key(const char *key, size_t size, struct digest *triple)
    __attribute__((warn_unused_result));

void redis_triple_text(const struct digest *triple, char text[REDIS_TRIPLE_TEXT + 1]);
