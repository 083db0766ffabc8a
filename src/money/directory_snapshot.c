#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/directory_own.h"
#include "runtime/log.h"
#include "runtime/metrics.h"

/* With what only its owner needs. */
struct owned_snapshot {
    struct directory_snapshot shown; /* first */
    struct directory_snapshot *next;
};

void directory_snapshot_retain(struct directory_snapshot *snapshot) {
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
}

void directory_snapshot_release(struct directory_snapshot *snapshot) {
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(snapshot->clients);
    free(snapshot->packages);
    free(snapshot->credentials);
    budget_plan_release(snapshot->plan);
    free(snapshot);
}

struct directory_snapshot **directory_snapshot_next(struct directory_snapshot *snapshot) {
    return &((struct owned_snapshot *)snapshot)->next;
}

/* --- the plan --- */

const struct directory_credential *directory_configured(const struct directory *directory,
                                                        const char *id) {
    for (int i = 0; i < directory->credential_count; i++) {
        if (strcmp(directory->credentials[i].id, id) == 0)
            return &directory->credentials[i];
    }
    return NULL;
}

/* NULL: it bears none. */
static const struct credential *find_mark(const struct directory_snapshot *snapshot,
                                          const struct directory_credential *credential) {
    for (int i = 0; i < snapshot->credential_count; i++) {
        const struct credential *found = &snapshot->credentials[i];
        if (strcmp(found->id, credential->id) == 0)
            return strcmp(found->appcode, credential->appcode) == 0 ? found : NULL;
    }
    return NULL;
}

enum credential_mark directory_mark_of(const struct directory_snapshot *snapshot,
                                       const struct directory_credential *credential) {
    const struct credential *found = find_mark(snapshot, credential);
    return found != NULL ? found->mark : CREDENTIAL_GOOD;
}

bool directory_mark_lapsed(const struct directory *directory, const struct credential *credential) {
    bool spent = credential->mark == CREDENTIAL_EXHAUSTED || credential->mark == CREDENTIAL_EXPIRED;
    return !spent && clock_unix_ms(directory->parts.clock) >=
                         credential->since_ms + directory->refused_for_ms;
}

static bool is_usable(const struct directory *directory, const struct directory_snapshot *snapshot,
                      const struct directory_credential *credential) {
    const struct credential *found = find_mark(snapshot, credential);
    return found == NULL || found->mark == CREDENTIAL_GOOD ||
           directory_mark_lapsed(directory, found);
}

int64_t directory_used(const struct directory *directory, const char *package) {
    int low = 0;
    int high = directory->used_count;
    while (low < high) {
        int middle = (low + high) / 2;
        int order = strcmp(directory->used[middle].name, package);
        if (order == 0)
            return directory->used[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

bool directory_package_left(const struct directory *directory, const struct package *package,
                            int64_t *left) {
    *left = package->calls - directory_used(directory, package->id);
    return directory->looked;
}

static void add_line(struct budget_plan *plan, const char *package,
                     const struct directory_credential *credential, int64_t calls,
                     int64_t expires_at_ms) {
    if (plan->count == BUDGET_LINES_MOST)
        return;
    struct budget_line *line = &plan->lines[plan->count++];
    snprintf(line->package, sizeof line->package, "%s", package);
    snprintf(line->credential, sizeof line->credential, "%s", credential->id);
    line->calls = calls;
    line->expires_at_ms = expires_at_ms;
    line->provider = credential->provider;
}

/* Those with calls left, or those without, in the order in which they are drawn. The counts are a
 * little old, so a line that seems used up is only put behind: the store knows better. */
static void add_packages(const struct directory *directory,
                         const struct directory_snapshot *snapshot, bool used_up,
                         struct budget_plan *plan) {
    int64_t now_ms = clock_unix_ms(directory->parts.clock);
    for (int i = 0; i < snapshot->package_count; i++) {
        const struct package *package = &snapshot->packages[i];
        const struct directory_credential *credential =
            directory_configured(directory, package->credential);
        bool expired = package->expires_at_ms != 0 && package->expires_at_ms <= now_ms;
        if (package->removed || expired || credential == NULL ||
            !is_usable(directory, snapshot, credential))
            continue;
        if ((directory_used(directory, package->id) >= package->calls) == used_up)
            add_line(plan, package->id, credential, package->calls, package->expires_at_ms);
    }
}

struct budget_plan *directory_plan_make(const struct directory *directory,
                                        const struct directory_snapshot *snapshot) {
    struct budget_plan *plan = budget_plan_new(BUDGET_LINES_MOST);
    if (plan == NULL)
        return NULL;
    plan->count = 0;
    plan->version = snapshot->version;
    if (snapshot->version < 0)
        return plan;
    if (directory_is_metered(snapshot)) {
        add_packages(directory, snapshot, false, plan);
        add_packages(directory, snapshot, true, plan);
        return plan;
    }
    for (int i = 0; i < directory->credential_count; i++) {
        const struct directory_credential *credential = &directory->credentials[i];
        if (is_usable(directory, snapshot, credential))
            add_line(plan, "", credential, -1, 0);
    }
    return plan;
}

/* Buying helps a credential that is good, exhausted or expired; the others somebody must mend. */
static enum failure why_no_plan(const struct directory *directory,
                                const struct directory_snapshot *snapshot) {
    if (snapshot->version < 0)
        return FAILURE_STORE_UNAVAILABLE;
    for (int i = 0; i < directory->credential_count; i++) {
        enum credential_mark mark = directory_mark_of(snapshot, &directory->credentials[i]);
        if (mark == CREDENTIAL_GOOD || mark == CREDENTIAL_EXHAUSTED || mark == CREDENTIAL_EXPIRED)
            return FAILURE_PACKAGE_EXHAUSTED;
    }
    return FAILURE_UPSTREAM_REFUSED_CREDENTIAL;
}

/* --- the documents --- */

static int count_kind(const struct directory *directory, enum store_document_kind kind) {
    int count = 0;
    for (int i = 0; i < directory->document_count; i++)
        count += directory->documents[i].kind == kind;
    return count;
}

static bool take_client(struct directory *directory, struct directory_snapshot *snapshot,
                        const struct store_document *document) {
    struct directory_client *client = &snapshot->clients[snapshot->client_count];
    if (!client_decode(document->body_owned, &client->client) ||
        strcmp(client->client.id, document->id) != 0)
        return true;
    client->meter = directory_meter_of(directory, client->client.id);
    if (client->meter != NULL && !client->client.removed)
        atomic_store(&client->meter->number, metrics_client_number(client->client.id));
    snapshot->client_count++;
    return client->meter != NULL;
}

static void take_package(struct directory_snapshot *snapshot,
                         const struct store_document *document) {
    struct package *package = &snapshot->packages[snapshot->package_count];
    if (package_decode(document->body_owned, package) && strcmp(package->id, document->id) == 0)
        snapshot->package_count++;
}

static void take_credential(struct directory_snapshot *snapshot,
                            const struct store_document *document) {
    struct credential *credential = &snapshot->credentials[snapshot->credential_count];
    if (credential_decode(document->body_owned, credential) &&
        strcmp(credential->id, document->id) == 0)
        snapshot->credential_count++;
}

static bool take_documents(struct directory *directory, struct directory_snapshot *snapshot) {
    for (int i = 0; i < directory->document_count; i++) {
        const struct store_document *document = &directory->documents[i];
        if (document->kind == STORE_PACKAGE)
            take_package(snapshot, document);
        else if (document->kind == STORE_CREDENTIAL)
            take_credential(snapshot, document);
        else if (document->kind == STORE_CLIENT && !take_client(directory, snapshot, document))
            return false;
    }
    return true;
}

static int compare_packages(const void *a, const void *b) {
    return package_compare(a, b);
}

/* One more than needed of each: nothing is allocated with no size. */
static bool fill(struct directory *directory, struct directory_snapshot *snapshot) {
    snapshot->clients =
        calloc((size_t)count_kind(directory, STORE_CLIENT) + 1, sizeof *snapshot->clients);
    snapshot->packages =
        calloc((size_t)count_kind(directory, STORE_PACKAGE) + 1, sizeof *snapshot->packages);
    snapshot->credentials =
        calloc((size_t)count_kind(directory, STORE_CREDENTIAL) + 1, sizeof *snapshot->credentials);
    if (snapshot->clients == NULL || snapshot->packages == NULL || snapshot->credentials == NULL ||
        !take_documents(directory, snapshot))
        return false;
    qsort(snapshot->packages, (size_t)snapshot->package_count, sizeof *snapshot->packages,
          compare_packages);
    snapshot->plan = directory_plan_make(directory, snapshot);
    snapshot->no_plan = why_no_plan(directory, snapshot);
    return snapshot->plan != NULL;
}

struct directory_snapshot *directory_snapshot_make(struct directory *directory) {
    struct owned_snapshot *owned = calloc(1, sizeof *owned);
    if (owned == NULL)
        return NULL;
    atomic_init(&owned->shown.refs, 1);
    owned->shown.version = directory->version;
    owned->shown.anonymous = directory->anonymous;
    if (fill(directory, &owned->shown))
        return &owned->shown;
    directory_snapshot_release(&owned->shown);
    return NULL;
}

/* --- looking --- */

static int compare_client(const void *id, const void *client) {
    return strcmp(id, ((const struct directory_client *)client)->client.id);
}

const struct directory_client *directory_find_client(const struct directory_snapshot *snapshot,
                                                     const char *id) {
    const struct directory_client *client =
        snapshot->client_count > 0 ? bsearch(id, snapshot->clients, (size_t)snapshot->client_count,
                                             sizeof *snapshot->clients, compare_client)
                                   : NULL;
    return client != NULL && !client->client.removed ? client : NULL;
}

const struct package *directory_find_package(const struct directory_snapshot *snapshot,
                                             const char *id) {
    for (int i = 0; i < snapshot->package_count; i++) {
        if (strcmp(snapshot->packages[i].id, id) == 0)
            return &snapshot->packages[i];
    }
    return NULL;
}

bool directory_is_metered(const struct directory_snapshot *snapshot) {
    for (int i = 0; i < snapshot->package_count; i++) {
        if (!snapshot->packages[i].removed)
            return true;
    }
    return false;
}
