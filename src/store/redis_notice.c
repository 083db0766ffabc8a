/*
 *   stored  1 byte    by the script
 *   version 1 byte
 *   kind    1 byte
 *   failure 1 byte
 *   sender  4 bytes, as in memory: only compared
 *   call    16 bytes
 *   triple  16 bytes
 *   answer  the rest, encoded (core/answer.h); only with REDIS_NOTICE_ANSWERED
 *   next    16 bytes, only with REDIS_NOTICE_PASSED, as what follows
 *   lease   8 bytes, the highest first
 */
#include "store/redis_notice.h"

#include <string.h>

#define VERSION    1
#define HEAD_SIZE  40
#define NEXT_SIZE  (sizeof(struct ledger_id) + LEASE_SIZE)
#define LEASE_SIZE 8

static size_t encode_next(const struct redis_notice *notice, uint8_t *at) {
    memcpy(at, notice->next.bytes, sizeof notice->next.bytes);
    at += sizeof notice->next.bytes;
    for (int i = 0; i < LEASE_SIZE; i++)
        at[i] = (uint8_t)((uint64_t)notice->lease_ms >> (8 * (LEASE_SIZE - 1 - i)));
    return NEXT_SIZE;
}

static bool decode_next(const uint8_t *at, size_t size, struct redis_notice *notice) {
    if (size != NEXT_SIZE)
        return false;
    uint64_t lease_ms = 0;
    memcpy(notice->next.bytes, at, sizeof notice->next.bytes);
    for (int i = 0; i < LEASE_SIZE; i++)
        lease_ms = lease_ms << 8 | at[sizeof notice->next.bytes + (size_t)i];
    notice->lease_ms = (int64_t)lease_ms;
    return notice->lease_ms >= 0;
}

size_t redis_notice_encode(const struct redis_notice *notice, uint8_t bytes[REDIS_NOTICE_SIZE]) {
    uint8_t *at = bytes;
    *at++ = VERSION;
    *at++ = (uint8_t)notice->kind;
    *at++ = (uint8_t)notice->failure;
    memcpy(at, &notice->sender, sizeof notice->sender);
    at += sizeof notice->sender;
    memcpy(at, notice->call.bytes, sizeof notice->call.bytes);
    at += sizeof notice->call.bytes;
    memcpy(at, notice->triple.bytes, DIGEST_SIZE);
    at += DIGEST_SIZE;
    if (notice->kind == REDIS_NOTICE_ANSWERED)
        at += answer_encode(&notice->answer, at);
    if (notice->kind == REDIS_NOTICE_PASSED)
        at += encode_next(notice, at);
    return (size_t)(at - bytes);
}

bool redis_notice_decode(const uint8_t *bytes, size_t size, struct redis_notice *notice) {
    memset(notice, 0, sizeof *notice);
    if (size < HEAD_SIZE || bytes[0] > 1 || bytes[1] != VERSION || bytes[2] >= REDIS_NOTICE_KINDS ||
        bytes[3] >= FAILURES)
        return false;
    notice->stored = bytes[0] == 1;
    notice->kind = (enum redis_notice_kind)bytes[2];
    notice->failure = (enum failure)bytes[3];
    memcpy(&notice->sender, bytes + 4, sizeof notice->sender);
    memcpy(notice->call.bytes, bytes + 8, sizeof notice->call.bytes);
    memcpy(notice->triple.bytes, bytes + 24, DIGEST_SIZE);
    if (notice->kind == REDIS_NOTICE_PASSED)
        return decode_next(bytes + HEAD_SIZE, size - HEAD_SIZE, notice);
    if (notice->kind != REDIS_NOTICE_ANSWERED)
        return size == HEAD_SIZE;
    return answer_decode(bytes + HEAD_SIZE, size - HEAD_SIZE, &notice->answer);
}
