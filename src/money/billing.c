#include "money/billing.h"

#include <stdio.h>

static void judge_reply(const struct upstream_outcome *upstream, struct ledger_outcome *ledger) {
    const struct reply *reply = &upstream->reply;
    if (reply->class == REPLY_ANSWER) {
        snprintf(ledger->status, sizeof ledger->status, "%s", reply->answer.status);
        snprintf(ledger->trace_id, sizeof ledger->trace_id, "%s", reply->answer.trace_id);
    }
    /* A reply nobody could read was paid for all the same. */
    bool answered = reply->class == REPLY_ANSWER;
    bool billed =
        answered ? upstream->priced : reply->class == REPLY_INVALID && upstream->http_status == 200;
    ledger->billed = billed ? BILLED_YES : BILLED_NO;
    ledger->state = billed || answered ? LEDGER_SETTLED : LEDGER_RELEASED;
}

void billing_judge(const struct upstream_outcome *upstream, struct ledger_outcome *ledger) {
    *ledger = (struct ledger_outcome){
        .http_status = upstream->http_status,
        .latency_ms = upstream->latency_ms,
    };
    switch (upstream->end) {
    case UPSTREAM_REPLIED:
        judge_reply(upstream, ledger);
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
