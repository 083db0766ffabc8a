#pragma once
/*
 * problem: every error that either API can answer with, in one table (RFC 9457).
 */
#include "core/failure.h"
#include "http/request.h"
#include "money/budget.h"

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

/* `detail` NULL: the table's. It never holds a value from the request. */
void problem_answer(struct request *request, enum problem problem, const char *detail,
                    enum billed billed);

/* A refusal by what may be spent, which costs nothing. The members limit, used and resetsAt tell
 * what it was decided on, and Retry-After when that begins anew. */
void problem_answer_quota(struct request *request, enum problem problem, const char *detail,
                          const struct budget_finding *finding);

/* The same as problem_answer, where it is known how long it is no use to come again; 0: it is not.
 */
void problem_answer_later(struct request *request, enum problem problem, const char *detail,
                          enum billed billed, int64_t retry_after_s);

/* 405 with its Allow header. */
void problem_answer_not_allowed(struct request *request, const char *allowed);
