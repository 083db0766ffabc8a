/* Other sellers: what a description may be, what is sent by it, and what comes back means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sellers.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct triple question_of(const char *name) {
    struct triple triple;
    memset(&triple, 0, sizeof triple);
    assert_true(triple_set(&triple, TRIPLE_NAME, name, strlen(name)));
    assert_true(triple_set(&triple, TRIPLE_ID_CARD, "11010519491231002X", 18));
    assert_true(triple_set(&triple, TRIPLE_MOBILE, "13800138000", 11));
    return triple;
}

/* ---- the description ---- */

static void a_description_is_read(void **state) {
    (void)state;
    struct provider provider = seller_with(NULL, NULL);
    assert_string_equal(provider.id, "second");
    assert_false(provider.guide);
    assert_int_equal(provider.method, PROVIDER_GET);
    assert_string_equal(provider.url, "https://seller.example/v2/check");
    assert_string_equal(provider.ca_file, "");
    assert_string_equal(provider.header, "Authorization: APPCODE {code}");
    assert_string_equal(provider.reply.status[0], "/code");
    assert_string_equal(provider.reply.status[1], "/data/result");
    assert_string_equal(provider.reply.status[2], "");
    assert_int_equal(provider.word_count, 9);
    assert_int_equal(provider.carrier_count, 2);
    assert_false(provider.all_billed);
}

static void mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *member, *value, *message;
    } cases[] = {
        {"url", NULL, "url: is missing"},
        {"url", "1", "url: must be a string"},
        {"url", "\"\"", "url: must not be empty"},
        {"ca_file", "\"\"", "ca_file: must not be empty"},
        {"ca_file", "\"a\\nb\"", "ca_file: holds a control character"},
        {"urls", "\"hidden\"", "urls: unknown key"},
        {"Url", "\"hidden\"", "Url: unknown key"},
        {"method", "\"PUT\"", "method: must be \"GET\" or \"POST\""},
        {"method", "\"get\"", "method: must be"},
        {"method", "\"POST\"", "body: must be \"form\" or \"json\""},
        {"body", "\"form\"", "body: only a POST has one"},
        {"parameters", NULL, "parameters: is missing"},
        {"parameters", "[]", "parameters: must be an object"},
        {"parameters.name", NULL, "parameters.name: is missing"},
        {"parameters.idCard", "true", "parameters.idCard: must be a string"},
        {"parameters.mobile", "\"\"", "parameters.mobile: must not be empty"},
        {"parameters.mobile", "\"realName\"", "parameters.mobile: is the name of another"},
        {"parameters.phone", "\"a\"", "parameters.phone: unknown key"},
        {"fixed", "\"hidden\"", "fixed: must be an object"},
        {"fixed", "{\"a\":1}", "fixed.a: must be a string"},
        {"fixed", "{\"a\":\"x\",\"a\":\"y\"}", "fixed.a: stands here a second time"},
        {"fixed", "{\"phone\":\"hidden\"}", "fixed.phone: is the name of another parameter"},
        {"fixed", "{\"\":\"x\"}", "fixed.: must have a name"},
        {"header", "\"hidden\"", "header: must be a header line"},
        {"header", "\": {code}\"", "header: must be a header line"},
        {"header", "\"X Y: {code}\"", "header: must be a header line"},
        {"header", "\"X: hidden\"", "header: must have {code}"},
        {"header", "\"X: {code}{code}\"", "header: must have {code}"},
        {"header", "\"X-{code}: a\"", "header: must be a header line"},
        {"header", "\"X: {code}\\r\\nHost: a\"", "header: holds a control character"},
        {"header", "\"X: 码{code}\"", "header: must be visible ASCII"},
        {"header", "\"host: {code}\"", "header: must be another header"},
        {"header", "\"Content-Length: {code}\"", "header: must be another header"},
        {"reply", NULL, "reply: is missing"},
        {"reply.status", NULL, "reply.status: is missing"},
        {"reply.status", "[]", "reply.status: must be one JSON pointer, or a list"},
        {"reply.status", "[\"/1\",\"/2\",\"/3\",\"/4\",\"/5\"]", "or a list of up to 4"},
        {"reply.status", "[\"/a\",1]", "reply.status: must be a JSON pointer"},
        {"reply.status", "\"code\"", "reply.status: must begin with /"},
        {"reply.msg", "\"/a~\"", "reply.msg: has a ~"},
        {"reply.mobile", "7", "reply.mobile: must be a JSON pointer"},
        {"reply.message", "\"/a\"", "reply.message: unknown key"},
        {"statuses", NULL, "statuses: is missing"},
        {"statuses", "{\"1\":\"01\"}", "statuses: has no word for 02"},
        {"statuses", "{\"1\":\"02\"}", "statuses: has no word for 01"},
        {"statuses.9", "\"1\"", "statuses.9: must be a status"},
        {"statuses.9", "\"299\"", "statuses.9: must be a status"},
        {"statuses.9", "1", "statuses.9: must be a status"},
        {"statuses.9", "\"answer\"", "statuses.9: must be a status"},
        {"statuses.9/", "\"01\"", "statuses.9/: must not end with /"},
        {"mobile_types", "{\"a\":\"\"}", "mobile_types.a: must be a word and"},
        {"reply.mobileType", NULL, "mobile_types: needs reply.mobileType"},
        {"billed", "[]", "billed: must be \"*\" or a list"},
        {"billed", "\"0/1\"", "billed: must be \"*\" or a list"},
        {"billed", "[\"0/1\",\"hidden\"]", "billed: item 2 must be a word of statuses"},
        {"billed", "[\"1301\"]", "billed: item 1 must be a word of statuses that is an answer"},
        {"credentials", "\"main\"", "credentials: must be a list"},
        {"credentials", "[1]", "credentials: must be a list"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct provider provider;
        struct complaint why;
        cJSON *json = seller_json(cases[i].member, cases[i].value);
        if (provider_parse("second", json, &provider, &why))
            fail_msg("accepted, instead of: %s", cases[i].message);
        if (strstr(why.text, cases[i].message) == NULL)
            fail_msg("said: %s\n  not: %s", why.text, cases[i].message);
        assert_null(strstr(why.text, "hidden"));
        cJSON_Delete(json);
    }
}

static void ids(void **state) {
    (void)state;
    static const char *const good[] = {"a", "second", "0-1", "a234567890123456"};
    static const char *const bad[] = {"", "-a", "A", "a.b", "名", "a2345678901234567", "a b"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_null(provider_check_id(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_non_null(provider_check_id(bad[i]));
}

/* ---- what is sent ---- */

static void assert_sends(const struct provider *provider, const char *name, const char *expected) {
    static struct provider_request request;
    struct triple triple = question_of(name);
    assert_true(provider_request_make(provider, "/v2/check", &triple, &request));
    assert_string_equal(request.bytes, expected);
    assert_int_equal(request.size, strlen(expected));
    size_t size = request.size;
    provider_request_wipe(&request);
    for (size_t i = 0; i <= size; i++)
        assert_int_equal(request.bytes[i], 0);
}

#define REST "&certNo=11010519491231002X&phone=13800138000"

static void a_question_in_the_target(void **state) {
    (void)state;
    static const char *const everything[] = {"*", NULL};
    struct provider provider = seller_with("fixed", "{\"v\":\"1&2=3 %\",\"键\":\"\"}");
    assert_sends(&provider, "张三",
                 "/v2/check?realName=%E5%BC%A0%E4%B8%89" REST "&v=1%262%3D3%20%25&%E9%94%AE=");
    assert_null(provider_body_type(&provider));
    assert_true(provider_set_guide(&provider, "http://h/c", "", everything));
    assert_sends(&provider, "阿·𠮷",
                 "/v2/check?idCard=11010519491231002X&mobile=13800138000"
                 "&name=%E9%98%BF%C2%B7%F0%A0%AE%B7");
}

static struct provider posting(const char *body, const char *member, const char *value) {
    struct provider provider;
    struct complaint why;
    cJSON *json = seller_json(member, value);
    cJSON_AddStringToObject(json, "method", "POST");
    cJSON_AddStringToObject(json, "body", body);
    if (!provider_parse("second", json, &provider, &why))
        fail_msg("refused: %s", why.text);
    cJSON_Delete(json);
    return provider;
}

static void a_question_as_a_form(void **state) {
    (void)state;
    struct provider provider = posting("form", "parameters.name", "\"/a b\"");
    assert_sends(&provider, "阿·布",
                 "%2Fa%20b=%E9%98%BF%C2%B7%E5%B8%83&certNo=11010519491231002X&phone=13800138000");
    assert_string_equal(provider_body_type(&provider),
                        "application/x-www-form-urlencoded; charset=UTF-8");
}

static void a_question_as_json(void **state) {
    (void)state;
    struct provider provider = posting("json", "fixed", "{\"v\":2,\"t\":true,\"s\":\"\\\"a\"}");
    assert_sends(&provider, "阿·\"布\\",
                 "{\"realName\":\"阿·\\\"布\\\\\",\"certNo\":\"11010519491231002X\","
                 "\"phone\":\"13800138000\",\"v\":2,\"t\":true,\"s\":\"\\\"a\"}");
    assert_string_equal(provider_body_type(&provider), "application/json; charset=UTF-8");

    provider = posting("json", "parameters",
                       "{\"name\":\"/data/name\",\"idCard\":\"/data/id~1no\",\"mobile\":\"/m\"}");
    assert_sends(&provider, "张三",
                 "{\"data\":{\"name\":\"张三\",\"id/no\":\"11010519491231002X\"},"
                 "\"m\":\"13800138000\"}");
}

static void nesting_must_fit(void **state) {
    (void)state;
    static const struct {
        const char *parameters, *message;
    } cases[] = {
        {"{\"name\":\"a\",\"idCard\":\"/a/b\",\"mobile\":\"m\"}",
         "parameters.idCard: leads through"},
        {"{\"name\":\"/a/b\",\"idCard\":\"/a\",\"mobile\":\"m\"}",
         "parameters.idCard: is the name"},
        {"{\"name\":\"/a/b\",\"idCard\":\"/a/b\",\"mobile\":\"m\"}",
         "parameters.idCard: is the name"},
        {"{\"name\":\"/a~\",\"idCard\":\"i\",\"mobile\":\"m\"}", "parameters.name: has a ~"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct provider provider;
        struct complaint why;
        cJSON *json = seller_json("parameters", cases[i].parameters);
        cJSON_AddStringToObject(json, "method", "POST");
        cJSON_AddStringToObject(json, "body", "json");
        assert_false(provider_parse("second", json, &provider, &why));
        if (strstr(why.text, cases[i].message) == NULL)
            fail_msg("said: %s\n  not: %s", why.text, cases[i].message);
        cJSON_Delete(json);
    }
}

/* The longest that a triple can hold goes out whole. */
static void the_longest_question_fits(void **state) {
    (void)state;
    static const char *const bodies[] = {"form", "json"};
    static struct provider_request request;
    static struct triple triple;
    memset(&triple, '"', sizeof triple);
    triple.name[sizeof triple.name - 1] = '\0';
    triple.id_card[sizeof triple.id_card - 1] = '\0';
    triple.mobile[sizeof triple.mobile - 1] = '\0';
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct provider provider = posting(bodies[i], NULL, NULL);
        assert_true(provider_request_make(&provider, "/", &triple, &request));
        assert_true(request.size > 2 * 3 * TRIPLE_FIELD_MAX * 3);
    }
}

static void the_header_bears_the_code(void **state) {
    (void)state;
    char line[PROVIDER_HEADER_SIZE + PROVIDER_CODE_SIZE_MAX];
    char code[PROVIDER_CODE_SIZE_MAX + 1];
    struct provider provider = seller_with("header", "\"X-Key: <{code}>; v=1\"");
    struct text header = text_over(line, sizeof line);
    assert_true(provider_write_header(&provider, "abc", &header));
    assert_string_equal(line, "X-Key: <abc>; v=1");
    memset(code, 'c', sizeof code - 1);
    code[sizeof code - 1] = '\0';
    header = text_over(line, 20);
    assert_false(provider_write_header(&provider, code, &header));
}

/* ---- what comes back ---- */

static struct reply read_as(const struct provider *provider, int http_status, const char *message,
                            const char *body, bool *priced) {
    struct triple asked = question_of("张三");
    struct reply_bytes bytes = {http_status, NULL, message, body, strlen(body)};
    struct reply reply;
    memset(&reply, 'z', sizeof reply);
    *priced = true;
    provider_read(provider, &bytes, &asked, &reply, priced);
    return reply;
}

static void words_have_their_meaning(void **state) {
    (void)state;
    static const struct {
        int http_status;
        const char *body;
        enum reply_class class;
        const char *status;
        bool priced;
    } cases[] = {
        {200, "{\"code\":0,\"data\":{\"result\":1}}", REPLY_ANSWER, "01", true},
        {200, "{\"code\":\"0\",\"data\":{\"result\":\"2\"}}", REPLY_ANSWER, "02", true},
        {200, "{\"code\":0,\"data\":{\"result\":3}}", REPLY_ANSWER, "202", false},
        {200, "{\"code\":1101,\"data\":null}", REPLY_ANSWER, "204", false},
        {200, "{\"code\":1101}", REPLY_ANSWER, "204", false},
        {450, "{\"code\":1101}", REPLY_ANSWER, "204", false},
        {450, "{\"code\":0,\"data\":{\"result\":1}}", REPLY_ANSWER, "01", true},
        {500, "{\"code\":1101}", REPLY_ANSWER, "204", false},
        {302, "{\"code\":1101}", REPLY_INVALID, "", false},
        {200, "{\"code\":1301}", REPLY_QUOTA_EXHAUSTED, "", false},
        {403, "{\"code\":1302}", REPLY_UNAUTHORIZED, "", false},
        {200, "{\"code\":1303}", REPLY_THROTTLED, "", false},
        {200, "{\"code\":1304}", REPLY_GATEWAY_FAILED, "", false},
        {200, "{\"code\":1305}", REPLY_QUOTA_EXPIRED, "", false},
        /* Words without a meaning, the guide's among them. */
        {200, "{\"code\":0}", REPLY_INVALID, "", false},
        {200, "{\"code\":0,\"data\":{\"result\":9}}", REPLY_INVALID, "", false},
        {200, "{\"code\":1}", REPLY_INVALID, "", false},
        {200, "{\"status\":\"01\"}", REPLY_INVALID, "", false},
        {200, "{\"code\":\"01\"}", REPLY_INVALID, "", false},
        {200, "{\"code\":\"0/1\"}", REPLY_ANSWER, "01", true},
        {404, "{\"code\":404}", REPLY_WRONG_REQUEST, "", false},
        {500, "{\"code\":7}", REPLY_GATEWAY_FAILED, "", false},
        /* No word at all. */
        {200, "{\"code\":{},\"data\":{\"result\":1}}", REPLY_INVALID, "", false},
        {200, "{\"code\":0.5,\"data\":{\"result\":1}}", REPLY_INVALID, "", false},
        {200, "{\"code\":0,\"data\":[1]}", REPLY_INVALID, "", false},
        {200, "{\"code\":0,\"data\":{\"result\":1}", REPLY_INVALID, "", false},
        {200, "{\"code\":0,\"data\":{\"result\":1}} x", REPLY_INVALID, "", false},
        {200, "{\"code\":0,\"data\":{\"result\":1,\"result\":2}}", REPLY_INVALID, "", false},
        {200, "{\"code\":0,\"data\":{\"result\":1},\"data\":1}", REPLY_INVALID, "", false},
        {200, "[]", REPLY_INVALID, "", false},
        {200, "", REPLY_INVALID, "", false},
        {200, "{\"code\":\"\xca\xb5\"}", REPLY_INVALID, "", false},
    };
    static const struct answer nothing;
    struct provider provider = seller_with(NULL, NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool priced = false;
        struct reply reply = read_as(&provider, cases[i].http_status, NULL, cases[i].body, &priced);
        if (reply.class != cases[i].class || priced != cases[i].priced ||
            strcmp(reply.answer.status, cases[i].status) != 0)
            fail_msg("%d %s: %s, %s", cases[i].http_status, cases[i].body,
                     reply_class_name[reply.class], priced ? "priced" : "free");
        if (reply.class != REPLY_ANSWER)
            assert_memory_equal(&reply.answer, &nothing, sizeof nothing);
    }
}

static void the_gateway_in_front_is_heard_first(void **state) {
    (void)state;
    struct provider provider = seller_with(NULL, NULL);
    bool priced = false;
    struct reply reply =
        read_as(&provider, 403, "Quota Exhausted", "{\"code\":0,\"data\":{\"result\":1}}", &priced);
    assert_int_equal(reply.class, REPLY_QUOTA_EXHAUSTED);
    assert_false(priced);
    assert_string_equal(reply.answer.status, "");
}

static void every_answer_can_be_billed(void **state) {
    (void)state;
    static const char *const some[] = {"02", "999", NULL};
    static const char *const everything[] = {"*", NULL};
    bool priced = false;
    struct provider provider = seller_with("billed", "\"*\"");
    read_as(&provider, 200, NULL, "{\"code\":1101}", &priced);
    assert_true(priced);
    read_as(&provider, 450, NULL, "{\"code\":1101}", &priced);
    assert_false(priced);
    provider = seller_with("billed", NULL);
    read_as(&provider, 200, NULL, "{\"code\":1101}", &priced);
    assert_true(priced);

    assert_true(provider_set_guide(&provider, "http://h/c", "", everything));
    read_as(&provider, 200, NULL, "{\"status\":\"01\"}", &priced);
    assert_true(priced);
    read_as(&provider, 450, NULL, "{\"status\":\"01\"}", &priced);
    assert_false(priced);
    read_as(&provider, 200, NULL, "{}", &priced);
    assert_false(priced);
    assert_true(provider_set_guide(&provider, "http://h/c", "", some));
    read_as(&provider, 200, NULL, "{\"status\":\"01\"}", &priced);
    assert_false(priced);
    read_as(&provider, 200, NULL, "{\"status\":2}", &priced);
    assert_true(priced);
    struct reply reply = read_as(&provider, 200, NULL, "{\"status\":\"999\",\"x\":1}", &priced);
    assert_true(priced);
    assert_string_equal(reply.answer.status, "999");
    assert_string_equal(reply.answer.extra, "\"x\":1");
}

static struct answer answer_with(const char *members) {
    struct provider provider = seller_with(NULL, NULL);
    char body[512];
    bool priced = false;
    snprintf(body, sizeof body, "{\"code\":0,%s}", members);
    struct reply reply = read_as(&provider, 200, NULL, body, &priced);
    assert_int_equal(reply.class, REPLY_ANSWER);
    assert_string_equal(reply.answer.extra, "");
    return reply.answer;
}

static void texts_are_kept(void **state) {
    (void)state;
    struct answer answer = answer_with(
        "\"data\":{\"result\":1,\"channel\":\"cucc\"},\"message\":\"成功\",\"seqNo\":7");
    assert_string_equal(answer.msg, "成功");
    assert_string_equal(answer.mobile_type, "联通");
    assert_string_equal(answer.trace_id, "7");
    answer = answer_with("\"data\":{\"result\":1,\"channel\":\"other\"}");
    assert_string_equal(answer.mobile_type, "other");
    assert_string_equal(answer.msg, "");
    assert_string_equal(answer.trace_id, "");
}

static void nothing_of_the_question_is_kept(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\"13800138000\"",
        "13800138000",
        "\"id 11010519491231002x\"",
        "\"张三 通过\"",
        "\"138-0013-8000\"",
        "\"\\u5f20\\u4e09\"",
        "\"%E5%BC%A0%E4%B8%89\"",
        "\"\\\\u5f20\\\\u4e09\"",
        "\"a\\u0007b\"",
        "{\"a\":\"13800138000\"}",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        char members[256];
        snprintf(members, sizeof members,
                 "\"data\":{\"result\":1,\"channel\":%s},\"message\":%s,\"seqNo\":%s,\"x\":%s",
                 texts[i], texts[i], texts[i], texts[i]);
        struct answer answer = answer_with(members);
        assert_string_equal(answer.msg, "");
        assert_string_equal(answer.mobile_type, "");
        assert_string_equal(answer.trace_id, "");
    }
}

static void echoes_of_another_question_are_noticed(void **state) {
    (void)state;
    static const struct {
        const char *body;
        bool contradicts;
    } cases[] = {
        {"{\"code\":0,\"data\":{\"result\":1,\"phone\":\"138*****000\"}}", false},
        {"{\"code\":0,\"data\":{\"result\":1,\"phone\":\"139*****000\"}}", true},
        {"{\"code\":0,\"data\":{\"result\":1,\"phone\":13900138000}}", true},
        {"{\"code\":0,\"data\":{\"result\":1}}", false},
    };
    struct provider provider = seller_with("reply.mobile", "\"/data/phone\"");
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool priced = false;
        struct reply reply = read_as(&provider, 200, NULL, cases[i].body, &priced);
        assert_int_equal(reply.class, REPLY_ANSWER);
        assert_int_equal(reply.contradicts, cases[i].contradicts);
    }
}

static void one_pointer_reads_a_word_whole(void **state) {
    (void)state;
    struct provider provider = seller_with("billed", NULL);
    struct complaint why;
    cJSON *json = cJSON_Parse(
        "{\"url\":\"http://h/\"," SECOND_PARAMETERS
        ",\"reply\":{\"status\":\"/r/0/一致\"},\"statuses\":{\"true\":\"01\",\"不一致\":\"02\","
        "\"-1\":\"202\"}}");
    assert_true(provider_parse("third", json, &provider, &why));
    cJSON_Delete(json);
    bool priced = false;
    assert_string_equal(
        read_as(&provider, 200, NULL, "{\"r\":[{\"一致\":true}]}", &priced).answer.status, "01");
    assert_true(priced);
    assert_string_equal(
        read_as(&provider, 200, NULL, "{\"r\":[{\"一致\":\"不一致\"}]}", &priced).answer.status,
        "02");
    assert_string_equal(
        read_as(&provider, 200, NULL, "{\"r\":[{\"一致\":-1}]}", &priced).answer.status, "202");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_is_read),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(ids),
        cmocka_unit_test(a_question_in_the_target),
        cmocka_unit_test(a_question_as_a_form),
        cmocka_unit_test(a_question_as_json),
        cmocka_unit_test(nesting_must_fit),
        cmocka_unit_test(the_longest_question_fits),
        cmocka_unit_test(the_header_bears_the_code),
        cmocka_unit_test(words_have_their_meaning),
        cmocka_unit_test(the_gateway_in_front_is_heard_first),
        cmocka_unit_test(every_answer_can_be_billed),
        cmocka_unit_test(texts_are_kept),
        cmocka_unit_test(nothing_of_the_question_is_kept),
        cmocka_unit_test(echoes_of_another_question_are_noticed),
        cmocka_unit_test(one_pointer_reads_a_word_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
