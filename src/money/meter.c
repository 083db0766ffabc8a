#include "money/meter.h"

#define SECOND_US 1000000

/* Rounded up: who comes back then is let in. */
static int64_t us_to_ms(int64_t us) {
    return us > 0 ? (us + 999) / 1000 : 0;
}

struct meter_rate meter_take(struct meter *meter, int64_t per_second, int64_t burst,
                             int64_t now_us) {
    if (per_second <= 0)
        return (struct meter_rate){.allowed = true};
    int64_t interval = per_second < SECOND_US ? SECOND_US / per_second : 1;
    int64_t room = (burst > 0 ? burst : 1) * interval;
    int64_t arrival = atomic_load_explicit(&meter->arrival, memory_order_relaxed);
    int64_t next = 0;
    do {
        next = (arrival > now_us ? arrival : now_us) + interval;
        if (next - room > now_us)
            return (struct meter_rate){
                .retry_ms = us_to_ms(next - room - now_us),
                .full_ms = us_to_ms(arrival - now_us),
            };
    } while (!atomic_compare_exchange_weak_explicit(&meter->arrival, &arrival, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return (struct meter_rate){
        .allowed = true,
        .left = (now_us + room - next) / interval,
        .full_ms = us_to_ms(next - now_us),
    };
}

/* The count first: between the two, the period that is over hides it. */
void meter_note_used(struct meter *meter, int64_t day_end_ms, int64_t day_used,
                     int64_t month_end_ms, int64_t month_used) {
    atomic_store(&meter->day_used, day_used);
    atomic_store(&meter->day_end_ms, day_end_ms);
    atomic_store(&meter->month_used, month_used);
    atomic_store(&meter->month_end_ms, month_end_ms);
}

int64_t meter_day_used(struct meter *meter, int64_t now_ms) {
    return now_ms < atomic_load(&meter->day_end_ms) ? atomic_load(&meter->day_used) : -1;
}

int64_t meter_month_used(struct meter *meter, int64_t now_ms) {
    return now_ms < atomic_load(&meter->month_end_ms) ? atomic_load(&meter->month_used) : -1;
}

int64_t meter_take_hits(struct meter *meter) {
    return atomic_exchange_explicit(&meter->hits, 0, memory_order_relaxed);
}
