#include "runtime/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_unix_ms(const struct clock *clock) {
    (void)clock;
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(const struct clock *clock) {
    (void)clock;
    return read_ms(CLOCK_MONOTONIC);
}

const struct clock clock_system = {system_unix_ms, system_monotonic_ms};

void clock_format_rfc3339(int64_t unix_s, char text[CLOCK_RFC3339_SIZE]) {
    time_t seconds = (time_t)unix_s;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
