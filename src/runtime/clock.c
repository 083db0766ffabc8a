#include "runtime/clock.h"

#include <time.h>

#include "runtime/civil.h"
#include "runtime/log.h"
#include "runtime/steady.h"

static int64_t read_ms(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall_ms(void *arg) {
    (void)arg;
    return read_ms(CLOCK_REALTIME);
}

/* Goes on while the machine sleeps, as time does. */
static int64_t boot_ms(void *arg) {
    (void)arg;
    return read_ms(CLOCK_BOOTTIME);
}

static struct steady steady = {
    .wall_ms = wall_ms, .boot_ms = boot_ms, .mutex = PTHREAD_MUTEX_INITIALIZER};

/* Before main: whatever is first to ask for the time finds one. */
__attribute__((constructor)) static void begin(void) {
    steady_begin(&steady);
}

static int64_t system_unix_ms(const struct clock *clock) {
    (void)clock;
    return steady_unix_ms(&steady);
}

static int64_t system_monotonic_ms(const struct clock *clock) {
    (void)clock;
    return read_ms(CLOCK_MONOTONIC);
}

const struct clock clock_system = {system_unix_ms, system_monotonic_ms};

static void tell(enum steady_event event, enum steady_source source, int64_t apart_ms) {
    const char *whose = source == STEADY_WALL ? "this machine" : "the store";
    int64_t seconds = apart_ms / 1000;
    if (event == STEADY_JUMPED)
        log_warn(
            "a clock is far from the time that is kept here; it is not followed until a reload",
            LOG_TEXT("clock", whose), LOG_NUMBER("seconds_ahead", seconds));
    else if (event == STEADY_RETURNED)
        log_info("a clock is near the time that is kept here again", LOG_TEXT("clock", whose));
    else if (event == STEADY_ADOPTED)
        log_warn("the store's clock is far from this machine's; the store's time is taken",
                 LOG_NUMBER("seconds_ahead", seconds));
}

void clock_follow(void) {
    int64_t apart_ms = 0;
    enum steady_event event = steady_follow(&steady, STEADY_WALL, wall_ms(NULL), &apart_ms);
    tell(event, STEADY_WALL, apart_ms);
}

void clock_hear(int64_t unix_ms) {
    int64_t apart_ms = 0;
    enum steady_event event = steady_follow(&steady, STEADY_STORE, unix_ms, &apart_ms);
    tell(event, STEADY_STORE, apart_ms);
}

void clock_take(void) {
    int64_t by_ms = steady_take(&steady);
    if (by_ms > STEADY_JUMP_MS || by_ms < -STEADY_JUMP_MS)
        log_warn("the clock was taken as it is", LOG_NUMBER("seconds_further", by_ms / 1000));
}

int64_t clock_apart_ms(void) {
    return steady_apart_ms(&steady, STEADY_WALL);
}

int64_t clock_store_apart_ms(void) {
    return steady_apart_ms(&steady, STEADY_STORE);
}

/* The years that RFC 3339 can write. */
#define RFC3339_FIRST_S INT64_C(-62167219200)
#define RFC3339_LAST_S  INT64_C(253402300799)

static char *put_number(char *at, int number, int digits, char behind) {
    for (int i = digits - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    at[digits] = behind;
    return at + digits + 1;
}

/* By hand: strftime takes ten times as long, and every answer holds two times. */
void clock_format_rfc3339(int64_t unix_s, char text[CLOCK_RFC3339_SIZE]) {
    bool early = unix_s < RFC3339_FIRST_S;
    int64_t written = early ? RFC3339_FIRST_S : unix_s > RFC3339_LAST_S ? RFC3339_LAST_S : unix_s;
    struct civil_time time = civil_time_of(written);
    char *at = put_number(text, time.year, 4, '-');
    at = put_number(at, time.month, 2, '-');
    at = put_number(at, time.day, 2, 'T');
    at = put_number(at, time.hour, 2, ':');
    at = put_number(at, time.minute, 2, ':');
    at = put_number(at, time.second, 2, 'Z');
    *at = '\0';
}
