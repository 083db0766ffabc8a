/* Clients: what can be set and what cannot, keys that live on, and what is never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/client.h"

#define NOW_MS  INT64_C(1795485600000)
#define HOUR_MS INT64_C(3600000)

static bool change(struct client *client, const char *text, struct complaint *complaint) {
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    bool changed = client_change(client, json, complaint);
    cJSON_Delete(json);
    return changed;
}

static struct client client_of(const char *text) {
    struct client client;
    struct complaint complaint = {""};
    client_init(&client, "shop", NOW_MS);
    if (!change(&client, text, &complaint))
        fail_msg("%s", complaint.text);
    return client;
}

static void assert_refused(const char *text, const char *named) {
    struct client client = client_of("{\"name\":\"before\",\"refresh\":true}");
    struct client before = client;
    struct complaint complaint = {""};
    if (change(&client, text, &complaint))
        fail_msg("taken: %s", text);
    assert_memory_equal(&client, &before, sizeof client);
    if (strstr(complaint.text, named) == NULL)
        fail_msg("%s: %s", text, complaint.text);
}

static void a_new_one_has_no_limits(void **state) {
    (void)state;
    struct client client;
    client_init(&client, "shop", NOW_MS);
    assert_string_equal(client.id, "shop");
    assert_int_equal(client.limits.day_calls, -1);
    assert_int_equal(client.limits.month_calls, -1);
    assert_int_equal(client.limits.reserve_percent, 0);
    assert_int_equal(client.requests_per_second, 0);
    assert_int_equal(client.key_count, 0);
    assert_int_equal(client.created_at_ms, NOW_MS);
    assert_false(client.refresh || client.disabled || client.removed || client.limits.shadow);
}

static void everything_can_be_set_and_taken_away(void **state) {
    (void)state;
    struct complaint complaint;
    struct client client = client_of(
        "{\"id\":\"shop\",\"name\":\"门店\",\"dailyCalls\":0,\"monthlyCalls\":1000000000,"
        "\"requestsPerSecond\":20,\"burst\":40,\"reserve\":100,\"refresh\":true,\"shadow\":true,"
        "\"disabled\":true}");
    assert_string_equal(client.name, "门店");
    assert_int_equal(client.limits.day_calls, 0);
    assert_int_equal(client.limits.month_calls, 1000000000);
    assert_int_equal(client.requests_per_second, 20);
    assert_int_equal(client.burst, 40);
    assert_int_equal(client.limits.reserve_percent, 100);
    assert_true(client.refresh && client.limits.shadow && client.disabled);
    assert_true(change(&client, "{\"dailyCalls\":null,\"requestsPerSecond\":null}", &complaint));
    assert_int_equal(client.limits.day_calls, -1);
    assert_int_equal(client.requests_per_second, 0);
    assert_int_equal(client.burst, 0);
    assert_int_equal(client.limits.month_calls, 1000000000);
}

static void a_burst_belongs_to_a_rate(void **state) {
    (void)state;
    struct complaint complaint;
    struct client client = client_of("{\"requestsPerSecond\":20}");
    assert_int_equal(client.burst, 20);
    assert_true(change(&client, "{\"burst\":3}", &complaint));
    assert_true(change(&client, "{\"requestsPerSecond\":5}", &complaint));
    assert_int_equal(client.burst, 3);
    assert_true(change(&client, "{\"burst\":null}", &complaint));
    assert_int_equal(client.burst, 5);
    assert_refused("{\"burst\":3}", "\"burst\"");
    assert_refused("{\"requestsPerSecond\":null,\"burst\":3}", "\"burst\"");
}

static void what_cannot_be_set_is_named(void **state) {
    (void)state;
    assert_refused("{\"dailyCalls\":-1}", "\"dailyCalls\"");
    assert_refused("{\"dailyCalls\":1.5}", "\"dailyCalls\"");
    assert_refused("{\"dailyCalls\":\"5\"}", "\"dailyCalls\"");
    assert_refused("{\"monthlyCalls\":1000000001}", "\"monthlyCalls\"");
    assert_refused("{\"monthlyCalls\":1e300}", "\"monthlyCalls\"");
    assert_refused("{\"requestsPerSecond\":0}", "\"requestsPerSecond\"");
    assert_refused("{\"requestsPerSecond\":1,\"burst\":0}", "\"burst\"");
    assert_refused("{\"reserve\":101}", "\"reserve\"");
    assert_refused("{\"reserve\":null}", "\"reserve\"");
    assert_refused("{\"refresh\":1}", "\"refresh\"");
    assert_refused("{\"disabled\":null}", "\"disabled\"");
    assert_refused("{\"name\":null}", "\"name\"");
    assert_refused("{\"name\":\"a\\nb\"}", "\"name\"");
    assert_refused("{\"id\":\"other\"}", "\"id\"");
    assert_refused("{\"name\":\"after\",\"keys\":[]}", "\"keys\"");
    assert_refused("{\"removed\":true}", "\"removed\"");
    assert_refused("{\"\\u001b[2J\":true}", "There is a member");
    assert_refused("[]", "object");
}

static void a_name_has_room_for_127_bytes(void **state) {
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "{\"name\":\"%0127d\"}", 7);
    assert_int_equal(strlen(client_of(text).name), 127);
    snprintf(text, sizeof text, "{\"name\":\"%0128d\"}", 7);
    assert_refused(text, "\"name\"");
}

/* --- keys --- */

static struct client_key key_of(uint8_t byte, int64_t created_at_ms) {
    struct client_key key = {.created_at_ms = created_at_ms, .request = "request-1"};
    memset(key.hash.bytes, byte, sizeof key.hash.bytes);
    return key;
}

static void an_old_key_lives_on_for_its_grace(void **state) {
    (void)state;
    struct client client = client_of("{}");
    struct client_key first = key_of(1, NOW_MS);
    struct client_key second = key_of(2, NOW_MS + HOUR_MS);
    client_add_key(&client, &first, 0);
    assert_int_equal(client.key_count, 1);
    assert_true(client_has_key(&client, &first.hash, NOW_MS + 1000 * HOUR_MS));
    assert_false(client_has_key(&client, &second.hash, NOW_MS));
    client_add_key(&client, &second, 24 * HOUR_MS);
    assert_int_equal(client.key_count, 2);
    assert_memory_equal(&client.keys[0].hash, &second.hash, sizeof second.hash);
    assert_true(client_has_key(&client, &first.hash, NOW_MS + 25 * HOUR_MS - 1));
    assert_false(client_has_key(&client, &first.hash, NOW_MS + 25 * HOUR_MS));
    assert_true(client_has_key(&client, &second.hash, NOW_MS + 1000 * HOUR_MS));
}

static void a_third_key_ends_the_first_now(void **state) {
    (void)state;
    struct client client = client_of("{}");
    struct client_key keys[] = {key_of(1, NOW_MS), key_of(2, NOW_MS), key_of(3, NOW_MS)};
    for (int i = 0; i < 3; i++)
        client_add_key(&client, &keys[i], HOUR_MS);
    assert_int_equal(client.key_count, 2);
    assert_false(client_has_key(&client, &keys[0].hash, NOW_MS));
    assert_true(client_has_key(&client, &keys[1].hash, NOW_MS));
    assert_true(client_has_key(&client, &keys[2].hash, NOW_MS));
}

static void without_grace_the_old_key_ends_now(void **state) {
    (void)state;
    struct client client = client_of("{}");
    struct client_key first = key_of(1, NOW_MS);
    struct client_key second = key_of(2, NOW_MS + HOUR_MS);
    client_add_key(&client, &first, 0);
    client_add_key(&client, &second, 0);
    assert_false(client_has_key(&client, &first.hash, NOW_MS + HOUR_MS));
    assert_true(client_has_key(&client, &second.hash, NOW_MS + HOUR_MS));
}

static void no_grace_makes_a_key_live_longer(void **state) {
    (void)state;
    struct client client = client_of("{}");
    struct client_key first = key_of(1, NOW_MS);
    struct client_key second = key_of(2, NOW_MS);
    first.expires_at_ms = NOW_MS + HOUR_MS;
    client_add_key(&client, &first, 0);
    client_add_key(&client, &second, 24 * HOUR_MS);
    assert_int_equal(client.keys[1].expires_at_ms, NOW_MS + HOUR_MS);
}

/* --- the document --- */

static void a_document_comes_back(void **state) {
    (void)state;
    struct client client = client_of("{\"name\":\"门店 \\\"1\\\"\",\"dailyCalls\":5,"
                                     "\"requestsPerSecond\":2,\"reserve\":20}");
    struct client_key keys[] = {key_of(1, NOW_MS), key_of(2, NOW_MS + 1)};
    keys[1].request[0] = '\0';
    for (int i = 0; i < 2; i++)
        client_add_key(&client, &keys[i], HOUR_MS);
    client.removed = true;
    char *body = client_encode(&client);
    struct client read;
    assert_true(client_decode(body, &read));
    assert_string_equal(read.id, "shop");
    assert_true(client_is_same(&client, &read));
    assert_true(read.removed);
    assert_int_equal(read.created_at_ms, NOW_MS);
    assert_int_equal(read.key_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(client_key_equal(&read.keys[i].hash, &client.keys[i].hash));
        assert_int_equal(read.keys[i].created_at_ms, client.keys[i].created_at_ms);
        assert_int_equal(read.keys[i].expires_at_ms, client.keys[i].expires_at_ms);
        assert_string_equal(read.keys[i].request, client.keys[i].request);
    }
    free(body);
}

static void the_document_is_the_documented_one(void **state) {
    (void)state;
    struct client client = client_of("{\"name\":\"n\",\"dailyCalls\":5}");
    struct client_key key = key_of(0xab, NOW_MS + 5);
    key.request[0] = '\0';
    client_add_key(&client, &key, 0);
    char *body = client_encode(&client);
    assert_string_equal(
        body, "{\"id\":\"shop\",\"name\":\"n\",\"dailyCalls\":5,\"monthlyCalls\":null,"
              "\"requestsPerSecond\":null,\"burst\":null,\"reserve\":0,\"refresh\":false,"
              "\"shadow\":false,\"disabled\":false,\"removed\":false,"
              "\"createdAt\":\"2026-11-24T02:00:00Z\",\"keys\":[{\"sha256\":"
              "\"abababababababababababababababababababababababababababababababab\","
              "\"createdAt\":\"2026-11-24T02:00:00.005Z\",\"expiresAt\":null,\"request\":null}]}");
    free(body);
}

static void no_hash_is_shown(void **state) {
    (void)state;
    struct client client = client_of("{}");
    struct client_key key = key_of(0xab, NOW_MS);
    client_add_key(&client, &key, 0);
    cJSON *json = client_show(&client);
    char *text = cJSON_PrintUnformatted(json);
    assert_non_null(strstr(text, "\"keys\":[{\"fingerprint\":\"abababab\",\"createdAt\":"));
    assert_null(strstr(text, "ababababa"));
    assert_null(strstr(text, "request-1"));
    assert_null(strstr(text, "removed"));
    free(text);
    cJSON_Delete(json);
    client.removed = true;
    json = client_show(&client);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "removed")));
    cJSON_Delete(json);
}

static void half_a_document_is_none(void **state) {
    (void)state;
    static const char *const bad[] = {"", "null", "[]", "{}", "{\"id\":\"shop\"}"};
    struct client client = {.burst = 77};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(client_decode(bad[i], &client));
    assert_int_equal(client.burst, 77);
}

static void whoever_differs_in_one_thing_is_not_the_same(void **state) {
    (void)state;
    static const char *const changes[] = {"{\"name\":\"x\"}",     "{\"dailyCalls\":1}",
                                          "{\"monthlyCalls\":1}", "{\"reserve\":1}",
                                          "{\"refresh\":true}",   "{\"shadow\":true}",
                                          "{\"disabled\":true}",  "{\"requestsPerSecond\":1}"};
    struct client plain = client_of("{}");
    struct client later = plain;
    struct client_key key = key_of(1, NOW_MS);
    client_add_key(&later, &key, 0);
    later.created_at_ms++;
    assert_true(client_is_same(&plain, &later));
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct client other = client_of(changes[i]);
        assert_false(client_is_same(&plain, &other));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_has_no_limits),
        cmocka_unit_test(everything_can_be_set_and_taken_away),
        cmocka_unit_test(a_burst_belongs_to_a_rate),
        cmocka_unit_test(what_cannot_be_set_is_named),
        cmocka_unit_test(a_name_has_room_for_127_bytes),
        cmocka_unit_test(an_old_key_lives_on_for_its_grace),
        cmocka_unit_test(a_third_key_ends_the_first_now),
        cmocka_unit_test(without_grace_the_old_key_ends_now),
        cmocka_unit_test(no_grace_makes_a_key_live_longer),
        cmocka_unit_test(a_document_comes_back),
        cmocka_unit_test(the_document_is_the_documented_one),
        cmocka_unit_test(no_hash_is_shown),
        cmocka_unit_test(half_a_document_is_none),
        cmocka_unit_test(whoever_differs_in_one_thing_is_not_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
