/* Packages and marks: members by name, amounts to the fen, the order in which they are drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/credential.h"
#include "money/package.h"

#define NOW_MS INT64_C(1795485600123)

static struct package package_of(const char *change) {
    struct package package;
    struct complaint complaint = {""};
    cJSON *json = cJSON_Parse(change);
    assert_non_null(json);
    package_init(&package, "p1", NOW_MS);
    assert_true(package_change(&package, json, &complaint));
    cJSON_Delete(json);
    return package;
}

static void assert_refused(const char *change, const char *named) {
    struct package package;
    struct complaint complaint = {""};
    cJSON *json = cJSON_Parse(change);
    assert_non_null(json);
    package_init(&package, "p1", NOW_MS);
    struct package before = package;
    if (package_change(&package, json, &complaint))
        fail_msg("taken: %s", change);
    assert_memory_equal(&package, &before, sizeof package);
    assert_non_null(strstr(complaint.text, named));
    cJSON_Delete(json);
}

static void a_price_is_kept_to_the_fen(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int64_t fen;
    } prices[] = {
        {"{\"priceCny\":0}", 0},
        {"{\"priceCny\":0.01}", 1},
        {"{\"priceCny\":\"0.01\"}", 1},
        {"{\"priceCny\":0.07}", 7},
        {"{\"priceCny\":0.29}", 29},
        {"{\"priceCny\":1.1}", 110},
        {"{\"priceCny\":\"1.1\"}", 110},
        {"{\"priceCny\":4.35}", 435},
        {"{\"priceCny\":19.99}", 1999},
        {"{\"priceCny\":288}", 28800},
        {"{\"priceCny\":288.00}", 28800},
        {"{\"priceCny\":2.88e2}", 28800},
        {"{\"priceCny\":\"2750.00\"}", 275000},
        {"{\"priceCny\":225000}", 22500000},
        {"{\"priceCny\":999999999.99}", INT64_C(99999999999)},
        {"{\"priceCny\":\"1000000000\"}", INT64_C(100000000000)},
    };
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        struct package package = package_of(prices[i].json);
        if (package.price_fen != prices[i].fen)
            fail_msg("%s: %lld", prices[i].json, (long long)package.price_fen);
    }
}

/* No amount of fen is lost on its way through a JSON number. */
static void every_amount_comes_back(void **state) {
    (void)state;
    for (int64_t fen = 0; fen < INT64_C(100000000000); fen += 1 + fen / 5000) {
        struct package package = {.price_fen = -1};
        struct package made;
        package_init(&made, "p1", NOW_MS);
        made.price_fen = fen;
        char *body = package_encode(&made);
        assert_non_null(body);
        assert_true(package_decode(body, &package));
        assert_int_equal(package.price_fen, fen);
        free(body);
    }
}

static void what_is_no_price_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "1.005",           "0.001",   "-1",        "-0.01",
        "1000000000.01",   "1e12",    "\"1.005\"", "\"1.\"",
        "\".5\"",          "\"-1\"",  "\"+1\"",    "\" 1\"",
        "\"1 \"",          "\"1,5\"", "\"1e2\"",   "\"\"",
        "\"0x1\"",         "null",    "true",      "[1]",
        "\"12345678901\"", "\"NaN\"", "1e400",     "99999999999999999999",
        "0.0000001"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char change[64] = "{\"priceCny\":";
        strncat(change, bad[i], 40);
        strncat(change, "}", 1);
        assert_refused(change, "\"priceCny\"");
    }
}

static void other_members_have_their_bounds(void **state) {
    (void)state;
    assert_refused("{\"calls\":-1}", "\"calls\"");
    assert_refused("{\"calls\":1.5}", "\"calls\"");
    assert_refused("{\"calls\":1000000001}", "\"calls\"");
    assert_refused("{\"calls\":\"5\"}", "\"calls\"");
    assert_refused("{\"credential\":\"Main\"}", "\"credential\"");
    assert_refused("{\"credential\":null}", "\"credential\"");
    assert_refused("{\"purchasedAt\":null}", "\"purchasedAt\"");
    assert_refused("{\"purchasedAt\":\"2026-13-01\"}", "\"purchasedAt\"");
    assert_refused("{\"expiresAt\":\"1970-01-01T00:00:00Z\"}", "\"expiresAt\"");
    assert_refused("{\"expiresAt\":0}", "\"expiresAt\"");
    assert_refused("{\"removed\":1}", "\"removed\"");
    assert_refused("{\"id\":\"p2\"}", "\"id\"");
    assert_refused("{\"calls\":5,\"used\":1}", "\"used\"");
    assert_refused("{\"\\u0007\":1}", "member");
    assert_refused("[]", "object");
}

static void a_change_names_what_it_changes(void **state) {
    (void)state;
    struct package package =
        package_of("{\"id\":\"p1\",\"credential\":\"second\",\"calls\":1000,\"priceCny\":288.00,"
                   "\"purchasedAt\":\"2026-11-24T10:00:00.5+08:00\",\"expiresAt\":\"2027-11-24\"}");
    struct complaint complaint;
    assert_string_equal(package.credential, "second");
    assert_int_equal(package.calls, 1000);
    assert_int_equal(package.purchased_at_ms, INT64_C(1795485600500));
    assert_int_equal(package.expires_at_ms, INT64_C(1826985600000));
    struct package other = package;
    cJSON *json = cJSON_Parse("{\"expiresAt\":null,\"removed\":true}");
    assert_true(package_change(&other, json, &complaint));
    cJSON_Delete(json);
    assert_int_equal(other.expires_at_ms, 0);
    assert_true(other.removed);
    assert_int_equal(other.calls, 1000);
    assert_false(package_is_same(&package, &other));
    other.expires_at_ms = package.expires_at_ms;
    other.removed = false;
    assert_true(package_is_same(&package, &other));
}

static void the_document_is_what_is_shown(void **state) {
    (void)state;
    struct package package = package_of("{\"calls\":1000,\"priceCny\":288}");
    struct package read;
    char *body = package_encode(&package);
    assert_string_equal(body, "{\"id\":\"p1\",\"credential\":\"main\",\"calls\":1000,"
                              "\"priceCny\":288.00,\"purchasedAt\":\"2026-11-24T02:00:00.123Z\","
                              "\"expiresAt\":null,\"removed\":false}");
    assert_true(package_decode(body, &read));
    assert_string_equal(read.id, "p1");
    assert_true(package_is_same(&package, &read));
    free(body);
}

static void half_a_document_is_none(void **state) {
    (void)state;
    struct package package = {.calls = 77};
    assert_false(package_decode("", &package));
    assert_false(package_decode("[]", &package));
    assert_false(package_decode("{\"id\":\"p1\"}", &package));
    assert_int_equal(package.calls, 77);
}

static void costs_are_rounded_half_up_once(void **state) {
    (void)state;
    static const struct {
        int64_t price_fen, bought, calls, fen;
    } costs[] = {
        {28800, 1000, 1, 29}, /* 28.8 */
        {28800, 1000, 1000, 28800},
        {3000, 100, 7, 210},
        {1, 2, 1, 1}, /* 0.5 */
        {1, 3, 1, 0},
        {2, 3, 1, 1},
        {5, 10, 1, 1}, /* 0.5 */
        {4, 10, 1, 0},
        {22500000, 1000000, 333333, 7499993}, /* 7499992.5 */
        {INT64_C(100000000000), 1000000000, 999999999, INT64_C(99999999900)},
        {INT64_C(99999999999), 1000000000, 999999999, INT64_C(99999999899)},
        {100, 0, 5, 0},
        {0, 10, 5, 0},
        {100, 10, 0, 0},
        {INT64_C(100000000000), 1, 1000000000, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        struct package package = {.price_fen = costs[i].price_fen, .calls = costs[i].bought};
        assert_int_equal(package_cost_fen(&package, costs[i].calls), costs[i].fen);
    }
}

static int compare(const void *a, const void *b) {
    return package_compare(a, b);
}

static void the_oldest_expiry_is_drawn_first(void **state) {
    (void)state;
    struct package packages[] = {
        {.id = "e", .expires_at_ms = 0, .purchased_at_ms = 2},
        {.id = "d", .expires_at_ms = 0, .purchased_at_ms = 1},
        {.id = "c", .expires_at_ms = 9, .purchased_at_ms = 1},
        {.id = "b", .expires_at_ms = 5, .purchased_at_ms = 3},
        {.id = "a2", .expires_at_ms = 5, .purchased_at_ms = 2},
        {.id = "a1", .expires_at_ms = 5, .purchased_at_ms = 2},
    };
    static const char *const order[] = {"a1", "a2", "b", "c", "d", "e"};
    qsort(packages, 6, sizeof packages[0], compare);
    for (int i = 0; i < 6; i++)
        assert_string_equal(packages[i].id, order[i]);
}

static void amounts_have_two_decimals(void **state) {
    (void)state;
    static const struct {
        int64_t fen;
        const char *text;
    } amounts[] = {{0, "0.00"},
                   {1, "0.01"},
                   {-1, "-0.01"},
                   {28800, "288.00"},
                   {22500000, "225000.00"},
                   {INT64_MAX, "92233720368547758.07"},
                   {INT64_MIN, "-92233720368547758.08"}};
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        char text[MONEY_TEXT_SIZE];
        money_format(amounts[i].fen, text);
        assert_string_equal(text, amounts[i].text);
        cJSON *json = money_to_json(amounts[i].fen);
        char *printed = cJSON_PrintUnformatted(json);
        assert_string_equal(printed, amounts[i].text);
        free(printed);
        cJSON_Delete(json);
    }
}

static void marks_come_back(void **state) {
    (void)state;
    for (int mark = 0; mark < CREDENTIAL_MARKS; mark++) {
        struct credential credential = {.id = "main",
                                        .mark = (enum credential_mark)mark,
                                        .since_ms = NOW_MS,
                                        .appcode = "0123456789abcdef",
                                        .left = mark - 1};
        struct credential read = {.left = 99};
        char *body = credential_encode(&credential);
        assert_true(credential_decode(body, &read));
        assert_string_equal(read.id, "main");
        assert_int_equal(read.mark, mark);
        assert_int_equal(read.since_ms, NOW_MS);
        assert_string_equal(read.appcode, "0123456789abcdef");
        assert_int_equal(read.left, mark - 1);
        free(body);
    }
    struct credential none = {.left = 99};
    assert_false(credential_decode("{\"id\":\"-reconciled\",\"mark\":null}", &none));
    assert_false(credential_decode(
        "{\"id\":\"main\",\"mark\":\"good\",\"since\":null,\"appcode\":\"\",\"left\":null}",
        &none));
    assert_int_equal(none.left, 99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_price_is_kept_to_the_fen),
        cmocka_unit_test(every_amount_comes_back),
        cmocka_unit_test(what_is_no_price_is_refused),
        cmocka_unit_test(other_members_have_their_bounds),
        cmocka_unit_test(a_change_names_what_it_changes),
        cmocka_unit_test(the_document_is_what_is_shown),
        cmocka_unit_test(half_a_document_is_none),
        cmocka_unit_test(costs_are_rounded_half_up_once),
        cmocka_unit_test(the_oldest_expiry_is_drawn_first),
        cmocka_unit_test(amounts_have_two_decimals),
        cmocka_unit_test(marks_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
