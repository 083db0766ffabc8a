#pragma once
/*
 * rebuild: gives a shared store back what it has lost, from the journals of all replicas.
 *
 * Every call in the journals is delivered again: its ledger row and the counters, its place in its
 * number's window, and its answer where that was never delivered. What the store has already is
 * left as it is, so it may run at any time, while replicas serve, and more than once.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "runtime/complaint.h"
#include "store/store.h"

struct rebuild_counts {
    int64_t lines;    /* read in the journals */
    int64_t restored; /* rows that were missing, or whose end was */
    int64_t present;  /* rows that were as the journal has them */
};

/*
 * `paths` ends with NULL. Of the settings the two addresses, ca_file, timeout_ms and
 * number_window_ms count. False with a complaint when a journal cannot be read or the store does
 * not take something: what was restored till then stays, and running it again goes on. Blocks; the
 * calling thread's own loop.
 */
bool rebuild_store(const struct store_settings *settings, const char *const *paths,
                   const struct clock *clock, struct rebuild_counts *counts,
                   struct complaint *complaint) __attribute__((warn_unused_result));
