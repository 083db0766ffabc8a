#pragma once
/*
 * reconcile: the ledger against the seller's account, window by window.
 *
 * A call of ours is billed in the window it was reserved in or, being in flight when that ended, in
 * the next one; never earlier and never later. Calls bear no name on the seller's side, so only
 * counts are compared. The pairing:
 *
 *  1. Within each window, min(ours, theirs) calls agree. What is left of a window is a surplus of
 *     ours or of theirs, never of both.
 *  2. The windows with a surplus of theirs are gone through, earliest first. Each takes what it can
 *     from surpluses of ours before it, the nearest first.
 *  3. From window k to k+1 that is plain: the calls of k were billed late. Over windows in between
 *     it is a chain in which every call is still late by one window at most: k's are billed in k+1,
 *     as many of k+1's own therefore in k+2, and so on. So it reaches over a window only with as
 *     many calls as agreed within that window, and over a window without calls not at all. Where
 *     more would have to pass, the nearest surpluses do.
 *
 * No other pairing under the same rule leaves fewer calls over. A chain moves counts that agree in
 * the sum; `moved` shows where, since a chain over many windows may also be two mistakes that
 * cancel out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "money/usage_export.h"
#include "runtime/complaint.h"

/*
 * In each window ours = agreed + ours_only, and theirs = agreed - moved + (moved of the window
 * before) + theirs_only: an agreed call counts in the window it was reserved in.
 */
struct reconcile_window {
    int64_t begin_s; /* Unix seconds */
    int64_t ours;
    int64_t theirs;
    int64_t agreed;
    int64_t moved; /* of the agreed ones: billed in the next window */
    int64_t ours_only;
    int64_t theirs_only;
};

struct reconcile_report {
    struct reconcile_window *windows; /* owned; by time, every window that either side has */
    size_t count;
    struct reconcile_window total; /* its begin_s is 0 */
};

/*
 * Both sides by time, each window once, no count below 0. For part of a longer time, begin ours one
 * window before theirs, for what was billed late across that edge. False when there is no memory,
 * with nothing to free. Pure.
 */
bool reconcile_compare(const struct usage_window *ours, size_t ours_count,
                       const struct usage_window *theirs, size_t theirs_count,
                       struct reconcile_report *report, struct complaint *complaint)
    __attribute__((warn_unused_result));

void reconcile_free(struct reconcile_report *report);
