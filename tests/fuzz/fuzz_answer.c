/* Stored bytes: what decodes, encodes to what decodes to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/answer.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_same(const struct answer *a, const struct answer *b) {
    MUST(strcmp(a->status, b->status) == 0);
    MUST(strcmp(answer_msg(a), answer_msg(b)) == 0);
    MUST(strcmp(a->mobile_type, b->mobile_type) == 0);
    MUST(strcmp(a->trace_id, b->trace_id) == 0);
    MUST(strcmp(a->extra, b->extra) == 0);
    MUST(a->virtual_operator == b->virtual_operator);
    MUST(a->checked_at == b->checked_at && a->expires_at == b->expires_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct answer answer, again;
    uint8_t bytes[ANSWER_ENCODED_MAX];
    if (!answer_decode(data, size, &answer))
        return 0;
    size_t encoded = answer_encode(&answer, bytes);
    MUST(encoded <= sizeof bytes);
    MUST(answer_decode(bytes, encoded, &again));
    check_same(&answer, &again);
    return 0;
}
