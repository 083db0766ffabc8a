#include "runtime/steady.h"

/* What a store says was on its way for a moment: less than this is no difference. */
#define STORE_BLUR_MS 250

void steady_begin(struct steady *steady) {
    int64_t boot = steady->boot_ms(steady->arg);
    steady->followed_at = boot;
    atomic_store(&steady->offset_ms, steady->wall_ms(steady->arg) - boot);
}

int64_t steady_unix_ms(const struct steady *steady) {
    return steady->boot_ms(steady->arg) +
           atomic_load_explicit(&steady->offset_ms, memory_order_relaxed);
}

int64_t steady_apart_ms(const struct steady *steady, enum steady_source source) {
    return atomic_load_explicit(&steady->sources[source].apart_ms, memory_order_relaxed);
}

static bool is_far(int64_t ms) {
    return ms > STEADY_JUMP_MS || ms < -STEADY_JUMP_MS;
}

static void set_offset(struct steady *steady, int64_t by_ms) {
    atomic_fetch_add(&steady->offset_ms, by_ms);
    for (int i = 0; i < STEADY_SOURCES; i++)
        atomic_fetch_sub(&steady->sources[i].apart_ms, by_ms);
}

/* A part of the time that passed: a second that is corrected is still about a second. */
static void slew(struct steady *steady, int64_t apart_ms) {
    int64_t boot = steady->boot_ms(steady->arg);
    int64_t most = (boot - steady->followed_at) / STEADY_SLEW;
    int64_t blur = steady->ruling == STEADY_STORE ? STORE_BLUR_MS : 0;
    if (most <= 0)
        return;
    steady->followed_at = boot;
    if (apart_ms > blur)
        atomic_fetch_add(&steady->offset_ms, apart_ms < most ? apart_ms : most);
    else if (apart_ms < -blur)
        atomic_fetch_sub(&steady->offset_ms, -apart_ms < most ? -apart_ms : most);
}

static enum steady_event note(struct steady *steady, enum steady_source source, int64_t apart_ms) {
    bool far = is_far(apart_ms);
    bool told = steady->sources[source].told;
    if (far && (!told || is_far(apart_ms - steady->sources[source].told_ms))) {
        steady->sources[source].told = true;
        steady->sources[source].told_ms = apart_ms;
        return STEADY_JUMPED;
    }
    if (far || !told)
        return STEADY_QUIET;
    steady->sources[source].told = false;
    return STEADY_RETURNED;
}

/* That the wall clock is far from the store's is said with it. */
static enum steady_event adopt(struct steady *steady, int64_t apart_ms) {
    steady->ruling = STEADY_STORE;
    if (!is_far(apart_ms))
        return STEADY_QUIET;
    set_offset(steady, apart_ms);
    int64_t wall_apart = steady->wall_ms(steady->arg) - steady_unix_ms(steady);
    steady->sources[STEADY_WALL].told = is_far(wall_apart);
    steady->sources[STEADY_WALL].told_ms = wall_apart;
    return STEADY_ADOPTED;
}

static enum steady_event follow(struct steady *steady, enum steady_source source,
                                int64_t apart_ms) {
    if (source == STEADY_STORE && steady->ruling != STEADY_STORE)
        return adopt(steady, apart_ms);
    if (source == steady->ruling && !is_far(apart_ms))
        slew(steady, apart_ms);
    return note(steady, source, apart_ms);
}

enum steady_event steady_follow(struct steady *steady, enum steady_source source, int64_t unix_ms,
                                int64_t *apart_ms) {
    pthread_mutex_lock(&steady->mutex);
    *apart_ms = unix_ms - steady_unix_ms(steady);
    atomic_store(&steady->sources[source].apart_ms, *apart_ms);
    enum steady_event event = follow(steady, source, *apart_ms);
    pthread_mutex_unlock(&steady->mutex);
    return event;
}

int64_t steady_take(struct steady *steady) {
    pthread_mutex_lock(&steady->mutex);
    int64_t by_ms = steady->ruling == STEADY_WALL
                        ? steady->wall_ms(steady->arg) - steady_unix_ms(steady)
                        : steady_apart_ms(steady, STEADY_STORE);
    set_offset(steady, by_ms);
    for (int i = 0; i < STEADY_SOURCES; i++)
        steady->sources[i].told = false;
    pthread_mutex_unlock(&steady->mutex);
    return by_ms;
}
