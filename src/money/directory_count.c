#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/directory_own.h"
#include "runtime/container.h"
#include "runtime/log.h"

/* --- meters --- */

static int place_meter(const struct directory *directory, const char *client, bool *found) {
    int low = 0;
    int high = directory->meter_count;
    *found = false;
    while (low < high) {
        int middle = (low + high) / 2;
        int order = strcmp(directory->meters[middle]->client, client);
        *found = *found || order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool grow_meters(struct directory *directory) {
    if (directory->meter_count < directory->meter_room)
        return true;
    int room = directory->meter_room > 0 ? directory->meter_room * 2 : 16;
    struct directory_meter **meters =
        realloc(directory->meters, (size_t)room * sizeof *directory->meters);
    if (meters == NULL)
        return false;
    directory->meters = meters;
    directory->meter_room = room;
    return true;
}

struct meter *directory_meter_of(struct directory *directory, const char *client) {
    bool found = false;
    int place = place_meter(directory, client, &found);
    if (found)
        return &directory->meters[place]->meter;
    struct directory_meter *made = grow_meters(directory) ? calloc(1, sizeof *made) : NULL;
    if (made == NULL)
        return NULL;
    snprintf(made->client, sizeof made->client, "%s", client);
    memmove(&directory->meters[place + 1], &directory->meters[place],
            (size_t)(directory->meter_count - place) * sizeof *directory->meters);
    directory->meters[place] = made;
    directory->meter_count++;
    return &made->meter;
}

/* --- hits --- */

static void free_hits(struct directory_hits *hits) {
    free(hits->counters_owned);
    free(hits->meters_owned);
    hits->counters_owned = NULL;
    hits->meters_owned = NULL;
}

/* Nobody knows whether they were counted. Hits are no money: they only say what was saved. An
 * outage of minutes, in which the memory goes on serving, would lose all of them if they were
 * dropped, and a reply that was lost counts those of a few seconds twice if they are not. */
static void put_back(struct directory_hits *hits) {
    for (int i = 0; i < hits->add.count; i++)
        atomic_fetch_add_explicit(&hits->meters_owned[i]->hits, hits->counters_owned[i].value,
                                  memory_order_relaxed);
}

static void on_added(struct store_op *op) {
    struct directory_hits *hits = container_of(op, struct directory_hits, add.op);
    struct directory *directory = container_of(hits, struct directory, hits);
    if (hits->add.outcome != STORE_DONE) {
        log_debug("hits are kept: the store is away", LOG_NUMBER("clients", hits->add.count));
        put_back(hits);
    }
    free_hits(hits);
    directory_go_on(directory);
}

static void take_hits(struct directory *directory, struct directory_hits *hits) {
    const struct budget_plan *plan = directory->now->plan;
    const char *package = plan->count > 0 ? plan->lines[0].package : "";
    hits->add.count = 0;
    for (int i = 0; i < directory->meter_count; i++) {
        struct directory_meter *meter = directory->meters[i];
        int64_t taken = meter_take_hits(&meter->meter);
        if (taken == 0)
            continue;
        struct store_counter *counter = &hits->counters_owned[hits->add.count];
        snprintf(counter->name, sizeof counter->name, "%s/%s", meter->client, package);
        counter->value = taken;
        hits->meters_owned[hits->add.count++] = &meter->meter;
    }
}

static void flush_hits(struct directory *directory, const char *month) {
    struct directory_hits *hits = &directory->hits;
    if (hits->counters_owned != NULL)
        return;
    hits->counters_owned = calloc((size_t)directory->meter_count, sizeof *hits->counters_owned);
    hits->meters_owned = calloc((size_t)directory->meter_count, sizeof *hits->meters_owned);
    if (hits->counters_owned != NULL && hits->meters_owned != NULL)
        take_hits(directory, hits);
    else
        hits->add.count = 0;
    if (hits->add.count == 0) {
        free_hits(hits);
        return;
    }
    snprintf(hits->add.scope, sizeof hits->add.scope, "hits:%s", month);
    hits->add.counters = hits->counters_owned;
    hits->add.op.done = on_added;
    store_add_counters(directory->parts.store, &hits->add);
}

/* --- what was used --- */

static int compare_counters(const void *a, const void *b) {
    return strcmp(((const struct store_counter *)a)->name, ((const struct store_counter *)b)->name);
}

static void sort(struct store_counter *counters, int count) {
    if (count > 1)
        qsort(counters, (size_t)count, sizeof *counters, compare_counters);
}

void directory_keep_used(struct directory *directory, struct store_counter *counters_owned,
                         int count) {
    free(directory->used);
    sort(counters_owned, count);
    directory->used = counters_owned;
    directory->used_count = count;
    directory->looked = true;
}

static int64_t value_of(const struct store_read_counters *read, const char *name) {
    struct store_counter key;
    snprintf(key.name, sizeof key.name, "%s", name);
    const struct store_counter *found =
        read->count > 0
            ? bsearch(&key, read->counters_owned, (size_t)read->count, sizeof key, compare_counters)
            : NULL;
    return found != NULL ? found->value : 0;
}

static void note_clients(struct directory *directory) {
    struct directory_look *look = &directory->look;
    const struct store_read_counters *day = &look->scopes[SCOPE_DAY].read;
    const struct store_read_counters *month = &look->scopes[SCOPE_MONTH].read;
    if (day->outcome != STORE_DONE || month->outcome != STORE_DONE)
        return;
    sort(day->counters_owned, day->count);
    sort(month->counters_owned, month->count);
    for (int i = 0; i < directory->meter_count; i++) {
        struct directory_meter *meter = directory->meters[i];
        meter_note_used(&meter->meter, look->day.end_ms, value_of(day, meter->client),
                        look->month.end_ms, value_of(month, meter->client));
    }
}

/* A package that was used up goes behind the others, and one that has expired goes. */
static void renew_plan(struct directory *directory) {
    const struct budget_plan *plan = directory->now->plan;
    struct budget_plan *made = directory_plan_make(directory, directory->now);
    if (made == NULL)
        return;
    if (made->count != plan->count ||
        memcmp(made->lines, plan->lines, (size_t)made->count * sizeof made->lines[0]) != 0)
        directory_publish(directory);
    budget_plan_release(made);
}

static void end_look(struct directory *directory) {
    struct directory_look *look = &directory->look;
    struct store_read_counters *package = &look->scopes[SCOPE_PACKAGE].read;
    if (package->outcome == STORE_DONE) {
        directory_keep_used(directory, package->counters_owned, package->count);
        package->counters_owned = NULL;
    }
    note_clients(directory);
    for (int i = 0; i < SCOPES; i++)
        free(look->scopes[i].read.counters_owned);
    if (!directory->ending)
        renew_plan(directory);
    directory_go_on(directory);
}

static void on_counters(struct store_op *op) {
    struct directory *directory = ((struct directory_scope_read *)op)->directory;
    if (--directory->look.under_way == 0)
        end_look(directory);
}

void directory_look(struct directory *directory) {
    struct directory_look *look = &directory->look;
    int64_t now_ms = clock_unix_ms(directory->parts.clock);
    if (directory->stale)
        directory_publish(directory);
    if (look->under_way > 0)
        return;
    look->day = period_day(now_ms);
    look->month = period_month(now_ms);
    flush_hits(directory, look->month.label);
    snprintf(look->scopes[SCOPE_PACKAGE].read.scope, STORE_SCOPE_SIZE, "package");
    snprintf(look->scopes[SCOPE_DAY].read.scope, STORE_SCOPE_SIZE, "day:%s", look->day.label);
    snprintf(look->scopes[SCOPE_MONTH].read.scope, STORE_SCOPE_SIZE, "month:%s", look->month.label);
    look->under_way = SCOPES;
    for (int i = 0; i < SCOPES; i++) {
        look->scopes[i].directory = directory;
        look->scopes[i].read.op.done = on_counters;
        store_read_counters(directory->parts.store, &look->scopes[i].read);
    }
}

bool directory_count_ends(struct directory *directory) {
    if (directory->hits.counters_owned == NULL && !directory->last_hits) {
        directory->last_hits = true;
        flush_hits(directory, period_month(clock_unix_ms(directory->parts.clock)).label);
    }
    return directory->hits.counters_owned == NULL && directory->look.under_way == 0;
}
