#pragma once
/*
 * redis_row: a ledger row as the text that the shared store keeps.
 *
 *   state letter, reserved_at_ms, number, client, credential, package
 *   and once it ended: settled_at_ms, billed (0, 1, ?), http_status, status, latency_ms, trace_id
 *
 * separated by tabs; `number` is 16 hexadecimal characters. The scripts look at the letter, the
 * client and the package, and glue the second half behind the first. Control characters inside a
 * field are written as `?`, so that what was written is always 6 or 12 fields. Value types; no
 * threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/digest.h"
#include "money/ledger.h"

#define REDIS_ROW_SIZE 512 /* suffices for both halves together */

/* The letters: R reserved, U unknown without an outcome (one may still come), s settled, r
 * released, u unknown. A row with R or U has no second half, every other has one. */
struct redis_row {
    char letter;
    int64_t reserved_at_ms;
    uint8_t number[8]; /* the digest's first bytes */
    struct ledger_account account;
    /* Of a row that ended; its state follows the letter. With R and U: a bill that is not known,
     * and nothing else. */
    struct ledger_outcome outcome;
};

/* What `ledger_outcome.state` is as a letter. */
char redis_row_letter(enum ledger_state state);

/* The first half without the letter: a tab and what stands behind it. Returns its size; a zero
 * that does not count follows. */
size_t redis_row_encode_begin(const struct redis_row *row, char text[REDIS_ROW_SIZE]);

/* The first half of the row of a call that is about to be made. */
size_t redis_row_encode_intent(const struct ledger_id *id, const struct digest *number,
                               const struct ledger_account *account, char text[REDIS_ROW_SIZE]);

/* The second half: a tab and what stands behind it. The same. */
size_t redis_row_encode_end(const struct ledger_outcome *outcome, char text[REDIS_ROW_SIZE]);

/* False when the bytes are no row that this module writes; never reads beyond. What it accepts,
 * encoded again, is the same bytes. */
bool redis_row_decode(const char *text, size_t size, struct redis_row *row)
    __attribute__((warn_unused_result));
