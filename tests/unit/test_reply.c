/* Replies: the seller's read strictly but forgivingly, the gateway's told apart, nobody's data
 * kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/reply.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct triple asked_question(void) {
    struct triple triple;
    memset(&triple, 0, sizeof triple);
    assert_true(triple_set(&triple, TRIPLE_NAME, "张三", strlen("张三")));
    assert_true(triple_set(&triple, TRIPLE_ID_CARD, "11010519491231002X", 18));
    assert_true(triple_set(&triple, TRIPLE_MOBILE, "13800138000", 11));
    return triple;
}

static struct reply read_bytes(int http_status, const char *code, const char *message,
                               const char *body, size_t size) {
    struct triple asked = asked_question();
    struct reply_bytes bytes = {http_status, code, message, body, size};
    struct reply reply;
    memset(&reply, 'z', sizeof reply);
    reply_read(&bytes, &asked, &reply);
    return reply;
}

static struct reply read_body(const char *body) {
    return read_bytes(200, NULL, NULL, body, strlen(body));
}

static void the_guides_answer_is_read(void **state) {
    (void)state;
    struct reply reply =
        read_body("{\"status\":\"01\",\"msg\":\"实名认证通过\",\"idCard\":\"51*****1111\","
                  "\"mobile\":\"18*****000\",\"mobileType\":\"联通\",\"name\":\"张*\","
                  "\"traceId\":\"20201208001535_9a45ph_5e392391\"}");
    assert_int_equal(reply.class, REPLY_ANSWER);
    assert_string_equal(reply.answer.status, "01");
    assert_string_equal(reply.answer.msg, "实名认证通过");
    assert_string_equal(reply.answer.mobile_type, "联通");
    assert_string_equal(reply.answer.trace_id, "20201208001535_9a45ph_5e392391");
    assert_string_equal(reply.answer.extra, "");
    assert_false(reply.answer.virtual_operator);
    assert_int_equal(reply.answer.checked_at, 0);
    assert_int_equal(reply.answer.expires_at, 0);
}

static void statuses_are_read(void **state) {
    (void)state;
    static const struct {
        const char *json;
        const char *status; /* NULL: unreadable */
    } cases[] = {
        {"\"01\"", "01"},
        {"\"02\"", "02"},
        {"\"202\"", "202"},
        {"1", "01"},
        {"2", "02"},
        {"0", "00"},
        {"202", "202"},
        {"\"1\"", "01"},
        {"\"9\"", "09"},
        {"10", "10"},
        {"299", "299"},
        {"1.0", "01"},
        {"1e2", "100"},
        {"\"new-one\"", "new-one"},
        {"\"x\"", "x"},
        {"999999999999999", "999999999999999"},
        {"\"123456789012345\"", "123456789012345"},
        {"\"1234567890123456\"", NULL},
        {"1000000000000000", NULL},
        {"1e400", NULL},
        {"1.5", NULL},
        {"-1", NULL},
        {"\"\"", NULL},
        {"null", NULL},
        {"true", NULL},
        {"[\"01\"]", NULL},
        {"{}", NULL},
        {"\"通过\"", NULL},
        {"\"0\\n1\"", NULL},
        {"\"0\\u007f\"", NULL},
        {"\"0\\\"1\"", NULL},
        {"\"0\\\\1\"", NULL},
        {"\"13800138000\"", NULL},
        {"13800138000", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"msg\":\"m\",\"status\":%s}", cases[i].json);
        struct reply reply = read_body(body);
        const char *wanted = cases[i].status != NULL ? cases[i].status : "";
        if (reply.class != (cases[i].status != NULL ? REPLY_ANSWER : REPLY_INVALID) ||
            strcmp(reply.answer.status, wanted) != 0)
            fail_msg("case %zu", i);
        if (cases[i].status == NULL)
            assert_string_equal(reply.answer.msg, "");
    }
}

static void unreadable_bodies_are_invalid(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "",
        " ",
        "OK",
        "<html></html>",
        "null",
        "\"01\"",
        "[{\"status\":\"01\"}]",
        "{}",
        "{\"msg\":\"实名认证通过\"}",
        "{\"Status\":\"01\"}",
        "{\"data\":{\"status\":\"01\"}}",
        "{\"status\":\"01\"",
        "{\"status\":\"01\"}x",
        "{\"status\":\"01\"}{}",
        "{\"status\":\"01\",\"msg\":\"\xd5\xc5\"}",
        "{\"status\":\"01\",\"msg\":\"\\ud800\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        if (read_body(bodies[i]).class != REPLY_INVALID)
            fail_msg("body %zu", i);
    }
    assert_int_equal(read_bytes(200, NULL, NULL, "{\"status\":\"01\"}\0", 16).class, REPLY_INVALID);
}

static void what_is_nearly_json_is_an_answer_all_the_same(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"status\":\"01\",\"x\":1} \r\n\t ",
        "\ufeff{\"status\":\"01\"}",
        "{\"status\":\"01\",\"x\":01}",
        "{\"status\":\"01\",\"x\":\"a\nb\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct reply reply = read_body(bodies[i]);
        assert_int_equal(reply.class, REPLY_ANSWER);
        assert_string_equal(reply.answer.extra, i == 0 ? "\"x\":1" : "");
    }
}

static void the_size_is_bounded(void **state) {
    (void)state;
    static char body[REPLY_BODY_MAX + 1];
    memset(body, ' ', sizeof body);
    memcpy(body, "{\"status\":\"01\"}", 15);
    assert_int_equal(read_bytes(200, NULL, NULL, body, REPLY_BODY_MAX).class, REPLY_ANSWER);
    assert_int_equal(read_bytes(200, NULL, NULL, body, REPLY_BODY_MAX + 1).class, REPLY_INVALID);
}

static void the_body_need_not_be_terminated(void **state) {
    (void)state;
    assert_int_equal(read_bytes(200, NULL, NULL, "{\"status\":\"01\"}xyz", 15).class, REPLY_ANSWER);
    assert_int_equal(read_bytes(200, NULL, NULL, "{\"status\":\"01\"}", 14).class, REPLY_INVALID);
}

static void known_members_of_a_wrong_type_are_missing(void **state) {
    (void)state;
    struct reply reply =
        read_body("{\"status\":\"01\",\"msg\":5,\"mobileType\":null,\"traceId\":[1],"
                  "\"name\":{},\"idCard\":1,\"mobile\":true}");
    assert_int_equal(reply.class, REPLY_ANSWER);
    assert_string_equal(reply.answer.msg, "");
    assert_string_equal(reply.answer.mobile_type, "");
    assert_string_equal(reply.answer.trace_id, "");
    assert_string_equal(reply.answer.extra, "");
}

static void the_first_of_duplicates_counts(void **state) {
    (void)state;
    struct reply reply = read_body("{\"status\":\"01\",\"msg\":5,\"msg\":\"b\","
                                   "\"x\":1,\"x\":2,\"\\u0078\":3}");
    assert_string_equal(reply.answer.status, "01");
    assert_string_equal(reply.answer.msg, "");
    assert_string_equal(reply.answer.extra, "\"x\":1");
}

static void statuses_that_differ_are_none(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *status; /* empty: none */
    } cases[] = {
        {"{\"status\":\"01\",\"status\":\"02\"}", ""},
        {"{\"status\":\"01\",\"x\":0,\"\\u0073tatus\":\"02\"}", ""},
        {"{\"status\":null,\"status\":\"01\"}", ""},
        {"{\"status\":\"01\",\"status\":null}", ""},
        {"{\"status\":\"01\",\"status\":\"01\",\"status\":\"02\"}", ""},
        {"{\"status\":\"01\",\"status\":\"01\"}", "01"},
        {"{\"status\":\"01\",\"status\":1,\"status\":\"1\"}", "01"},
        {"{\"status\":\"01\",\"Status\":\"02\",\"x\":{\"status\":\"02\"}}", "01"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply reply = read_body(cases[i].body);
        bool read = cases[i].status[0] != '\0';
        if (reply.class != (read ? REPLY_ANSWER : REPLY_INVALID) ||
            strcmp(reply.answer.status, cases[i].status) != 0)
            fail_msg("case %zu", i);
    }
}

static void echoes_of_another_question_are_noticed(void **state) {
    (void)state;
    static const struct {
        const char *members;
        bool contradicts;
    } cases[] = {
        {"\"name\":\"张*\",\"idCard\":\"11*****002X\",\"mobile\":\"13*****000\"", false},
        {"\"name\":\"\",\"idCard\":null,\"mobile\":13900139000", false},
        {"\"name\":\"李*\"", true},
        {"\"idCard\":\"11*****0021\"", true},
        {"\"mobile\":\"18*****000\"", true},
        {"\"mobile\":\"13*****000\",\"mobile\":\"18*****000\"", true},
        {"\"x\":{\"mobile\":\"18*****000\"}", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"status\":\"01\",%s}", cases[i].members);
        struct reply reply = read_body(body);
        assert_int_equal(reply.class, REPLY_ANSWER);
        if (reply.contradicts != cases[i].contradicts)
            fail_msg("case %zu", i);
    }
    assert_false(read_body("{\"name\":\"李*\"}").contradicts);
}

static void unknown_members_are_kept_byte_for_byte(void **state) {
    (void)state;
    struct reply reply =
        read_body("{ \"a\" : 9007199254740993 , \"status\":\"01\",\"b\":[1.0, {\"c\":\"\\u00e9\"}],"
                  "\"Status\":null , \"\\u0064\":\"\"}");
    assert_string_equal(reply.answer.extra,
                        "\"a\":9007199254740993,\"b\":[1.0, {\"c\":\"\\u00e9\"}],\"Status\":null,"
                        "\"\\u0064\":\"\"");
}

/* A known member is known however its name is spelled. */
static void escaped_names_of_known_members_are_known(void **state) {
    (void)state;
    struct reply reply = read_body("{\"\\u0073tatus\":\"01\",\"\\u006eame\":\"张*\"}");
    assert_string_equal(reply.answer.status, "01");
    assert_string_equal(reply.answer.extra, "");
}

static void extra_members_are_kept_as_far_as_they_fit(void **state) {
    (void)state;
    char body[4096], longest[ANSWER_EXTRA_SIZE];
    memset(longest, 'a', sizeof longest);
    /* `"x":"…"` with all of the room but the zero. */
    longest[ANSWER_EXTRA_SIZE - 1 - 6] = '\0';
    snprintf(body, sizeof body, "{\"status\":\"01\",\"x\":\"%s\",\"y\":1}", longest);
    assert_int_equal(strlen(read_body(body).answer.extra), ANSWER_EXTRA_SIZE - 1);
    snprintf(body, sizeof body, "{\"status\":\"01\",\"x\":\"a%s\",\"y\":1}", longest);
    assert_string_equal(read_body(body).answer.extra, "\"y\":1");
}

static void many_members_are_bounded(void **state) {
    (void)state;
    static char body[REPLY_BODY_MAX];
    size_t size = (size_t)snprintf(body, sizeof body, "{\"status\":\"01\"");
    for (int i = 0; size < sizeof body - 20; i++)
        size += (size_t)snprintf(body + size, sizeof body - size, ",\"%d\":0", i);
    body[size++] = '}';
    struct reply reply = read_bytes(200, NULL, NULL, body, size);
    assert_int_equal(reply.class, REPLY_ANSWER);
    assert_non_null(strstr(reply.answer.extra, "\"0\":0"));
    assert_non_null(strstr(reply.answer.extra, "\"62\":0"));
    assert_null(strstr(reply.answer.extra, "\"63\":0"));
}

static void long_texts_are_cut_between_characters(void **state) {
    (void)state;
    char body[1024], text[400] = "", wanted[ANSWER_MSG_SIZE] = "";
    for (int i = 0; i < 100; i++)
        memcpy(text + strlen(text), "错", 4);
    memcpy(wanted, text, (ANSWER_MSG_SIZE - 1) / 3 * 3);
    snprintf(body, sizeof body, "{\"status\":\"02\",\"msg\":\"%s\"}", text);
    assert_string_equal(read_body(body).answer.msg, wanted);
}

static void texts_with_control_characters_are_emptied(void **state) {
    (void)state;
    struct reply reply =
        read_body("{\"status\":\"01\",\"msg\":\"a\\nb\",\"mobileType\":\"\\u007f\","
                  "\"traceId\":\"\\u0000x\"}");
    assert_string_equal(reply.answer.msg, "");
    assert_string_equal(reply.answer.mobile_type, "");
    assert_string_equal(reply.answer.trace_id, "");
}

/* Where a seller could repeat the question: each body is an answer, and keeps nothing but it. */
static void the_questions_values_are_not_kept(void **state) {
    (void)state;
    static const char *const members[] = {
        "\"msg\":\"张三不存在\"",
        "\"msg\":\"\\u5f20\\u4e09\"",
        "\"msg\":\"13800138000\"",
        "\"msg\":\"+86 138-0013-8000\"",
        "\"msg\":\"id 11010519491231002x\"",
        "\"msg\":\"?name=%E5%BC%A0%E4%B8%89\"",
        "\"msg\":\"{\\\"name\\\":\\\"\\\\u5f20\\\\u4e09\\\"}\"",
        "\"mobileType\":\"13800138000\"",
        "\"traceId\":\"t_13800138000\"",
        "\"x\":\"13800138000\"",
        "\"x\":13800138000",
        "\"x\":1.3800138e10",
        "\"x\":13800138000.0",
        "\"x\":[0,{\"y\":\"张三\"}]",
        "\"x\":[0,{\"y\":{\"张三\":1}}]",
        "\"x\":{\"\\u5f20\\u4e09\":1}",
        "\"x\":[[[\"\\u0031\\u00338\\u00300138000\"]]]",
        "\"x\":\"110105194912310\\u00302X\"",
        "\"x\":"
        "\"a\\u0000\\u0031\\u0033\\u0038\\u0030\\u0030\\u0031\\u0033\\u0038\\u0030\\u0030\\u0030\"",
        "\"x\":\"{\\\"m\\\":\\\"\\\\u0031\\\\u00338\\\\u00300138000\\\"}\"",
        "\"13800138000\":1",
        "\"\\u00313800138000\":1",
        "\"张三\":1",
        "\"x\\u0000\":1",
    };
    struct triple asked = asked_question();
    for (size_t i = 0; i < COUNT(members); i++) {
        char body[512];
        snprintf(body, sizeof body, "{\"status\":\"02\",%s,\"z\":\"kept\"}", members[i]);
        struct reply reply = read_body(body);
        struct answer *answer = &reply.answer;
        assert_int_equal(reply.class, REPLY_ANSWER);
        if (strcmp(answer->extra, "\"z\":\"kept\"") != 0 || answer->msg[0] != '\0' ||
            answer->mobile_type[0] != '\0' || answer->trace_id[0] != '\0')
            fail_msg("member %zu", i);
        assert_false(triple_appears_in(&asked, answer->extra));
    }
}

static void the_gateways_messages_are_told_apart(void **state) {
    (void)state;
    static const struct {
        int http_status;
        const char *message;
        enum reply_class class;
    } cases[] = {
        {400, "Invalid AppCode", REPLY_CREDENTIAL_UNKNOWN},
        {401, "Invalid AppCode `not exists`", REPLY_CREDENTIAL_UNKNOWN},
        {401, "INVALID APPCODE 不存在", REPLY_CREDENTIAL_UNKNOWN},
        {400, "Invalid Url", REPLY_WRONG_REQUEST},
        {400, "Invalid Path or Method", REPLY_WRONG_REQUEST},
        {400, "Invalid HttpMethod", REPLY_WRONG_REQUEST},
        {400, "Invalid Domain", REPLY_WRONG_REQUEST},
        {400, "Invalid Param Location", REPLY_WRONG_REQUEST},
        {400, "Empty Request Body", REPLY_WRONG_REQUEST},
        {400, "Invalid Request Body", REPLY_WRONG_REQUEST},
        {403, "Unauthorized", REPLY_UNAUTHORIZED},
        {403, "unauthorized", REPLY_UNAUTHORIZED},
        {403, "Expiry of Authorization", REPLY_UNAUTHORIZED},
        {403, "App authorization expired", REPLY_UNAUTHORIZED},
        {403, "Quota Exhausted", REPLY_QUOTA_EXHAUSTED},
        {403, "Api Market Subscription quota exhausted", REPLY_QUOTA_EXHAUSTED},
        {403, "Quota Expired", REPLY_QUOTA_EXPIRED},
        {403, "Api Market Subscription expired", REPLY_QUOTA_EXPIRED},
        {403, "Api Market Subscription invalid", REPLY_QUOTA_EXPIRED},
        {403, "User Arrears", REPLY_ARREARS},
        {403, "Provider Account Overdue", REPLY_ARREARS},
        {403, "Throttled by USER Flow Control", REPLY_THROTTLED},
        {403, "Throttled by APP Flow Control", REPLY_THROTTLED},
        {429, "Throttled by API", REPLY_THROTTLED},
        {429, "throttled by DOMAIN", REPLY_THROTTLED},
        {500, "Internal Error", REPLY_GATEWAY_FAILED},
        {500, "Failed To Call Backend Service", REPLY_GATEWAY_FAILED},
        {503, "Service Unavailable", REPLY_GATEWAY_FAILED},
        {504, "Async Service", REPLY_GATEWAY_FAILED},
        {504, "Backend service connect failed `timeout`", REPLY_GATEWAY_FAILED},
        {504, "Backend service request timeout", REPLY_GATEWAY_FAILED},
        {503, "Service Busy", REPLY_GATEWAY_FAILED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply reply = read_bytes(cases[i].http_status, NULL, cases[i].message, "", 0);
        if (reply.class != cases[i].class)
            fail_msg("%s: %s", cases[i].message, reply_class_name[reply.class]);
        assert_string_equal(reply.answer.status, "");
    }
}

static void the_gateways_codes_are_told_apart(void **state) {
    (void)state;
    static const struct {
        int http_status;
        const char *code;
        enum reply_class class;
    } cases[] = {
        {400, "A400AC", REPLY_CREDENTIAL_UNKNOWN},
        {401, "A401AC", REPLY_CREDENTIAL_UNKNOWN},
        {400, "A400MA", REPLY_CREDENTIAL_UNKNOWN},
        {401, "a401ac", REPLY_CREDENTIAL_UNKNOWN},
        {403, "A403EP", REPLY_UNAUTHORIZED},
        {403, "I403AA", REPLY_UNAUTHORIZED},
        {403, "B403MQ", REPLY_QUOTA_EXHAUSTED},
        {403, "B403ME", REPLY_QUOTA_EXPIRED},
        {403, "B403MI", REPLY_QUOTA_EXPIRED},
        {403, "B403OD", REPLY_ARREARS},
        {403, "B403MO", REPLY_ARREARS},
        {429, "T429ID", REPLY_THROTTLED},
        {429, "T429MR", REPLY_THROTTLED},
        {504, "D504CO", REPLY_GATEWAY_FAILED},
        {504, "D504RE", REPLY_GATEWAY_FAILED},
        {504, "X504VE", REPLY_GATEWAY_FAILED},
        {502, "D502FC", REPLY_GATEWAY_FAILED},
        {502, "N502RE", REPLY_GATEWAY_FAILED},
        {503, "D503BB", REPLY_GATEWAY_FAILED},
        {503, "X503BZ", REPLY_GATEWAY_FAILED},
        {500, "X500ER", REPLY_GATEWAY_FAILED},
        {400, "I400HD", REPLY_WRONG_REQUEST},
        {404, "I404NF", REPLY_WRONG_REQUEST},
        {405, "I405UM", REPLY_WRONG_REQUEST},
        {413, "I413RL", REPLY_WRONG_REQUEST},
        {401, "Z401ZZ", REPLY_CREDENTIAL_UNKNOWN},
        {403, "Z403ZZ", REPLY_UNAUTHORIZED},
        {429, "Z429ZZ", REPLY_THROTTLED},
        {418, "Z418ZZ", REPLY_WRONG_REQUEST},
        {599, "Z599ZZ", REPLY_GATEWAY_FAILED},
        {302, "Z302ZZ", REPLY_INVALID},
        {400, "[*", REPLY_WRONG_REQUEST},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        static const char *const bodies[] = {"", "{\"status\":\"01\"}"};
        for (size_t b = 0; b < COUNT(bodies); b++) {
            struct reply reply = read_bytes(cases[i].http_status, cases[i].code, "new words",
                                            bodies[b], strlen(bodies[b]));
            if (reply.class != cases[i].class)
                fail_msg("%s: %s", cases[i].code, reply_class_name[reply.class]);
            assert_string_equal(reply.answer.status, "");
        }
    }
}

static void a_known_message_counts_more_than_a_code(void **state) {
    (void)state;
    struct reply reply = read_bytes(403, "I403ZZ", "Quota Exhausted", "", 0);
    assert_int_equal(reply.class, REPLY_QUOTA_EXHAUSTED);
}

static void empty_or_unknown_words_are_the_sellers(void **state) {
    (void)state;
    static const char body[] = "{\"status\":\"01\"}";
    assert_int_equal(read_bytes(200, "", "", body, 15).class, REPLY_ANSWER);
    assert_int_equal(read_bytes(200, NULL, "Invalid", body, 15).class, REPLY_ANSWER);
    assert_int_equal(read_bytes(200, NULL, "some words of a seller", body, 15).class, REPLY_ANSWER);
    /* Paid, whatever a code that nobody knows says beside it. */
    assert_int_equal(read_bytes(200, "OK", NULL, body, 15).class, REPLY_ANSWER);
    assert_int_equal(read_bytes(200, "OK", NULL, "", 0).class, REPLY_INVALID);
}

static void other_http_statuses_without_the_gateway(void **state) {
    (void)state;
    static const struct {
        int http_status;
        const char *body;
        enum reply_class class;
    } cases[] = {
        {450, "{\"status\":\"204\",\"msg\":\"姓名错误\"}", REPLY_ANSWER},
        {450, "{\"status\":1004}", REPLY_ANSWER},
        {450, "{\"status\":450}", REPLY_WRONG_REQUEST},
        {450, "{\"code\":450}", REPLY_WRONG_REQUEST},
        {450, "", REPLY_WRONG_REQUEST},
        {400, "{\"status\":\"205\"}", REPLY_ANSWER},
        {404, "<html>", REPLY_WRONG_REQUEST},
        {404, "{\"timestamp\":1,\"status\":404,\"error\":\"Not Found\"}", REPLY_WRONG_REQUEST},
        {408, "", REPLY_GATEWAY_FAILED},
        {429, "", REPLY_GATEWAY_FAILED},
        {500, "{\"timestamp\":1,\"status\":500,\"error\":\"Internal\"}", REPLY_GATEWAY_FAILED},
        {500, "{\"status\":\"error\"}", REPLY_GATEWAY_FAILED},
        {500, "{\"status\":\"202\"}", REPLY_ANSWER},
        {502, "Bad Gateway", REPLY_GATEWAY_FAILED},
        {503, "", REPLY_GATEWAY_FAILED},
        {302, "", REPLY_INVALID},
        {302, "{\"status\":\"01\"}", REPLY_INVALID},
        {304, "", REPLY_INVALID},
        {201, "{\"status\":\"01\"}", REPLY_ANSWER},
        {204, "", REPLY_INVALID},
        {0, "", REPLY_INVALID},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply reply =
            read_bytes(cases[i].http_status, NULL, NULL, cases[i].body, strlen(cases[i].body));
        if (reply.class != cases[i].class)
            fail_msg("case %zu: %s", i, reply_class_name[reply.class]);
        if (reply.class != REPLY_ANSWER)
            assert_string_equal(reply.answer.status, "");
    }
}

static void every_class_has_its_word(void **state) {
    (void)state;
    for (int class = 0; class < REPLY_CLASSES; class ++) {
        assert_non_null(reply_class_name[class]);
        for (int other = 0; other < class; other++)
            assert_string_not_equal(reply_class_name[class], reply_class_name[other]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guides_answer_is_read),
        cmocka_unit_test(statuses_are_read),
        cmocka_unit_test(unreadable_bodies_are_invalid),
        cmocka_unit_test(what_is_nearly_json_is_an_answer_all_the_same),
        cmocka_unit_test(the_size_is_bounded),
        cmocka_unit_test(the_body_need_not_be_terminated),
        cmocka_unit_test(known_members_of_a_wrong_type_are_missing),
        cmocka_unit_test(the_first_of_duplicates_counts),
        cmocka_unit_test(statuses_that_differ_are_none),
        cmocka_unit_test(echoes_of_another_question_are_noticed),
        cmocka_unit_test(unknown_members_are_kept_byte_for_byte),
        cmocka_unit_test(escaped_names_of_known_members_are_known),
        cmocka_unit_test(extra_members_are_kept_as_far_as_they_fit),
        cmocka_unit_test(many_members_are_bounded),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(texts_with_control_characters_are_emptied),
        cmocka_unit_test(the_questions_values_are_not_kept),
        cmocka_unit_test(the_gateways_messages_are_told_apart),
        cmocka_unit_test(the_gateways_codes_are_told_apart),
        cmocka_unit_test(a_known_message_counts_more_than_a_code),
        cmocka_unit_test(empty_or_unknown_words_are_the_sellers),
        cmocka_unit_test(other_http_statuses_without_the_gateway),
        cmocka_unit_test(every_class_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
