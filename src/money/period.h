#pragma once
/*
 * period: the days and months by which quotas and statements turn, at midnight of one time zone.
 *
 * The zone is the setting `timezone`, an IANA name; summer time makes days of 23 and 25 hours. It
 * is the process's (TZ), set once on the main thread before any other begins. A call belongs to the
 * periods of the moment in its id. Any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/complaint.h"

#define PERIOD_LABEL_SIZE 12

struct period {
    char label[PERIOD_LABEL_SIZE]; /* "2026-11-25", "2026-11" */
    int64_t begin_ms;              /* Unix */
    int64_t end_ms;                /* where the next one begins */
};

/* NULL, or what is wrong with the name of a zone: "must be …". */
const char *period_check_zone(const char *name);

/* `name` has been checked. */
void period_set_zone(const char *name);

/* The one that holds the moment. */
struct period period_day(int64_t unix_ms);
struct period period_month(int64_t unix_ms);

/* "2026-11". False: it is none. */
bool period_parse_month(const char *text, struct period *month) __attribute__((warn_unused_result));
