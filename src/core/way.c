#include "core/way.h"

#include <stdio.h>
#include <string.h>

static bool is_avoided(const struct way *way, const char *credential) {
    for (int i = 0; i < way->avoided_count; i++) {
        if (strcmp(way->avoided[i], credential) == 0)
            return true;
    }
    return false;
}

static bool is_usable(const struct way *way, const struct way_offer *offer,
                      const struct budget_line *line) {
    return !is_avoided(way, line->credential) &&
           breaker_lets_pass(offer->breakers, BREAKER_CREDENTIAL, line->credential);
}

/* The plan itself where all of it can be used, as it mostly can. NULL: no memory. */
static struct budget_plan *cut_plan(const struct way *way, const struct way_offer *offer) {
    struct budget_plan *whole = offer->plan;
    struct budget_plan *cut = budget_plan_new(whole->count);
    if (cut == NULL)
        return NULL;
    cut->version = whole->version;
    cut->count = 0;
    for (int i = 0; i < whole->count; i++) {
        const struct budget_line *line = &whole->lines[i];
        if (line->provider == way->provider && is_usable(way, offer, line))
            cut->lines[cut->count++] = *line;
    }
    if (cut->count < whole->count)
        return cut;
    budget_plan_release(cut);
    budget_plan_retain(whole);
    return whole;
}

static bool has_lines(const struct way_offer *offer, int provider) {
    for (int i = 0; i < offer->plan->count; i++) {
        if (offer->plan->lines[i].provider == provider)
            return true;
    }
    return false;
}

static void note_barred(struct way_step *step, int64_t wait_ms) {
    step->barred = true;
    if (wait_ms > 0 && (step->wait_ms == 0 || wait_ms < step->wait_ms))
        step->wait_ms = wait_ms;
}

/* False: not this one. */
static bool try_provider(const struct way *way, const struct way_offer *offer,
                         struct way_step *step) {
    int64_t wait_ms = 0;
    if (!has_lines(offer, way->provider))
        return false;
    struct budget_plan *plan = cut_plan(way, offer);
    if (plan != NULL && plan->count > 0 &&
        breaker_enter(offer->breakers, BREAKER_PROVIDER, offer->providers[way->provider],
                      &step->pass, &wait_ms)) {
        step->plan_owned = plan;
        return true;
    }
    budget_plan_release(plan);
    note_barred(step, wait_ms);
    return false;
}

bool way_find(struct way *way, const struct way_offer *offer, struct way_step *step) {
    *step = (struct way_step){.pass = {.index = -1}};
    for (; way->provider < offer->provider_count; way_pass_on(way)) {
        if (try_provider(way, offer, step))
            return true;
    }
    return false;
}

void way_avoid(struct way *way, const char *credential) {
    if (way->avoided_count == WAY_AVOIDED_MOST) {
        way_pass_on(way);
        return;
    }
    char *avoided = way->avoided[way->avoided_count++];
    snprintf(avoided, LEDGER_NAME_SIZE, "%s", credential);
}

void way_pass_on(struct way *way) {
    way->provider++;
    way->again = 0;
}

bool way_has_other(const struct way *way, const struct way_offer *offer, const char *credential) {
    for (int i = 0; i < offer->plan->count; i++) {
        const struct budget_line *line = &offer->plan->lines[i];
        if (line->provider > way->provider && line->provider < offer->provider_count)
            return true;
        if (credential != NULL && line->provider == way->provider &&
            strcmp(line->credential, credential) != 0 && !is_avoided(way, line->credential))
            return true;
    }
    return false;
}
