#pragma once
/*
 * runway: how long what is left will do at the pace of the last days, and what to buy next.
 *
 * The pace is what was counted in the last seven whole days, fewer where the first call is younger.
 * What to buy is one package of the price list, as many times as it takes: the cheapest way to
 * cover a time at that pace beyond what is left. Of equal prices that with fewer calls. Money is in
 * fen; no floating point. Pure; value types.
 */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "runtime/complaint.h"

#define RUNWAY_PACE_DAYS   7  /* whole days that the pace is taken from */
#define RUNWAY_OFFERS_MOST 64 /* of a price list */
#define RUNWAY_HORIZONS    3
extern const int runway_horizon_days[RUNWAY_HORIZONS]; /* 30, 90, 365 */

/* A package that is for sale. */
struct runway_offer {
    int64_t calls; /* 1 to 10^9 */
    int64_t price_fen;
};

struct runway_price_list {
    int count;
    struct runway_offer offers[RUNWAY_OFFERS_MOST];
};

/* Reads items "CALLS=CNY" ("1000=288", "10=0.01"), ended by NULL. False with a complaint that names
 * the item by its place. */
bool runway_read_prices(char *const *items, struct runway_price_list *prices,
                        struct complaint *complaint) __attribute__((warn_unused_result));

/* NULL, or what is wrong with one item: "must be …". */
const char *runway_check_price(const char *item);

struct runway_purchase {
    int days;                  /* the horizon */
    int64_t calls;             /* that are missing for it */
    int64_t count;             /* how many of `offer`; 0: none is needed, or none can be named */
    struct runway_offer offer; /* with `count` */
    int64_t total_fen;
};

struct runway {
    int64_t tenths_per_day; /* ten times the calls per day, rounded half up */
    int64_t days_left;      /* whole ones; -1: there is no pace, or no end of what is left */
    struct runway_purchase next[RUNWAY_HORIZONS];
};

/*
 * `calls`: of the last `days` whole days, at most RUNWAY_PACE_DAYS; only those since the first call
 * (0: none is over yet). `left`: by the packages in force; -1: unmetered, so that all that a
 * horizon needs is missing.
 */
void runway_reckon(const int64_t *calls, int days, int64_t left,
                   const struct runway_price_list *prices, struct runway *runway);

/*
 * {"callsPerDay":12.3,"daysLeft":int|null,"next":[{"days","calls","package","count","totalCny"}…]};
 * "package" is {"calls","priceCny","unitFen"}, the price of one call in fen to three decimals
 * (22.5), or null where `count` is 0. NULL without memory.
 */
cJSON *runway_to_json(const struct runway *runway);
