#pragma once
/*
 * window: the seller's ten-minute windows, in which it lists what it billed.
 *
 * A window begins one second past a ten-minute mark and ends where the next begins; by the clock of
 * China and by UTC these are the same moments. A call belongs to the window of the moment at which
 * it was reserved. Windows without calls are not listed. One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define WINDOW_MS INT64_C(600000)

struct window {
    int64_t begin_ms; /* Unix */
    int64_t calls;
};

/* Oldest first. All zero: none. At most 144 a day, whatever the calls. */
struct window_list {
    struct window *windows; /* owned */
    size_t count;
    size_t room;
};

/* The beginning of the window that the moment belongs to. */
int64_t window_begin(int64_t unix_ms);

/* Does the seller bill the call, as far as can be known? Answered and billed, or unknown. */
bool window_counts(const struct store_row *row);

/* One more call at that moment, in any order. False without memory. */
bool window_add(struct window_list *list, int64_t unix_ms) __attribute__((warn_unused_result));

void window_list_free(struct window_list *list);

/* "2018-03-19 10:50:01 - 2018-03-19 11:00:01", in China Standard Time. */
#define WINDOW_TEXT_SIZE 96
void window_format(const struct window *window, char text[WINDOW_TEXT_SIZE]);
