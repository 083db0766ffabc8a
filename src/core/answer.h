#pragma once
/*
 * answer: what the seller said to a question, as it is kept.
 *
 * It holds no person's data: no echo, and no text in which the question's values appear (whoever
 * fills it sees to that, see upstream/reply). Times are Unix seconds. Value type; no threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/result.h"

#define ANSWER_MSG_SIZE         128
#define ANSWER_MOBILE_TYPE_SIZE 32
#define ANSWER_TRACE_ID_SIZE    64
#define ANSWER_EXTRA_SIZE       1024

struct answer {
    char status[RESULT_STATUS_SIZE];
    char msg[ANSWER_MSG_SIZE]; /* the seller's words; empty: the table's for this status */
    char mobile_type[ANSWER_MOBILE_TYPE_SIZE];
    char trace_id[ANSWER_TRACE_ID_SIZE];
    /* Members the seller sent beyond the seven, as JSON text without the outer braces
     * (`"a":1,"b":"x"`), for the drop-in reply; empty when there are none. */
    char extra[ANSWER_EXTRA_SIZE];
    bool virtual_operator; /* a 203 that speaks of the segment and not of the number's limit */
    int64_t checked_at;
    int64_t expires_at;
};

/* The longest encoded form. */
#define ANSWER_ENCODED_MAX                                                                         \
    (32 + RESULT_STATUS_SIZE + ANSWER_MSG_SIZE + ANSWER_MOBILE_TYPE_SIZE + ANSWER_TRACE_ID_SIZE +  \
     ANSWER_EXTRA_SIZE)

/*
 * The compact form that stores keep: a version byte, flags, then what differs from the usual. About
 * 26 bytes for an ordinary answer. Returns its size. `msg` is left out when it is the table's.
 */
size_t answer_encode(const struct answer *answer, uint8_t bytes[ANSWER_ENCODED_MAX]);

/* False when the bytes are not an answer of a version this program knows; never reads beyond. */
bool answer_decode(const uint8_t *bytes, size_t size, struct answer *answer)
    __attribute__((warn_unused_result));

/* The words for this answer: the seller's own where kept, else the table's. Borrowed. */
const char *answer_msg(const struct answer *answer);
