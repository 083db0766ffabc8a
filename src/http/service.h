#pragma once
/*
 * service: what the routes of one listener work with.
 *
 * One per worker for the service API, and one for the admin listener (without a verifier). The
 * parts are borrowed; `draining` is set from the main thread and read by all.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include <cjson/cJSON.h>

#include "core/verifier.h"
#include "money/directory.h"
#include "runtime/clock.h"
#include "runtime/config.h"
#include "runtime/metrics.h"
#include "store/store.h"
#include "upstream/breaker.h"

struct service {
    const struct config *config;
    const struct clock *clock;
    struct store *store;
    struct store_client *store_client; /* of the main loop, for the admin listener; else NULL */
    int pages;                         /* things being read and written through it */
    bool ending;                       /* no more of them may be asked for */
    const struct digest_key *key;      /* of the admin listener; else NULL */
    int batches;                       /* requests with many questions that are not done */
    struct verifier *verifier;         /* NULL on the admin listener */
    struct directory_reader *clients;  /* the worker's; NULL on the admin listener */
    struct directory *directory;       /* the same */
    /* Of the admin listener: takes the settings and secrets anew. True: `changes_owned` is a JSON
     * array of {"key","before","after"}, secrets masked. False with a complaint: refused whole, the
     * old ones go on. */
    bool (*reload)(void *arg, cJSON **changes_owned, struct complaint *complaint);
    void *reload_arg;
    const struct metrics_row *metrics; /* all rows */
    struct metrics_row *row;           /* the worker's own; NULL on the admin listener */
    struct breaker_board *breakers;
    const atomic_bool *draining;
};

static inline bool service_is_draining(const struct service *service) {
    return atomic_load_explicit(service->draining, memory_order_relaxed);
}
