#pragma once
/*
 * window: how often each mobile number was checked within the last 24 hours (a rolling window).
 *
 * Only admitted checks count: one that is refused leaves no trace. Times are the sandbox's own
 * milliseconds, which never run backwards. Not safe from several threads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "sandbox/text.h"

struct window;

struct window *window_new(void) __attribute__((warn_unused_result));
void window_free(struct window *window);

/*
 * Counts a check of `mobile` at `now_ms` and returns true, or returns false when `limit` checks (at
 * least 1) are already within the 24 hours before. Without memory the check is admitted uncounted.
 */
bool window_admit(struct window *window, struct text mobile, int64_t now_ms, long limit);

/* Forgets every check. */
void window_clear(struct window *window);
