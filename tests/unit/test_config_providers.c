/* Who is asked, in which order, and with whose credentials: what the settings say of sellers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loading.h"
#include "sellers.h"

#define VARIABLE_SIZE 4096

/* A variable with providers of those names and no credentials but in `more`. */
static const char *providers(const char *format, ...) {
    static char variables[4][VARIABLE_SIZE];
    static size_t next;
    char *variable = variables[next++ % 4];
    va_list args;
    va_start(args, format);
    int prefix = snprintf(variable, VARIABLE_SIZE, "SANYAO_UPSTREAM_PROVIDERS=");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(variable + prefix, VARIABLE_SIZE - (size_t)prefix, format, args);
#pragma GCC diagnostic pop
    va_end(args);
    return variable;
}

/* The description of a seller with further members, as `,"a":1`. */
static const char *described(const char *more) {
    static char texts[4][VARIABLE_SIZE / 2];
    static size_t next;
    char *text = texts[next++ % 4];
    snprintf(text, VARIABLE_SIZE / 2, "%.*s%s}", (int)strlen(SECOND) - 1, SECOND, more);
    return text;
}

static const char *credentials(const char *ids) {
    static char variable[512];
    size_t size = (size_t)snprintf(variable, sizeof variable, "SANYAO_CREDENTIALS=");
    scratch_text("code", "code-of-another");
    for (; *ids != '\0'; ids++)
        size += (size_t)snprintf(variable + size, sizeof variable - size, "%s%c=%s",
                                 variable[size - 1] == '=' ? "" : ",", *ids, scratch_path("code"));
    return variable;
}

static void test_the_guide_alone(void **state) {
    (void)state;
    struct config *config = load_good(
        NULL, ENVIRONMENT("SANYAO_APPCODE=a", credentials("xy"), "SANYAO_BILLED_STATUSES=01,02"));
    assert_int_equal(config->provider_count, 1);
    assert_true(config->providers[0].guide);
    assert_string_equal(config->providers[0].id, "guide");
    assert_string_equal(config->providers[0].url, config->upstream_url);
    assert_int_equal(config->providers[0].word_count, 2);
    assert_false(config->providers[0].all_billed);
    for (int i = 0; i < 3; i++)
        assert_int_equal(config->credentials[i].provider, 0);
    assert_null(config->warnings);
    config_release(config);
}

static void test_in_order(void **state) {
    (void)state;
    const char *both =
        providers("{\"b\":%s,\"c\":%s,\"d\":%s}", described(",\"credentials\":[\"y\"]"),
                  described(",\"credentials\":[\"main\",\"x\"]"), described(""));
    struct config *config = load_good(NULL, ENVIRONMENT("SANYAO_APPCODE=a", credentials("xyz"),
                                                        both, "SANYAO_UPSTREAM_ORDER=c, guide,d"));
    assert_int_equal(config->provider_count, 3);
    assert_string_equal(config->providers[0].id, "c");
    assert_string_equal(config->providers[1].id, "guide");
    assert_string_equal(config->providers[2].id, "d");
    static const struct {
        const char *id;
        int provider;
    } owners[] = {{"main", 0}, {"x", 0}, {"y", -1}, {"z", 1}};
    assert_int_equal(config->credential_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(config->credentials[i].id, owners[i].id);
        assert_int_equal(config->credentials[i].provider, owners[i].provider);
    }
    assert_int_equal(warnings_with(config, "upstream.order (SANYAO_UPSTREAM_ORDER): d has no "), 1);
    assert_int_equal(warnings_with(config, "the credential y is not used"), 1);
    assert_int_equal(config_list_count((const char *const *)config->warnings), 2);
    config_release(config);

    config = load_good(NULL, ENVIRONMENT("SANYAO_APPCODE=a", both, credentials("xy"),
                                         "SANYAO_UPSTREAM_ORDER=guide"));
    assert_int_equal(config->credentials[0].provider, -1);
    assert_int_equal(warnings_with(config, "guide has no credential"), 1);
    config_release(config);
    config = load_good(
        NULL, ENVIRONMENT(providers("{\"b\":%s}", described("")), "SANYAO_UPSTREAM_ORDER=b"));
    assert_int_equal(warnings_with(config, "none is set"), 1);
    assert_int_equal(warnings_with(config, "b has no credential"), 0);
    config_release(config);
}

static void test_mistakes(void **state) {
    (void)state;
    static const struct {
        const char *more, *message;
    } cases[] = {
        {",\"methods\":\"hidden\"", "second: methods: unknown key"},
        {",\"url\":\"https://hidden.example\"", "second: url: stands here a second time"},
        {",\"ca_file\":\"/nonexistent/of-the-test\"", "second: ca_file: the file cannot be read"},
        {",\"credentials\":[\"main\",\"hidden\"]", "second: credentials: item 2 names none"},
        {",\"credentials\":[\"main\",\"main\"]", "item 2 is named a second time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[256];
        snprintf(message, sizeof message, "upstream.providers (SANYAO_UPSTREAM_PROVIDERS): %s",
                 cases[i].message[0] == 's' ? cases[i].message : "second: credentials: ");
        const char *variable = providers("{\"second\":%s}", described(cases[i].more));
        assert_refused(NULL, ENVIRONMENT("SANYAO_APPCODE=a", variable), message);
        assert_refused(NULL, ENVIRONMENT("SANYAO_APPCODE=a", variable), cases[i].message);
    }
    static const struct {
        const char *providers, *message;
    } wholes[] = {
        {"hidden", "SANYAO_UPSTREAM_PROVIDERS: must be a JSON object"},
        {"", "SANYAO_UPSTREAM_PROVIDERS: must be a JSON object"},
        {"[]", "SANYAO_UPSTREAM_PROVIDERS: must be an object"},
        {"{} // hidden", "SANYAO_UPSTREAM_PROVIDERS: must be a JSON object"},
        {"{\"guide\":{}}", "guide: is the built-in one"},
        {"{\"A\":{}}", "A: must be a name of 1 to 16 characters"},
        {"{\"second\":[]}", "second: must be an object"},
        {"{\"second\":{}}", "second: url: is missing"},
        {"{\"second\":{\"url\":\"ftp://hidden\"}}", "second: parameters: is missing"},
    };
    for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++)
        assert_refused(NULL, ENVIRONMENT(providers("%s", wholes[i].providers)), wholes[i].message);
    const char *twice = providers("{\"b\":%s,\"b\":%s}", described(""), described(""));
    assert_refused(NULL, ENVIRONMENT(twice), "b: stands here a second time");
    twice = providers("{\"b\":%s,\"c\":%s}", described(",\"credentials\":[\"main\"]"),
                      described(",\"credentials\":[\"main\"]"));
    assert_refused(NULL, ENVIRONMENT(twice, "SANYAO_APPCODE=a"),
                   "c: credentials: item 1 is named a second time");
}

static void test_addresses(void **state) {
    (void)state;
    static const char form[] =
        "{\"b\":{\"url\":\"%s\"," SECOND_PARAMETERS "," SECOND_REPLY "," SECOND_WORDS "}}";
    assert_refused(NULL, ENVIRONMENT(providers(form, "ftp://hidden.example/")),
                   "b: url: must begin with https://");
    assert_refused(NULL, ENVIRONMENT(providers(form, "https://a/?code=hidden")),
                   "b: url: must have neither a query");
    struct config *config =
        load_good(NULL, ENVIRONMENT(providers(form, "http://a.example/x"), "SANYAO_APPCODE=a"));
    assert_int_equal(warnings_with(config, "b: http:// sends the AppCode"), 1);
    config_release(config);
    config =
        load_good(NULL, ENVIRONMENT(providers(form, "http://127.0.0.1:1/x"), "SANYAO_APPCODE=a"));
    assert_null(config->warnings);
    config_release(config);
}

static void test_orders(void **state) {
    (void)state;
    const char *one = providers("{\"b\":%s}", described(""));
    assert_refused(NULL, ENVIRONMENT(one, "SANYAO_UPSTREAM_ORDER=b,c"),
                   "upstream.order (SANYAO_UPSTREAM_ORDER): item 2 is none of upstream.providers");
    assert_refused(NULL, ENVIRONMENT(one, "SANYAO_UPSTREAM_ORDER=b,guide,b"),
                   "upstream.order (SANYAO_UPSTREAM_ORDER): item 3 is named a second time");
    assert_refused(NULL, ENVIRONMENT(one, "SANYAO_UPSTREAM_ORDER="),
                   "SANYAO_UPSTREAM_ORDER: must have at least 1 item(s)");
    assert_refused(NULL, ENVIRONMENT(one, "SANYAO_UPSTREAM_ORDER=B"), "item 1 must be a name");
}

/* In the file with comments, and refused with its line. */
static void test_in_the_file(void **state) {
    (void)state;
    static const char good[] = "{\n \"upstream\": { // sellers\n  \"order\": [\"b\"],\n"
                               "  \"providers\": {\"b\": " SECOND " /* one */ }\n }\n}\n";
    static const char bad[] = "{\n \"upstream\": {\n  \"order\": [\"guide\"],\n"
                              "  \"providers\": {\"b\": {\"url\": \"https://hidden/\"}}\n }\n}\n";
    struct config *config =
        load_good(scratch_text("s.jsonc", good), ENVIRONMENT("SANYAO_APPCODE=a"));
    assert_int_equal(config->provider_count, 1);
    assert_string_equal(config->providers[0].id, "b");
    assert_int_equal(warnings_with(config, "s.jsonc:3): b has no credential"), 1);
    config_release(config);
    assert_refused(scratch_text("s.jsonc", bad), ENVIRONMENT("SANYAO_APPCODE=a"),
                   "s.jsonc:4): b: parameters: is missing");
    assert_refused(scratch_text("s.jsonc", "{\"upstream\": {\"providers\": []}}"), ENVIRONMENT(),
                   "s.jsonc:1: upstream.providers: must be an object");
}

static void test_a_reload_sees_the_difference(void **state) {
    (void)state;
    struct complaint complaint;
    struct config *before = load_good(NULL, ENVIRONMENT(providers("{\"b\":%s}", described(""))));
    struct config *same = load_good(NULL, ENVIRONMENT(providers("{ \"b\": %s }", described(""))));
    struct config *after = load_good(
        NULL, ENVIRONMENT(providers("{\"b\":%s}", described(",\"header\":\"X-Key: {code}\""))));
    cJSON *changes = config_changes(before, same);
    assert_int_equal(cJSON_GetArraySize(changes), 0);
    cJSON_Delete(changes);
    assert_true(config_can_reload(before, after, &complaint));
    changes = config_changes(before, after);
    assert_int_equal(cJSON_GetArraySize(changes), 1);
    char *text = cJSON_PrintUnformatted(changes);
    assert_non_null(strstr(text, "{\"key\":\"upstream.providers\",\"before\":{\"b\":{"));
    assert_non_null(strstr(text, "\"header\":\"X-Key: {code}\""));
    cJSON_free(text);
    cJSON_Delete(changes);
    config_release(before);
    config_release(same);
    config_release(after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_alone),
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_in_the_file),
        cmocka_unit_test(test_a_reload_sees_the_difference),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
