#pragma once
/*
 * package: calls that were bought, and what they cost.
 *
 * Its document is {"id","credential","calls","priceCny","purchasedAt","expiresAt"|null,"removed"};
 * the admin API shows the same. `priceCny` is a number with two decimals (288.00) and is kept in
 * fen. Pure; value types.
 */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "money/ledger.h"
#include "runtime/complaint.h"

struct package {
    char id[LEDGER_NAME_SIZE];
    char credential[LEDGER_NAME_SIZE];
    int64_t calls;
    int64_t price_fen;
    int64_t purchased_at_ms;
    int64_t expires_at_ms; /* 0: never */
    bool removed;          /* not drawn from any more; its rows and its price stay */
};

/* Of credential `main`, bought now. */
void package_init(struct package *package, const char *id, int64_t now_ms);

/* As client_change: credential, calls (0 to 10^9), priceCny (a number, or a string like "288.00"),
 * purchasedAt, expiresAt (RFC 3339 or a date; null: never), removed. */
bool package_change(struct package *package, const cJSON *change, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* Is `a` drawn before `b`? Oldest expiry first, then oldest purchase, then the id. */
int package_compare(const struct package *a, const struct package *b);

bool package_is_same(const struct package *a, const struct package *b);

/* What `calls` calls of it cost, in fen, rounded half up once. No floating point. */
int64_t package_cost_fen(const struct package *package, int64_t calls);

char *package_encode(const struct package *package);
bool package_decode(const char *body, struct package *package) __attribute__((warn_unused_result));
cJSON *package_show(const struct package *package);

/* "288.00" for 28800; the text of a CNY amount anywhere. */
#define MONEY_TEXT_SIZE 24
void money_format(int64_t fen, char text[MONEY_TEXT_SIZE]);
/* A JSON number with two decimals. */
cJSON *money_to_json(int64_t fen);
