#include "http/usage.h"

#include <stdlib.h>
#include <string.h>

#include "http/admin.h"

static void on_read(struct store_op *op);

static void read_next(struct usage *usage) {
    memcpy(usage->read.scope, usage->scopes[usage->next].name, sizeof usage->read.scope);
    usage->read.op.done = on_read;
    usage->read.counters_owned = NULL;
    store_read_counters(usage->service->store_client, &usage->read);
}

static void on_read(struct store_op *op) {
    struct usage *usage = (struct usage *)op;
    bool good = usage->read.outcome == STORE_DONE;
    struct usage_scope *scope = &usage->scopes[usage->next++];
    scope->counters_owned = usage->read.counters_owned;
    scope->count = good ? usage->read.count : 0;
    if (good && usage->next < usage->count) {
        read_next(usage);
        return;
    }
    admin_waited(usage->service);
    if (good) {
        usage->known(usage);
        return;
    }
    usage_free(usage);
    admin_refuse(usage->request, PROBLEM_STORE_UNAVAILABLE, "What was used cannot be read now.");
}

void usage_read(struct usage *usage) {
    usage->next = 0;
    admin_wait(usage->service);
    read_next(usage);
}

int64_t usage_of(const struct usage *usage, int scope, const char *name) {
    const struct usage_scope *of = &usage->scopes[scope];
    for (int i = 0; i < of->count; i++) {
        if (strcmp(of->counters_owned[i].name, name) == 0)
            return of->counters_owned[i].value;
    }
    return 0;
}

int64_t usage_sum(const struct usage *usage, int scope) {
    const struct usage_scope *of = &usage->scopes[scope];
    int64_t sum = 0;
    for (int i = 0; i < of->count; i++)
        sum += of->counters_owned[i].value;
    return sum;
}

void usage_free(struct usage *usage) {
    for (int i = 0; i < usage->count; i++) {
        free(usage->scopes[i].counters_owned);
        usage->scopes[i].counters_owned = NULL;
        usage->scopes[i].count = 0;
    }
}
