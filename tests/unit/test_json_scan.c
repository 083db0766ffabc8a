/* JSON by the letter, and the bytes of its members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/json_scan.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void what_the_grammar_allows_is_strict(void **state) {
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "10",
        "1.50",
        "-1e5",
        "1E+05",
        "0.0e-0",
        "\"\"",
        "\"a\\u00e9\\n\\/\"",
        "{}",
        "[]",
        "[ ]",
        "{ }",
        "[1,2 , 3]",
        "{\"a\":1}",
        " {\t\"a\" :\r\n[ {\"b\":null} ] } ",
        "\"\\ud83d\\ude00\"",
        "\"\x7f\"",
        "\"\\u0000\"",
        "{\"a\":1,\"a\":2}",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!json_scan_strict(texts[i], strlen(texts[i])))
            fail_msg("text %zu was refused", i);
    }
}

static void what_it_does_not_allow_is_not(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-",
        "0x10",
        "NaN",
        "Infinity",
        "--1",
        "'a'",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\t\"",
        "\"a\nb\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:2}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "[1}",
        "{}{}",
        "1 2",
        "{}x",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ud83d\\n\"",
        "\ufeff{}",
        "/* c */ 1",
        "\v1",
        "\f1",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (json_scan_strict(texts[i], strlen(texts[i])))
            fail_msg("text %zu was accepted", i);
    }
}

static void a_zero_byte_ends_nothing(void **state) {
    (void)state;
    assert_false(json_scan_strict("1\0", 2));
    assert_false(json_scan_strict("\"a\0b\"", 5));
    assert_false(json_scan_strict("\"\\\0\"", 4));
}

static void every_cut_of_an_object_is_refused(void **state) {
    (void)state;
    static const char text[] = "{\"a\":[1,-2.5e+3,\"\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":null}}";
    for (size_t size = 0; size < sizeof text - 1; size++)
        assert_false(json_scan_strict(text, size));
    assert_true(json_scan_strict(text, sizeof text - 1));
}

static void depth_is_bounded(void **state) {
    (void)state;
    char text[2 * (JSON_SCAN_DEPTH_MAX + 1)];
    memset(text, '[', JSON_SCAN_DEPTH_MAX + 1);
    memset(text + JSON_SCAN_DEPTH_MAX + 1, ']', JSON_SCAN_DEPTH_MAX + 1);
    assert_true(json_scan_strict(text + 1, sizeof text - 2));
    assert_false(json_scan_strict(text, sizeof text));
}

static void assert_span(struct json_span span, const char *text) {
    assert_int_equal(span.size, strlen(text));
    assert_memory_equal(span.at, text, span.size);
}

static void members_come_in_order_with_their_bytes(void **state) {
    (void)state;
    static const char text[] = " { \"a\" : 1.0 ,\"\\u0062\":{\"x\":[\"}\",2]} , \"a\":\"q\\\"\" } ";
    static const struct {
        const char *name, *value;
    } members[] = {
        {"\"a\"", "1.0"},
        {"\"\\u0062\"", "{\"x\":[\"}\",2]}"},
        {"\"a\"", "\"q\\\"\""},
    };
    struct json_span rest = {text, sizeof text - 1};
    struct json_member member;
    for (size_t i = 0; i < COUNT(members); i++) {
        assert_true(json_scan_member(&rest, &member));
        assert_span(member.name, members[i].name);
        assert_span(member.value, members[i].value);
    }
    assert_false(json_scan_member(&rest, &member));
    assert_false(json_scan_member(&rest, &member));
}

static void what_has_no_members_has_none(void **state) {
    (void)state;
    static const char *const texts[] = {"{}", " { } ", "[]", "[1]", "null", "\"{\"", ""};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct json_span rest = {texts[i], strlen(texts[i])};
        struct json_member member;
        assert_false(json_scan_member(&rest, &member));
    }
}

static void the_deepest_object_has_its_members(void **state) {
    (void)state;
    char text[6 + 2 * (JSON_SCAN_DEPTH_MAX - 1)];
    struct json_span rest = {text, sizeof text};
    struct json_member member;
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', JSON_SCAN_DEPTH_MAX - 1);
    memset(text + 5 + JSON_SCAN_DEPTH_MAX - 1, ']', JSON_SCAN_DEPTH_MAX - 1);
    text[sizeof text - 1] = '}';
    assert_true(json_scan_strict(text, sizeof text));
    assert_true(json_scan_member(&rest, &member));
}

static void the_escape_of_zero_is_found(void **state) {
    (void)state;
    static const struct {
        const char *value;
        bool found;
    } cases[] = {
        {"\"\\u0000\"", true},         {"\"a\\\\\\u0000\"", true},
        {"[1,{\"\\u0000\":2}]", true}, {"\"\\\\u0000\"", false},
        {"\"u0000\"", false},          {"\"\\u0001\"", false},
        {"\"\\u000\\u0000\"", true},   {"\"\"", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_span value = {cases[i].value, strlen(cases[i].value)};
        if (json_scan_has_zero(value) != cases[i].found)
            fail_msg("value %zu", i);
    }
}

static void assert_elements(const char *array, const char *const *wanted, size_t count) {
    struct json_span rest = {array, strlen(array)};
    struct json_span element;
    size_t found = 0;
    for (; json_scan_element(&rest, &element); found++) {
        assert_true(found < count);
        assert_int_equal(element.size, strlen(wanted[found]));
        assert_memory_equal(element.at, wanted[found], element.size);
    }
    assert_int_equal(found, count);
}

static void elements_come_one_by_one(void **state) {
    (void)state;
    static const char *const wanted[] = {"1.50", "\"],\"", "[2,3]", "{\"a\":[]}", "null"};
    assert_elements(" [ 1.50 , \"],\",[2,3] ,{\"a\":[]},null ] ", wanted, 5);
    assert_elements("[]", NULL, 0);
    assert_elements(" [ ] ", NULL, 0);
    assert_elements("{\"a\":1}", NULL, 0);
    assert_elements("7", NULL, 0);
    assert_elements("", NULL, 0);
}

static void a_member_is_found_by_its_name(void **state) {
    (void)state;
    static const char object[] = "{\"ab\":1,\"a\":2.50,\"a\":3,\"c\":{\"d\":4}}";
    const struct json_span whole = {object, strlen(object)};
    struct json_span value = json_scan_find(whole, "a");
    assert_int_equal(value.size, 4);
    assert_memory_equal(value.at, "2.50", 4);
    assert_int_equal(json_scan_find(whole, "d").size, 0);
    assert_int_equal(json_scan_find(whole, "").size, 0);
    assert_int_equal(json_scan_find(value, "a").size, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_grammar_allows_is_strict),
        cmocka_unit_test(what_it_does_not_allow_is_not),
        cmocka_unit_test(a_zero_byte_ends_nothing),
        cmocka_unit_test(every_cut_of_an_object_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(members_come_in_order_with_their_bytes),
        cmocka_unit_test(what_has_no_members_has_none),
        cmocka_unit_test(the_deepest_object_has_its_members),
        cmocka_unit_test(the_escape_of_zero_is_found),
        cmocka_unit_test(elements_come_one_by_one),
        cmocka_unit_test(a_member_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
