#include "money/billing.h"

#include <stdio.h>
#include <string.h>

static bool is_billed_status(char *const *billed_statuses, const char *status) {
    for (size_t i = 0; billed_statuses[i] != NULL; i++) {
        if (strcmp(billed_statuses[i], "*") == 0 || strcmp(billed_statuses[i], status) == 0)
            return true;
    }
    return false;
}

static void judge_reply(const struct upstream_outcome *upstream, char *const *billed_statuses,
                        struct ledger_outcome *ledger) {
    const struct reply *reply = &upstream->reply;
    if (reply->class == REPLY_ANSWER) {
        snprintf(ledger->status, sizeof ledger->status, "%s", reply->answer.status);
        snprintf(ledger->trace_id, sizeof ledger->trace_id, "%s", reply->answer.trace_id);
    }
    /* A reply nobody could read was paid for all the same. */
    bool billed =
        upstream->http_status == 200 &&
        (reply->class == REPLY_INVALID ||
         (reply->class == REPLY_ANSWER && is_billed_status(billed_statuses, reply->answer.status)));
    bool answered = reply->class == REPLY_ANSWER;
    ledger->billed = billed ? BILLED_YES : BILLED_NO;
    ledger->state = billed || answered ? LEDGER_SETTLED : LEDGER_RELEASED;
}

void billing_judge(const struct upstream_outcome *upstream, char *const *billed_statuses,
                   struct ledger_outcome *ledger) {
    *ledger = (struct ledger_outcome){
        .http_status = upstream->http_status,
        .latency_ms = upstream->latency_ms,
    };
    switch (upstream->end) {
    case UPSTREAM_REPLIED:
        judge_reply(upstream, billed_statuses, ledger);
        return;
    case UPSTREAM_NOT_SENT:
        ledger->state = LEDGER_RELEASED;
        ledger->billed = BILLED_NO;
        return;
    case UPSTREAM_TIMED_OUT:
    case UPSTREAM_BROKEN:
        ledger->state = LEDGER_UNKNOWN;
        ledger->billed = BILLED_UNKNOWN;
        return;
    }
}
