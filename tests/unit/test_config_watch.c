/* Which files a config was read from, and what of them a reload that nobody asked for may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loading.h"

#define URL_A "redis://:hidden-a@127.0.0.1/0"
#define URL_B "redis://:hidden-b@127.0.0.1/0"

/* "NAME=" and more behind it; one of eight buffers, used in turn. */
static const char *join(const char *begin, const char *path) {
    static char texts[8][256];
    static size_t next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "%s%s", begin, path);
    return text;
}

static const struct config_secret_file *file_of(const struct config *config, const char *path) {
    for (int i = 0; i < config->secret_file_count; i++) {
        if (strcmp(config->secret_files[i].path, path) == 0)
            return &config->secret_files[i];
    }
    return NULL;
}

static void assert_remembered(const struct config *config, const char *path, bool there) {
    const struct config_secret_file *file = file_of(config, path);
    if (file == NULL)
        fail_msg("%s is not remembered", path);
    const struct secret_mark mark = secret_mark_of(path);
    assert_true(secret_mark_equal(&file->mark, &mark));
    assert_int_equal(mark.there, there);
}

static void files_and_places_are_remembered(void **state) {
    (void)state;
    const char *code = scratch_text("code", "hidden-code");
    const char *hook = scratch_text("hook", "https://example.com/hidden");
    const char *workers = scratch_text("workers", "3");
    const char *token = scratch_text("admin_token", "hidden-hidden-hidden-hidden-hidden-hidden");
    struct config *config = load_good(
        NULL, ENVIRONMENT(join("SANYAO_CREDENTIALS=second=", code),
                          join("SANYAO_ALERTS_WEBHOOKS=ops=wecom:", hook),
                          join("SANYAO_WORKERS_FILE=", workers), "SANYAO_APPCODE=hidden-other",
                          join("CREDENTIALS_DIRECTORY=", scratch_directory)));
    assert_remembered(config, code, true);
    assert_remembered(config, hook, true);
    assert_remembered(config, workers, true);
    assert_remembered(config, token, true);
    assert_remembered(config, scratch_path("hash_key"), false);
    /* It was not looked for: the variable goes before. */
    assert_null(file_of(config, scratch_path("appcode")));
    config_release(config);
}

static void a_mark_tells_states_of_a_file_apart(void **state) {
    (void)state;
    const char *path = scratch_text("a", "one");
    const struct secret_mark first = secret_mark_of(path);
    const struct secret_mark same = secret_mark_of(path);
    assert_true(secret_mark_equal(&first, &same));
    scratch_text("b", "one");
    assert_int_equal(rename(scratch_path("b"), path), 0);
    const struct secret_mark replaced = secret_mark_of(path);
    assert_false(secret_mark_equal(&first, &replaced));
    scratch_text("a", "three");
    const struct secret_mark written = secret_mark_of(path);
    assert_false(secret_mark_equal(&replaced, &written));
    unlink(path);
    const struct secret_mark gone = secret_mark_of(path);
    assert_false(gone.there);
    assert_int_equal(symlink(scratch_text("c", "one"), path), 0);
    const struct secret_mark linked = secret_mark_of(path);
    const struct secret_mark target = secret_mark_of(scratch_path("c"));
    assert_true(secret_mark_equal(&linked, &target));
}

static struct config *load_keys(const char *key, const char *url, const char *code) {
    return load_good(NULL, ENVIRONMENT(join("SANYAO_HASH_KEY_FILE=", scratch_text("key", key)),
                                       join("SANYAO_STORE_URL_FILE=", scratch_text("url", url)),
                                       join("SANYAO_APPCODE_FILE=", scratch_text("code", code))));
}

static void secrets_that_need_a_restart_stay(void **state) {
    (void)state;
    struct complaint keys;
    struct complaint complaint;
    struct config *before = load_keys(KEY_A, URL_A, "hidden-code");
    struct config *after = load_keys(KEY_B, URL_B, "hidden-other");
    assert_false(config_can_reload(before, after, &complaint));
    assert_true(config_keep_secrets(before, after, &keys));
    assert_string_equal(keys.text, "store.url, hash.key");
    assert_true(config_can_reload(before, after, &complaint));
    assert_string_equal(after->hash_key, KEY_A);
    assert_string_equal(after->store_url, URL_A);
    assert_string_equal(after->appcode, "hidden-other");
    config_release(before);
    config_release(after);
}

static void nothing_else_stays(void **state) {
    (void)state;
    struct complaint keys;
    struct complaint complaint;
    const char *zone = scratch_text("zone", "UTC");
    struct config *before =
        load_good(NULL, ENVIRONMENT("SANYAO_HASH_KEY=" KEY_A, join("SANYAO_TIMEZONE_FILE=", zone)));
    scratch_text("zone", "Asia/Shanghai");
    struct config *after =
        load_good(NULL, ENVIRONMENT("SANYAO_HASH_KEY=" KEY_B, join("SANYAO_TIMEZONE_FILE=", zone)));
    assert_true(config_keep_secrets(before, after, &keys));
    assert_string_equal(keys.text, "");
    assert_false(config_can_reload(before, after, &complaint));
    assert_non_null(strstr(complaint.text, "hash.key"));
    assert_non_null(strstr(complaint.text, "timezone"));
    config_release(before);
    config_release(after);
}

int main(void) {
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(files_and_places_are_remembered),
        SCRATCH(a_mark_tells_states_of_a_file_apart),
        SCRATCH(secrets_that_need_a_restart_stay),
        SCRATCH(nothing_else_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
