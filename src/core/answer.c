/*
 * The encoded form, version 1:
 *
 *   version  1 byte
 *   flags    1 byte   FLAG_*
 *   codes    1 byte   high half: the status, low half: the carrier; CODE_TEXT: as text below
 *   checked_at, and expires_at as its distance from it: varints, zigzag
 *   then, each as varint length and bytes, and only where it is there: status, mobile_type,
 * trace_id (always), msg, extra
 *
 * With FLAG_SELLER_TRACE the trace_id is of the seller's own form,
 * `20201208001535_9a45ph_5e392391`: its three numbers follow in 14 bytes. Redis keeps a value of up
 * to 44 bytes in one piece, and this is what leaves room below that. Answers without the flag were
 * written with such ids, too.
 */
#include "core/answer.h"

#include <string.h>

#define VERSION               1
#define FLAG_VIRTUAL_OPERATOR 0x01
#define FLAG_MSG              0x02
#define FLAG_EXTRA            0x04
#define FLAG_SELLER_TRACE     0x08
#define FLAGS_KNOWN           0x0f
#define CODE_TEXT             0x0f

/* Stored for years: codes are only ever added, whatever order the result table takes. */
static const enum result_kind status_codes[] = {
    RESULT_MATCH,        RESULT_MISMATCH,        RESULT_UNVERIFIABLE,   RESULT_ABNORMAL,
    RESULT_INVALID_NAME, RESULT_INVALID_ID_CARD, RESULT_INVALID_MOBILE, RESULT_UNSUPPORTED_SEGMENT,
};
static const char *const carrier_codes[] = {"", "移动", "联通", "电信"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static uint8_t status_code(const char *status) {
    enum result_kind kind = result_of(status);
    for (size_t code = 0; code < COUNT(status_codes); code++) {
        if (kind == status_codes[code])
            return (uint8_t)code;
    }
    return CODE_TEXT;
}

static uint8_t carrier_code(const char *carrier) {
    for (size_t code = 0; code < COUNT(carrier_codes); code++) {
        if (strcmp(carrier_codes[code], carrier) == 0)
            return (uint8_t)code;
    }
    return CODE_TEXT;
}

static bool msg_is_usual(const struct answer *answer) {
    return answer->msg[0] == '\0' ||
           strcmp(answer->msg, result_table[result_of(answer->status)].msg) == 0;
}

static uint8_t *put_varint(uint8_t *at, uint64_t number) {
    for (; number >= 0x80; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}

/* Small magnitudes of either sign become small numbers. */
static uint64_t zigzag(int64_t number) {
    return ((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t number) {
    return (int64_t)((number >> 1) ^ (number & 1 ? UINT64_MAX : 0));
}

static uint8_t *put_text(uint8_t *at, const char *text) {
    at = put_varint(at, strlen(text));
    while (*text != '\0')
        *at++ = (uint8_t)*text++;
    return at;
}

/* Whether the date is one does not matter: any digits come back as they were. */
static const struct trace_part {
    size_t digits;
    unsigned base;
    size_t bytes; /* little-endian */
    char behind;
} trace_parts[] = {{14, 10, 6, '_'}, {6, 36, 4, '_'}, {8, 16, 4, '\0'}};
static const char trace_digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static bool is_seller_trace(const char *trace_id) {
    for (size_t i = 0; i < COUNT(trace_parts); i++) {
        const struct trace_part *part = &trace_parts[i];
        for (size_t n = 0; n < part->digits; n++, trace_id++) {
            if (*trace_id == '\0' || memchr(trace_digits, *trace_id, part->base) == NULL)
                return false;
        }
        if (*trace_id++ != part->behind)
            return false;
    }
    return true;
}

static uint8_t *put_seller_trace(uint8_t *at, const char *trace_id) {
    for (size_t i = 0; i < COUNT(trace_parts); i++, trace_id++) {
        const struct trace_part *part = &trace_parts[i];
        uint64_t number = 0;
        for (size_t n = 0; n < part->digits; n++)
            number =
                number * part->base + (uint64_t)(strchr(trace_digits, *trace_id++) - trace_digits);
        for (size_t n = 0; n < part->bytes; n++, number >>= 8)
            *at++ = (uint8_t)number;
    }
    return at;
}

size_t answer_encode(const struct answer *answer, uint8_t bytes[ANSWER_ENCODED_MAX]) {
    uint8_t status = status_code(answer->status);
    uint8_t carrier = carrier_code(answer->mobile_type);
    uint8_t flags = answer->virtual_operator ? FLAG_VIRTUAL_OPERATOR : 0;
    uint8_t *at = bytes;
    if (!msg_is_usual(answer))
        flags |= FLAG_MSG;
    if (answer->extra[0] != '\0')
        flags |= FLAG_EXTRA;
    if (is_seller_trace(answer->trace_id))
        flags |= FLAG_SELLER_TRACE;

    *at++ = VERSION;
    *at++ = flags;
    *at++ = (uint8_t)(status << 4 | carrier);
    at = put_varint(at, zigzag(answer->checked_at));
    at = put_varint(at,
                    zigzag((int64_t)((uint64_t)answer->expires_at - (uint64_t)answer->checked_at)));
    if (status == CODE_TEXT)
        at = put_text(at, answer->status);
    if (carrier == CODE_TEXT)
        at = put_text(at, answer->mobile_type);
    if (flags & FLAG_SELLER_TRACE)
        at = put_seller_trace(at, answer->trace_id);
    else
        at = put_text(at, answer->trace_id);
    if (flags & FLAG_MSG)
        at = put_text(at, answer->msg);
    if (flags & FLAG_EXTRA)
        at = put_text(at, answer->extra);
    return (size_t)(at - bytes);
}

/* What is left to decode; a read beyond it, or of something impossible, sets `broken` for good. */
struct source {
    const uint8_t *at;
    const uint8_t *end;
    bool broken;
};

static uint8_t take_byte(struct source *source) {
    if (source->at == source->end)
        source->broken = true;
    return source->broken ? 0 : *source->at++;
}

static uint64_t take_varint(struct source *source) {
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(source);
        uint64_t bits = byte & 0x7f;
        if (shift == 63 && bits > 1)
            break;
        number |= bits << shift;
        if (byte < 0x80)
            return number;
    }
    source->broken = true;
    return 0;
}

static void take_text(struct source *source, char *text, size_t capacity) {
    uint64_t size = take_varint(source);
    if (source->broken || size >= capacity || size > (size_t)(source->end - source->at) ||
        memchr(source->at, 0, size) != NULL) {
        source->broken = true;
        return;
    }
    memcpy(text, source->at, size);
    text[size] = '\0';
    source->at += size;
}

/* Inlined, so that each base is a constant: dividing by a variable takes several times as long. */
__attribute__((always_inline)) static inline char *
take_trace_part(struct source *source, const struct trace_part *part, char *at) {
    uint64_t number = 0;
    for (size_t n = 0; n < part->bytes; n++)
        number |= (uint64_t)take_byte(source) << (8 * n);
    for (size_t n = part->digits; n > 0; n--, number /= part->base)
        at[n - 1] = trace_digits[number % part->base];
    if (number > 0)
        source->broken = true;
    at[part->digits] = part->behind;
    return at + part->digits + 1;
}

static void take_seller_trace(struct source *source, char *trace_id) {
    char *at = take_trace_part(source, &trace_parts[0], trace_id);
    at = take_trace_part(source, &trace_parts[1], at);
    take_trace_part(source, &trace_parts[2], at);
}

static void set_text(char *text, const char *known) {
    memcpy(text, known, strlen(known) + 1);
}

static void take_status(struct source *source, uint8_t code, struct answer *answer) {
    if (code == CODE_TEXT)
        take_text(source, answer->status, sizeof answer->status);
    else if (code < COUNT(status_codes))
        set_text(answer->status, result_table[status_codes[code]].status);
    if (answer->status[0] == '\0')
        source->broken = true;
}

static void take_carrier(struct source *source, uint8_t code, struct answer *answer) {
    if (code == CODE_TEXT)
        take_text(source, answer->mobile_type, sizeof answer->mobile_type);
    else if (code < COUNT(carrier_codes))
        set_text(answer->mobile_type, carrier_codes[code]);
    else
        source->broken = true;
}

/* Without its kilobyte of room for what is seldom there. */
static void clear(struct answer *answer) {
    answer->status[0] = '\0';
    answer->msg[0] = '\0';
    answer->mobile_type[0] = '\0';
    answer->trace_id[0] = '\0';
    answer->extra[0] = '\0';
    answer->virtual_operator = false;
    answer->checked_at = 0;
    answer->expires_at = 0;
}

bool answer_decode(const uint8_t *bytes, size_t size, struct answer *answer) {
    struct source source = {.at = bytes, .end = bytes + size};
    clear(answer);
    if (take_byte(&source) != VERSION)
        return false;
    uint8_t flags = take_byte(&source);
    uint8_t codes = take_byte(&source);
    if (flags & ~FLAGS_KNOWN)
        return false;
    answer->virtual_operator = flags & FLAG_VIRTUAL_OPERATOR;
    answer->checked_at = unzigzag(take_varint(&source));
    answer->expires_at =
        (int64_t)((uint64_t)answer->checked_at + (uint64_t)unzigzag(take_varint(&source)));
    take_status(&source, codes >> 4, answer);
    take_carrier(&source, codes & 0x0f, answer);
    if (flags & FLAG_SELLER_TRACE)
        take_seller_trace(&source, answer->trace_id);
    else
        take_text(&source, answer->trace_id, sizeof answer->trace_id);
    if (flags & FLAG_MSG)
        take_text(&source, answer->msg, sizeof answer->msg);
    if (flags & FLAG_EXTRA)
        take_text(&source, answer->extra, sizeof answer->extra);
    return !source.broken && source.at == source.end;
}

const char *answer_msg(const struct answer *answer) {
    return answer->msg[0] != '\0' ? answer->msg : result_table[result_of(answer->status)].msg;
}
