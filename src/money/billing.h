#pragma once
/*
 * billing: was this call billed, as far as can be known?
 *
 * The seller's guide does not say which statuses are billed; the setting `billed_statuses` does.
 * What was certainly not sent, and what the gateway answered without HTTP 200, is not billed; what
 * was sent and not answered is unknown, which money treats as billed. Pure.
 */
#include "core/failure.h"
#include "money/ledger.h"
#include "runtime/config.h"
#include "upstream/call.h"

/* Fills state, billed, http_status, status, trace_id and latency; not the time. */
void billing_judge(const struct upstream_outcome *upstream, char *const *billed_statuses,
                   struct ledger_outcome *ledger);
