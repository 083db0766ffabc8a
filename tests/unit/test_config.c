/* Values, their order, the environment, and what must hold between settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loading.h"
#include "runtime/log.h"

static size_t row_of(const char *key) {
    for (size_t i = 0; i < config_table_count; i++) {
        if (strcmp(config_table[i].key, key) == 0)
            return i;
    }
    fail_msg("no such row: %s", key);
    return 0;
}

/* ---- defaults ---- */

static void test_defaults(void **state) {
    (void)state;
    static const int64_t ttl_ms[RESULT_KINDS] = {[RESULT_MATCH] = 30 * INT64_C(86400000),
                                                 [RESULT_MISMATCH] = 86400000,
                                                 [RESULT_UNVERIFIABLE] = 600000,
                                                 [RESULT_ABNORMAL] = 7 * 86400000,
                                                 [RESULT_INVALID_NAME] = 86400000,
                                                 [RESULT_INVALID_ID_CARD] = 86400000,
                                                 [RESULT_INVALID_MOBILE] = 86400000,
                                                 [RESULT_UNSUPPORTED_SEGMENT] = 7 * 86400000,
                                                 [RESULT_UNKNOWN] = 300000};
    struct config *config = load_good(NULL, ENVIRONMENT());
    assert_string_equal(config->listen[0], "127.0.0.1:8080");
    assert_null(config->listen[1]);
    assert_true(config->workers >= 1 && config->workers <= 256);
    assert_int_equal(config->request_timeout_ms, 5000);
    assert_int_equal(config->auth, CONFIG_AUTH_KEYS);
    assert_true(config->anonymous_refresh);
    assert_true(config->get);
    assert_null(config->hash_key);
    assert_null(config->admin_token);
    assert_null(config->appcode);
    assert_string_equal(config->upstream_ca_file, "");
    assert_memory_equal(config->cache_ttl_ms, ttl_ms, sizeof ttl_ms);
    assert_string_equal(config->virtual_operators_prefixes[4], "171");
    assert_int_equal(config->log_level, LOG_INFO);
    assert_null(config->path);
    for (size_t i = 0; i < config_table_count; i++)
        assert_string_equal(config->source[i], "default");
    config_release(config);
    config_release(NULL);
}

/* ---- values from text ---- */

/* `json` NULL: refused. */
static const struct {
    const char *key, *text, *json;
} values[] = {
    {"workers", "0", "0"},
    {"workers", "256", "256"},
    {"workers", "257", NULL},
    {"workers", "-1", NULL},
    {"workers", "+1", NULL},
    {"workers", " 1", NULL},
    {"workers", "1.0", NULL},
    {"workers", "0x1", NULL},
    {"workers", "99999999999999999999", NULL},
    {"workers", "", NULL},
    {"max_connections", "15", NULL},
    {"max_connections", "16", "16"},
    {"get", "true", "true"},
    {"get", "false", "false"},
    {"get", "1", NULL},
    {"get", "True", NULL},
    {"get", "", NULL},
    {"drain_timeout", "0", "\"0\""},
    {"drain_timeout", "0s", "\"0\""},
    {"drain_timeout", "1ms", "\"1ms\""},
    {"drain_timeout", "90s", "\"90s\""},
    {"drain_timeout", "120s", "\"2m\""},
    {"drain_timeout", "1h", "\"1h\""},
    {"drain_timeout", "61m", NULL},
    {"drain_timeout", "1", NULL},
    {"drain_timeout", "s", NULL},
    {"drain_timeout", "1.5s", NULL},
    {"drain_timeout", "-1s", NULL},
    {"drain_timeout", "1 s", NULL},
    {"drain_timeout", "1S", NULL},
    {"drain_timeout", "1h30m", NULL},
    {"drain_timeout", "999999999999999d", NULL},
    {"drain_timeout", "9999999999999999ms", NULL},
    {"idle_timeout", "0", NULL},
    {"idle_timeout", "999ms", NULL},
    {"idle_timeout", "1s", "\"1s\""},
    {"stale_if_error", "3650d", "\"3650d\""},
    {"stale_if_error", "3651d", NULL},
    {"auth", "off", "\"off\""},
    {"auth", "Off", NULL},
    {"auth", "", NULL},
    {"listen", "127.0.0.1:1", "[\"127.0.0.1:1\"]"},
    {"listen", " a:1 ,\tunix:/x ", "[\"a:1\",\"unix:/x\"]"},
    {"listen", "a:1,", NULL},
    {"listen", ",a:1", NULL},
    {"listen", "a:1, ,b:1", NULL},
    {"listen", "", NULL},
    {"virtual_operators.prefixes", "", "[]"},
    {"virtual_operators.prefixes", "170,1", NULL},
    {"virtual_operators.prefixes", "170,17x", NULL},
    {"virtual_operators.prefixes", "270", NULL},
    {"billed_statuses", "01,202", "[\"01\",\"202\"]"},
    {"billed_statuses", "*", "[\"*\"]"},
    {"billed_statuses", "01*", NULL},
    {"billed_statuses", "1234567890123456", NULL},
    {"admin.listen", "", "\"\""},
    {"admin.listen", "x", NULL},
    {"store.url", "sqlite:a", "\"sqlite:a\""},
    {"store.url", "sqlite:", NULL},
    {"store.url", "sqlite::memory:", NULL},
    {"store.url", "a.db", NULL},
    {"store.url", "", NULL},
    {"store.url", "rediss://a", "\"rediss://a\""},
    {"store.url", "redis://user@hidden", NULL},
    {"store.url", "redis://:hidden@a", "\"redis://:***@a\""},
    {"store.url", "redis://user:hid:den@a:1/2", "\"redis://user:***@a:1/2\""},
    {"store.url", "redis+sentinel://u:hid%40den@a,b/m", "\"redis+sentinel://u:***@a,b/m\""},
    {"store.url", "redis+unix:/a:b@c", "\"redis+unix:/a:b@c\""},
    {"store.url", "sqlite://a:b@c", "\"sqlite://a:b@c\""},
    {"store.ledger_url", "", "\"\""},
    {"store.ledger_url", "rediss://:hidden@a", "\"rediss://:***@a\""},
    {"store.ledger_url", "sqlite:a", NULL},
    {"store.timeout", "200ms", "\"200ms\""},
    {"store.timeout", "9ms", NULL},
    {"store.timeout", "10001ms", NULL},
    {"journal.path", "/a:b", "\"/a:b\""},
    {"journal.path", "", NULL},
    {"journal.path", ":memory:", NULL},
    {"journal.keep", "3650d", "\"3650d\""},
    {"journal.keep", "23h", NULL},
    {"upstream.ca_file", "a\tb", NULL},
    {"upstream.ca_file", "", "\"\""},
    {"hash.key", KEY_A, "\"(set)\""},
    {"hash.key", "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff", "\"(set)\""},
    {"hash.key", "0", NULL},
    {"hash.key", KEY_A "0", NULL},
    {"hash.key", "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", NULL},
    {"admin.token", KEY_A, "\"(set)\""},
    {"admin.token", "0123456789abcdef0123456789ABCDE", NULL},
    {"admin.token", "0123456789abcdef0123456789ABCDE~", "\"(set)\""},
    {"admin.token", "0123456789abcdef 123456789ABCDEF", NULL},
    {"admin.token", "0123456789abcdef0123456789ABCD\xc3\xa9", NULL},
    {"appcode", "a", "\"(set)\""},
    {"appcode", "", NULL},
    {"appcode", "a b", NULL},
    {"appcode", "a\n", NULL},
    {"appcode", "\xc3\xa9", NULL},
    {"credentials", "", "[]"},
    {"credentials", "second=/a/b, 3-rd=c=d", "[\"second=/a/b\",\"3-rd=c=d\"]"},
    {"credentials", "hidden", NULL},
    {"credentials", "second=", NULL},
    {"credentials", "=/a", NULL},
    {"credentials", "-a=/a", NULL},
    {"credentials", "Second=/a", NULL},
    {"credentials", "a_b=/a", NULL},
    {"credentials", "a1234567890123456789012345678901234567890=/a", NULL},
    {"timezone", "Asia/Shanghai", "\"Asia/Shanghai\""},
    {"timezone", "Nowhere/Hidden", NULL},
    {"timezone", "", NULL},
    {"clients.grace", "0", "\"0\""},
    {"clients.grace", "90d", "\"90d\""},
    {"clients.grace", "91d", NULL},
    {"alerts.thresholds", "100,7,0", "[\"100\",\"7\",\"0\"]"},
    {"alerts.thresholds", "", "[]"},
    {"alerts.thresholds", "101", NULL},
    {"alerts.thresholds", "-1", NULL},
    {"alerts.thresholds", "05", NULL},
    {"alerts.thresholds", "5%", NULL},
    {"alerts.webhooks", "ops=dingtalk:/a", "[\"ops=dingtalk:/a\"]"},
    {"alerts.webhooks", "a=generic:b,b=wecom:b,c=feishu:b",
     "[\"a=generic:b\",\"b=wecom:b\",\"c=feishu:b\"]"},
    {"alerts.webhooks", "ops=slack:/a", NULL},
    {"alerts.webhooks", "ops=dingtalk", NULL},
    {"alerts.webhooks", "ops=dingtalk:", NULL},
    {"alerts.webhooks", "ops=/a", NULL},
    {"alerts.webhooks", "ops=dingtalk:https://example.com/hidden", NULL},
    {"price_list", "1=1,1000=288.5,2000=0.25", "[\"1=1\",\"1000=288.5\",\"2000=0.25\"]"},
    {"price_list", "0=1", NULL},
    {"price_list", "01=1", NULL},
    {"price_list", "1=1.", NULL},
    {"price_list", "1=1.001", NULL},
    {"price_list", "1=.5", NULL},
    {"price_list", "1=-1", NULL},
    {"price_list", "1", NULL},
    {"price_list", "=1", NULL},
    {"price_list", "1=1=1", NULL},
    {"price_list", "9999999999=1", NULL},
};

static void test_values(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const struct config_setting *setting = &config_table[row_of(values[i].key)];
        union config_value value = {0};
        struct complaint why = {{0}};
        bool good = config_value_from_text(setting, values[i].text, &value, &why);
        if (good != (values[i].json != NULL))
            fail_msg("%s \"%s\" is %s", values[i].key, values[i].text,
                     good ? "accepted" : why.text);
        assert_true(good || why.text[0] != '\0');
        if (!good)
            continue;
        cJSON *json = config_value_to_json(setting, value);
        char *text = cJSON_PrintUnformatted(json);
        assert_string_equal(text, values[i].json);
        cJSON_free(text);
        cJSON_Delete(json);
        config_value_free(setting, &value);
    }
}

static void test_too_many_items(void **state) {
    (void)state;
    char text[17 * 4 + 1] = "";
    for (int i = 0; i < 17; i++)
        strcat(text, i == 0 ? "a:1" : ",a:1");
    union config_value value;
    struct complaint why;
    assert_false(config_value_from_text(&config_table[row_of("listen")], text, &value, &why));
    assert_string_equal(why.text, "must have at most 16 items");
}

static const struct {
    const char *address;
    bool good, local;
} addresses[] = {
    {"127.0.0.1:8080", true, true},
    {"127.255.0.9:1", true, true},
    {"localhost:0", true, true},
    {"LOCALHOST:1", true, true},
    {"[::1]:80", true, true},
    {"[::ffff:127.0.0.1]:80", true, true},
    {"unix:/run/sanyao.sock", true, true},
    {"unix:a", true, true},
    {"0.0.0.0:8080", true, false},
    {"[::]:8080", true, false},
    {"[::ffff:10.0.0.1]:80", true, false},
    {"10.0.0.1:65535", true, false},
    {"sanyao_a.example:1", true, false},
    {"localhost.example:1", true, false},
    {"128.0.0.1:1", true, false},
    {"127.0.0.1", false, true},
    {"127.0.0.1:", false, false},
    {"127.0.0.1:65536", false, false},
    {"127.0.0.1:8x", false, false},
    {"127.0.0.1:-1", false, false},
    {"127.1:80", false, false},
    {"2130706433:80", false, false},
    {"256.0.0.1:80", false, false},
    {":8080", false, false},
    {"8080", false, false},
    {"", false, false},
    {"::1:80", false, false},
    {"[::1]", false, true},
    {"[::1:80", false, false},
    {"[::1]x:80", false, false},
    {"[127.0.0.1]:80", false, false},
    {"[fe80::1%eth0]:80", false, false},
    {"unix:", false, true},
    {"a b:80", false, false},
    {"a..b:80", false, false},
    {"-a:80", false, false},
    {"a/b:80", false, false},
};

static void test_addresses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        bool good = config_check_address(addresses[i].address) == NULL;
        if (good != addresses[i].good ||
            config_is_local(addresses[i].address) != addresses[i].local)
            fail_msg("misjudged: %s", addresses[i].address);
    }
    char path[160] = "unix:/";
    memset(path + 6, 'a', 106);
    assert_null(config_check_address(path));
    path[112] = 'a';
    assert_non_null(config_check_address(path));
}

static const struct {
    const char *url;
    bool good, local;
} urls[] = {
    {"https://example.com", true, false},
    {"https://example.com/a%20b/~c", true, false},
    {"http://127.0.0.1:9000/carrieroperator", true, true},
    {"http://[::1]:9000/", true, true},
    {"http://localhost", true, true},
    {"http://127.0.0.1.example/", true, false},
    {"HTTPS://example.com/", false, false},
    {"ftp://example.com/", false, false},
    {"example.com", false, false},
    {"https://", false, false},
    {"https:///a", false, false},
    {"https://:80/", false, false},
    {"https://a:hidden@example.com/", false, false},
    {"https://a@example.com/", false, false},
    {"https://example.com/?a=b", false, false},
    {"https://example.com?", false, false},
    {"https://example.com/#a", false, false},
    {"https://example.com/a b", false, false},
    {"https://example.com/%4", false, false},
    {"https://example.com/\xc3\xa9", false, false},
    {"https://example.com\\@evil.example/", false, false},
    {"https://exa mple.com/", false, false},
    {"https://example.com:99999/", false, false},
    {"https://[::1/", false, false},
};

static void test_urls(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        bool good = config_check_url(urls[i].url) == NULL;
        if (good != urls[i].good || (good && config_url_is_local(urls[i].url) != urls[i].local))
            fail_msg("misjudged: %s", urls[i].url);
    }
    assert_non_null(strstr(config_check_url("https://a@example.com/"), "user name"));
}

/* ---- the order ---- */

static void assert_hash_key(const struct config_sources *sources, const char *key,
                            const char *source) {
    struct complaint complaint = {{0}};
    struct config *config = config_load_from(sources, &complaint);
    if (config == NULL)
        fail_msg("refused: %s", complaint.text);
    if (key == NULL)
        assert_null(config->hash_key);
    else
        assert_string_equal(config->hash_key, key);
    if (strstr(config->source[row_of("hash.key")], source) == NULL)
        fail_msg("the source is %s, not %s", config->source[row_of("hash.key")], source);
    config_release(config);
}

/* Each place holds a key of its own; the first place is taken away again and again. */
static void test_order_of_a_secret(void **state) {
    (void)state;
    char variable[128];
    char variable_file[128];
    char credentials[128];
    char settings[256];
    snprintf(variable, sizeof variable, "SANYAO_HASH_KEY=%s", KEY_A);
    snprintf(variable_file, sizeof variable_file, "SANYAO_HASH_KEY_FILE=%s",
             scratch_text("b", KEY_B "\n"));
    snprintf(settings, sizeof settings, "{\"hash\": {\n\"key_file\": \"%s\"}}",
             scratch_text("c", KEY_A));
    scratch_text("f.jsonc", settings);
    snprintf(credentials, sizeof credentials, "CREDENTIALS_DIRECTORY=%s", scratch_directory);
    scratch_text("hash_key", KEY_B);

    struct config_sources sources = {
        .path = scratch_path("f.jsonc"), .default_path = no_home, .run_secrets = scratch_directory};
    sources.environment = ENVIRONMENT(variable, credentials);
    assert_hash_key(&sources, KEY_A, "SANYAO_HASH_KEY");
    sources.environment = ENVIRONMENT(variable_file, credentials);
    assert_hash_key(&sources, KEY_B, "(SANYAO_HASH_KEY_FILE)");
    sources.environment = ENVIRONMENT(credentials);
    assert_hash_key(&sources, KEY_A, "f.jsonc:2)");
    scratch_text("f.jsonc", "{\"hash\": {\"key_file\": \"\"}}");
    assert_hash_key(&sources, KEY_B, "(CREDENTIALS_DIRECTORY)");
    sources.environment = ENVIRONMENT();
    assert_hash_key(&sources, KEY_B, "/hash_key (/tmp");
    unlink(scratch_path("hash_key"));
    assert_hash_key(&sources, NULL, "default");
}

static void test_order_of_a_setting(void **state) {
    (void)state;
    char file_variable[128];
    const char *settings = scratch_text("f.jsonc", "{\n\"workers\": 3, \"get\": false}");
    snprintf(file_variable, sizeof file_variable, "SANYAO_WORKERS_FILE=%s",
             scratch_text("workers", "5\n"));

    struct config *config = load_good(settings, ENVIRONMENT("SANYAO_WORKERS=4"));
    assert_int_equal(config->workers, 4);
    assert_string_equal(config->source[row_of("workers")], "SANYAO_WORKERS");
    assert_false(config->get);
    config_release(config);
    config = load_good(settings, ENVIRONMENT(file_variable));
    assert_int_equal(config->workers, 5);
    config_release(config);
    config = load_good(settings, ENVIRONMENT());
    assert_int_equal(config->workers, 3);
    assert_non_null(strstr(config->source[row_of("workers")], "/f.jsonc:2"));
    config_release(config);
    assert_refused(settings, ENVIRONMENT("SANYAO_WORKERS=4", file_variable),
                   "SANYAO_WORKERS and SANYAO_WORKERS_FILE are both set");
}

/* Overridden or not, what stands in the file is checked. */
static void test_overridden_is_still_checked(void **state) {
    (void)state;
    const char *settings = scratch_text("f.jsonc", "{\"workers\": \"x\"}");
    assert_refused(settings, ENVIRONMENT("SANYAO_WORKERS=4"), "f.jsonc:1: workers: must be");
}

static void test_which_settings_file(void **state) {
    (void)state;
    char variable[128];
    const char *one = scratch_text("one", "{\"workers\": 1}");
    const char *two = scratch_text("two", "{\"workers\": 2}");
    snprintf(variable, sizeof variable, "SANYAO_CONFIG=%s", two);
    struct config_sources sources = {.default_path = one, .environment = ENVIRONMENT(variable)};
    struct complaint complaint;
    struct config *config = config_load_from(&sources, &complaint);
    assert_int_equal(config->workers, 2);
    assert_string_equal(config->path, two);
    config_release(config);
    sources.environment = ENVIRONMENT();
    config = config_load_from(&sources, &complaint);
    assert_int_equal(config->workers, 1);
    config_release(config);

    assert_refused(scratch_path("none"), ENVIRONMENT(), "none: No such file");
    assert_refused(NULL, ENVIRONMENT("SANYAO_CONFIG=/nonexistent/a"), "/nonexistent/a: No such");
    assert_refused(NULL, ENVIRONMENT("SANYAO_CONFIG="), "SANYAO_CONFIG is set but empty");
    assert_refused(scratch_directory, ENVIRONMENT(), "Is a directory");
}

static void test_large_file(void **state) {
    (void)state;
    char *text = malloc(CONFIG_FILE_SIZE_MAX + 1);
    memset(text, ' ', CONFIG_FILE_SIZE_MAX + 1);
    memcpy(text, "{}", 2);
    config_release(load_good(scratch_write("f", text, CONFIG_FILE_SIZE_MAX, 0600), ENVIRONMENT()));
    scratch_write("f", text, CONFIG_FILE_SIZE_MAX + 1, 0600);
    assert_refused(scratch_path("f"), ENVIRONMENT(), "larger than 1 MiB");
    free(text);
}

/* ---- the environment ---- */

static void test_environment_refusals(void **state) {
    (void)state;
    static const struct {
        const char *variable;
        const char *message;
    } cases[] = {
        {"SANYAO_WORKERS=hidden", "SANYAO_WORKERS: must be a whole number"},
        {"SANYAO_WORKERS=", "SANYAO_WORKERS: must be a whole number from 0 to 256 (it is "
                            "set but empty; unset it for the default)"},
        {"SANYAO_APPCODE=", "it is set but empty"},
        {"SANYAO_APPCODE=hidden hidden", "SANYAO_APPCODE: must be visible ASCII"},
        {"SANYAO_HASH_KEY=hidden", "SANYAO_HASH_KEY: must be 64 hexadecimal"},
        {"SANYAO_HASH_KEY_FILE=", "SANYAO_HASH_KEY_FILE is set but empty"},
        {"SANYAO_LISTEN_FILE=/nonexistent", "SANYAO_LISTEN_FILE: listen: /nonexistent: No"},
        {"SANYAO_WORKRS=hidden", "SANYAO_WORKRS: no setting has this variable (did you "
                                 "mean \"SANYAO_WORKERS\"?)"},
        {"SANYAO_APP_CODE_FILE=hidden", "(did you mean \"SANYAO_APPCODE_FILE\"?)"},
        {"SANYAO_CACHE_TTL_1=1s", "(did you mean \"SANYAO_CACHE_TTL_01\"?)"},
        {"SANYAO_FROBNICATE_QUUX=hidden", "SANYAO_FROBNICATE_QUUX: no setting has this variable"},
        {"SANYAO_PORT=8080", "SANYAO_PORT: no setting"},
        {"SANYAO_ADMIN_PORT=8081", "SANYAO_ADMIN_PORT: no setting"},
        {"SANYAO_PORT_X_TCP=1", "SANYAO_PORT_X_TCP: no setting"},
        {"SANYAO_PORT_80_TCP_NAME=1", "SANYAO_PORT_80_TCP_NAME: no setting"},
        {"SANYAO_CONFIG_FILE=/a", "SANYAO_CONFIG_FILE: no setting"},
        {"SANYAO_KEY_FILE=/a", "SANYAO_KEY_FILE: no setting"},
        {"SANYAO_=1", "SANYAO_: no setting"},
        {"SANYAO_BARE", "SANYAO_BARE: no setting"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(NULL, ENVIRONMENT(cases[i].variable), cases[i].message);
}

/* A caller's key stands beside the settings of the commands that ask. */
static void test_a_key_is_no_setting(void **state) {
    (void)state;
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_KEY=anything")));
}

static void test_long_variable_name(void **state) {
    (void)state;
    char variable[1024];
    memset(variable, 'A', sizeof variable);
    memcpy(variable, "SANYAO_", 7);
    memcpy(variable + sizeof variable - 3, "=1", 3);
    assert_refused(NULL, ENVIRONMENT(variable), "no setting has this variable");
}

static void test_kubernetes_is_passed_over(void **state) {
    (void)state;
    config_release(load_good(
        NULL,
        ENVIRONMENT("SANYAO_SERVICE_HOST=10.0.0.1", "SANYAO_SERVICE_PORT=8080",
                    "SANYAO_SERVICE_PORT_HTTP=8080", "SANYAO_PORT=tcp://10.0.0.1:8080",
                    "SANYAO_PORT_8080_TCP=tcp://10.0.0.1:8080", "SANYAO_PORT_8080_TCP_PROTO=tcp",
                    "SANYAO_PORT_8080_TCP_PORT=8080", "SANYAO_PORT_8080_TCP_ADDR=10.0.0.1",
                    "SANYAO_ADMIN_SERVICE_HOST=10.0.0.2", "SANYAO_ADMIN_PORT=udp://10.0.0.2:53",
                    "SANYAO_ADMIN_PORT_8081_TCP_ADDR=10.0.0.2",
                    "SANYAO_PORT_PORT_1_UDP=udp://10.0.0.2:1", "SANYAOX=1", "sanyao_listen=1",
                    "PATH=/bin")));
}

static void test_ca_file_is_no_file_form(void **state) {
    (void)state;
    char variable[128];
    const char *pem = scratch_text("pem", "x");
    snprintf(variable, sizeof variable, "SANYAO_UPSTREAM_CA_FILE=%s", pem);
    struct config *config = load_good(NULL, ENVIRONMENT(variable));
    assert_string_equal(config->upstream_ca_file, pem);
    config_release(config);

    snprintf(variable, sizeof variable, "SANYAO_UPSTREAM_CA_FILE_FILE=%s",
             scratch_text("name", pem));
    config = load_good(NULL, ENVIRONMENT(variable));
    assert_string_equal(config->upstream_ca_file, pem);
    config_release(config);
}

/* ---- secrets in files ---- */

static void test_bad_secret_files(void **state) {
    (void)state;
    char variable[128];
    char settings[256];
    const char *bad = scratch_text("bad", "hidden key\n");
    snprintf(variable, sizeof variable, "SANYAO_HASH_KEY_FILE=%s", bad);
    assert_refused(NULL, ENVIRONMENT(variable), "SANYAO_HASH_KEY_FILE: hash.key: what the file");
    snprintf(settings, sizeof settings, "{\n\n\"appcode_file\": \"%s\"}", bad);
    assert_refused(scratch_text("f.jsonc", settings), ENVIRONMENT(),
                   "f.jsonc:3: appcode: what the file");
    assert_refused(scratch_text("f.jsonc", "{\"appcode_file\": \"/nonexistent/a\"}"), ENVIRONMENT(),
                   "f.jsonc:1: appcode: /nonexistent/a: No such file");
    scratch_text("appcode", "hidden key");
    snprintf(variable, sizeof variable, "CREDENTIALS_DIRECTORY=%s", scratch_directory);
    assert_refused(NULL, ENVIRONMENT(variable), "CREDENTIALS_DIRECTORY: appcode: what the file");
}

static void test_exposed_secret_warns(void **state) {
    (void)state;
    char variable[128];
    snprintf(variable, sizeof variable, "SANYAO_APPCODE_FILE=%s",
             scratch_write("appcode", "abc", 3, 0644));
    struct config *config = load_good(NULL, ENVIRONMENT(variable));
    assert_int_equal(warnings_with(config, "other users may read"), 1);
    assert_int_equal(config_list_count((const char *const *)config->warnings), 1);
    config_release(config);

    /* Containers mount secrets readable for all, and no chmod helps there. */
    struct complaint complaint;
    struct config_sources sources = {.run_secrets = scratch_directory,
                                     .environment = ENVIRONMENT(variable)};
    config = config_load_from(&sources, &complaint);
    assert_null(config->warnings);
    config_release(config);
    sources.environment = ENVIRONMENT();
    config = config_load_from(&sources, &complaint);
    assert_string_equal(config->appcode, "abc");
    assert_null(config->warnings);
    config_release(config);
}

/* ---- between settings ---- */

static void test_auth_off_needs_loopback(void **state) {
    (void)state;
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_AUTH=off")));
    config_release(load_good(
        NULL, ENVIRONMENT("SANYAO_AUTH=off", "SANYAO_LISTEN=unix:/a,[::1]:80,localhost:1")));
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_LISTEN=0.0.0.0:80")));
    assert_refused(NULL, ENVIRONMENT("SANYAO_AUTH=off", "SANYAO_LISTEN=127.0.0.1:1,0.0.0.0:80"),
                   "auth (SANYAO_AUTH): \"off\" is accepted only when every address of listen "
                   "(SANYAO_LISTEN) is loopback or a Unix socket; item 2 is neither");
}

static void test_other_pairs(void **state) {
    (void)state;
    assert_refused(NULL, ENVIRONMENT("SANYAO_ADMIN_LISTEN=0.0.0.0:8081"),
                   "admin.listen (SANYAO_ADMIN_LISTEN): must be loopback");
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_ADMIN_LISTEN=")));
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_ADMIN_LISTEN=unix:/a")));
    assert_refused(NULL, ENVIRONMENT("SANYAO_LISTEN=127.0.0.1:8081"), "item 1 is the same address");
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_METRICS_LISTEN=0.0.0.0:8082")));
    assert_refused(NULL, ENVIRONMENT("SANYAO_METRICS_LISTEN=127.0.0.1:8081"),
                   "metrics.listen (SANYAO_METRICS_LISTEN): is the same address as admin.listen");
    assert_refused(NULL, ENVIRONMENT("SANYAO_METRICS_LISTEN=127.0.0.1:8080"),
                   "item 1 is the same address");
    assert_refused(NULL, ENVIRONMENT("SANYAO_LISTEN=a:1,b:1,a:1"), "item 3 is the same address");
    assert_refused(NULL, ENVIRONMENT("SANYAO_UPSTREAM_TIMEOUT=1s"),
                   "upstream.timeout (SANYAO_UPSTREAM_TIMEOUT): must be longer than "
                   "upstream.connect_timeout (default)");
    assert_refused(NULL, ENVIRONMENT("SANYAO_UPSTREAM_CA_FILE=/nonexistent/a"),
                   "upstream.ca_file (SANYAO_UPSTREAM_CA_FILE): the file cannot be read");
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_LISTEN=127.0.0.1:1,127.0.0.1:2")));
    /* Port 0 is another port each time. */
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_LISTEN=127.0.0.1:0,127.0.0.1:0",
                                               "SANYAO_ADMIN_LISTEN=127.0.0.1:0")));
}

static void test_plain_http_warns(void **state) {
    (void)state;
    static const struct {
        const char *variable;
        size_t warnings;
    } cases[] = {
        {"SANYAO_UPSTREAM_URL=http://example.com/", 1},
        {"SANYAO_UPSTREAM_URL=http://10.0.0.1/", 1},
        {"SANYAO_UPSTREAM_URL=http://127.0.0.1:9/", 0},
        {"SANYAO_UPSTREAM_URL=https://example.com/", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config *config = load_good(NULL, ENVIRONMENT(cases[i].variable));
        assert_int_equal(warnings_with(config, "unencrypted"), cases[i].warnings);
        assert_int_equal(warnings_with(config, "appcode: none is set"), 1);
        config_release(config);
    }
}

#define WITH_KEY "SANYAO_HASH_KEY=" KEY_A

static void test_shared_store_needs_hash_key(void **state) {
    (void)state;
    assert_refused(NULL, ENVIRONMENT("SANYAO_STORE_URL=redis://:hidden@a"),
                   "hash.key: must be given when store.url (SANYAO_STORE_URL) is a Redis");
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_STORE_URL=redis://:hidden@a", WITH_KEY)));
    config_release(load_good(NULL, ENVIRONMENT("SANYAO_STORE_URL=sqlite:a")));
}

static void test_ledger_url_needs_shared_store(void **state) {
    (void)state;
    assert_refused(NULL, ENVIRONMENT("SANYAO_STORE_LEDGER_URL=redis://:hidden@a", WITH_KEY),
                   "store.ledger_url (SANYAO_STORE_LEDGER_URL): only beside a Redis can the ledger "
                   "be elsewhere, and store.url (default) is the embedded store");
    struct config *config =
        load_good(NULL, ENVIRONMENT("SANYAO_STORE_LEDGER_URL=redis://:a@127.0.0.1:1",
                                    "SANYAO_STORE_URL=redis+unix:/a", WITH_KEY));
    assert_string_equal(config->store_ledger_url, "redis://:a@127.0.0.1:1");
    assert_string_equal(config->store_url, "redis+unix:/a");
    config_release(config);
}

static void test_journal_outlives_window(void **state) {
    (void)state;
    assert_refused(NULL,
                   ENVIRONMENT("SANYAO_STORE_URL=redis://127.0.0.1", WITH_KEY,
                               "SANYAO_JOURNAL_KEEP=2d", "SANYAO_NUMBER_LIMIT_WINDOW=3d"),
                   "journal.keep (SANYAO_JOURNAL_KEEP): must not be shorter than "
                   "number_limit.window (SANYAO_NUMBER_LIMIT_WINDOW)");
    config_release(
        load_good(NULL, ENVIRONMENT("SANYAO_STORE_URL=sqlite:a", "SANYAO_JOURNAL_KEEP=2d",
                                    "SANYAO_NUMBER_LIMIT_WINDOW=3d")));
}

static void test_store_ca_file(void **state) {
    (void)state;
    char variable[128];
    assert_refused(NULL, ENVIRONMENT("SANYAO_STORE_CA_FILE=/nonexistent/a"),
                   "store.ca_file (SANYAO_STORE_CA_FILE): the file cannot be read");
    snprintf(variable, sizeof variable, "SANYAO_STORE_CA_FILE=%s", scratch_text("pem", "x"));
    config_release(load_good(NULL, ENVIRONMENT(variable)));
}

static void test_plain_redis_warns(void **state) {
    (void)state;
    static const struct {
        const char *variable, *warning; /* NULL: none */
    } cases[] = {
        {"SANYAO_STORE_URL=redis://a", "store.url (SANYAO_STORE_URL): is not encrypted (redis://): "
                                       "use rediss:// unless the network is private"},
        {"SANYAO_STORE_URL=redis://:hidden@10.0.0.1", "store.url (SANYAO_STORE_URL): is not"},
        {"SANYAO_STORE_URL=redis+sentinel://:hidden@a/m", "(redis+sentinel://): keep it in a "},
        {"SANYAO_STORE_URL=redis+sentinel://127.0.0.1/m", NULL},
        {"SANYAO_STORE_URL=redis://:hidden@[::1]:1", NULL},
        {"SANYAO_STORE_URL=rediss://:hidden@a", NULL},
        {"SANYAO_STORE_URL=redis+unix:/a", NULL},
        {"SANYAO_STORE_URL=sqlite:a", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config *config = load_good(NULL, ENVIRONMENT(cases[i].variable, WITH_KEY));
        assert_int_equal(warnings_with(config, "not encrypted"), cases[i].warning != NULL);
        assert_int_equal(warnings_with(config, "hidden"), 0);
        if (cases[i].warning != NULL)
            assert_int_equal(warnings_with(config, cases[i].warning), 1);
        config_release(config);
    }
    struct config *config =
        load_good(NULL, ENVIRONMENT("SANYAO_STORE_URL=rediss://a",
                                    "SANYAO_STORE_LEDGER_URL=redis://:hidden@b", WITH_KEY));
    assert_int_equal(warnings_with(config, "store.ledger_url (SANYAO_STORE_LEDGER_URL): is"), 1);
    config_release(config);
}

/* As a container or systemd would hand over an address with a password. */
static void test_store_url_in_a_file(void **state) {
    (void)state;
    char variable[128];
    snprintf(variable, sizeof variable, "SANYAO_STORE_URL_FILE=%s",
             scratch_write("url", "rediss://:abc@a\n", 16, 0644));
    struct config *config = load_good(NULL, ENVIRONMENT(variable, WITH_KEY));
    assert_string_equal(config->store_url, "rediss://:abc@a");
    assert_int_equal(warnings_with(config, "store.url: "), 1);
    assert_int_equal(warnings_with(config, "other users may read"), 1);
    config_release(config);
    scratch_write("url", "rediss://a\n", 11, 0644);
    config = load_good(NULL, ENVIRONMENT(variable, WITH_KEY));
    assert_int_equal(warnings_with(config, "other users may read"), 0);
    config_release(config);
    scratch_text("url", "rediss://:hidden@\n");
    assert_refused(NULL, ENVIRONMENT(variable, WITH_KEY),
                   "SANYAO_STORE_URL_FILE: store.url: what the file");
}

/* ---- printing ---- */

static void test_print_masks_secrets(void **state) {
    (void)state;
    struct config *config =
        load_good(NULL, ENVIRONMENT("SANYAO_APPCODE=hidden", "SANYAO_WORKERS=3",
                                    "SANYAO_STORE_URL=rediss://user:hidden@a:1/2",
                                    "SANYAO_STORE_LEDGER_URL=rediss://:hidden@b", WITH_KEY));
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    config_print(config, stream);
    fclose(stream);
    assert_null(strstr(text, "hidden"));
    assert_null(strstr(text, KEY_A));
    assert_non_null(strstr(text, "\"(set)\""));
    assert_non_null(strstr(text, "\"rediss://user:***@a:1/2\""));
    assert_non_null(strstr(text, "\"rediss://:***@b\""));
    assert_non_null(strstr(text, "SANYAO_WORKERS"));
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, config_table_count);
    free(text);

    cJSON *json = config_to_json(config);
    assert_int_equal(cJSON_GetArraySize(json), config_table_count);
    char *printed = cJSON_PrintUnformatted(json);
    assert_null(strstr(printed, "hidden"));
    assert_non_null(
        strstr(printed, "{\"key\":\"workers\",\"value\":3,\"source\":\"SANYAO_WORKERS\"}"));
    cJSON_free(printed);
    cJSON_Delete(json);
    config_release(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_too_many_items),
        TEST(test_addresses),
        TEST(test_urls),
        TEST(test_order_of_a_secret),
        TEST(test_order_of_a_setting),
        TEST(test_overridden_is_still_checked),
        TEST(test_which_settings_file),
        TEST(test_large_file),
        TEST(test_environment_refusals),
        TEST(test_a_key_is_no_setting),
        TEST(test_long_variable_name),
        TEST(test_kubernetes_is_passed_over),
        TEST(test_ca_file_is_no_file_form),
        TEST(test_bad_secret_files),
        TEST(test_exposed_secret_warns),
        TEST(test_auth_off_needs_loopback),
        TEST(test_other_pairs),
        TEST(test_plain_http_warns),
        TEST(test_shared_store_needs_hash_key),
        TEST(test_ledger_url_needs_shared_store),
        TEST(test_journal_outlives_window),
        TEST(test_store_ca_file),
        TEST(test_plain_redis_warns),
        TEST(test_store_url_in_a_file),
        TEST(test_print_masks_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
