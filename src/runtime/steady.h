#pragma once
/*
 * steady: a Unix time that a jump of the clock does not carry along.
 *
 * It begins as the wall clock and goes on with the time since the machine's boot, which nobody
 * sets. The wall clock is followed as far as it drifts: differences up to STEADY_JUMP_MS are made
 * up for slowly, and larger ones are jumps, which are told and not followed until steady_take.
 * Where a store tells its time, that rules in place of the wall clock from its first word on.
 *
 * Reading is for any thread and takes no lock; so is the rest, with one.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STEADY_JUMP_MS 10000
#define STEADY_SLEW    20 /* of so many parts of the time that passed, one at most is corrected */

enum steady_source { STEADY_WALL, STEADY_STORE, STEADY_SOURCES };

enum steady_event {
    STEADY_QUIET,
    STEADY_JUMPED,   /* the source is far from us, or further than was told; not followed */
    STEADY_RETURNED, /* it was told to be, and is near again */
    STEADY_ADOPTED,  /* the store's first word: we were far from it, and took it */
};

struct steady {
    int64_t (*wall_ms)(void *arg);
    int64_t (*boot_ms)(void *arg);
    void *arg;
    atomic_llong offset_ms; /* Unix time less time since boot */
    pthread_mutex_t mutex;  /* over what follows */
    enum steady_source ruling;
    int64_t followed_at; /* time since boot */
    struct {
        atomic_llong apart_ms; /* it less ours, as last seen */
        bool told;             /* that it is far */
        int64_t told_ms;       /* how far it was then */
    } sources[STEADY_SOURCES];
};

/* Takes the wall clock as it is. `steady` was set up with its functions and a mutex. */
void steady_begin(struct steady *steady);

int64_t steady_unix_ms(const struct steady *steady);

/* The source says that it is `unix_ms` now. `apart_ms`: how far it was from us. */
enum steady_event steady_follow(struct steady *steady, enum steady_source source, int64_t unix_ms,
                                int64_t *apart_ms);

/* Takes the ruling source's time as it is, jumped or not. Returns by how much ours changed. */
int64_t steady_take(struct steady *steady);

/* How far the source was from us when it was last seen; 0 before. */
int64_t steady_apart_ms(const struct steady *steady, enum steady_source source);
