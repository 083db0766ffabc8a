#include "money/ledger.h"

#include <stdio.h>

#include <sodium.h>

const char *const ledger_state_name[LEDGER_STATES] = {
    [LEDGER_RESERVED] = "reserved",
    [LEDGER_SETTLED] = "settled",
    [LEDGER_RELEASED] = "released",
    [LEDGER_UNKNOWN] = "unknown",
};

struct ledger_id ledger_id_make(int64_t unix_ms) {
    struct ledger_id id;
    randombytes_buf(id.bytes, sizeof id.bytes);
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)unix_ms >> (40 - 8 * i));
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

void ledger_id_format(const struct ledger_id *id, char text[LEDGER_ID_TEXT_SIZE]) {
    const uint8_t *b = id->bytes;
    snprintf(text, LEDGER_ID_TEXT_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}
