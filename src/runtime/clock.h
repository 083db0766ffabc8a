#pragma once
/*
 * clock: the time, as a parameter.
 *
 * Whatever depends on time takes a `const struct clock *`, so that a day passes in a test without
 * waiting. `unix_ms` is civil time and may jump; `monotonic_ms` only goes forward and is for
 * durations. Safe from any thread if the functions behind it are (the system clock's are).
 */
#include <stdint.h>

struct clock {
    int64_t (*unix_ms)(const struct clock *clock);
    int64_t (*monotonic_ms)(const struct clock *clock);
};

/* The machine's own clock; lives as long as the program. */
extern const struct clock clock_system;

static inline int64_t clock_unix_ms(const struct clock *clock) {
    return clock->unix_ms(clock);
}

static inline int64_t clock_monotonic_ms(const struct clock *clock) {
    return clock->monotonic_ms(clock);
}

/* Writes `unix_s` as RFC 3339 in UTC, "2026-11-24T02:00:00Z". */
#define CLOCK_RFC3339_SIZE 32
void clock_format_rfc3339(int64_t unix_s, char text[CLOCK_RFC3339_SIZE]);
