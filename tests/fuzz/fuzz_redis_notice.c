/* Arbitrary bytes as a message of the shared store's channel: what decodes, encodes to what decodes
 * to the same, and but for the answer to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis_notice.h"

#define HEAD_SIZE 40

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct redis_notice notice, again;
    uint8_t bytes[1 + REDIS_NOTICE_SIZE];
    if (!redis_notice_decode(data, size, &notice))
        return 0;
    MUST(notice.kind < REDIS_NOTICE_KINDS && notice.failure < FAILURES);
    bytes[0] = notice.stored;
    size_t encoded = 1 + redis_notice_encode(&notice, bytes + 1);
    MUST(encoded <= sizeof bytes);
    MUST(memcmp(bytes, data, HEAD_SIZE) == 0);
    MUST(notice.kind == REDIS_NOTICE_ANSWERED || encoded == size);
    MUST(redis_notice_decode(bytes, encoded, &again));
    MUST(again.stored == notice.stored && again.kind == notice.kind &&
         again.failure == notice.failure && again.sender == notice.sender);
    MUST(strcmp(again.answer.status, notice.answer.status) == 0);
    MUST(strcmp(again.answer.extra, notice.answer.extra) == 0);
    MUST(again.answer.checked_at == notice.answer.checked_at);
    return 0;
}
