/* Alerts fire once per crossing, and again after a top-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "money/alert.h"
#include "runtime/text.h"

#define NOW  INT64_C(1795572000000)
#define MOST 32

static const int thresholds[] = {20, 10, 5, 0};

/* What is known, after the changes were written. */
struct world {
    struct alert_known known[MOST];
    int count;
    struct alert_package package;
    struct credential credential;
    bool has_credential;
    char status[1][RESULT_STATUS_SIZE];
    struct breaker_view breakers[2];
    int breaker_count;
    const char *instance; /* NULL: "host-1" */
    int64_t now_ms;
};

static struct world world_of(int64_t calls, int64_t used) {
    return (struct world){.package = {"p-1", calls, used, true}, .now_ms = NOW};
}

/* One look; returns the ids that fired (+) and were resolved (-), in order. */
static const char *look(struct world *world) {
    static char told[512];
    const struct alert_figures figures = {
        .packages = &world->package,
        .package_count = world->package.id != NULL ? 1 : 0,
        .thresholds = thresholds,
        .threshold_count = 4,
        .credentials = &world->credential,
        .credential_count = world->has_credential ? 1 : 0,
        .statuses = (const char(*)[RESULT_STATUS_SIZE])world->status,
        .status_count = world->status[0][0] != '\0' ? 1 : 0,
        .breakers = world->breakers,
        .breaker_count = world->breaker_count,
        .instance = world->instance != NULL ? world->instance : "host-1",
        .known = world->known,
        .known_count = world->count,
        .now_ms = world->now_ms,
    };
    struct alert_change changes[MOST];
    assert_true(alert_changes_most(&figures) <= MOST);
    int count = alert_judge(&figures, changes);
    struct text text = text_over(told, sizeof told);
    for (int i = 0; i < count; i++) {
        char id[STORE_DOCUMENT_ID_SIZE];
        alert_id(&changes[i].alert, id);
        text_addf(&text, "%s%s", changes[i].alert.firing ? "+" : "-", id);
        int at =
            changes[i].before != NULL ? (int)(changes[i].before - world->known) : world->count++;
        world->known[at] = (struct alert_known){changes[i].alert, 1};
    }
    return told;
}

static void a_package_fires_once_for_each_threshold(void **state) {
    (void)state;
    struct world world = world_of(100, 79);
    assert_string_equal(look(&world), "");
    world.package.used = 80;
    assert_string_equal(look(&world), "+package/p-1/20");
    assert_string_equal(look(&world), "");
    world.package.used = 89;
    assert_string_equal(look(&world), "");
    world.package.used = 95;
    assert_string_equal(look(&world), "+package/p-1/10+package/p-1/5");
    world.package.used = 99;
    assert_string_equal(look(&world), "");
    world.package.used = 100;
    assert_string_equal(look(&world), "+package/p-1/0");
    world.package.used = 120;
    assert_string_equal(look(&world), "");
}

static void calls_given_back_do_not_arm_it_again(void **state) {
    (void)state;
    struct world world = world_of(100, 80);
    look(&world);
    world.package.used = 79;
    assert_string_equal(look(&world), "");
    world.package.used = 80;
    assert_string_equal(look(&world), "");
}

static void a_top_up_arms_it_again(void **state) {
    (void)state;
    struct world world = world_of(100, 92);
    assert_string_equal(look(&world), "+package/p-1/20+package/p-1/10");
    world.package.calls = 108; /* 16 of 108 are left: above 10 %, not above 20 % */
    assert_string_equal(look(&world), "-package/p-1/10");
    world.package.calls = 1000;
    assert_string_equal(look(&world), "-package/p-1/20");
    assert_int_equal(world.known[0].alert.resolved_at_ms, NOW);
    world.now_ms = NOW + 1;
    world.package.used = 900;
    assert_string_equal(look(&world), "+package/p-1/20+package/p-1/10");
    assert_int_equal(world.known[0].alert.since_ms, NOW + 1);
    assert_int_equal(world.known[0].alert.resolved_at_ms, 0);
    assert_int_equal(world.known[0].alert.left, 100);
}

static void a_package_that_is_gone_is_resolved(void **state) {
    (void)state;
    struct world world = world_of(100, 80);
    look(&world);
    world.package.in_force = false;
    assert_string_equal(look(&world), "-package/p-1/20");
    assert_string_equal(look(&world), "");
    world = world_of(100, 80);
    look(&world);
    world.package.id = NULL;
    assert_string_equal(look(&world), "-package/p-1/20");
}

static void a_package_without_calls_says_nothing(void **state) {
    (void)state;
    struct world world = world_of(0, 0);
    assert_string_equal(look(&world), "");
}

static void a_refused_credential_fires_till_its_mark_is_gone(void **state) {
    (void)state;
    static const enum credential_mark refused[] = {CREDENTIAL_UNKNOWN, CREDENTIAL_UNAUTHORIZED,
                                                   CREDENTIAL_ARREARS};
    for (size_t i = 0; i < 3; i++) {
        struct world world = world_of(100, 0);
        world.has_credential = true;
        world.credential = (struct credential){.id = "main", .mark = refused[i], .left = 100};
        assert_string_equal(look(&world), "+credential/main");
        assert_string_equal(look(&world), "");
        world.credential.mark = CREDENTIAL_GOOD;
        assert_string_equal(look(&world), "-credential/main");
        world.credential.mark = refused[i];
        assert_string_equal(look(&world), "+credential/main");
    }
}

static void upstream_contradicts_where_something_was_left(void **state) {
    (void)state;
    static const struct {
        enum credential_mark mark;
        int64_t left;
        const char *told;
    } rows[] = {
        {CREDENTIAL_EXHAUSTED, 12, "+contradiction/main"},
        {CREDENTIAL_EXPIRED, 1, "+contradiction/main"},
        {CREDENTIAL_EXHAUSTED, -1, "+contradiction/main"},
        {CREDENTIAL_EXHAUSTED, 0, ""},
        {CREDENTIAL_GOOD, 12, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world = world_of(100, 0);
        world.has_credential = true;
        world.credential =
            (struct credential){.id = "main", .mark = rows[i].mark, .left = rows[i].left};
        assert_string_equal(look(&world), rows[i].told);
    }
}

static void a_mark_that_becomes_another_moves_on(void **state) {
    (void)state;
    struct world world = world_of(100, 0);
    world.has_credential = true;
    world.credential = (struct credential){.id = "main", .mark = CREDENTIAL_ARREARS, .left = 3};
    look(&world);
    world.credential.mark = CREDENTIAL_EXHAUSTED;
    assert_string_equal(look(&world), "+contradiction/main-credential/main");
}

static void an_unheard_of_status_fires_once_a_day(void **state) {
    (void)state;
    struct world world = world_of(100, 0);
    strcpy(world.status[0], "299");
    assert_string_equal(look(&world), "+status/299");
    assert_string_equal(look(&world), "");
    world.status[0][0] = '\0';
    world.now_ms = NOW + ALERT_STATUS_MS - 1;
    assert_string_equal(look(&world), "");
    world.now_ms = NOW + ALERT_STATUS_MS;
    assert_string_equal(look(&world), "-status/299");
    strcpy(world.status[0], "299");
    assert_string_equal(look(&world), "+status/299");
}

static struct world world_with_breaker(enum breaker_kind kind, enum breaker_state state) {
    struct world world = world_of(100, 0);
    world.breakers[0] = (struct breaker_view){.kind = kind, .name = "guide", .state = state};
    world.breakers[1] = (struct breaker_view){.kind = BREAKER_PROVIDER, .name = "other"};
    world.breaker_count = 2;
    return world;
}

static void an_open_breaker_fires_till_it_was_closed_for_a_minute(void **state) {
    (void)state;
    struct world world = world_with_breaker(BREAKER_PROVIDER, BREAKER_CLOSED);
    struct breaker_view *guide = &world.breakers[0];
    guide->for_ms = 5; /* it has never been open */
    assert_string_equal(look(&world), "");
    *guide = (struct breaker_view){.name = "guide", .state = BREAKER_OPEN, .opened = 1};
    assert_string_equal(look(&world), "+breaker/host-1/provider/guide");
    assert_string_equal(look(&world), "");
    guide->state = BREAKER_HALF_OPEN;
    assert_string_equal(look(&world), "");
    guide->state = BREAKER_OPEN;
    guide->opened = 2;
    assert_string_equal(look(&world), "");
    guide->state = BREAKER_CLOSED;
    guide->for_ms = ALERT_CLOSED_MS - 1;
    assert_string_equal(look(&world), "");
    guide->for_ms = ALERT_CLOSED_MS;
    assert_string_equal(look(&world), "-breaker/host-1/provider/guide");
    assert_string_equal(look(&world), "");
    guide->state = BREAKER_OPEN;
    guide->opened = 3;
    assert_string_equal(look(&world), "+breaker/host-1/provider/guide");
}

static void a_breaker_that_was_open_between_two_looks_fires(void **state) {
    (void)state;
    struct world world = world_with_breaker(BREAKER_PROVIDER, BREAKER_CLOSED);
    world.breakers[0].opened = 1;
    world.breakers[0].for_ms = ALERT_CLOSED_MS;
    assert_string_equal(look(&world), "");
    world.breakers[0].opened = 2;
    world.breakers[0].for_ms = 3;
    assert_string_equal(look(&world), "+breaker/host-1/provider/guide");
    assert_string_equal(look(&world), "");
}

static void a_credentials_breaker_says_nothing(void **state) {
    (void)state;
    struct world world = world_with_breaker(BREAKER_CREDENTIAL, BREAKER_OPEN);
    world.breakers[0].opened = 1;
    assert_string_equal(look(&world), "");
}

static void a_breaker_is_its_own_processs(void **state) {
    (void)state;
    struct world world = world_with_breaker(BREAKER_PROVIDER, BREAKER_OPEN);
    look(&world);
    world.instance = "host-12"; /* another one, of a name that begins alike */
    assert_string_equal(look(&world), "+breaker/host-12/provider/guide");
    world.breakers[0].state = BREAKER_CLOSED;
    world.breakers[0].for_ms = ALERT_CLOSED_MS;
    world.now_ms = NOW + ALERT_GONE_MS - 1;
    assert_string_equal(look(&world), "-breaker/host-12/provider/guide");
    world.now_ms = NOW + ALERT_GONE_MS; /* nobody has heard of the first since */
    assert_string_equal(look(&world), "-breaker/host-1/provider/guide");
}

static void a_restart_does_not_resolve_it_at_once(void **state) {
    (void)state;
    struct world world = world_with_breaker(BREAKER_PROVIDER, BREAKER_OPEN);
    look(&world);
    world.breakers[0].state = BREAKER_CLOSED;
    world.breakers[0].for_ms = 10;
    assert_string_equal(look(&world), "");
    world.breakers[0].for_ms = ALERT_CLOSED_MS;
    assert_string_equal(look(&world), "-breaker/host-1/provider/guide");
    world.breakers[0].state = BREAKER_OPEN;
    look(&world);
    world.breaker_count = 0; /* nobody asks that provider any more */
    assert_string_equal(look(&world), "-breaker/host-1/provider/guide");
}

static void the_longest_names_fit(void **state) {
    (void)state;
    struct world world = world_with_breaker(BREAKER_PROVIDER, BREAKER_OPEN);
    char instance[75];
    memset(instance, 'h', sizeof instance - 1);
    instance[sizeof instance - 1] = '\0';
    world.instance = instance;
    memset(world.breakers[0].name, 'n', BREAKER_NAME_SIZE - 1);
    const char *told = look(&world);
    assert_int_equal(strlen(told), strlen("+breaker//provider/") + 74 + BREAKER_NAME_SIZE - 1);
    assert_string_equal(alert_provider(&world.known[0].alert), world.breakers[0].name);
    char *body = alert_encode(&world.known[0].alert);
    struct alert read;
    assert_true(alert_decode(body, &read));
    assert_string_equal(read.subject, world.known[0].alert.subject);
    char detail[ALERT_DETAIL_SIZE];
    alert_detail(&read, detail);
    assert_non_null(strstr(detail, "slow."));
    free(body);
}

static struct alert full_alert(void) {
    return (struct alert){
        .kind = ALERT_PACKAGE,
        .subject = "p-1",
        .threshold = 20,
        .firing = true,
        .since_ms = NOW,
        .calls = 100,
        .left = 20,
        .attempts = 2,
        .holder = "0123456789abcdef",
        .held_until_ms = NOW + 17,
        .reached = "ops,",
    };
}

static void a_document_is_read_as_it_was_written(void **state) {
    (void)state;
    const struct alert alert = full_alert();
    char *body = alert_encode(&alert);
    struct alert read;
    assert_true(alert_decode(body, &read));
    char *again = alert_encode(&read);
    assert_string_equal(again, body);
    assert_int_equal(read.held_until_ms, NOW + 17);
    assert_string_equal(read.holder, alert.holder);
    free(body);
    free(again);
    assert_false(alert_decode("{}", &read));
    assert_false(alert_decode("nonsense", &read));
}

static void what_is_shown_is_no_more_than_the_contract(void **state) {
    (void)state;
    const struct alert alert = full_alert();
    char *body = alert_encode(&alert);
    cJSON *shown = alert_show(body);
    char *text = cJSON_PrintUnformatted(shown);
    assert_string_equal(
        text, "{\"id\":\"package/p-1/20\",\"kind\":\"package\",\"subject\":\"p-1\","
              "\"threshold\":20,\"state\":\"firing\",\"since\":\"2026-11-25T02:00:00Z\","
              "\"resolvedAt\":null,\"detail\":\"Package p-1 has 20 of 100 calls left, which is at "
              "most 20 %.\",\"delivered\":false}");
    cJSON_free(text);
    cJSON_Delete(shown);
    free(body);
}

static void the_audit_says_what_it_was_before(void **state) {
    (void)state;
    const struct alert before = full_alert();
    struct alert after = before;
    after.firing = false;
    char *line = alert_audit(&before, &after, NOW);
    cJSON *json = cJSON_Parse(line);
    assert_string_equal(cJSON_GetObjectItem(json, "action")->valuestring, "resolve");
    assert_string_equal(
        cJSON_GetObjectItem(cJSON_GetObjectItem(json, "before"), "state")->valuestring, "firing");
    assert_null(strstr(line, before.holder));
    cJSON_Delete(json);
    free(line);
}

static void who_was_reached_is_remembered_by_name(void **state) {
    (void)state;
    struct alert alert = {.firing = true, .since_ms = NOW};
    assert_false(alert_has_reached(&alert, "ops"));
    assert_true(alert_note_reached(&alert, "ops-2"));
    assert_false(alert_has_reached(&alert, "ops"));
    assert_true(alert_note_reached(&alert, "ops"));
    assert_true(alert_has_reached(&alert, "ops"));
    assert_true(alert_has_reached(&alert, "ops-2"));
    assert_false(alert_has_reached(&alert, "2"));
    char name[ALERT_REACHED_SIZE];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(alert_note_reached(&alert, name));
}

static void delivery_is_given_up_after_a_day(void **state) {
    (void)state;
    struct alert alert = {.firing = true, .since_ms = NOW};
    assert_true(alert_is_wanted(&alert, NOW + ALERT_DELIVER_MS - 1));
    assert_false(alert_is_wanted(&alert, NOW + ALERT_DELIVER_MS));
    alert.delivered = true;
    assert_false(alert_is_wanted(&alert, NOW));
    alert = (struct alert){.firing = false, .since_ms = NOW};
    assert_false(alert_is_wanted(&alert, NOW));
    alert.kind = ALERT_STORE;
    assert_true(alert_is_wanted(&alert, NOW));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_package_fires_once_for_each_threshold),
        cmocka_unit_test(calls_given_back_do_not_arm_it_again),
        cmocka_unit_test(a_top_up_arms_it_again),
        cmocka_unit_test(a_package_that_is_gone_is_resolved),
        cmocka_unit_test(a_package_without_calls_says_nothing),
        cmocka_unit_test(a_refused_credential_fires_till_its_mark_is_gone),
        cmocka_unit_test(upstream_contradicts_where_something_was_left),
        cmocka_unit_test(a_mark_that_becomes_another_moves_on),
        cmocka_unit_test(an_unheard_of_status_fires_once_a_day),
        cmocka_unit_test(an_open_breaker_fires_till_it_was_closed_for_a_minute),
        cmocka_unit_test(a_breaker_that_was_open_between_two_looks_fires),
        cmocka_unit_test(a_credentials_breaker_says_nothing),
        cmocka_unit_test(a_breaker_is_its_own_processs),
        cmocka_unit_test(a_restart_does_not_resolve_it_at_once),
        cmocka_unit_test(the_longest_names_fit),
        cmocka_unit_test(a_document_is_read_as_it_was_written),
        cmocka_unit_test(what_is_shown_is_no_more_than_the_contract),
        cmocka_unit_test(the_audit_says_what_it_was_before),
        cmocka_unit_test(who_was_reached_is_remembered_by_name),
        cmocka_unit_test(delivery_is_given_up_after_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
