#pragma once
/*
 * clock: the time, as a parameter.
 *
 * Whatever depends on time takes a `const struct clock *`, so that a day passes in a test without
 * waiting. `unix_ms` is civil time; `monotonic_ms` only goes forward and is for durations. Safe
 * from any thread if the functions behind it are (the system clock's are).
 */
#include <stdint.h>

struct clock {
    int64_t (*unix_ms)(const struct clock *clock);
    int64_t (*monotonic_ms)(const struct clock *clock);
};

/* The machine's own clock; lives as long as the program. Its Unix time is steady (steady.h): it
 * does not jump with the machine's, but for clock_take, and the first word of a store. */
extern const struct clock clock_system;

/* Looks how far the machine's clock is from ours, follows it as far as it drifts, and logs a jump.
 * About once a second, on one thread. */
void clock_follow(void);

/* A store that others share says that it is `unix_ms` now. Any thread. */
void clock_hear(int64_t unix_ms);

/* Takes the machine's clock, or the store's, as it is. */
void clock_take(void);

/* How far the machine's clock and the store's are from ours, in ms, as last seen. */
int64_t clock_apart_ms(void);
int64_t clock_store_apart_ms(void);

static inline int64_t clock_unix_ms(const struct clock *clock) {
    return clock->unix_ms(clock);
}

static inline int64_t clock_monotonic_ms(const struct clock *clock) {
    return clock->monotonic_ms(clock);
}

/* Writes `unix_s` as RFC 3339 in UTC, "2026-11-24T02:00:00Z"; beyond the years 0 to 9999 the
 * nearest time that it can write. */
#define CLOCK_RFC3339_SIZE 32
void clock_format_rfc3339(int64_t unix_s, char text[CLOCK_RFC3339_SIZE]);
