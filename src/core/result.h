#pragma once
/*
 * result: the seller's statuses, in one table: text, meaning, time to live.
 *
 * A status is the seller's string ("01", "02", "202" …). Every other module asks here; no other
 * file spells a status. Read-only data; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#define RESULT_STATUS_SIZE 16 /* a status with its zero; longer ones are no status */

/* The index of a status in the table; also the index of its setting in config's cache.ttl. */
enum result_kind {
    RESULT_MATCH,
    RESULT_MISMATCH,
    RESULT_UNVERIFIABLE,
    RESULT_ABNORMAL, /* 203: virtual operator, or the number's limit; see result_name */
    RESULT_INVALID_NAME,
    RESULT_INVALID_ID_CARD,
    RESULT_INVALID_MOBILE,
    RESULT_UNSUPPORTED_SEGMENT,
    RESULT_UNKNOWN, /* a status never seen before, passed through */
    RESULT_KINDS
};

struct result_info {
    const char *status; /* the seller's string; NULL for RESULT_UNKNOWN */
    const char *msg;    /* the seller's words, from the guide */
    const char *name;   /* the `result` of the service API */
};

extern const struct result_info result_table[RESULT_KINDS];

/* The kind of a status string; RESULT_UNKNOWN for one not in the table. */
enum result_kind result_of(const char *status);

/*
 * The `result` word of the API. A 203 is `virtual_operator` or `number_limited`, which the status
 * alone does not say.
 */
const char *result_name(enum result_kind kind, bool virtual_operator);
