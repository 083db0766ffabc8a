#pragma once
/*
 * billing: was this call billed, as far as can be known?
 *
 * The sellers do not say for certain which statuses are billed; the settings do (`billed_statuses`
 * for the one of the guide, `billed` for others), and a call's outcome comes with what they say.
 * What was certainly not sent, and what the gateway answered without HTTP 200, is not billed; what
 * was sent and not answered is unknown, which money treats as billed. Pure.
 */
#include "core/failure.h"
#include "money/ledger.h"
#include "upstream/call.h"

/* Fills state, billed, http_status, status, trace_id and latency; not the time. */
void billing_judge(const struct upstream_outcome *upstream, struct ledger_outcome *ledger);
