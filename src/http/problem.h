#pragma once
/*
 * problem: every error that either API can answer with, in one table (RFC 9457).
 */
#include "core/failure.h"
#include "http/request.h"
#include "money/budget.h"
#include "runtime/text.h"

enum problem {
    PROBLEM_MALFORMED_REQUEST,
    PROBLEM_UNAUTHENTICATED,
    PROBLEM_CLIENT_DISABLED,
    PROBLEM_REFRESH_NOT_ALLOWED,
    PROBLEM_GET_DISABLED,
    PROBLEM_ADMIN_DISABLED,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_CONFLICT,
    PROBLEM_BODY_TOO_LARGE,
    PROBLEM_URI_TOO_LONG,
    PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    PROBLEM_RATE_LIMITED,
    PROBLEM_CLIENT_QUOTA_EXHAUSTED,
    PROBLEM_UPSTREAM_INVALID_REPLY,
    PROBLEM_UPSTREAM_REFUSED_CREDENTIAL,
    PROBLEM_PACKAGE_EXHAUSTED,
    PROBLEM_UPSTREAM_UNAVAILABLE,
    PROBLEM_STORE_UNAVAILABLE,
    PROBLEM_OVERLOADED,
    PROBLEM_SHUTTING_DOWN,
    PROBLEM_UPSTREAM_TIMEOUT,
    PROBLEM_NOT_CACHED,
    PROBLEMS
};

struct problem_info {
    const char *code;
    unsigned http_status;
    const char *title;
    const char *detail; /* when the place that found it has none of its own */
    bool retryable;     /* may the same request succeed later, unchanged? */
    int retry_after_s;  /* 0: no Retry-After */
};

extern const struct problem_info problem_table[PROBLEMS];

enum problem problem_of(enum failure failure);

/* One of them, and what is known of it beyond its kind. */
struct problem_report {
    enum problem problem;
    const char *detail; /* NULL: the table's; it never holds a value from the request */
    enum billed billed;
    const struct budget_finding *finding; /* a refusal by what may be spent; NULL: none */
    int64_t retry_after_s;                /* 0: nothing better than the finding or the table */
};

/* With a finding the members limit, used and resetsAt tell what it was decided on, and Retry-After
 * when that begins anew. */
void problem_answer_report(struct request *request, const struct problem_report *report);

/* The same as members of a JSON object, for one line of many: no requestId, and retryAfter where a
 * reply of its own would have Retry-After. */
void problem_write(const struct problem_report *report, int64_t now_ms, struct text *json);

/* `detail` as in the report. */
void problem_answer(struct request *request, enum problem problem, const char *detail,
                    enum billed billed);

/* 405 with its Allow header. */
void problem_answer_not_allowed(struct request *request, const char *allowed);
