#pragma once
/*
 * novelty: statuses that the seller's guide does not have, from the workers to whoever tells of
 * them.
 *
 * Only few are kept between two takings, and only those that look like a status; a status that is
 * kept already is not kept twice. Any thread.
 */
#include <uv.h>

#include "core/result.h"

#define NOVELTY_MOST 16

struct novelty {
    uv_mutex_t mutex;
    int count;
    char statuses[NOVELTY_MOST][RESULT_STATUS_SIZE];
};

/* False: no memory. */
bool novelty_init(struct novelty *novelty) __attribute__((warn_unused_result));
void novelty_destroy(struct novelty *novelty);

/* `novelty` NULL is accepted. */
void novelty_note(struct novelty *novelty, const char *status);

/* Takes them out; returns how many. */
int novelty_take(struct novelty *novelty, char statuses[NOVELTY_MOST][RESULT_STATUS_SIZE]);
