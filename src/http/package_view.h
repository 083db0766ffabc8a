#pragma once
/*
 * package_view: packages as the admin API shows them, with what was used of them.
 *
 * Which one is drawn from is told by the plan that this process asks the store with. Main loop;
 * value types over borrowed parts.
 */
#include <cjson/cJSON.h>

#include "http/usage.h"
#include "money/directory.h"

#define PACKAGE_SCOPE "package" /* of the store's counters */

enum package_state {
    PACKAGE_NEXT, /* is drawn from now */
    PACKAGE_WAITING,
    PACKAGE_EXHAUSTED,
    PACKAGE_EXPIRED,
    PACKAGE_UNUSABLE, /* its credential has no AppCode here, or bears a mark */
    PACKAGE_REMOVED,
    PACKAGE_STATES
};

extern const char *const package_state_name[PACKAGE_STATES];

struct package_view {
    const struct directory_snapshot *snapshot;
    const struct usage *usage;
    int scope; /* of `usage`: PACKAGE_SCOPE */
    int64_t now_ms;
};

int64_t package_view_used(const struct package_view *view, const struct package *package);
int64_t package_view_left(const struct package_view *view, const struct package *package);
enum package_state package_view_state(const struct package_view *view,
                                      const struct package *package);

/* Does it belong to the balance: neither removed nor expired? */
bool package_view_counts(const struct package_view *view, const struct package *package);

/* NULL without memory. */
cJSON *package_view_show(const struct package_view *view, const struct package *package);
