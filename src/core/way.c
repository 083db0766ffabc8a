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

static void note_bar(struct way_step *step, const struct breaker_bar *bar) {
    step->barred = bar->why;
    if (bar->wait_ms > 0 && (step->wait_ms == 0 || bar->wait_ms < step->wait_ms))
        step->wait_ms = bar->wait_ms;
}

static bool is_usable(const struct way *way, const struct way_offer *offer,
                      const struct budget_line *line, struct way_step *step) {
    struct breaker_bar bar;
    if (is_avoided(way, line->credential))
        return false;
    if (breaker_lets_pass(offer->breakers, BREAKER_CREDENTIAL, line->credential, &bar))
        return true;
    note_bar(step, &bar);
    return false;
}

static struct budget_plan *copy_lines(const struct budget_plan *whole, const bool *wanted,
                                      int count) {
    struct budget_plan *cut = budget_plan_new(count);
    if (cut == NULL)
        return NULL;
    cut->version = whole->version;
    cut->count = 0;
    for (int i = 0; i < whole->count; i++) {
        if (wanted[i])
            cut->lines[cut->count++] = whole->lines[i];
    }
    return cut;
}

/* The plan itself where all of it can be used, as it mostly can. NULL: nothing of it, or no memory.
 */
static struct budget_plan *cut_plan(const struct way *way, const struct way_offer *offer,
                                    struct way_step *step) {
    struct budget_plan *whole = offer->plan;
    bool usable[BUDGET_LINES_MOST];
    int count = 0;
    for (int i = 0; i < whole->count; i++) {
        const struct budget_line *line = &whole->lines[i];
        usable[i] = line->provider == way->provider && is_usable(way, offer, line, step);
        count += usable[i];
    }
    if (count == 0)
        return NULL;
    if (count < whole->count)
        return copy_lines(whole, usable, count);
    budget_plan_retain(whole);
    return whole;
}

static bool enter(const struct way *way, const struct way_offer *offer, struct way_step *step) {
    struct breaker_bar bar = {.why = FAILURE_UPSTREAM_UNAVAILABLE};
    if (breaker_enter(offer->breakers, BREAKER_PROVIDER, offer->providers[way->provider].id,
                      &step->pass, &bar.wait_ms))
        return true;
    note_bar(step, &bar);
    return false;
}

/* False: not this one. */
static bool try_provider(const struct way *way, const struct way_offer *offer,
                         struct way_step *step) {
    struct budget_plan *plan = cut_plan(way, offer, step);
    if (plan != NULL && enter(way, offer, step)) {
        step->plan_owned = plan;
        return true;
    }
    budget_plan_release(plan);
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
