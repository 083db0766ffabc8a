#pragma once
/*
 * breakers: the breakers of a running service, kept in step with its settings and with the
 * directory's marks: a provider's, which is asked, and one for each AppCode. The main thread; the
 * board itself is anybody's.
 */
#include <stdbool.h>

#include "money/directory.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "upstream/breaker.h"

struct breakers {
    struct breaker_board *board;        /* NULL: not begun */
    struct directory_credential *known; /* those that have a breaker */
    int count;
    int64_t refused_for_ms;
};

/* False with a complaint; breakers_end is to be called all the same. */
bool breakers_begin(struct breakers *breakers, const struct clock *clock,
                    const struct config *config, const struct directory_credential *credentials,
                    int count, struct complaint *complaint) __attribute__((warn_unused_result));

/* The directory's `marked`, with the breakers as `arg`: an AppCode that upstream refuses is left
 * alone here too, whichever process found it out, and not any longer when its mark is gone. */
void breakers_marked(void *arg, const char *credential, enum credential_mark mark);

/* Other settings or AppCodes. That there is no memory for them is only logged. */
void breakers_set(struct breakers *breakers, const struct config *config,
                  const struct directory_credential *credentials, int count);

/* Nobody uses the board any more. */
void breakers_end(struct breakers *breakers);
