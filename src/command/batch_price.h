#pragma once
/*
 * batch_price: what a number of calls would cost, by the packages in the order they would be drawn.
 *
 * By the admin API's balance, read once. Value type; main thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "money/package.h"
#include "runtime/json_scan.h"

struct batch_price {
    bool known;   /* the balance could be read */
    bool metered; /* packages are registered */
    int64_t left; /* of all packages that can be drawn */
    int count;
    struct batch_package {
        struct package package;
        int64_t left;
    } * packages; /* owned; in the order they would be drawn */
};

/* The body of GET /admin/v1/balance. What cannot be read leaves `known` false. */
void batch_price_read(struct batch_price *price, struct json_span balance);

/* In fen. What goes beyond the packages has no price and is not in it. */
int64_t batch_price_of(const struct batch_price *price, int64_t calls);

void batch_price_free(struct batch_price *price);
