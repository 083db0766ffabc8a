#pragma once
/*
 * redis_row: a ledger row as the text that the shared store keeps.
 *
 *   state letter, reserved_at_ms, number, client, credential, package
 *   and once it ended: settled_at_ms, billed (0, 1, ?), http_status, status, latency_ms, trace_id
 *
 * separated by tabs. The scripts look only at the letter and glue the second half behind the first.
 * Control characters inside a field are written as `?`. Value types; no threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/digest.h"
#include "money/ledger.h"

#define REDIS_ROW_SIZE 512

/* The letters: R reserved, U unknown without an outcome (one may still come), s settled, r
 * released, u unknown. */
struct redis_row {
    char letter;
    int64_t reserved_at_ms;
    uint8_t number[8]; /* the digest's first bytes */
    struct ledger_account account;
    struct ledger_outcome outcome; /* of a row that ended; its state follows the letter */
};

/* What `ledger_outcome.state` is as a letter. */
char redis_row_letter(enum ledger_state state);

/* The first half without the letter: a tab and what stands behind it. Returns its size. */
size_t redis_row_encode_begin(const struct redis_row *row, char text[REDIS_ROW_SIZE]);

/* The second half: a tab and what stands behind it. */
size_t redis_row_encode_end(const struct ledger_outcome *outcome, char text[REDIS_ROW_SIZE]);

/* False when the bytes are no row; never reads beyond. */
bool redis_row_decode(const char *text, size_t size, struct redis_row *row)
    __attribute__((warn_unused_result));
