#pragma once
/*
 * tally: how a call to upstream is counted: by the credential it bore, the status it brought, and
 * what is known of the bill. Pure, but for the row it counts in.
 */
#include "core/failure.h"
#include "runtime/metrics.h"
#include "upstream/call.h"

void tally_call(struct metrics_row *row, const char *credential,
                const struct upstream_outcome *outcome, enum billed billed);

/* What a cell of metrics_sum_calls counts. `status` is one of the seller's table, "unknown" for
 * another one, else the kind of the reply or how the call ended without one. False: nothing. */
struct tally_labels {
    const char *status;
    const char *billed;
};
bool tally_read_cell(int cell, struct tally_labels *labels);
