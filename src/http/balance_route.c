/*
 *   counters ──→ pages of the ledger since the oldest purchase, for the unknown calls ──→ answer
 *
 * The pages are read one by one, as an export's.
 */
#include "http/balance_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "http/admin.h"
#include "http/package_view.h"
#include "money/credential.h"
#include "money/period.h"
#include "money/reconcile_report.h"
#include "money/runway.h"

#define PACE_DAYS RUNWAY_PACE_DAYS

struct balance {
    struct store_page page; /* first: what the store gives back */
    struct usage usage;
    int64_t now_ms;
    int64_t unknown;
};

static struct balance *balance_of(struct usage *usage) {
    return (struct balance *)((char *)usage - offsetof(struct balance, usage));
}

static struct package_view view_of(const struct balance *balance) {
    return (struct package_view){
        .snapshot = directory_now(balance->usage.service->directory),
        .usage = &balance->usage,
        .now_ms = balance->now_ms,
    };
}

/* --- the answer --- */

struct sums {
    int64_t bought;
    int64_t used;
    int64_t left;
};

/* Of the packages that count; `credential` NULL: of all. */
static struct sums sum_up(const struct package_view *view, const char *credential) {
    struct sums sums = {0};
    for (int i = 0; i < view->snapshot->package_count; i++) {
        const struct package *package = &view->snapshot->packages[i];
        if (!package_view_counts(view, package) ||
            (credential != NULL && strcmp(package->credential, credential) != 0))
            continue;
        sums.bought += package->calls;
        sums.used += package_view_used(view, package);
        sums.left += package_view_left(view, package);
    }
    return sums;
}

static cJSON *show_packages(const struct package_view *view) {
    cJSON *packages = cJSON_CreateArray();
    for (int i = 0; i < view->snapshot->package_count; i++)
        cJSON_AddItemToArray(packages, package_view_show(view, &view->snapshot->packages[i]));
    return packages;
}

/* --- credentials --- */

/* What our books say is left although upstream says that nothing is. By what they say now: the mark
 * was written while calls that were refused, too, still counted. */
static int64_t drift_of(const struct credential *mark, int64_t left) {
    bool spent =
        mark != NULL && (mark->mark == CREDENTIAL_EXHAUSTED || mark->mark == CREDENTIAL_EXPIRED);
    return spent ? left : 0;
}

/* Its code here; NULL: none is set. */
static const char *find_appcode(const struct config *config, const char *id) {
    for (int i = 0; i < config->credential_count; i++) {
        if (strcmp(config->credentials[i].id, id) == 0)
            return config->credentials[i].appcode;
    }
    return NULL;
}

/* A mark that another code left does not count. */
static bool is_in_force(const struct service *service, const struct credential *credential) {
    const char *appcode = find_appcode(service->config, credential->id);
    char fingerprint[DIGEST_SHORT_SIZE];
    if (credential->mark == CREDENTIAL_GOOD || appcode == NULL)
        return credential->mark != CREDENTIAL_GOOD;
    const struct digest digest = digest_secret(service->key, appcode);
    digest_short(&digest, fingerprint);
    return strcmp(fingerprint, credential->appcode) == 0;
}

static const struct credential *find_mark(const struct service *service,
                                          const struct directory_snapshot *snapshot,
                                          const char *id) {
    for (int i = 0; i < snapshot->credential_count; i++) {
        const struct credential *credential = &snapshot->credentials[i];
        if (strcmp(credential->id, id) == 0 && is_in_force(service, credential))
            return credential;
    }
    return NULL;
}

/* Each once, in the order in which they are come upon. Returns its drift. */
static int64_t add_credential(cJSON *credentials, const struct package_view *view,
                              const struct service *service, const char *id) {
    const cJSON *other = NULL;
    cJSON_ArrayForEach(other, credentials) {
        const cJSON *known = cJSON_GetObjectItemCaseSensitive(other, "id");
        if (cJSON_IsString(known) && strcmp(known->valuestring, id) == 0)
            return 0;
    }
    const struct credential *mark = find_mark(service, view->snapshot, id);
    int64_t left = sum_up(view, id).left;
    cJSON *shown = cJSON_CreateObject();
    cJSON_AddStringToObject(shown, "id", id);
    cJSON_AddBoolToObject(shown, "configured", find_appcode(service->config, id) != NULL);
    cJSON_AddItemToObject(shown, "mark",
                          mark != NULL ? cJSON_CreateString(credential_mark_name[mark->mark])
                                       : cJSON_CreateNull());
    admin_add_time_or_null(shown, "since", mark != NULL ? mark->since_ms : 0);
    admin_add_number(shown, "left", left);
    admin_add_number(shown, "drift", drift_of(mark, left));
    cJSON_AddItemToArray(credentials, shown);
    return drift_of(mark, left);
}

static int64_t add_credentials(cJSON *credentials, const struct package_view *view,
                               const struct service *service) {
    const struct directory_snapshot *snapshot = view->snapshot;
    const struct config *config = service->config;
    int64_t drift = 0;
    for (int i = 0; i < config->credential_count; i++)
        drift += add_credential(credentials, view, service, config->credentials[i].id);
    for (int i = 0; i < snapshot->package_count; i++) {
        if (!snapshot->packages[i].removed)
            drift += add_credential(credentials, view, service, snapshot->packages[i].credential);
    }
    for (int i = 0; i < snapshot->credential_count; i++) {
        if (is_in_force(service, &snapshot->credentials[i]))
            drift += add_credential(credentials, view, service, snapshot->credentials[i].id);
    }
    return drift;
}

static cJSON *show_reconciled(const struct service *service) {
    const struct store_document *document =
        directory_document(service->directory, STORE_REPORT, RECONCILED_ID);
    cJSON *shown = document != NULL ? cJSON_Parse(document->body_owned) : NULL;
    return shown != NULL ? shown : cJSON_CreateNull();
}

/* At the pace of the last whole days, which lie behind the packages' scope, the newest first. */
static cJSON *show_runway(const struct balance *balance, bool metered, int64_t left) {
    const struct config *config = balance->usage.service->config;
    struct runway_price_list prices;
    struct complaint unused = {""};
    struct runway runway;
    int64_t calls[PACE_DAYS];
    int days = PACE_DAYS; /* since the first call */
    for (int i = 0; i < PACE_DAYS; i++)
        calls[i] = usage_sum(&balance->usage, 1 + i);
    while (days > 0 && calls[days - 1] == 0)
        days--;
    if (!runway_read_prices(config->price_list, &prices, &unused))
        prices.count = 0;
    runway_reckon(calls, days, metered ? left : -1, &prices, &runway);
    return runway_to_json(&runway);
}

static void answer(struct balance *balance) {
    const struct service *service = balance->usage.service;
    const struct package_view view = view_of(balance);
    struct sums sums = sum_up(&view, NULL);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddBoolToObject(json, "metered", directory_is_metered(view.snapshot));
    admin_add_number(json, "bought", sums.bought);
    admin_add_number(json, "used", sums.used);
    admin_add_number(json, "left", sums.left);
    admin_add_number(json, "unknown", balance->unknown);
    cJSON_AddItemToObject(json, "packages", show_packages(&view));
    int64_t credentials_drift =
        add_credentials(cJSON_AddArrayToObject(json, "credentials"), &view, service);
    cJSON *drift = cJSON_AddObjectToObject(json, "drift");
    admin_add_number(drift, "credentials", credentials_drift);
    cJSON_AddItemToObject(drift, "reconciled", show_reconciled(service));
    cJSON_AddItemToObject(json, "runway",
                          show_runway(balance, directory_is_metered(view.snapshot), sums.left));
    usage_free(&balance->usage);
    admin_answer(balance->usage.request, MHD_HTTP_OK, json);
}

/* --- unknown calls --- */

static void on_page(struct store_op *op);

static void count_page(struct balance *balance) {
    const struct package_view view = view_of(balance);
    for (int i = 0; i < balance->page.count; i++) {
        const struct store_row *row = &balance->page.rows_owned[i];
        if (row->outcome.state != LEDGER_UNKNOWN)
            continue;
        const struct package *package = directory_find_package(view.snapshot, row->account.package);
        if (package != NULL && package_view_counts(&view, package))
            balance->unknown++;
    }
}

static void read_page(struct balance *balance) {
    balance->page.op.done = on_page;
    balance->page.rows_owned = NULL;
    store_read_page(balance->usage.service->store_client, &balance->page);
}

/* False: the last page, or a failure. */
static bool take_page(struct balance *balance, bool *failed) {
    struct store_page *page = &balance->page;
    *failed = page->outcome != STORE_DONE || (page->count == 0 && page->more) ||
              balance->usage.service->ending;
    if (!*failed) {
        count_page(balance);
        if (page->count > 0)
            page->after = page->rows_owned[page->count - 1].id;
    }
    free(page->rows_owned);
    page->rows_owned = NULL;
    return !*failed && page->more;
}

static void on_page(struct store_op *op) {
    struct balance *balance = (struct balance *)op;
    bool failed = false;
    if (take_page(balance, &failed)) {
        read_page(balance);
        return;
    }
    admin_waited(balance->usage.service);
    if (!failed) {
        answer(balance);
        return;
    }
    usage_free(&balance->usage);
    admin_refuse(balance->usage.request, PROBLEM_STORE_UNAVAILABLE,
                 "The ledger cannot be read now.");
}

/* When the oldest of the packages that count was bought; 0: none counts. */
static int64_t oldest_purchase(const struct package_view *view) {
    int64_t oldest_ms = 0;
    for (int i = 0; i < view->snapshot->package_count; i++) {
        const struct package *package = &view->snapshot->packages[i];
        if (package_view_counts(view, package) &&
            (oldest_ms == 0 || package->purchased_at_ms < oldest_ms))
            oldest_ms = package->purchased_at_ms;
    }
    return oldest_ms;
}

static void on_known(struct usage *usage) {
    struct balance *balance = balance_of(usage);
    const struct package_view view = view_of(balance);
    int64_t from_ms = oldest_purchase(&view);
    if (from_ms == 0 || from_ms >= balance->now_ms) {
        answer(balance);
        return;
    }
    balance->page.from_ms = from_ms;
    balance->page.to_ms = balance->now_ms;
    admin_wait(usage->service);
    read_page(balance);
}

static void name_days(struct balance *balance) {
    struct period day = period_day(balance->now_ms);
    for (int i = 1; i <= PACE_DAYS; i++) {
        day = period_day(day.begin_ms - 1);
        snprintf(balance->usage.scopes[i].name, STORE_SCOPE_SIZE, "day:%s", day.label);
    }
    balance->usage.count = 1 + PACE_DAYS;
}

void balance_get(struct request *request, struct service *service) {
    struct balance *balance =
        admin_begin(request, service) ? admin_work(request, sizeof *balance) : NULL;
    if (balance == NULL)
        return;
    balance->now_ms = clock_unix_ms(service->clock);
    balance->usage.request = request;
    balance->usage.service = service;
    balance->usage.known = on_known;
    memcpy(balance->usage.scopes[0].name, PACKAGE_SCOPE, sizeof PACKAGE_SCOPE);
    name_days(balance);
    usage_read(&balance->usage);
}
