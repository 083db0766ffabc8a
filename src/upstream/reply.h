#pragma once
/*
 * reply: what the bytes that came from upstream mean.
 *
 * Pure: bytes in, meaning out. A reply is the seller's when the gateway set no X-Ca-Error-Code and
 * no known X-Ca-Error-Message; the gateway's refusals are told apart by message prefix or code, and
 * by HTTP status where a code is new (upstream/refusal; the gateway's documentation and samples:
 * docs/design.md, "The gateway's refusals"). The raw message may hold request material: it is never
 * logged or passed on.
 *
 * Some cases that sellers and gateways make possible, and how they are read:
 * - HTTP 200 with a code this program does not know and a readable answer: the answer, for it is
 *   paid.
 * - Another HTTP status, nothing from the gateway, and a JSON body with a readable `status` (a
 * seller that answers 450): the answer. Not so under 3xx; not when `status` only repeats the HTTP
 * status, as error pages of web frameworks do; and under 5xx only with a status of the result
 * table.
 * - Otherwise without a word from the gateway: 5xx, 408 and 429 are REPLY_GATEWAY_FAILED (it is not
 *   certain that the seller saw nothing, so not REPLY_THROTTLED), other 4xx REPLY_WRONG_REQUEST,
 *   the rest REPLY_INVALID.
 */
#include <stdbool.h>
#include <stddef.h>

#include "core/answer.h"
#include "core/triple.h"

#define REPLY_BODY_MAX ((size_t)64 * 1024)

enum reply_class {
    REPLY_ANSWER,             /* the seller's reply; `answer` is filled */
    REPLY_CREDENTIAL_UNKNOWN, /* the gateway knows no such AppCode */
    REPLY_UNAUTHORIZED,       /* the AppCode may not use this API */
    REPLY_QUOTA_EXHAUSTED,    /* package used up */
    REPLY_QUOTA_EXPIRED,      /* package expired or invalid */
    REPLY_ARREARS,            /* the account owes money */
    REPLY_THROTTLED,          /* nothing reached the seller */
    REPLY_WRONG_REQUEST,      /* our address, method or parameters are wrong */
    REPLY_GATEWAY_FAILED,     /* the gateway or the seller's backend failed */
    REPLY_INVALID,            /* 200 without a readable status, or some other body */
    REPLY_CLASSES
};

/* A fixed word for logs and metrics ("answer", "credential_unknown" …). */
extern const char *const reply_class_name[REPLY_CLASSES];

struct reply_bytes {
    int http_status;
    const char *ca_error_code;    /* X-Ca-Error-Code, or NULL */
    const char *ca_error_message; /* X-Ca-Error-Message, or NULL */
    const char *body;             /* need not be zero-terminated */
    size_t body_size;
};

struct reply {
    enum reply_class class;
    bool contradicts;     /* with REPLY_ANSWER: what it repeats is not what was asked; see echo */
    struct answer answer; /* with REPLY_ANSWER: all but the times and virtual_operator */
};

/*
 * `asked` is the question, whose values must not be kept: a member in which one of them appears
 * (triple_appears_in), in whatever depth, name or value, is left out (unknown members) or emptied
 * (msg, mobileType, traceId). So are texts with a \u left after unescaping, and known texts with
 * control characters. Known texts that are too long are cut between characters.
 *
 * Known members of a wrong type are treated as missing. Only `status` must be there: a string of 1
 * to 15 printable ASCII characters without quotes and backslashes, or an integer from 0 up; one
 * digit gets a zero before it (1 is "01"). Unknown members are kept byte for byte in `answer.extra`
 * as far as they fit, in the seller's order, from the first 64 members of a body that is JSON by
 * the letter. Duplicate members: the first counts, but where two of `status` differ there is none,
 * and every echo must fit. Not an object, not UTF-8, a zero byte, over REPLY_BODY_MAX, bytes after
 * the end: no readable status.
 */
void reply_read(const struct reply_bytes *bytes, const struct triple *asked, struct reply *reply);
