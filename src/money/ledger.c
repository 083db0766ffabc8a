#include "money/ledger.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#define TIME_MOST ((INT64_C(1) << 48) - 1) /* what fits into an id */

const char *const ledger_state_name[LEDGER_STATES] = {
    [LEDGER_RESERVED] = "reserved",
    [LEDGER_SETTLED] = "settled",
    [LEDGER_RELEASED] = "released",
    [LEDGER_UNKNOWN] = "unknown",
};

static void write_time(struct ledger_id *id, int64_t unix_ms) {
    for (int i = 0; i < 6; i++)
        id->bytes[i] = (uint8_t)((uint64_t)unix_ms >> (40 - 8 * i));
}

struct ledger_id ledger_id_make(int64_t unix_ms) {
    struct ledger_id id;
    randombytes_buf(id.bytes, sizeof id.bytes);
    write_time(&id, unix_ms);
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

int64_t ledger_id_time_ms(const struct ledger_id *id) {
    int64_t unix_ms = 0;
    for (int i = 0; i < 6; i++)
        unix_ms = unix_ms << 8 | id->bytes[i];
    return unix_ms;
}

/* The version behind the time is never zero in an id. */
struct ledger_id ledger_id_bound(int64_t unix_ms) {
    struct ledger_id id = {{0}};
    if (unix_ms > TIME_MOST)
        memset(id.bytes, 0xff, sizeof id.bytes);
    else if (unix_ms > 0)
        write_time(&id, unix_ms);
    return id;
}

int ledger_id_compare(const struct ledger_id *a, const struct ledger_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

void ledger_id_format(const struct ledger_id *id, char text[LEDGER_ID_TEXT_SIZE]) {
    const uint8_t *b = id->bytes;
    snprintf(text, LEDGER_ID_TEXT_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

bool ledger_counts(const struct ledger_outcome *outcome) {
    return outcome->state == LEDGER_RESERVED || outcome->state == LEDGER_UNKNOWN ||
           (outcome->state == LEDGER_SETTLED && outcome->billed == BILLED_YES);
}
