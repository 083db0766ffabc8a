#pragma once
/*
 * breakers: the breakers of a running service, kept in step with its settings and with the
 * directory's marks: one for each provider that is asked, and one for each AppCode.
 *
 * An AppCode's is closed when its mark was taken away, by whichever process, before anybody can
 * read that it was; and at a reload, which takes all marks away, where it was opened for what marks
 * are made of. The main thread; the board itself is anybody's.
 */
#include <stdbool.h>

#include "money/directory.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "upstream/breaker.h"

struct breakers {
    struct breaker_board *board; /* NULL: not begun */
    struct breakers_code *codes; /* those that have a breaker */
    int count;
};

/* False with a complaint; breakers_end is to be called all the same. */
bool breakers_begin(struct breakers *breakers, const struct clock *clock,
                    const struct config *config, const struct directory_credential *credentials,
                    int count, struct complaint *complaint) __attribute__((warn_unused_result));

/* directory_parts.publishing; `arg` is the breakers. */
void breakers_on_publishing(void *arg, const struct directory_snapshot *snapshot);

/* Other settings or AppCodes. That there is no memory for them is only logged. */
void breakers_set(struct breakers *breakers, const struct config *config,
                  const struct directory_credential *credentials, int count);

/* Nobody uses the board any more. */
void breakers_end(struct breakers *breakers);
