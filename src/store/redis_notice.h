#pragma once
/*
 * redis_notice: what everybody is told when a call has ended, documents were written, or answers
 * forgotten: the one message of the shared store's channel.
 *
 * It goes to every worker of every replica: those that wait for the call take its outcome from it,
 * the others drop what they remember of the question. It holds digests and the answer, no person's
 * data. Value type; no threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/digest.h"
#include "core/failure.h"
#include "money/ledger.h"

#define REDIS_NOTICE_CHANNEL "sanyao:calls"
#define REDIS_NOTICE_SIZE    (64 + ANSWER_ENCODED_MAX)

enum redis_notice_kind {
    REDIS_NOTICE_ANSWERED,  /* `answer` holds */
    REDIS_NOTICE_FAILED,    /* `failure` holds */
    REDIS_NOTICE_WITHDRAWN, /* no call was made: whoever waits asks again */
    /* Not of a call's end: */
    REDIS_NOTICE_DOCUMENTS,        /* some were written */
    REDIS_NOTICE_FORGOTTEN,        /* the answer about `triple`; `call` is the forgetting's own */
    REDIS_NOTICE_FORGOTTEN_NUMBER, /* all answers of a number, whose digest is in `triple` */
    REDIS_NOTICE_HELD,   /* it ended, and its lease is held: whoever waits goes on waiting */
    REDIS_NOTICE_PASSED, /* its lease is another call's now: `next` and `lease_ms` hold */
    REDIS_NOTICE_KINDS
};

struct redis_notice {
    bool stored; /* the answer is kept now. Said by the script, in front of what is encoded */
    enum redis_notice_kind kind;
    uint32_t sender; /* of whom it is; 0: of nobody in particular */
    struct ledger_id call;
    struct digest triple;
    struct answer answer;
    enum failure failure;
    struct ledger_id next;
    int64_t lease_ms; /* from now on */
};

/* Without `stored`, which the script puts in front. Returns the size. */
size_t redis_notice_encode(const struct redis_notice *notice, uint8_t bytes[REDIS_NOTICE_SIZE]);

/* A whole message. False when the bytes are no notice of a kind this program knows; never reads
 * beyond. */
bool redis_notice_decode(const uint8_t *bytes, size_t size, struct redis_notice *notice)
    __attribute__((warn_unused_result));
