/* Lists that name files of secrets, and what changes when the settings are loaded again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loading.h"

/* ---- files named in lists ---- */

#define CODES_SIZE 512

/* "NAME=…" with paths in the scratch directory; `format` has a %s for each. */
static const char *variable_with(char variable[CODES_SIZE], const char *format, const char *one,
                                 const char *other) {
    char a[128];
    char b[128];
    snprintf(a, sizeof a, "%s", scratch_path(one));
    snprintf(b, sizeof b, "%s", scratch_path(other));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(variable, CODES_SIZE, format, a, b);
#pragma GCC diagnostic pop
    return variable;
}

static void test_credentials_in_order(void **state) {
    (void)state;
    char list[CODES_SIZE];
    scratch_text("one", "code-one\n");
    scratch_text("two", "code-two");
    variable_with(list, "SANYAO_CREDENTIALS=second=%s,a=%s", "two", "one");
    struct config *config = load_good(NULL, ENVIRONMENT("SANYAO_APPCODE=code-main", list));
    assert_int_equal(config->credential_count, 3);
    assert_string_equal(config->credentials[0].id, "main");
    assert_string_equal(config->credentials[0].appcode, "code-main");
    assert_string_equal(config->credentials[1].id, "second");
    assert_string_equal(config->credentials[1].appcode, "code-two");
    assert_string_equal(config->credentials[2].id, "a");
    assert_string_equal(config->credentials[2].appcode, "code-one");
    assert_null(config->warnings);
    config_release(config);

    config = load_good(NULL, ENVIRONMENT(list));
    assert_int_equal(config->credential_count, 2);
    assert_string_equal(config->credentials[0].id, "second");
    assert_int_equal(warnings_with(config, "none is set"), 0);
    config_release(config);
    config = load_good(NULL, ENVIRONMENT());
    assert_int_equal(config->credential_count, 0);
    assert_int_equal(warnings_with(config, "none is set"), 1);
    config_release(config);
}

static void test_bad_credentials(void **state) {
    (void)state;
    char list[CODES_SIZE];
    scratch_text("good", "code");
    scratch_text("bad", "hidden code");
    variable_with(list, "SANYAO_CREDENTIALS=a=%s,b=%s", "good", "bad");
    assert_refused(NULL, ENVIRONMENT(list),
                   "credentials (SANYAO_CREDENTIALS): item 2 (b): what the file /tmp/");
    variable_with(list, "SANYAO_CREDENTIALS=a=%s,a=%s", "good", "good");
    assert_refused(NULL, ENVIRONMENT(list), "item 2 (a): another item has this name");
    variable_with(list, "SANYAO_CREDENTIALS=main=%s", "good", "good");
    config_release(load_good(NULL, ENVIRONMENT(list)));
    assert_refused(NULL, ENVIRONMENT(list, "SANYAO_APPCODE=code"),
                   "item 1 (main): appcode is set, and is the one called main");
    /* Who gives the code itself instead of its file must not see it in a log. */
    assert_refused(NULL, ENVIRONMENT("SANYAO_CREDENTIALS=a=hidden"),
                   "credentials (SANYAO_CREDENTIALS): item 1 (a): its file is not there");
    assert_refused(NULL, ENVIRONMENT("SANYAO_CREDENTIALS=hidden"),
                   "SANYAO_CREDENTIALS: item 1 must begin with a name");
}

static void test_webhooks(void **state) {
    (void)state;
    char list[CODES_SIZE];
    scratch_text("one", "https://example.com/robot?token=hidden\r\nsigning-secret\r\n");
    scratch_text("two", "http://127.0.0.1:1/\n");
    variable_with(list, "SANYAO_ALERTS_WEBHOOKS=ops=dingtalk:%s,b=generic:%s", "one", "two");
    struct config *config = load_good(NULL, ENVIRONMENT(list, "SANYAO_APPCODE=a"));
    assert_int_equal(config->webhook_count, 2);
    assert_string_equal(config->webhooks[0].name, "ops");
    assert_int_equal(config->webhooks[0].kind, CONFIG_WEBHOOK_DINGTALK);
    assert_string_equal(config->webhooks[0].url, "https://example.com/robot?token=hidden");
    assert_string_equal(config->webhooks[0].secret, "signing-secret");
    assert_int_equal(config->webhooks[1].kind, CONFIG_WEBHOOK_GENERIC);
    assert_string_equal(config->webhooks[1].url, "http://127.0.0.1:1/");
    assert_null(config->webhooks[1].secret);
    assert_null(config->warnings);
    config_release(config);

    scratch_write("two", "http://example.com/", 19, 0644);
    config = load_good(NULL, ENVIRONMENT(list, "SANYAO_APPCODE=a"));
    assert_int_equal(warnings_with(config, "item 2 (b) is sent to unencrypted"), 1);
    assert_int_equal(warnings_with(config, "alerts.webhooks: /tmp/"), 1);
    config_release(config);
}

static void test_bad_webhooks(void **state) {
    (void)state;
    static const struct {
        const char *content, *message;
    } cases[] = {
        {"example.com/hidden", "must begin with https://"},
        {"https://a:hidden@example.com/", "must not hold a user name"},
        {"https://?hidden", "must have a host name"},
        {"https://example.com/ hidden", "visible ASCII"},
        {"https://example.com/#hidden", "visible ASCII characters without #"},
        {"https://example.com/\n\nhidden", "must have one or two lines"},
        {"https://example.com/\nhidden hidden", "must have as its second line"},
    };
    char list[CODES_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch_text("hook", cases[i].content);
        variable_with(list, "SANYAO_ALERTS_WEBHOOKS=ops=wecom:%s", "hook", "hook");
        assert_refused(NULL, ENVIRONMENT(list), cases[i].message);
    }
    scratch_text("hook", "https://example.com/");
    variable_with(list, "SANYAO_ALERTS_WEBHOOKS=a=wecom:%s,a=feishu:%s", "hook", "hook");
    assert_refused(NULL, ENVIRONMENT(list), "item 2 (a): another item has this name");
    assert_refused(NULL, ENVIRONMENT("SANYAO_ALERTS_WEBHOOKS=a=wecom:hidden"),
                   "item 1 (a): its file is not there");
}

/* ---- what a reload changes ---- */

static void assert_changes(const struct config *before, const struct config *after,
                           const char *expected) {
    cJSON *changes = config_changes(before, after);
    char *text = cJSON_PrintUnformatted(changes);
    assert_string_equal(text, expected);
    cJSON_free(text);
    cJSON_Delete(changes);
}

static void test_changes(void **state) {
    (void)state;
    struct config *before =
        load_good(NULL, ENVIRONMENT("SANYAO_APPCODE=hidden-a", "SANYAO_GET=false",
                                    "SANYAO_CACHE_TTL_01=2d", "SANYAO_ADMIN_TOKEN=" KEY_A));
    struct config *after =
        load_good(NULL, ENVIRONMENT("SANYAO_APPCODE=hidden-b", "SANYAO_BILLED_STATUSES=01,02",
                                    "SANYAO_CACHE_TTL_01=48h", "SANYAO_HASH_KEY=" KEY_A));
    assert_changes(before, before, "[]");
    assert_changes(before, after,
                   "[{\"key\":\"get\",\"before\":false,\"after\":true},"
                   "{\"key\":\"admin.token\",\"before\":\"(set)\",\"after\":\"(not set)\"},"
                   "{\"key\":\"hash.key\",\"before\":\"(not set)\",\"after\":\"(set)\"},"
                   "{\"key\":\"appcode\",\"before\":\"(set)\",\"after\":\"(changed)\"},"
                   "{\"key\":\"billed_statuses\",\"before\":[\"*\"],\"after\":[\"01\",\"02\"]}]");
    config_release(before);
    config_release(after);
}

static void test_changed_files_are_changes(void **state) {
    (void)state;
    char codes[CODES_SIZE];
    char hooks[CODES_SIZE];
    scratch_text("code", "hidden-a");
    scratch_text("hook", "https://example.com/hidden");
    variable_with(codes, "SANYAO_CREDENTIALS=b=%s", "code", "code");
    variable_with(hooks, "SANYAO_ALERTS_WEBHOOKS=b=wecom:%s", "hook", "hook");
    const char *const *environment = ENVIRONMENT(codes, hooks, "SANYAO_APPCODE=a");
    struct config *before = load_good(NULL, environment);
    struct config *same = load_good(NULL, environment);
    assert_changes(before, same, "[]");
    scratch_text("code", "hidden-b");
    struct config *other_code = load_good(NULL, environment);
    assert_changes(before, other_code,
                   "[{\"key\":\"credentials\",\"before\":\"(set)\",\"after\":\"(changed)\"}]");
    scratch_text("hook", "https://example.com/hidden\nhidden");
    struct config *other_hook = load_good(NULL, environment);
    assert_changes(other_code, other_hook,
                   "[{\"key\":\"alerts.webhooks\",\"before\":\"(set)\",\"after\":\"(changed)\"}]");
    /* The code that the list has nothing to do with. */
    struct config *without = load_good(NULL, ENVIRONMENT(codes, hooks));
    assert_changes(other_hook, without,
                   "[{\"key\":\"appcode\",\"before\":\"(set)\",\"after\":\"(not set)\"}]");
    config_release(before);
    config_release(same);
    config_release(other_code);
    config_release(other_hook);
    config_release(without);
}

static void assert_not_reloaded(const char *was, const char *is, const char *shared,
                                const char *keys) {
    struct complaint complaint = {""};
    const char *key = "SANYAO_HASH_KEY=" KEY_A;
    struct config *before = load_good(NULL, ENVIRONMENT(key, was, shared));
    struct config *after = load_good(NULL, ENVIRONMENT(key, is, shared));
    bool can = config_can_reload(before, after, &complaint);
    if (can != (keys == NULL))
        fail_msg("%s: %s", is, can ? "accepted" : complaint.text);
    if (keys != NULL && strstr(complaint.text, keys) == NULL)
        fail_msg("said: %s", complaint.text);
    config_release(before);
    config_release(after);
}

static void test_what_needs_a_restart(void **state) {
    (void)state;
    static const struct {
        const char *was, *is, *key;
    } cases[] = {
        {"A=", "SANYAO_LISTEN=127.0.0.1:1", "another value of: listen"},
        {"SANYAO_WORKERS=1", "SANYAO_WORKERS=2", "workers"},
        {"A=", "SANYAO_MAX_CONNECTIONS=16", "max_connections"},
        {"A=", "SANYAO_IDLE_TIMEOUT=1s", "idle_timeout"},
        {"A=", "SANYAO_ADMIN_LISTEN=", "admin.listen"},
        {"A=", "SANYAO_STORE_URL=sqlite:other", "store.url"},
        {"A=", "SANYAO_STORE_TIMEOUT=1s", "store.timeout"},
        {"A=", "SANYAO_JOURNAL_PATH=other", "journal.path"},
        {"A=", "SANYAO_JOURNAL_KEEP=30d", "journal.keep"},
        {"A=", "SANYAO_CACHE_MEMORY_ENTRIES=1", "cache.memory_entries"},
        {"A=", "SANYAO_TIMEZONE=Europe/Berlin", "timezone"},
        {"A=", "SANYAO_UPSTREAM_MAX_CONNECTIONS=1", "upstream.max_connections"},
        {"A=", "SANYAO_UPSTREAM_MAX_WAITING=1", "upstream.max_waiting"},
        {"A=", "SANYAO_REQUEST_TIMEOUT=1s", NULL},
        {"A=", "SANYAO_UPSTREAM_URL=https://example.com", NULL},
        {"A=", "SANYAO_LOG_LEVEL=debug", NULL},
        {"A=", "SANYAO_AUTH=off", NULL},
    };
    const char *store = "SANYAO_STORE_URL=redis://127.0.0.1";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_not_reloaded(cases[i].was, cases[i].is, NULL, cases[i].key);
    assert_not_reloaded("A=", "SANYAO_NUMBER_LIMIT_WINDOW=1h", NULL, NULL);
    assert_not_reloaded("A=", "SANYAO_NUMBER_LIMIT_WINDOW=1h", store, "number_limit.window");
    assert_not_reloaded("A=", "SANYAO_STORE_LEDGER_URL=redis://127.0.0.2", store,
                        "store.ledger_url");
}

static void test_all_keys_that_need_a_restart_are_named(void **state) {
    (void)state;
    struct complaint complaint;
    struct config *before = load_good(NULL, ENVIRONMENT("SANYAO_HASH_KEY=" KEY_A));
    struct config *after = load_good(
        NULL, ENVIRONMENT("SANYAO_HASH_KEY=" KEY_B, "SANYAO_TIMEZONE=UTC", "SANYAO_GET=false"));
    assert_false(config_can_reload(before, after, &complaint));
    assert_string_equal(complaint.text,
                        "only a restart can take another value of: hash.key, timezone");
    config_release(before);
    config_release(after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_credentials_in_order),
        TEST(test_bad_credentials),
        TEST(test_webhooks),
        TEST(test_bad_webhooks),
        TEST(test_changes),
        TEST(test_changed_files_are_changes),
        TEST(test_what_needs_a_restart),
        TEST(test_all_keys_that_need_a_restart_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
