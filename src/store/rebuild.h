#pragma once
/*
 * rebuild: gives a shared store back what it has lost, from the journals of all replicas.
 *
 * Every call in the journals is delivered again: its ledger row and the counters, its place in its
 * number's window, and its answer where that was never delivered. Then the documents that the
 * journals hold are given back, each in the newest version that any of them has: last, so that
 * nobody reserves by them before what was used is counted again. What the store has already is left
 * as it is, so it may run at any time, while replicas serve, and more than once.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "runtime/complaint.h"
#include "store/store.h"

struct rebuild_counts {
    int64_t lines;              /* read in the journals */
    int64_t restored;           /* rows that were missing, or whose end was */
    int64_t present;            /* rows that were as the journal has them */
    int64_t documents;          /* read in the journals, each as often as it stands in one */
    int64_t documents_restored; /* that were missing, or older */
    int64_t documents_present;  /* that were there, at least as new */
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
