#include "command/batch_price.h"

#include <stdlib.h>

#include "command/explain.h"

/* Can a call be drawn from it, now or when those before it are used up? */
static bool is_drawn(struct json_span package) {
    struct json_span state = json_scan_find(package, "state");
    return explain_is(state, "next") || explain_is(state, "waiting");
}

/* What it cost and how many calls it has, by the package's own reading of them. */
static bool read_package(struct json_span span, struct batch_package *package) {
    static const char *const members[] = {"calls", "priceCny"};
    struct complaint complaint;
    cJSON *shown = cJSON_ParseWithLength(span.at, span.size);
    cJSON *wanted = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        cJSON_AddItemToObject(wanted, members[i],
                              cJSON_DetachItemFromObjectCaseSensitive(shown, members[i]));
    package_init(&package->package, "any", 0);
    bool good =
        cJSON_GetArraySize(wanted) == 2 && package_change(&package->package, wanted, &complaint);
    package->left = explain_number(json_scan_find(span, "left"));
    cJSON_Delete(shown);
    cJSON_Delete(wanted);
    return good;
}

static bool add_package(struct batch_price *price, struct json_span span) {
    struct batch_package *packages =
        realloc(price->packages, (size_t)(price->count + 1) * sizeof *packages);
    if (packages == NULL)
        return false;
    price->packages = packages;
    if (!read_package(span, &packages[price->count]))
        return false;
    price->left += packages[price->count++].left;
    return true;
}

void batch_price_read(struct batch_price *price, struct json_span balance) {
    struct json_span packages = json_scan_find(balance, "packages");
    struct json_span package;
    *price = (struct batch_price){0};
    bool good = packages.size > 0;
    while (good && json_scan_element(&packages, &package))
        good = !is_drawn(package) || add_package(price, package);
    if (!good) {
        batch_price_free(price);
        return;
    }
    price->known = true;
    price->metered = json_scan_find(balance, "metered").at[0] == 't';
}

int64_t batch_price_of(const struct batch_price *price, int64_t calls) {
    int64_t fen = 0;
    for (int i = 0; i < price->count && calls > 0; i++) {
        const struct batch_package *package = &price->packages[i];
        int64_t drawn = calls < package->left ? calls : package->left;
        fen += package_cost_fen(&package->package, drawn);
        calls -= drawn;
    }
    return fen;
}

void batch_price_free(struct batch_price *price) {
    free(price->packages);
    *price = (struct batch_price){0};
}
