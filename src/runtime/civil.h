#pragma once
/*
 * civil: moments as people write them, in China Standard Time.
 *
 * The seller's day is China's, which has been eight hours ahead of UTC, without summer time, since
 * 1991. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads RFC 3339 ("2026-11-24T10:00:00.5+08:00", "2026-11-24T02:00:00Z"; a blank is taken for the +
 * that a query turned into one) or a date, which is its midnight in China, into Unix milliseconds.
 * Years 1970 to 9998.
 */
bool civil_parse(const char *text, size_t size, int64_t *unix_ms)
    __attribute__((warn_unused_result));

/* In the Gregorian calendar, also before there was one. */
struct civil_time {
    int year;
    int month; /* from 1 */
    int day;
    int hour;
    int minute;
    int second;
};

/* In UTC: of another zone when its offset was added before. What gmtime_r says, which asks for the
 * machine's time zone each time, under a lock. */
struct civil_time civil_time_of(int64_t unix_s);

#define CIVIL_SIZE 40

/* "2026-11-24T10:00:00.500+08:00". */
void civil_format(int64_t unix_ms, char text[CIVIL_SIZE]);

/* As the seller writes it, to the second: "2026-11-24 10:00:00". */
void civil_format_plain(int64_t unix_ms, char text[CIVIL_SIZE]);
