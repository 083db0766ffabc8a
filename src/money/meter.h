#pragma once
/*
 * meter: what is measured of one client in this process: its rate, its hits, what it has used.
 *
 * It lives as long as the process, through all changes of the client. All threads share it; every
 * member is changed atomically and by itself.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct meter {
    atomic_int number;          /* of its client in the metrics (metrics_client_number) */
    _Atomic int64_t arrival;    /* GCRA: the theoretical arrival time, monotonic microseconds */
    _Atomic int64_t hits;       /* answers without a call since the last flush */
    _Atomic int64_t limited;    /* requests over the rate */
    _Atomic int64_t shadowed;   /* what a limit in shadow would have refused */
    _Atomic int64_t day_end_ms; /* to which day and month the two counts below belong */
    _Atomic int64_t day_used;   /* as last heard of the store */
    _Atomic int64_t month_end_ms;
    _Atomic int64_t month_used;
};

struct meter_rate {
    bool allowed;
    int64_t left;     /* requests that may come at once */
    int64_t retry_ms; /* where not allowed: when the next one may come */
    int64_t full_ms;  /* when the whole burst is there again */
};

/* May one more request come now? (GCRA: `per_second` on the average, `burst` at once.) A refused
 * one changes nothing. */
struct meter_rate meter_take(struct meter *meter, int64_t per_second, int64_t burst,
                             int64_t now_us);

/* What a reservation or a look into the store told. Counts of another period replace older ones. */
void meter_note_used(struct meter *meter, int64_t day_end_ms, int64_t day_used,
                     int64_t month_end_ms, int64_t month_used);

/* As it is known now; -1: not known, since a new period has begun, or none was told. */
int64_t meter_day_used(struct meter *meter, int64_t now_ms);
int64_t meter_month_used(struct meter *meter, int64_t now_ms);

/* Takes the hits out. */
int64_t meter_take_hits(struct meter *meter);
