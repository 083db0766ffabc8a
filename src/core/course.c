#include "core/course.h"

#include "core/result.h"

#define REFUSED(mark_word)                                                                         \
    {                                                                                              \
        .failure = FAILURE_UPSTREAM_REFUSED_CREDENTIAL, .mark = (mark_word),                       \
        .next = COURSE_OTHER_CREDENTIAL, .of_provider = BREAKER_GOOD,                              \
        .of_credential = BREAKER_NONE                                                              \
    }

#define SPENT(mark_word)                                                                           \
    {                                                                                              \
        .failure = FAILURE_PACKAGE_EXHAUSTED, .mark = (mark_word),                                 \
        .next = COURSE_OTHER_CREDENTIAL, .of_provider = BREAKER_GOOD,                              \
        .of_credential = BREAKER_NONE                                                              \
    }

/* An AppCode that is refused gets no vote: its breaker is opened at once, as its mark says. */
static const struct course by_class[REPLY_CLASSES] = {
    [REPLY_ANSWER] = {.of_provider = BREAKER_GOOD, .of_credential = BREAKER_GOOD},
    [REPLY_CREDENTIAL_UNKNOWN] = REFUSED(CREDENTIAL_UNKNOWN),
    [REPLY_UNAUTHORIZED] = REFUSED(CREDENTIAL_UNAUTHORIZED),
    [REPLY_ARREARS] = REFUSED(CREDENTIAL_ARREARS),
    [REPLY_QUOTA_EXHAUSTED] = SPENT(CREDENTIAL_EXHAUSTED),
    [REPLY_QUOTA_EXPIRED] = SPENT(CREDENTIAL_EXPIRED),
    [REPLY_THROTTLED] = {.failure = FAILURE_UPSTREAM_UNAVAILABLE,
                         .next = COURSE_AGAIN,
                         .of_provider = BREAKER_NONE,
                         .of_credential = BREAKER_BAD},
    [REPLY_WRONG_REQUEST] = {.failure = FAILURE_UPSTREAM_UNAVAILABLE,
                             .next = COURSE_OTHER_PROVIDER,
                             .of_provider = BREAKER_BAD,
                             .of_credential = BREAKER_NONE},
    [REPLY_GATEWAY_FAILED] = {.failure = FAILURE_UPSTREAM_UNAVAILABLE,
                              .next = COURSE_OTHER_PROVIDER,
                              .of_provider = BREAKER_BAD,
                              .of_credential = BREAKER_NONE},
    [REPLY_INVALID] = {.failure = FAILURE_UPSTREAM_INVALID_REPLY,
                       .next = COURSE_OTHER_PROVIDER,
                       .of_provider = BREAKER_BAD,
                       .of_credential = BREAKER_NONE},
};

static const struct course by_end[] = {
    [UPSTREAM_NOT_SENT] = {.failure = FAILURE_UPSTREAM_UNAVAILABLE,
                           .next = COURSE_AGAIN,
                           .of_provider = BREAKER_BAD,
                           .of_credential = BREAKER_NONE},
    [UPSTREAM_TIMED_OUT] = {.failure = FAILURE_UPSTREAM_TIMEOUT,
                            .next = COURSE_END,
                            .of_provider = BREAKER_BAD,
                            .of_credential = BREAKER_NONE},
    [UPSTREAM_BROKEN] = {.failure = FAILURE_UPSTREAM_UNAVAILABLE,
                         .next = COURSE_END,
                         .of_provider = BREAKER_BAD,
                         .of_credential = BREAKER_NONE},
};

static bool says_unsupported(const struct reply *reply) {
    return reply->class == REPLY_ANSWER &&
           result_of(reply->answer.status) == RESULT_UNSUPPORTED_SEGMENT;
}

struct course course_of(const struct upstream_outcome *outcome, int64_t slow_ms) {
    bool replied = outcome->end == UPSTREAM_REPLIED;
    struct course course = replied ? by_class[outcome->reply.class] : by_end[outcome->end];
    if (replied && says_unsupported(&outcome->reply))
        course.next = COURSE_OTHER_PROVIDER;
    /* A reply that nobody could read was paid for all the same. */
    if (replied && outcome->reply.class == REPLY_INVALID && outcome->http_status == 200)
        course.next = COURSE_END;
    if (course.of_provider == BREAKER_GOOD && outcome->latency_ms > slow_ms)
        course.of_provider = BREAKER_BAD;
    return course;
}
