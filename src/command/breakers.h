#pragma once
/*
 * breakers: the breakers of a running service, kept in step with its settings and with the
 * directory's marks: a provider's, which is asked, and one for each AppCode.
 *
 * An AppCode's is closed when its mark was taken away, by whichever process, and at a reload where
 * it would stay open for ever. The main thread; the board itself is anybody's.
 */
#include <stdbool.h>

#include <uv.h>

#include "money/directory.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "upstream/breaker.h"

struct breakers {
    struct breaker_board *board;        /* NULL: not begun */
    struct directory_reader *reader;    /* NULL: it follows no directory */
    struct directory_credential *known; /* those that have a breaker */
    bool *marked;                       /* of each, as far as was read */
    int count;
};

/* False with a complaint; breakers_end is to be called all the same. */
bool breakers_begin(struct breakers *breakers, const struct clock *clock,
                    const struct config *config, const struct directory_credential *credentials,
                    int count, struct complaint *complaint) __attribute__((warn_unused_result));

/* From now on marks count. The same. */
bool breakers_follow(struct breakers *breakers, struct directory *directory, uv_loop_t *loop,
                     struct complaint *complaint) __attribute__((warn_unused_result));

/* Other settings or AppCodes. That there is no memory for them is only logged. */
void breakers_set(struct breakers *breakers, const struct config *config,
                  const struct directory_credential *credentials, int count);

/* Before the directory ends. */
void breakers_unfollow(struct breakers *breakers);

/* Nobody uses the board any more. */
void breakers_end(struct breakers *breakers);
