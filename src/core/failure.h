#pragma once
/*
 * failure: why a question got no answer, in the pipeline's own words. http/problem gives each its
 * HTTP status and text. The journal keeps the numbers: new ones come last, before the count.
 */
enum failure {
    FAILURE_NONE,
    FAILURE_NOT_CACHED,
    FAILURE_STORE_UNAVAILABLE,
    FAILURE_PACKAGE_EXHAUSTED,
    FAILURE_UPSTREAM_REFUSED_CREDENTIAL,
    FAILURE_UPSTREAM_INVALID_REPLY,
    FAILURE_UPSTREAM_UNAVAILABLE,
    FAILURE_UPSTREAM_TIMEOUT,
    FAILURE_OVERLOADED,
    FAILURE_SHUTTING_DOWN,
    FAILURE_CLIENT_QUOTA_EXHAUSTED,
    FAILURES
};

/* What is known of the bill. UNKNOWN: sent, no answer seen; money treats it as billed. */
enum billed { BILLED_NO, BILLED_YES, BILLED_UNKNOWN };
