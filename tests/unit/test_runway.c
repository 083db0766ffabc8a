/* How long what is left will do, and what to buy next; by the seller's own price list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "money/runway.h"

static char *const seller_prices[] = {
    (char[]){"100=30"},         (char[]){"1000=288"},
    (char[]){"5000=1400"},      (char[]){"10000=2750"},
    (char[]){"20000=5400"},     (char[]){"50000=13000"},
    (char[]){"100000=24800"},   (char[]){"200000=46500"},
    (char[]){"1000000=225000"}, NULL,
};

static struct runway_price_list prices_of(char *const *items) {
    struct runway_price_list prices;
    struct complaint complaint = {""};
    if (!runway_read_prices(items, &prices, &complaint))
        fail_msg("%s", complaint.text);
    return prices;
}

static struct runway reckon(const int64_t *calls, int days, int64_t left) {
    const struct runway_price_list prices = prices_of(seller_prices);
    struct runway runway;
    runway_reckon(calls, days, left, &prices, &runway);
    return runway;
}

static void a_price_list_is_read_in_fen(void **state) {
    (void)state;
    char *const items[] = {(char[]){"10=0.01"}, (char[]){"1000=288.5"}, (char[]){"7=0"}, NULL};
    const struct runway_price_list prices = prices_of(items);
    assert_int_equal(prices.count, 3);
    assert_int_equal(prices.offers[0].calls, 10);
    assert_int_equal(prices.offers[0].price_fen, 1);
    assert_int_equal(prices.offers[1].price_fen, 28850);
    assert_int_equal(prices.offers[2].price_fen, 0);
}

static void what_is_no_price_is_refused_by_its_place(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "=1",
        "0=1",
        "1",
        "1=",
        "1=1.",
        "1=1.234",
        "1=-1",
        "-1=1",
        "1 =1",
        "1=1 ",
        "1=.5",
        "1=1,5",
        "1e3=1",
        "1=1=1",
        "x=1",
        "1=x",
        "1000000001=1",
        "1=1000000001",
        "99999999999999999999=1",
        "1=99999999999999999999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (runway_check_price(bad[i]) == NULL)
            fail_msg("'%s' is taken", bad[i]);
    }
    char *const items[] = {(char[]){"1=1"}, (char[]){"2:2"}, NULL};
    struct runway_price_list prices;
    struct complaint complaint = {""};
    assert_false(runway_read_prices(items, &prices, &complaint));
    assert_non_null(strstr(complaint.text, "item 2"));
    assert_null(strstr(complaint.text, "2:2"));
}

static void the_pace_is_rounded_half_up_to_tenths(void **state) {
    (void)state;
    static const struct {
        int64_t calls[RUNWAY_PACE_DAYS];
        int days;
        int64_t tenths;
    } rows[] = {
        {{1, 2, 3, 4, 5, 6, 7}, 7, 40},
        {{1}, 7, 1},
        {{0}, 7, 0},
        {{5, 6}, 2, 55},
        {{10}, 7, 14},
        {{12}, 7, 17},
        {{1, 0, 0, 0}, 4, 3},
        {{9}, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct runway runway = reckon(rows[i].calls, rows[i].days, 100);
        if (runway.tenths_per_day != rows[i].tenths)
            fail_msg("row %zu: %lld", i, (long long)runway.tenths_per_day);
    }
}

static void what_is_left_lasts_whole_days(void **state) {
    (void)state;
    static const int64_t calls[] = {4};
    assert_int_equal(reckon(calls, 1, 100).days_left, 25);
    assert_int_equal(reckon(calls, 1, 99).days_left, 24);
    assert_int_equal(reckon(calls, 1, 0).days_left, 0);
    assert_int_equal(reckon(calls, 1, -1).days_left, -1);
    assert_int_equal(reckon(calls, 0, 100).days_left, -1);
}

static void assert_purchase(const struct runway_purchase *purchase, int days, int64_t missing,
                            int64_t count, int64_t of_calls, int64_t total_fen) {
    assert_int_equal(purchase->days, days);
    assert_int_equal(purchase->calls, missing);
    assert_int_equal(purchase->count, count);
    if (count > 0)
        assert_int_equal(purchase->offer.calls, of_calls);
    assert_int_equal(purchase->total_fen, total_fen);
}

static void the_cheapest_package_covers_each_time(void **state) {
    (void)state;
    static const int64_t calls[] = {100};
    const struct runway runway = reckon(calls, 1, 500);
    /* In CNY: 25 × 30 < 3 × 288 < 1,400; 85 × 30 < 9 × 288 < 2,750; 36 × 288 < 360 × 30. */
    assert_purchase(&runway.next[0], 30, 2500, 25, 100, 75000);
    assert_purchase(&runway.next[1], 90, 8500, 85, 100, 255000);
    assert_purchase(&runway.next[2], 365, 36000, 36, 1000, 1036800);
}

static void nothing_is_bought_where_what_is_left_will_do(void **state) {
    (void)state;
    static const int64_t calls[] = {10};
    const struct runway runway = reckon(calls, 1, 900);
    assert_purchase(&runway.next[0], 30, 0, 0, 0, 0);
    assert_purchase(&runway.next[1], 90, 0, 0, 0, 0);
    assert_int_equal(runway.next[2].calls, 2750);
    assert_true(runway.next[2].count > 0);
}

static void of_equal_prices_the_fewer_calls_are_taken(void **state) {
    (void)state;
    char *const items[] = {(char[]){"50=3"}, (char[]){"40=3"}, (char[]){"20=1.5"}, NULL};
    const struct runway_price_list prices = prices_of(items);
    static const int64_t calls[] = {1};
    struct runway runway;
    runway_reckon(calls, 1, 0, &prices, &runway);
    assert_int_equal(runway.next[0].total_fen, 300);
    assert_int_equal(runway.next[0].offer.calls * runway.next[0].count, 40);
}

static void without_a_price_list_nothing_is_named(void **state) {
    (void)state;
    const struct runway_price_list none = {0};
    static const int64_t calls[] = {10};
    struct runway runway;
    runway_reckon(calls, 1, 0, &none, &runway);
    assert_purchase(&runway.next[0], 30, 300, 0, 0, 0);
}

static void json_has_exact_decimals(void **state) {
    (void)state;
    static const int64_t calls[] = {3000, 3001};
    const struct runway runway = reckon(calls, 2, 2000000);
    cJSON *json = runway_to_json(&runway);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(
        text, "{\"callsPerDay\":3000.5,\"daysLeft\":666,\"next\":["
              "{\"days\":30,\"calls\":0,\"package\":null,\"count\":0,\"totalCny\":0.00},"
              "{\"days\":90,\"calls\":0,\"package\":null,\"count\":0,\"totalCny\":0.00},"
              "{\"days\":365,\"calls\":0,\"package\":null,\"count\":0,\"totalCny\":0.00}]}");
    cJSON_free(text);
    cJSON_Delete(json);
}

static char *unit_of(char *item) {
    char *const items[] = {item, NULL};
    const struct runway_price_list prices = prices_of(items);
    static const int64_t calls[] = {1};
    struct runway runway;
    runway_reckon(calls, 1, -1, &prices, &runway);
    cJSON *json = runway_to_json(&runway);
    cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "next"), 0);
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(first, "package"));
    cJSON_Delete(json);
    return text;
}

static void a_unit_price_is_told_to_three_decimals(void **state) {
    (void)state;
    static const struct {
        const char *item;
        const char *wanted;
    } rows[] = {
        {"1000000=225000", "{\"calls\":1000000,\"priceCny\":225000.00,\"unitFen\":22.5}"},
        {"1000=288", "{\"calls\":1000,\"priceCny\":288.00,\"unitFen\":28.8}"},
        {"200000=46500", "{\"calls\":200000,\"priceCny\":46500.00,\"unitFen\":23.25}"},
        {"100=30", "{\"calls\":100,\"priceCny\":30.00,\"unitFen\":30}"},
        {"3=1", "{\"calls\":3,\"priceCny\":1.00,\"unitFen\":33.333}"},
        {"3=2", "{\"calls\":3,\"priceCny\":2.00,\"unitFen\":66.667}"},
        {"10=0.01", "{\"calls\":10,\"priceCny\":0.01,\"unitFen\":0.1}"},
        {"10=0", "{\"calls\":10,\"priceCny\":0.00,\"unitFen\":0}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char item[32];
        strcpy(item, rows[i].item);
        char *text = unit_of(item);
        assert_string_equal(text, rows[i].wanted);
        cJSON_free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_price_list_is_read_in_fen),
        cmocka_unit_test(what_is_no_price_is_refused_by_its_place),
        cmocka_unit_test(the_pace_is_rounded_half_up_to_tenths),
        cmocka_unit_test(what_is_left_lasts_whole_days),
        cmocka_unit_test(the_cheapest_package_covers_each_time),
        cmocka_unit_test(nothing_is_bought_where_what_is_left_will_do),
        cmocka_unit_test(of_equal_prices_the_fewer_calls_are_taken),
        cmocka_unit_test(without_a_price_list_nothing_is_named),
        cmocka_unit_test(json_has_exact_decimals),
        cmocka_unit_test(a_unit_price_is_told_to_three_decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
