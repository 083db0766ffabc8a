/* Was it billed, as far as can be known? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "money/billing.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void every_end_has_its_bill(void **state) {
    (void)state;
    static const struct {
        enum upstream_end end;
        enum reply_class class;
        int http_status;
        bool priced;
        enum ledger_state state;
        enum billed billed;
    } cases[] = {
        {UPSTREAM_REPLIED, REPLY_ANSWER, 200, true, LEDGER_SETTLED, BILLED_YES},
        {UPSTREAM_REPLIED, REPLY_ANSWER, 200, false, LEDGER_SETTLED, BILLED_NO},
        /* Whose rule says so, knows of its status too. */
        {UPSTREAM_REPLIED, REPLY_ANSWER, 450, true, LEDGER_SETTLED, BILLED_YES},
        {UPSTREAM_REPLIED, REPLY_ANSWER, 450, false, LEDGER_SETTLED, BILLED_NO},
        {UPSTREAM_REPLIED, REPLY_INVALID, 200, false, LEDGER_SETTLED, BILLED_YES},
        {UPSTREAM_REPLIED, REPLY_INVALID, 302, false, LEDGER_RELEASED, BILLED_NO},
        {UPSTREAM_REPLIED, REPLY_QUOTA_EXHAUSTED, 403, false, LEDGER_RELEASED, BILLED_NO},
        {UPSTREAM_REPLIED, REPLY_QUOTA_EXHAUSTED, 200, true, LEDGER_RELEASED, BILLED_NO},
        {UPSTREAM_REPLIED, REPLY_GATEWAY_FAILED, 502, false, LEDGER_RELEASED, BILLED_NO},
        {UPSTREAM_NOT_SENT, 0, 0, false, LEDGER_RELEASED, BILLED_NO},
        {UPSTREAM_TIMED_OUT, 0, 0, false, LEDGER_UNKNOWN, BILLED_UNKNOWN},
        {UPSTREAM_BROKEN, 0, 200, false, LEDGER_UNKNOWN, BILLED_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct upstream_outcome outcome = {.end = cases[i].end,
                                           .http_status = cases[i].http_status,
                                           .latency_ms = 7,
                                           .priced = cases[i].priced};
        struct ledger_outcome ledger;
        bool answers = cases[i].end == UPSTREAM_REPLIED && cases[i].class == REPLY_ANSWER;
        outcome.reply.class = cases[i].class;
        snprintf(outcome.reply.answer.status, sizeof outcome.reply.answer.status, "01");
        snprintf(outcome.reply.answer.trace_id, sizeof outcome.reply.answer.trace_id, "t");
        billing_judge(&outcome, &ledger);
        if (ledger.state != cases[i].state || ledger.billed != cases[i].billed)
            fail_msg("case %zu", i);
        assert_string_equal(ledger.status, answers ? "01" : "");
        assert_string_equal(ledger.trace_id, answers ? "t" : "");
        assert_int_equal(ledger.http_status, cases[i].http_status);
        assert_int_equal(ledger.latency_ms, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_has_its_bill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
