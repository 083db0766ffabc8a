#include "money/period.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZONES "/usr/share/zoneinfo"

/* What a day's first moment may be before its noon, and more. */
#define LONGEST_MORNING_S (14 * 3600)

static bool is_zone_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_+-/", c) != NULL);
}

static bool is_zone_file(const char *name) {
    char path[256];
    char magic[4] = "";
    const char *folder = getenv("TZDIR");
    int size = snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : ZONES, name);
    if (size < 0 || (size_t)size >= sizeof path)
        return false;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    bool good = fread(magic, 1, sizeof magic, file) == sizeof magic;
    fclose(file);
    return good && memcmp(magic, "TZif", sizeof magic) == 0;
}

const char *period_check_zone(const char *name) {
    static const char wrong[] =
        "must be the name of a time zone, like Asia/Shanghai; are the zones "
        "of this machine (tzdata) installed?";
    if (strcmp(name, "UTC") == 0)
        return NULL;
    if (name[0] == '\0' || name[0] == '/')
        return wrong;
    for (const char *c = name; *c != '\0'; c++) {
        if (!is_zone_character(*c))
            return wrong;
    }
    return is_zone_file(name) ? NULL : wrong;
}

void period_set_zone(const char *name) {
    setenv("TZ", name, 1);
    tzset();
}

/* As one number that grows with the date. */
static int date_of(time_t moment) {
    struct tm tm;
    localtime_r(&moment, &tm);
    return ((tm.tm_year + 1900) * 100 + tm.tm_mon + 1) * 100 + tm.tm_mday;
}

/* Of the day; not always what mktime makes of its midnight, which summer time may skip. */
static time_t first_moment(int year, int month, int day) {
    struct tm noon = {
        .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = 12, .tm_isdst = -1};
    time_t at = mktime(&noon);
    int date = ((noon.tm_year + 1900) * 100 + noon.tm_mon + 1) * 100 + noon.tm_mday;
    time_t before = at - LONGEST_MORNING_S;
    while (at - before > 1) {
        time_t middle = before + (at - before) / 2;
        if (date_of(middle) >= date)
            at = middle;
        else
            before = middle;
    }
    return at;
}

static struct period make_day(int year, int month, int day) {
    struct period period = {
        .begin_ms = (int64_t)first_moment(year, month, day) * 1000,
        .end_ms = (int64_t)first_moment(year, month, day + 1) * 1000,
    };
    snprintf(period.label, sizeof period.label, "%04u-%02u-%02u", (unsigned)year % 10000u,
             (unsigned)month % 100u, (unsigned)day % 100u);
    return period;
}

static struct period make_month(int year, int month) {
    struct period period = {
        .begin_ms = (int64_t)first_moment(year, month, 1) * 1000,
        .end_ms = (int64_t)first_moment(year, month + 1, 1) * 1000,
    };
    snprintf(period.label, sizeof period.label, "%04u-%02u", (unsigned)year % 10000u,
             (unsigned)month % 100u);
    return period;
}

static bool holds(const struct period *period, int64_t unix_ms) {
    return period->begin_ms <= unix_ms && unix_ms < period->end_ms;
}

static void split(int64_t unix_ms, struct tm *tm) {
    time_t moment = (time_t)(unix_ms / 1000);
    localtime_r(&moment, tm);
}

struct period period_day(int64_t unix_ms) {
    static __thread struct period last;
    struct tm tm;
    if (!holds(&last, unix_ms)) {
        split(unix_ms, &tm);
        last = make_day(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    }
    return last;
}

struct period period_month(int64_t unix_ms) {
    static __thread struct period last;
    struct tm tm;
    if (!holds(&last, unix_ms)) {
        split(unix_ms, &tm);
        last = make_month(tm.tm_year + 1900, tm.tm_mon + 1);
    }
    return last;
}

bool period_parse_month(const char *text, struct period *month) {
    static const char form[] = "####-##";
    for (size_t i = 0; i < sizeof form; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '#' ? !digit : text[i] != form[i])
            return false;
    }
    int year = atoi(text);
    int number = atoi(text + 5);
    if (year < 1970 || number < 1 || number > 12)
        return false;
    *month = make_month(year, number);
    return true;
}
