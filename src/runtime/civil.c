#include "runtime/civil.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CHINA_MINUTES   (8 * 60)
#define DATE_SIZE       10 /* 2026-11-24 */
#define FRACTION_DIGITS 9

struct cursor {
    const char *at;
    const char *end;
};

static bool take(struct cursor *cursor, const char *any_of) {
    if (cursor->at == cursor->end || *cursor->at == '\0' || strchr(any_of, *cursor->at) == NULL)
        return false;
    cursor->at++;
    return true;
}

static bool take_number(struct cursor *cursor, int digits, int least, int most, int *number) {
    *number = 0;
    for (int i = 0; i < digits; i++) {
        const char *digit = cursor->at;
        if (!take(cursor, "0123456789"))
            return false;
        *number = *number * 10 + (*digit - '0');
    }
    return *number >= least && *number <= most;
}

static bool take_date(struct cursor *cursor, struct tm *tm) {
    if (!take_number(cursor, 4, 1970, 9998, &tm->tm_year) || !take(cursor, "-") ||
        !take_number(cursor, 2, 1, 12, &tm->tm_mon) || !take(cursor, "-") ||
        !take_number(cursor, 2, 1, 31, &tm->tm_mday))
        return false;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    /* The 30th of February would become a day of March. */
    struct tm same = *tm;
    return timegm(&same) >= 0 && same.tm_mday == tm->tm_mday;
}

static bool take_fraction(struct cursor *cursor, int *ms) {
    int digits = 0;
    int weight = 100;
    *ms = 0;
    if (!take(cursor, "."))
        return true;
    for (;; digits++, weight /= 10) {
        const char *digit = cursor->at;
        if (!take(cursor, "0123456789"))
            return digits >= 1 && digits <= FRACTION_DIGITS;
        *ms += (*digit - '0') * weight;
    }
}

static bool take_offset(struct cursor *cursor, int *minutes) {
    *minutes = 0;
    if (take(cursor, "Zz"))
        return true;
    const char *sign = cursor->at;
    int hour = 0;
    int minute = 0;
    if (!take(cursor, "+- ") || !take_number(cursor, 2, 0, 23, &hour) || !take(cursor, ":") ||
        !take_number(cursor, 2, 0, 59, &minute))
        return false;
    *minutes = (hour * 60 + minute) * (*sign == '-' ? -1 : 1);
    return true;
}

bool civil_parse(const char *text, size_t size, int64_t *unix_ms) {
    struct cursor cursor = {text, text + size};
    struct tm tm = {0};
    int ms = 0;
    int minutes = CHINA_MINUTES;
    if (!take_date(&cursor, &tm))
        return false;
    bool timed = size > DATE_SIZE;
    if (timed && (!take(&cursor, "Tt") || !take_number(&cursor, 2, 0, 23, &tm.tm_hour) ||
                  !take(&cursor, ":") || !take_number(&cursor, 2, 0, 59, &tm.tm_min) ||
                  !take(&cursor, ":") || !take_number(&cursor, 2, 0, 59, &tm.tm_sec) ||
                  !take_fraction(&cursor, &ms) || !take_offset(&cursor, &minutes)))
        return false;
    *unix_ms = ((int64_t)timegm(&tm) - (int64_t)minutes * 60) * 1000 + ms;
    return cursor.at == cursor.end;
}

#define DAY_S      86400
#define YEAR_DAYS  365
#define ERA_YEARS  400
#define ERA_DAYS   146097 /* the calendar repeats after so many */
#define MARCH_DAYS 719468 /* from the 1st of March of the year 0 to 1970-01-01 */

static int64_t divide_down(int64_t number, int64_t by) {
    return number / by - (number % by < 0);
}

/* Years begin in March here, so that the day that may be missing is the last one; and five months
 * have 153 days, from March as from August. */
struct civil_time civil_time_of(int64_t unix_s) {
    int64_t days = divide_down(unix_s, DAY_S);
    int in_day = (int)(unix_s - days * DAY_S);
    int64_t since = days + MARCH_DAYS;
    int64_t era = divide_down(since, ERA_DAYS);
    int in_era = (int)(since - era * ERA_DAYS);
    int leaps = in_era / 1460 - in_era / 36524 + in_era / 146096;
    int year = (in_era - leaps) / YEAR_DAYS;
    int in_year = in_era - (YEAR_DAYS * year + year / 4 - year / 100);
    int month = (5 * in_year + 2) / 153;
    return (struct civil_time){
        .year = (int)(era * ERA_YEARS) + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = in_year - (153 * month + 2) / 5 + 1,
        .hour = in_day / 3600,
        .minute = in_day / 60 % 60,
        .second = in_day % 60,
    };
}

/* `between` stands between date and time. Returns the size. */
static size_t format(int64_t unix_ms, char between, char text[CIVIL_SIZE]) {
    time_t local = (time_t)(divide_down(unix_ms, 1000) + (int64_t)CHINA_MINUTES * 60);
    struct tm tm;
    gmtime_r(&local, &tm);
    size_t size = strftime(text, CIVIL_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
    if (size > DATE_SIZE)
        text[DATE_SIZE] = between;
    return size;
}

void civil_format(int64_t unix_ms, char text[CIVIL_SIZE]) {
    size_t size = format(unix_ms, 'T', text);
    int ms = (int)((unix_ms % 1000 + 1000) % 1000);
    snprintf(text + size, CIVIL_SIZE - size, ".%03d+08:00", ms);
}

void civil_format_plain(int64_t unix_ms, char text[CIVIL_SIZE]) {
    format(unix_ms, ' ', text);
}
