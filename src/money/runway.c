#include "money/runway.h"

#include <stdio.h>
#include <string.h>

#include "money/package.h"
#include "runtime/text.h"

#define CALLS_MOST INT64_C(1000000000)
#define CNY_MOST   INT64_C(1000000000)

const int runway_horizon_days[RUNWAY_HORIZONS] = {30, 90, 365};

/* --- the price list --- */

/* Reads digits up to what is none. False: there are none, or it is more than `most`. */
static bool read_digits(const char **at, int64_t most, int64_t *number) {
    const char *begin = *at;
    *number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        *number = *number * 10 + (**at - '0');
        if (*number > most)
            return false;
    }
    return *at > begin;
}

static bool read_decimals(const char **at, int64_t *fen) {
    if (**at != '.')
        return true;
    const char *begin = ++*at;
    int64_t decimals = 0;
    if (!read_digits(at, 99, &decimals) || *at - begin > 2)
        return false;
    *fen += *at - begin == 1 ? decimals * 10 : decimals;
    return true;
}

static bool read_offer(const char *item, struct runway_offer *offer) {
    const char *at = item;
    if (!read_digits(&at, CALLS_MOST, &offer->calls) || offer->calls == 0 || *at++ != '=')
        return false;
    int64_t cny = 0;
    if (!read_digits(&at, CNY_MOST, &cny))
        return false;
    offer->price_fen = cny * 100;
    return read_decimals(&at, &offer->price_fen) && *at == '\0';
}

const char *runway_check_price(const char *item) {
    struct runway_offer offer;
    return read_offer(item, &offer)
               ? NULL
               : "must be CALLS=CNY, at least 1 call and at most two decimals, like 1000=288";
}

bool runway_read_prices(char *const *items, struct runway_price_list *prices,
                        struct complaint *complaint) {
    prices->count = 0;
    for (int i = 0; items != NULL && items[i] != NULL; i++) {
        if (i == RUNWAY_OFFERS_MOST)
            return complain(complaint, "price_list has more than %d items", RUNWAY_OFFERS_MOST);
        if (!read_offer(items[i], &prices->offers[i]))
            return complain(complaint, "price_list: item %d %s", i + 1,
                            runway_check_price(items[i]));
        prices->count++;
    }
    return true;
}

/* --- reckoning --- */

static int64_t pace(const int64_t *calls, int days) {
    int64_t sum = 0;
    for (int i = 0; i < days; i++)
        sum += calls[i];
    return days > 0 ? (2 * 10 * sum + days) / (2 * days) : 0;
}

/* Is it the better buy? */
static bool is_better(const struct runway_purchase *a, const struct runway_purchase *b) {
    if (a->total_fen != b->total_fen)
        return a->total_fen < b->total_fen;
    return a->offer.calls * a->count < b->offer.calls * b->count;
}

static void buy(const struct runway_price_list *prices, struct runway_purchase *purchase) {
    for (int i = 0; i < prices->count && purchase->calls > 0; i++) {
        struct runway_purchase other = *purchase;
        other.offer = prices->offers[i];
        other.count = (purchase->calls + other.offer.calls - 1) / other.offer.calls;
        if (__builtin_mul_overflow(other.count, other.offer.price_fen, &other.total_fen))
            continue;
        if (purchase->count == 0 || is_better(&other, purchase))
            *purchase = other;
    }
}

void runway_reckon(const int64_t *calls, int days, int64_t left,
                   const struct runway_price_list *prices, struct runway *runway) {
    *runway = (struct runway){.tenths_per_day = pace(calls, days), .days_left = -1};
    if (runway->tenths_per_day > 0 && left >= 0)
        runway->days_left = left * 10 / runway->tenths_per_day;
    for (int i = 0; i < RUNWAY_HORIZONS; i++) {
        struct runway_purchase *purchase = &runway->next[i];
        purchase->days = runway_horizon_days[i];
        int64_t needed = (runway->tenths_per_day * purchase->days + 9) / 10;
        int64_t missing = needed - (left > 0 ? left : 0);
        purchase->calls = missing > 0 ? missing : 0;
        buy(prices, purchase);
    }
}

/* --- JSON --- */

/* Of `thousandths`, without the zeros at its end. */
static void format_decimal(int64_t thousandths, char text[32]) {
    snprintf(text, 32, "%lld.%03lld", (long long)(thousandths / 1000),
             (long long)(thousandths % 1000));
    size_t size = strlen(text);
    while (text[size - 1] == '0')
        text[--size] = '\0';
    if (text[size - 1] == '.')
        text[--size] = '\0';
}

static bool add(cJSON *object, const char *name, cJSON *value) {
    if (value != NULL && cJSON_AddItemToObject(object, name, value))
        return true;
    cJSON_Delete(value);
    return false;
}

static cJSON *whole(int64_t number) {
    char digits[24];
    struct text text = text_over(digits, sizeof digits);
    text_add_number(&text, number);
    return cJSON_CreateRaw(digits);
}

static cJSON *offer_to_json(const struct runway_offer *offer) {
    char unit[32];
    format_decimal((2 * 1000 * offer->price_fen + offer->calls) / (2 * offer->calls), unit);
    cJSON *json = cJSON_CreateObject();
    if (add(json, "calls", whole(offer->calls)) &&
        add(json, "priceCny", money_to_json(offer->price_fen)) &&
        add(json, "unitFen", cJSON_CreateRaw(unit)))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static cJSON *purchase_to_json(const struct runway_purchase *purchase) {
    cJSON *json = cJSON_CreateObject();
    if (add(json, "days", whole(purchase->days)) && add(json, "calls", whole(purchase->calls)) &&
        add(json, "package",
            purchase->count > 0 ? offer_to_json(&purchase->offer) : cJSON_CreateNull()) &&
        add(json, "count", whole(purchase->count)) &&
        add(json, "totalCny", money_to_json(purchase->total_fen)))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static cJSON *purchases_to_json(const struct runway *runway) {
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; list != NULL && i < RUNWAY_HORIZONS; i++) {
        cJSON *purchase = purchase_to_json(&runway->next[i]);
        if (purchase != NULL && cJSON_AddItemToArray(list, purchase))
            continue;
        cJSON_Delete(purchase);
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

cJSON *runway_to_json(const struct runway *runway) {
    char per_day[32];
    snprintf(per_day, sizeof per_day, "%lld.%lld", (long long)(runway->tenths_per_day / 10),
             (long long)(runway->tenths_per_day % 10));
    cJSON *json = cJSON_CreateObject();
    if (add(json, "callsPerDay", cJSON_CreateRaw(per_day)) &&
        add(json, "daysLeft",
            runway->days_left >= 0 ? whole(runway->days_left) : cJSON_CreateNull()) &&
        add(json, "next", purchases_to_json(runway)))
        return json;
    cJSON_Delete(json);
    return NULL;
}
