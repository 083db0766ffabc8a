/* Bodies and queries as questions; every refusal names the field and never a value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/question.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define GOOD         "\"name\":\"张三\",\"idCard\":\"11010519491231002X\",\"mobile\":\"13800138000\""
#define NOT_JSON     "The body is not one JSON object in UTF-8."
#define UNKNOWN      "There is an unknown member: only"

static bool read(const char *body, size_t size, struct triple *triple,
                 struct complaint *complaint) {
    memset(triple, 'z', sizeof *triple);
    complaint->text[0] = '\0';
    return question_read_json(body, size, triple, complaint);
}

static void good_bodies_are_read(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{" GOOD "}",
        " \r\n\t{ " GOOD " } \n",
        "{\"mobile\":\"13800138000\",\"name\":\"张三\",\"idCard\":\"11010519491231002X\"}",
        "{\"name\":\"\\u5f20\\u4e09\",\"idCard\":\"11010519491231002\\u0058\","
        "\"mobile\":\"13800138000\"}",
        "{\"n\\u0061me\":\"张三\",\"idCard\":\"11010519491231002x\",\"mobile\":\"+86 "
        "13800138000\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct triple triple;
        struct complaint complaint;
        if (!read(bodies[i], strlen(bodies[i]), &triple, &complaint))
            fail_msg("body %zu: %s", i, complaint.text);
        assert_string_equal(triple.name, "张三");
        assert_string_equal(triple.id_card, "11010519491231002X");
        assert_string_equal(triple.mobile, "13800138000");
    }
}

static void characters_beyond_the_basic_plane_may_be_escaped(void **state) {
    (void)state;
    static const char body[] = "{\"name\":\"\\ud842\\udfb7三\",\"idCard\":\"\",\"mobile\":\"\"}";
    struct triple triple;
    struct complaint complaint;
    assert_true(read(body, sizeof body - 1, &triple, &complaint));
    assert_string_equal(triple.name, "\U00020bb7三");
}

static void impossible_values_are_well_formed(void **state) {
    (void)state;
    static const char body[] = "{\"name\":\"\",\"idCard\":\" \",\"mobile\":\"abc\"}";
    struct triple triple;
    struct complaint complaint;
    assert_true(read(body, sizeof body - 1, &triple, &complaint));
    assert_string_equal(triple.name, "");
    assert_string_equal(triple.id_card, "");
    assert_string_equal(triple.mobile, "abc");
}

static void the_body_need_not_be_terminated(void **state) {
    (void)state;
    static const char body[] = "{" GOOD "}garbage";
    struct triple triple;
    struct complaint complaint;
    assert_true(read(body, strlen(body) - strlen("garbage"), &triple, &complaint));
}

static void bad_bodies_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *complaint;
    } cases[] = {
        {"", NOT_JSON},
        {" ", NOT_JSON},
        {"null", NOT_JSON},
        {"\"name\"", NOT_JSON},
        {"[]", NOT_JSON},
        {"[{" GOOD "}]", NOT_JSON},
        {"{" GOOD "}garbage", NOT_JSON},
        {"{" GOOD "}{" GOOD "}", NOT_JSON},
        {"{" GOOD "}]", NOT_JSON},
        {"{" GOOD, NOT_JSON},
        {"{" GOOD ",}", NOT_JSON},
        {"{" GOOD "/* */}", NOT_JSON},
        {"\ufeff{" GOOD "}", NOT_JSON},
        {"\v{" GOOD "}", NOT_JSON},
        {"{\"name\":\"\xd5\xc5\xc8\xfd\",\"idCard\":\"1\",\"mobile\":\"1\"}", NOT_JSON},
        {"{\"name\":\"\xed\xa0\x80\",\"idCard\":\"1\",\"mobile\":\"1\"}", NOT_JSON},
        {"{\"name\":\"\\ud842\",\"idCard\":\"1\",\"mobile\":\"1\"}", NOT_JSON},
        {"{\"name\":\"a\nb\",\"idCard\":\"1\",\"mobile\":\"1\"}", NOT_JSON},
        {"{\"name\":\"a\",\"idCard\":\"1\",\"mobile\":01}", NOT_JSON},
        {"{}", "The field \"name\" is missing."},
        {"{\"name\":\"a\"}", "The field \"idCard\" is missing."},
        {"{\"name\":\"a\",\"idCard\":\"1\"}", "The field \"mobile\" is missing."},
        {"{\"idCard\":\"1\",\"mobile\":\"1\"}", "The field \"name\" is missing."},
        {"{\"name\":\"a\",\"name\":\"a\",\"idCard\":\"1\",\"mobile\":\"1\"}",
         "The field \"name\" is given more than once."},
        {"{" GOOD ",\"mobile\":\"1\"}", "The field \"mobile\" is given more than once."},
        {"{" GOOD ",\"\\u006dobile\":\"1\"}", "The field \"mobile\" is given more than once."},
        {"{" GOOD ",\"extra\":1}", UNKNOWN},
        {"{\"extra\":1," GOOD "}", UNKNOWN},
        {"{" GOOD ",\"Name\":\"a\"}", UNKNOWN},
        {"{" GOOD ",\"idcard\":\"a\"}", UNKNOWN},
        {"{" GOOD ",\"\":\"a\"}", UNKNOWN},
        {"{" GOOD ",\"13900139000\":\"a\"}", UNKNOWN},
        {"{\"name\\u0000\":\"a\",\"idCard\":\"1\",\"mobile\":\"1\"}", "U+0000"},
        {"{\"name\":\"a\\u0000b\",\"idCard\":\"1\",\"mobile\":\"1\"}",
         "The field \"name\" holds the character U+0000."},
        {"{\"name\":\"a\",\"idCard\":\"1\\u0000\",\"mobile\":\"1\"}",
         "The field \"idCard\" holds the character U+0000."},
        {"{\"name\":null,\"idCard\":\"1\",\"mobile\":\"1\"}",
         "The field \"name\" is not a string."},
        {"{\"name\":\"a\",\"idCard\":1,\"mobile\":\"1\"}", "The field \"idCard\" is not a string."},
        {"{\"name\":\"a\",\"idCard\":\"1\",\"mobile\":13800138000}",
         "The field \"mobile\" is not a string."},
        {"{\"name\":[\"a\"],\"idCard\":\"1\",\"mobile\":\"1\"}",
         "The field \"name\" is not a string."},
        {"{\"name\":{\"a\":1},\"idCard\":\"1\",\"mobile\":\"1\"}",
         "The field \"name\" is not a string."},
        {"{\"name\":true,\"idCard\":\"1\",\"mobile\":\"1\"}",
         "The field \"name\" is not a string."},
    };
    static const struct triple zeroes;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct triple triple;
        struct complaint complaint;
        if (read(cases[i].body, strlen(cases[i].body), &triple, &complaint))
            fail_msg("body %zu was accepted", i);
        if (strstr(complaint.text, cases[i].complaint) == NULL)
            fail_msg("body %zu: %s", i, complaint.text);
        assert_null(strstr(complaint.text, "张"));
        assert_null(strstr(complaint.text, "13"));
        assert_memory_equal(&triple, &zeroes, sizeof triple);
    }
}

static void zero_bytes_are_refused(void **state) {
    (void)state;
    static const char inside[] = "{\"name\":\"a\0b\",\"idCard\":\"1\",\"mobile\":\"1\"}";
    static const char behind[] = "{" GOOD "}\0";
    struct triple triple;
    struct complaint complaint;
    assert_false(read(inside, sizeof inside - 1, &triple, &complaint));
    assert_false(read(behind, sizeof behind - 1, &triple, &complaint));
}

static void fields_have_256_bytes_at_most(void **state) {
    (void)state;
    char value[TRIPLE_FIELD_MAX + 2] = "";
    char body[TRIPLE_FIELD_MAX + 100];
    struct triple triple;
    struct complaint complaint;
    memset(value, '1', TRIPLE_FIELD_MAX);
    snprintf(body, sizeof body, "{\"name\":\"a\",\"idCard\":\"%s\",\"mobile\":\"1\"}", value);
    assert_true(read(body, strlen(body), &triple, &complaint));
    value[TRIPLE_FIELD_MAX] = '1';
    snprintf(body, sizeof body, "{\"name\":\"a\",\"idCard\":\"%s\",\"mobile\":\"1\"}", value);
    assert_false(read(body, strlen(body), &triple, &complaint));
    assert_string_equal(complaint.text, "The field \"idCard\" is longer than 256 bytes.");
}

/* Six bytes of an escape are one byte of the value. */
static void the_limit_counts_unescaped_bytes(void **state) {
    (void)state;
    char value[6 * 200 + 1];
    char body[sizeof value + 100];
    struct triple triple;
    struct complaint complaint;
    for (size_t i = 0; i < 200; i++)
        memcpy(value + 6 * i, "\\u0041", 7);
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"idCard\":\"1\",\"mobile\":\"1\"}", value);
    assert_true(read(body, strlen(body), &triple, &complaint));
    assert_int_equal(strlen(triple.name), 200);
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    static char body[16 * 1024];
    struct triple triple;
    struct complaint complaint;
    memset(body, '[', sizeof body);
    memcpy(body, "{\"name\":", 8);
    assert_false(read(body, sizeof body, &triple, &complaint));
}

static void queries_are_read_field_by_field(void **state) {
    (void)state;
    struct triple triple;
    struct complaint complaint;
    unsigned seen = 0;
    memset(&triple, 0, sizeof triple);
    assert_true(question_add(&triple, &seen, TRIPLE_MOBILE, " 13800138000", 12, &complaint));
    assert_false(question_complete(seen, &complaint));
    assert_string_equal(complaint.text, "The field \"name\" is missing.");
    assert_true(question_add(&triple, &seen, TRIPLE_NAME, "张三", 6, &complaint));
    assert_false(question_complete(seen, &complaint));
    assert_string_equal(complaint.text, "The field \"idCard\" is missing.");
    assert_true(question_add(&triple, &seen, TRIPLE_ID_CARD, "", 0, &complaint));
    assert_true(question_complete(seen, &complaint));
    assert_string_equal(triple.mobile, "13800138000");

    assert_false(question_add(&triple, &seen, TRIPLE_NAME, "李四", 6, &complaint));
    assert_string_equal(complaint.text, "The field \"name\" is given more than once.");
    assert_string_equal(triple.name, "张三");
}

static void bad_query_fields_are_refused(void **state) {
    (void)state;
    static char longest[TRIPLE_FIELD_MAX + 1];
    static const struct {
        const char *value;
        size_t size;
        const char *complaint;
    } cases[] = {
        {"\xd5\xc5", 2, "The field \"mobile\" is not UTF-8."},
        {"1\0", 2, "The field \"mobile\" holds the character U+0000."},
        {longest, sizeof longest, "The field \"mobile\" is longer than 256 bytes."},
    };
    memset(longest, '1', sizeof longest);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct triple triple;
        struct complaint complaint;
        unsigned seen = 0;
        memset(&triple, 0, sizeof triple);
        assert_false(
            question_add(&triple, &seen, TRIPLE_MOBILE, cases[i].value, cases[i].size, &complaint));
        assert_string_equal(complaint.text, cases[i].complaint);
        assert_int_equal(seen, 0);
    }
}

static bool read_line(const char *line, struct json_span *id, struct complaint *complaint) {
    struct triple triple;
    memset(&triple, 'z', sizeof triple);
    *id = (struct json_span){"z", 1};
    complaint->text[0] = '\0';
    bool good = question_read_line(line, strlen(line), &triple, id, complaint);
    assert_string_equal(triple.name, good ? "张三" : "");
    return good;
}

static void a_line_has_an_id_as_it_is_written(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *id;
    } cases[] = {
        {"{" GOOD "}", ""},
        {"{\"id\":\"a\"," GOOD "}", "\"a\""},
        {"{" GOOD ",\"id\" : -1.50e2 }\r", "-1.50e2"},
        {"{\"i\\u0064\":\"\\u0000\\n\"," GOOD "}", "\"\\u0000\\n\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_span id;
        struct complaint complaint;
        if (!read_line(cases[i].line, &id, &complaint))
            fail_msg("line %zu: %s", i, complaint.text);
        assert_int_equal(id.size, strlen(cases[i].id));
        assert_memory_equal(id.at != NULL ? id.at : "", cases[i].id, id.size);
    }
}

static void a_refused_line_tells_its_id_where_it_has_one(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *id;
        const char *complaint;
    } cases[] = {
        {"{\"id\":1", "", "The line is not one JSON object in UTF-8."},
        {"[{\"id\":1}]", "", "The line is not one JSON object in UTF-8."},
        {"{\"id\":1,\"name\":\"\"}", "1", "The field \"idCard\" is missing."},
        {"{\"x\":0,\"id\":1}", "1",
         "There is an unknown member: only \"id\", \"name\", \"idCard\" and \"mobile\" are known."},
        {"{\"id\":1,\"id\":2," GOOD "}", "1", "The field \"id\" is given more than once."},
        {"{\"id\":null," GOOD "}", "",
         "The field \"id\" is not a string or a number of at most 128 bytes."},
        {"{\"x\":0,\"id\":[1]}", "",
         "There is an unknown member: only \"id\", \"name\", \"idCard\" and \"mobile\" are known."},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_span id;
        struct complaint complaint;
        assert_false(read_line(cases[i].line, &id, &complaint));
        assert_string_equal(complaint.text, cases[i].complaint);
        assert_int_equal(id.size, strlen(cases[i].id));
        assert_memory_equal(id.at != NULL ? id.at : "", cases[i].id, id.size);
    }
}

static void an_id_has_128_bytes_at_most(void **state) {
    (void)state;
    static const char quotes[] = {'"', '9'};
    for (size_t i = 0; i < COUNT(quotes); i++) {
        for (size_t size = QUESTION_ID_MAX; size <= QUESTION_ID_MAX + 1; size++) {
            char value[QUESTION_ID_MAX + 2];
            char line[512];
            struct json_span id;
            struct complaint complaint;
            const char *quote = quotes[i] == '"' ? "\"" : "";
            memset(value, '9', sizeof value);
            value[size] = '\0';
            snprintf(line, sizeof line, "{\"id\":%s%s%s," GOOD "}", quote, value, quote);
            assert_int_equal(read_line(line, &id, &complaint), size == QUESTION_ID_MAX);
            assert_int_equal(id.size, size == QUESTION_ID_MAX ? size + 2 * strlen(quote) : 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bodies_are_read),
        cmocka_unit_test(characters_beyond_the_basic_plane_may_be_escaped),
        cmocka_unit_test(impossible_values_are_well_formed),
        cmocka_unit_test(the_body_need_not_be_terminated),
        cmocka_unit_test(bad_bodies_are_refused),
        cmocka_unit_test(zero_bytes_are_refused),
        cmocka_unit_test(fields_have_256_bytes_at_most),
        cmocka_unit_test(the_limit_counts_unescaped_bytes),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(queries_are_read_field_by_field),
        cmocka_unit_test(bad_query_fields_are_refused),
        cmocka_unit_test(a_line_has_an_id_as_it_is_written),
        cmocka_unit_test(a_refused_line_tells_its_id_where_it_has_one),
        cmocka_unit_test(an_id_has_128_bytes_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
