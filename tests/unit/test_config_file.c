/* The settings file: what is read, and that each refusal names the right line and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/config_parts.h"

static bool parse(const char *text, size_t size, struct config_file *file,
                  struct complaint *complaint) {
    char *copy = malloc(size > 0 ? size : 1); /* no zero behind it */
    memcpy(copy, text, size);
    bool good = config_file_parse(copy, size, "f", file, complaint);
    free(copy);
    return good;
}

static size_t row_of(const char *key) {
    for (size_t i = 0; i < config_table_count; i++) {
        if (strcmp(config_table[i].key, key) == 0)
            return i;
    }
    fail_msg("no such row: %s", key);
    return 0;
}

static const struct {
    const char *text;
    const char *message; /* begins with */
} refused[] = {
    /* text */
    {"", "f:1: holds no settings"},
    {" // nothing\n/* here */\n", "f:1: holds no settings"},
    {"{\n\"workers\": 1,\n}", "f:2: a comma stands before a closing bracket"},
    {"{\n\"listen\": [\"127.0.0.1:1\", // x\n ]\n}", "f:2: a comma stands before"},
    {"{ /* a\nb", "f:1: the comment that begins here is never closed"},
    {"{\n\n/*/ }", "f:3: the comment that begins here is never closed"},
    {"{\n\"store\": {\"url\": \"sqlite:a}\n}\n}", "f:2: the string is not closed in its line"},
    {"{\"workers", "f:1: the string is not closed"},
    {"{\"a\\", "f:1: the string is not closed"},
    {"{\"a\\\n\": 1}", "f:1: the string is not closed"},
    {"{\n\"work\\u0000ers\": 1}", "f:2: \\u0000 is not allowed"},
    {"{\n\x01}", "f:2: holds a control character"},
    {"{}\n\x7f", "f:2: holds a control character"},
    {"{\n\"\xc0\x80\": 1}", "f:2: is not UTF-8"},
    {"// \xce\xd2\xce\xd2\xc3\xc7\xff\n{}", "f:1: is not UTF-8"},
    /* JSON */
    {"{\n\"workers\": 1\n\"get\": true\n}", "f:3: is not JSON from here on"},
    {"{\n\"workers\" 1\n}", "f:2: is not JSON from here on"},
    {"{\n'workers': 1\n}", "f:2: is not JSON from here on"},
    {"{\nworkers: 1\n}", "f:2: is not JSON from here on"},
    {"{\n\"get\": True\n}", "f:2: is not JSON from here on"},
    {"# settings\n{}", "f:1: is not JSON from here on"},
    {"{}\n{}", "f:2: something stands behind the end"},
    {"{}\n\n}", "f:3: something stands behind the end"},
    {"[]", "f:1: must hold an object"},
    {"\n\n3", "f:1: must hold an object"},
    /* keys */
    {"{\n\n\"worker\": 1}", "f:3: worker: unknown key (did you mean \"workers\"?)"},
    {"{\"Workers\": 1}", "f:1: Workers: unknown key (did you mean \"workers\"?)"},
    {"{\"memory_entries\": 1}", "f:1: memory_entries: unknown key (did you mean \"cache.memory_"},
    {"{\"upstream\": {\n\"time_out\": \"5s\"}}",
     "f:2: upstream.time_out: unknown key (did you mean "
     "\"upstream.timeout\"?)"},
    {"{\"cache\": {\"ttl\": {\"1\": \"5s\"}}}", "f:1: cache.ttl.1: unknown key"},
    {"{\"wholly_unlike_anything\": 1}", "f:1: wholly_unlike_anything: unknown key"},
    {"{\"\": 1}", "f:1: : unknown key"},
    {"{\"a\\u001b[31m\\u4e2d\": 1}", "f:1: a?[31m???: unknown key"},
    {"{\"upstream.url\": \"\"}", "f:1: upstream.url: unknown key: dots are written as nesting"},
    {"{\"upstream\": {\"a.b\": \"\"}}", "f:1: upstream.a.b: unknown key: dots"},
    {"{\"upstream\": 1}", "f:1: upstream: must be an object"},
    {"{\"cache\": {\n\"ttl\": []}}", "f:2: cache.ttl: must be an object"},
    {"{\"workers\": 1,\n \"workers\": 1}", "f:2: workers: stands here a second time"},
    {"{\"work\\u0065rs\": 1,\n \"workers\": 1}", "f:2: workers: stands here a second time"},
    {"{\"log\": {},\n\n \"log\": {}}", "f:3: log: stands here a second time"},
    {"{\"$schema\": \"a\",\n\"$schema\": \"b\"}", "f:2: $schema: stands here a second time"},
    {"{\"$schema\": 1}", "f:1: $schema: must be a string"},
    {"{\"log\": {\"$schema\": \"a\"}}", "f:1: log.$schema: unknown key"},
    /* secrets */
    {"{\n\"appcode\": \"hidden\"}", "f:2: appcode: a secret must not stand in the settings file"},
    {"{\"hash\": {\n\"key\": \"hidden\"}}", "f:2: hash.key: a secret must not stand"},
    {"{\"hash\": {\"key\": null}}", "f:1: hash.key: a secret must not stand"},
    {"{\"appcode_file\": 1}", "f:1: appcode_file: must be a string"},
    {"{\"hash\": \"hidden\"}", "f:1: hash: must be an object"},
    {"{\"listen_file\": \"a\"}", "f:1: listen_file: unknown key"},
    /* values */
    {"{\"workers\": \"1\"}", "f:1: workers: must be a whole number from 0 to 256"},
    {"{\"workers\": 1.5}", "f:1: workers: must be a whole number from 0 to 256"},
    {"{\"workers\": -1}", "f:1: workers: must be a whole number from 0 to 256"},
    {"{\"workers\": 257}", "f:1: workers: must be a whole number from 0 to 256"},
    {"{\"workers\": 1e400}", "f:1: workers: must be a whole number from 0 to 256"},
    {"{\"workers\": null}", "f:1: workers: must be a whole number from 0 to 256"},
    {"{\"get\": \"true\"}", "f:1: get: must be true or false"},
    {"{\"get\": 1}", "f:1: get: must be true or false"},
    {"{\"idle_timeout\": 75}", "f:1: idle_timeout: must be a duration with its unit"},
    {"{\"idle_timeout\": \"75\"}", "f:1: idle_timeout: must be a duration with its unit"},
    {"{\"auth\": \"none\"}", "f:1: auth: must be one of \"keys\", \"off\""},
    {"{\"auth\": false}", "f:1: auth: must be a string"},
    {"{\"listen\": \"127.0.0.1:80\"}", "f:1: listen: must be a list"},
    {"{\"listen\": []}", "f:1: listen: must have at least 1 item"},
    {"{\"listen\": [80]}", "f:1: listen: must be a list of strings"},
    {"{\"listen\": [\"127.0.0.1:80\", \"hidden\"]}", "f:1: listen: item 2 must be host:port"},
    {"{\"listen\": [\"127.0.0.1:80\", \"\"]}", "f:1: listen: item 2 is empty"},
    {"{\"store\": {\"url\": \"hidden\"}}", "f:1: store.url: must be sqlite:PATH or the address of"},
    {"{\"store\": {\"url\": \"redis://:hidden@\"}}", "f:1: store.url: must have a host"},
    {"{\"store\": {\"url\": \"redis://:hid/den@a\"}}", "f:1: store.url: has a user or password"},
    {"{\"store\": {\"ledger_url\": \"sqlite:a\"}}", "f:1: store.ledger_url: must be the address"},
    {"{\"store\": {\"ledger_url\": \"redis://\"}}", "f:1: store.ledger_url: must have a host"},
    {"{\"journal\": {\"path\": \":memory:\"}}", "f:1: journal.path: must name a file"},
    {"{\"store\": {\"url\": \"\"}}", "f:1: store.url: must not be empty"},
    {"{\"upstream\": {\"ca_file\": \"a\\nb\"}}", "f:1: upstream.ca_file: holds a line break"},
    {"{\"workers\": 1, /*\n\n*/ \"log\": {\"level\": \"info\", \"format\":\n\"xml\"}}",
     "f:3: log.format: must be one of"},
    {"{\"virtual_operators\": {\"prefixes\": [\"1{2\", \"}\\\"\"]},\n\"x\": 1}",
     "f:1: virtual_operators.prefixes: item 1 must be"},
};

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct config_file file;
        struct complaint complaint = {{0}};
        bool good = parse(refused[i].text, strlen(refused[i].text), &file, &complaint);
        config_file_free(&file);
        if (good)
            fail_msg("accepted: %s", refused[i].text);
        if (strncmp(complaint.text, refused[i].message, strlen(refused[i].message)) != 0)
            fail_msg("%s\n  said: %s\n  not:  %s", refused[i].text, complaint.text,
                     refused[i].message);
        assert_null(strstr(complaint.text, "hidden"));
    }
}

static void test_nul_byte(void **state) {
    (void)state;
    struct config_file file;
    struct complaint complaint;
    assert_false(parse("{\n}\0", 4, &file, &complaint));
    assert_string_equal(complaint.text, "f:2: holds a control character");
    config_file_free(&file);
}

static void test_deep_nesting(void **state) {
    (void)state;
    char text[4096];
    struct config_file file;
    struct complaint complaint;
    memset(text, '[', sizeof text);
    assert_false(parse(text, sizeof text, &file, &complaint));
    config_file_free(&file);
}

static const char GOOD[] = "\xEF\xBB\xBF// a comment with \"quotes\" and 中文\r\n"
                           "{ /* many\n"
                           "     lines // \" */ \"$schema\": \"x\",\r\n"
                           "  \"store\": { \"url\": \"sqlite:/a//b/*c*/\" }, // \"d\n"
                           "  \"upstream\": {\n"
                           "    \"url\": \"https://example.com/a\", \"timeout\": \"9s\",\n"
                           "    \"max_waiting\" : 1e2 },\n"
                           "  \"log\": { \"l\\u0065vel\"\n: \"warn\" },\n"
                           "  \"hash\": { \"key_file\": \"/k\" }, \"appcode_file\": \"\",\n"
                           "  \"listen\": [\"unix:/a,b\", \"[::1]:80\"]\n"
                           "} // end\n"
                           "/**/";

static void test_what_is_read(void **state) {
    (void)state;
    static const struct {
        const char *key;
        size_t line;
    } lines[] = {
        {"store.url", 4}, {"upstream.url", 6}, {"upstream.timeout", 6}, {"upstream.max_waiting", 7},
        {"log.level", 8}, {"hash.key", 10},    {"listen", 11}};
    struct config_file file;
    struct complaint complaint = {{0}};
    bool good = parse(GOOD, strlen(GOOD), &file, &complaint);
    assert_string_equal(complaint.text, "");
    assert_true(good);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_true(file.rows[row_of(lines[i].key)].present);
        assert_int_equal(file.rows[row_of(lines[i].key)].line, lines[i].line);
    }
    assert_string_equal(file.rows[row_of("store.url")].value.text, "sqlite:/a//b/*c*/");
    assert_string_equal(file.rows[row_of("hash.key")].value.text, "/k");
    assert_false(file.rows[row_of("appcode")].present);
    assert_int_equal(file.rows[row_of("upstream.max_waiting")].value.number, 100);
    assert_int_equal(file.rows[row_of("upstream.timeout")].value.number, 9000);
    assert_string_equal(file.rows[row_of("listen")].value.list[0], "unix:/a,b");
    assert_string_equal(file.rows[row_of("listen")].value.list[1], "[::1]:80");
    assert_null(file.rows[row_of("listen")].value.list[2]);
    size_t present = 0;
    for (size_t i = 0; i < config_table_count; i++)
        present += file.rows[i].present;
    assert_int_equal(present, sizeof lines / sizeof lines[0]);
    config_file_free(&file);
}

/* The line of every member of an object of awkward values. */
static void test_member_lines(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\": {\"x\":\n[1, {\"y\": \"}],\\\"\"}]},\n\"b\": \"{\",\n\"c\": 1,"
        "\n\n\"d\": {\n\"e\": [],\n\"f\": 2}}";
    static const size_t lines[] = {1, 3, 4, 6};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(config_text_member_line(text, strlen(text), &i, 1), lines[i]);
    assert_int_equal(config_text_member_line(text, strlen(text), (size_t[]){3, 0}, 2), 7);
    assert_int_equal(config_text_member_line(text, strlen(text), (size_t[]){3, 1}, 2), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_deep_nesting), cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_member_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
