#include "money/package.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/client_key.h"
#include "money/document.h"

#define CALLS_MOST     INT64_C(1000000000)
#define PRICE_FEN_MOST INT64_C(100000000000) /* a milliard yuan */
#define YUAN_DIGITS    10

void package_init(struct package *package, const char *id, int64_t now_ms) {
    *package = (struct package){.credential = "main", .purchased_at_ms = now_ms};
    snprintf(package->id, sizeof package->id, "%s", id);
}

/* --- amounts --- */

void money_format(int64_t fen, char text[MONEY_TEXT_SIZE]) {
    uint64_t amount = fen < 0 ? 0 - (uint64_t)fen : (uint64_t)fen;
    snprintf(text, MONEY_TEXT_SIZE, "%s%" PRIu64 ".%02d", fen < 0 ? "-" : "", amount / 100,
             (int)(amount % 100));
}

cJSON *money_to_json(int64_t fen) {
    char text[MONEY_TEXT_SIZE];
    money_format(fen, text);
    return cJSON_CreateRaw(text);
}

/* A double is the nearest to the text it was read from. With at most two decimals it is therefore
 * the nearest to a whole number of fen, which a division gives exactly; any other is refused. */
static bool read_number(double yuan, int64_t *fen) {
    if (!(yuan >= 0) || !(yuan * 100 <= (double)PRICE_FEN_MOST))
        return false;
    *fen = (int64_t)(yuan * 100 + 0.5);
    return (double)*fen / 100 == yuan;
}

static bool read_text(const char *text, int64_t *fen) {
    static const char digits[] = "0123456789";
    size_t yuan = strspn(text, digits);
    const char *fraction = text[yuan] == '.' ? text + yuan + 1 : text + yuan;
    size_t decimals = strspn(fraction, digits);
    bool pointed = fraction != text + yuan;
    if (yuan < 1 || yuan > YUAN_DIGITS || (pointed && (decimals < 1 || decimals > 2)) ||
        fraction[decimals] != '\0')
        return false;
    *fen = strtoll(text, NULL, 10) * 100;
    if (decimals > 0)
        *fen += (fraction[0] - '0') * 10;
    if (decimals > 1)
        *fen += fraction[1] - '0';
    return *fen <= PRICE_FEN_MOST;
}

static bool read_price(const cJSON *item, int64_t *fen) {
    int64_t read = 0;
    bool good = cJSON_IsString(item)
                    ? read_text(item->valuestring, &read)
                    : cJSON_IsNumber(item) && read_number(item->valuedouble, &read);
    if (good)
        *fen = read;
    return good;
}

int64_t package_cost_fen(const struct package *package, int64_t calls) {
    if (package->calls <= 0 || calls <= 0)
        return 0;
    unsigned __int128 whole = (unsigned __int128)package->calls;
    unsigned __int128 doubled =
        (unsigned __int128)package->price_fen * (unsigned __int128)calls * 2;
    unsigned __int128 fen = (doubled + whole) / (whole * 2);
    return fen < INT64_MAX ? (int64_t)fen : INT64_MAX;
}

/* --- members --- */

static bool read_id(const cJSON *item, char id[LEDGER_NAME_SIZE]) {
    if (!cJSON_IsString(item) || !client_id_is_valid(item->valuestring))
        return false;
    snprintf(id, LEDGER_NAME_SIZE, "%s", item->valuestring);
    return true;
}

static bool set_credential(struct package *package, const cJSON *item) {
    return read_id(item, package->credential);
}

static bool set_calls(struct package *package, const cJSON *item) {
    return document_integer(item, 0, CALLS_MOST, &package->calls);
}

static bool set_price(struct package *package, const cJSON *item) {
    return read_price(item, &package->price_fen);
}

static bool set_purchased(struct package *package, const cJSON *item) {
    return document_time(item, &package->purchased_at_ms);
}

static bool set_expires(struct package *package, const cJSON *item) {
    return document_time_or_none(item, &package->expires_at_ms);
}

static bool set_removed(struct package *package, const cJSON *item) {
    package->removed = cJSON_IsTrue(item);
    return cJSON_IsBool(item);
}

static const struct member {
    const char *name;
    bool (*set)(struct package *package, const cJSON *item);
    const char *must;
} members[] = {
    {"credential", set_credential,
     "the id of a credential (a to z, 0 to 9 and hyphens, at most 40)"},
    {"calls", set_calls, "a whole number from 0 to 1000000000"},
    {"priceCny", set_price, "an amount with at most two decimals, from 0 to 1000000000"},
    {"purchasedAt", set_purchased, "a time (RFC 3339) or a date"},
    {"expiresAt", set_expires, "a time (RFC 3339), a date, or null"},
    {"removed", set_removed, "true or false"},
};

#define MEMBERS (sizeof members / sizeof members[0])

static const struct member *find_member(const char *name) {
    for (size_t i = 0; name != NULL && i < MEMBERS; i++) {
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
    }
    return NULL;
}

static bool change_member(struct package *package, const cJSON *item, struct complaint *complaint) {
    if (item->string != NULL && strcmp(item->string, "id") == 0) {
        bool own = cJSON_IsString(item) && strcmp(item->valuestring, package->id) == 0;
        return own || complain(complaint, "The member \"id\" must be the package's own.");
    }
    const struct member *member = find_member(item->string);
    if (member == NULL)
        return document_refuse_member(item->string, complaint);
    return member->set(package, item) ||
           complain(complaint, "The member \"%s\" must be %s.", member->name, member->must);
}

bool package_change(struct package *package, const cJSON *change, struct complaint *complaint) {
    struct package changed = *package;
    if (!cJSON_IsObject(change))
        return complain(complaint, "A package is a JSON object.");
    for (const cJSON *item = change->child; item != NULL; item = item->next) {
        if (!change_member(&changed, item, complaint))
            return false;
    }
    *package = changed;
    return true;
}

/* --- order --- */

static int compare_numbers(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

int package_compare(const struct package *a, const struct package *b) {
    int64_t a_expires = a->expires_at_ms != 0 ? a->expires_at_ms : INT64_MAX;
    int64_t b_expires = b->expires_at_ms != 0 ? b->expires_at_ms : INT64_MAX;
    int order = compare_numbers(a_expires, b_expires);
    if (order == 0)
        order = compare_numbers(a->purchased_at_ms, b->purchased_at_ms);
    return order != 0 ? order : strcmp(a->id, b->id);
}

bool package_is_same(const struct package *a, const struct package *b) {
    return strcmp(a->credential, b->credential) == 0 && a->calls == b->calls &&
           a->price_fen == b->price_fen && a->purchased_at_ms == b->purchased_at_ms &&
           a->expires_at_ms == b->expires_at_ms && a->removed == b->removed;
}

/* --- the document --- */

static bool add_price(const struct package *package, cJSON *object) {
    char text[MONEY_TEXT_SIZE];
    money_format(package->price_fen, text);
    return cJSON_AddRawToObject(object, "priceCny", text) != NULL;
}

static bool add_members(const struct package *package, cJSON *object) {
    return cJSON_AddStringToObject(object, "id", package->id) != NULL &&
           cJSON_AddStringToObject(object, "credential", package->credential) != NULL &&
           document_add_integer(object, "calls", package->calls) && add_price(package, object) &&
           document_add_time(object, "purchasedAt", package->purchased_at_ms) &&
           document_add_time(object, "expiresAt", package->expires_at_ms) &&
           cJSON_AddBoolToObject(object, "removed", package->removed) != NULL;
}

cJSON *package_show(const struct package *package) {
    cJSON *object = cJSON_CreateObject();
    if (object != NULL && add_members(package, object))
        return object;
    cJSON_Delete(object);
    return NULL;
}

char *package_encode(const struct package *package) {
    return document_print(package_show(package));
}

static bool read_members(const cJSON *object, struct package *package) {
    if (!read_id(cJSON_GetObjectItemCaseSensitive(object, "id"), package->id))
        return false;
    for (size_t i = 0; i < MEMBERS; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, members[i].name);
        if (item == NULL || !members[i].set(package, item))
            return false;
    }
    return true;
}

bool package_decode(const char *body, struct package *package) {
    struct package read = {.calls = 0};
    cJSON *object = document_parse(body);
    bool good = object != NULL && read_members(object, &read);
    cJSON_Delete(object);
    if (good)
        *package = read;
    return good;
}
