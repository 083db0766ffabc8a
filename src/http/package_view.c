#include "http/package_view.h"

#include <string.h>

#include "http/admin.h"

const char *const package_state_name[PACKAGE_STATES] = {
    [PACKAGE_NEXT] = "next",       [PACKAGE_WAITING] = "waiting",
    [PACKAGE_EXPIRED] = "expired", [PACKAGE_EXHAUSTED] = "exhausted",
    [PACKAGE_REMOVED] = "removed", [PACKAGE_UNUSABLE] = "unusable",
};

int64_t package_view_used(const struct package_view *view, const struct package *package) {
    return usage_of(view->usage, view->scope, package->id);
}

int64_t package_view_left(const struct package_view *view, const struct package *package) {
    int64_t left = package->calls - package_view_used(view, package);
    return left > 0 ? left : 0;
}

static bool is_expired(const struct package_view *view, const struct package *package) {
    return package->expires_at_ms != 0 && package->expires_at_ms <= view->now_ms;
}

bool package_view_counts(const struct package_view *view, const struct package *package) {
    return !package->removed && !is_expired(view, package);
}

/* The state of one that neither its document nor its count rules out. */
static enum package_state place_of(const struct package_view *view, const struct package *package) {
    const struct budget_plan *plan = view->snapshot->plan;
    bool first = true;
    for (int i = 0; plan != NULL && i < plan->count; i++) {
        const struct budget_line *line = &plan->lines[i];
        if (strcmp(line->package, package->id) == 0)
            return first ? PACKAGE_NEXT : PACKAGE_WAITING;
        bool expired = line->expires_at_ms != 0 && line->expires_at_ms <= view->now_ms;
        if (!expired && usage_of(view->usage, view->scope, line->package) < line->calls)
            first = false;
    }
    return PACKAGE_UNUSABLE;
}

enum package_state package_view_state(const struct package_view *view,
                                      const struct package *package) {
    if (package->removed)
        return PACKAGE_REMOVED;
    if (is_expired(view, package))
        return PACKAGE_EXPIRED;
    if (package_view_left(view, package) == 0)
        return PACKAGE_EXHAUSTED;
    return place_of(view, package);
}

cJSON *package_view_show(const struct package_view *view, const struct package *package) {
    cJSON *shown = package_show(package);
    cJSON_DeleteItemFromObjectCaseSensitive(shown, "removed"); /* the state says it */
    admin_add_number(shown, "used", package_view_used(view, package));
    admin_add_number(shown, "left", package_view_left(view, package));
    cJSON_AddStringToObject(shown, "state", package_state_name[package_view_state(view, package)]);
    return shown;
}
