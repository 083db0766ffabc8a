#pragma once
/*
 * bookkeeping: the main loop's part of a running service's money: its own handle on the store, and
 * the directory on it, the alerts, and the breakers, which wait for its marks. The main thread.
 */
#include <stdbool.h>

#include <cjson/cJSON.h>
#include <uv.h>

#include "command/breakers.h"
#include "core/digest.h"
#include "core/novelty.h"
#include "money/alerting.h"
#include "money/directory.h"
#include "runtime/config.h"
#include "store/store.h"

struct bookkeeping {
    uv_loop_t *loop;
    const struct digest_key *key;
    struct config *config;       /* borrowed, until there is another */
    struct store_client *store;  /* NULL: it was not begun */
    struct directory *directory; /* the same */
    struct alerting *alerting;   /* the same */
    struct novelty novelty;      /* what workers tell the alerts */
    struct breakers breakers;
    int notes; /* being written into the audit */
    bool ended;
};

/* False with a complaint; bookkeeping_end is to be called all the same. `metrics`: the main
 * loop's own row. */
bool bookkeeping_begin(struct bookkeeping *books, uv_loop_t *loop, struct store *store,
                       const struct digest_key *key, struct config *config,
                       struct metrics_row *metrics, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* Other settings, whose AppCodes may be others. All marks are taken away: something has changed. */
void bookkeeping_set_config(struct bookkeeping *books, struct config *config);

/* A line in the audit: the process took other settings, as `token` made it: "signal" or "file".
 * That it could not be written is only logged. */
void bookkeeping_note_reload(struct bookkeeping *books, const char *token, const cJSON *changes);

/* Nothing of it may be used any more, and all readers are detached. Turns the loop until what is
 * still to be written is. */
void bookkeeping_end(struct bookkeeping *books);
