/* What follows from how a call ended: never another call where one may have been billed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/course.h"
#include "core/result.h"
#include "money/billing.h"

#define SLOW_MS 1000

static struct upstream_outcome reply_of(enum reply_class class, int http_status,
                                        const char *status) {
    struct upstream_outcome outcome = {
        .end = UPSTREAM_REPLIED, .http_status = http_status, .priced = class == REPLY_ANSWER};
    outcome.reply.class = class;
    snprintf(outcome.reply.answer.status, sizeof outcome.reply.answer.status, "%s", status);
    return outcome;
}

static enum billed billed_by(const struct upstream_outcome *outcome) {
    struct ledger_outcome ledger;
    billing_judge(outcome, &ledger);
    return ledger.billed;
}

static void nothing_follows_what_may_be_billed(void **state) {
    (void)state;
    static const int http_statuses[] = {200, 302, 400, 403, 429, 450, 500, 503, 504};
    for (int class = 0; class < REPLY_CLASSES; class ++) {
        for (size_t i = 0; i < sizeof http_statuses / sizeof http_statuses[0]; i++) {
            const struct upstream_outcome outcome =
                reply_of((enum reply_class) class, http_statuses[i], "01");
            struct course course = course_of(&outcome, SLOW_MS);
            if (billed_by(&outcome) != BILLED_NO)
                assert_int_equal(course.next, COURSE_END);
        }
    }
    for (int end = UPSTREAM_NOT_SENT; end <= UPSTREAM_BROKEN; end++) {
        const struct upstream_outcome outcome = {.end = (enum upstream_end)end};
        if (billed_by(&outcome) != BILLED_NO)
            assert_int_equal(course_of(&outcome, SLOW_MS).next, COURSE_END);
    }
}

static void only_what_never_reached_the_seller_is_made_again(void **state) {
    (void)state;
    for (int class = 0; class < REPLY_CLASSES; class ++) {
        const struct upstream_outcome outcome = reply_of((enum reply_class) class, 503, "");
        bool again = course_of(&outcome, SLOW_MS).next == COURSE_AGAIN;
        assert_int_equal(again, class == REPLY_THROTTLED);
    }
    const struct upstream_outcome not_sent = {.end = UPSTREAM_NOT_SENT};
    assert_int_equal(course_of(&not_sent, SLOW_MS).next, COURSE_AGAIN);
}

static void a_refused_code_is_marked_and_another_one_tried(void **state) {
    (void)state;
    static const struct {
        enum reply_class class;
        enum credential_mark mark;
        enum failure failure;
    } rows[] = {
        {REPLY_CREDENTIAL_UNKNOWN, CREDENTIAL_UNKNOWN, FAILURE_UPSTREAM_REFUSED_CREDENTIAL},
        {REPLY_UNAUTHORIZED, CREDENTIAL_UNAUTHORIZED, FAILURE_UPSTREAM_REFUSED_CREDENTIAL},
        {REPLY_ARREARS, CREDENTIAL_ARREARS, FAILURE_UPSTREAM_REFUSED_CREDENTIAL},
        {REPLY_QUOTA_EXHAUSTED, CREDENTIAL_EXHAUSTED, FAILURE_PACKAGE_EXHAUSTED},
        {REPLY_QUOTA_EXPIRED, CREDENTIAL_EXPIRED, FAILURE_PACKAGE_EXHAUSTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct upstream_outcome outcome = reply_of(rows[i].class, 403, "");
        struct course course = course_of(&outcome, SLOW_MS);
        assert_int_equal(course.mark, rows[i].mark);
        assert_int_equal(course.failure, rows[i].failure);
        assert_int_equal(course.next, COURSE_OTHER_CREDENTIAL);
        assert_int_equal(course.of_provider, BREAKER_GOOD);
    }
}

static void an_unsupported_segment_is_an_answer_that_another_may_better(void **state) {
    (void)state;
    for (int kind = 0; kind < RESULT_UNKNOWN; kind++) {
        const struct upstream_outcome outcome =
            reply_of(REPLY_ANSWER, 200, result_table[kind].status);
        struct course course = course_of(&outcome, SLOW_MS);
        assert_int_equal(course.failure, FAILURE_NONE);
        assert_int_equal(course.next,
                         kind == RESULT_UNSUPPORTED_SEGMENT ? COURSE_OTHER_PROVIDER : COURSE_END);
    }
}

static void a_slow_answer_is_a_failure_of_the_provider(void **state) {
    (void)state;
    struct upstream_outcome outcome = reply_of(REPLY_ANSWER, 200, "01");
    outcome.latency_ms = SLOW_MS;
    assert_int_equal(course_of(&outcome, SLOW_MS).of_provider, BREAKER_GOOD);
    outcome.latency_ms = SLOW_MS + 1;
    assert_int_equal(course_of(&outcome, SLOW_MS).of_provider, BREAKER_BAD);
    assert_int_equal(course_of(&outcome, SLOW_MS).failure, FAILURE_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_follows_what_may_be_billed),
        cmocka_unit_test(only_what_never_reached_the_seller_is_made_again),
        cmocka_unit_test(a_refused_code_is_marked_and_another_one_tried),
        cmocka_unit_test(an_unsupported_segment_is_an_answer_that_another_may_better),
        cmocka_unit_test(a_slow_answer_is_a_failure_of_the_provider),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
