/* Arbitrary bytes as a stored ledger row: what decodes, encodes to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis_row.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct redis_row row;
    char text[2 * REDIS_ROW_SIZE];
    if (!redis_row_decode((const char *)data, size, &row))
        return 0;
    bool ended = row.letter != 'R' && row.letter != 'U';
    MUST(!ended || redis_row_letter(row.outcome.state) == row.letter);
    text[0] = row.letter;
    size_t used = 1 + redis_row_encode_begin(&row, text + 1);
    if (ended)
        used += redis_row_encode_end(&row.outcome, text + used);
    MUST(used < REDIS_ROW_SIZE);
    MUST(used == size && memcmp(text, data, size) == 0);
    return 0;
}
