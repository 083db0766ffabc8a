/* The encoded form of answers: there and back, its size, and bytes that are no answer. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/answer.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct answer ordinary = {
    .status = "01",
    .mobile_type = "联通",
    .trace_id = "20201208001535_9a45ph_5e392391",
    .checked_at = 1795536000,
    .expires_at = 1795536000 + 30 * 86400,
};

static void assert_same(const struct answer *a, const struct answer *b) {
    assert_string_equal(a->status, b->status);
    assert_string_equal(a->msg, b->msg);
    assert_string_equal(a->mobile_type, b->mobile_type);
    assert_string_equal(a->trace_id, b->trace_id);
    assert_string_equal(a->extra, b->extra);
    assert_int_equal(a->virtual_operator, b->virtual_operator);
    assert_true(a->checked_at == b->checked_at);
    assert_true(a->expires_at == b->expires_at);
}

static size_t assert_round_trip(const struct answer *answer) {
    uint8_t bytes[ANSWER_ENCODED_MAX];
    struct answer decoded;
    size_t size = answer_encode(answer, bytes);
    assert_true(size <= sizeof bytes);
    assert_true(answer_decode(bytes, size, &decoded));
    assert_same(answer, &decoded);
    return size;
}

static void an_ordinary_answer_is_small(void **state) {
    (void)state;
    assert_int_equal(assert_round_trip(&ordinary), 26);
}

static void every_status_and_carrier_comes_back(void **state) {
    (void)state;
    static const char *const carriers[] = {"", "移动", "联通", "电信", "广电", "other"};
    static const char *const others[] = {"0", "1", "208", "999999999999999"};
    struct answer answer = ordinary;
    for (size_t c = 0; c < COUNT(carriers); c++) {
        strcpy(answer.mobile_type, carriers[c]);
        for (int kind = 0; kind < RESULT_UNKNOWN; kind++) {
            strcpy(answer.status, result_table[kind].status);
            assert_round_trip(&answer);
        }
        for (size_t i = 0; i < COUNT(others); i++) {
            strcpy(answer.status, others[i]);
            assert_round_trip(&answer);
        }
    }
}

static void every_trace_id_comes_back(void **state) {
    (void)state;
    static const struct {
        const char *trace_id;
        bool sellers;
    } cases[] = {
        {"20201208001535_9a45ph_5e392391", true},
        {"00000000000000_000000_00000000", true},
        {"99999999999999_zzzzzz_ffffffff", true},
        {"", false},
        {"20201208001535", false},
        {"20201208001535_9a45ph", false},
        {"20201208001535_9a45ph_", false},
        {"20201208001535_9a45ph_5e39239", false},
        {"20201208001535_9a45ph_5e3923911", false},
        {"20201208001535_9a45ph_5e392391_", false},
        {"20201208001535_9a45ph_5E392391", false},
        {"20201208001535_9a45ph_5e39239g", false},
        {"20201208001535_9A45ph_5e392391", false},
        {"20201208001535_9a45p{_5e392391", false},
        {"20201208001535-9a45ph_5e392391", false},
        {"2020120800153a_9a45ph_5e392391", false},
        {"20201208001535_9a45ph_5e39239\xe4", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct answer answer = ordinary;
        strcpy(answer.trace_id, cases[i].trace_id);
        size_t as_text = 13 + strlen(answer.trace_id);
        assert_int_equal(assert_round_trip(&answer), cases[i].sellers ? 26 : as_text);
    }
}

static void every_time_comes_back(void **state) {
    (void)state;
    static const int64_t times[] = {
        0, 1, -1, 1795536000, INT32_MAX, UINT32_MAX, INT64_C(4294967296), INT64_MAX, INT64_MIN,
    };
    for (size_t a = 0; a < COUNT(times); a++) {
        for (size_t b = 0; b < COUNT(times); b++) {
            struct answer answer = ordinary;
            answer.checked_at = times[a];
            answer.expires_at = times[b];
            assert_round_trip(&answer);
        }
    }
}

static void the_fullest_answer_fits(void **state) {
    (void)state;
    struct answer answer = {
        .virtual_operator = true, .checked_at = INT64_MIN, .expires_at = INT64_MAX};
    memset(answer.status, '9', sizeof answer.status - 1);
    memset(answer.msg, 'm', sizeof answer.msg - 1);
    memset(answer.mobile_type, 't', sizeof answer.mobile_type - 1);
    memset(answer.trace_id, 'i', sizeof answer.trace_id - 1);
    memset(answer.extra, 'e', sizeof answer.extra - 1);
    assert_round_trip(&answer);
}

static void the_tables_words_are_left_out(void **state) {
    (void)state;
    struct answer usual = ordinary, own = ordinary, decoded;
    uint8_t bytes[ANSWER_ENCODED_MAX];
    strcpy(usual.msg, "实名认证通过");
    strcpy(own.msg, "认证一致");

    size_t size = answer_encode(&usual, bytes);
    assert_int_equal(size, 26);
    assert_true(answer_decode(bytes, size, &decoded));
    assert_string_equal(decoded.msg, "");
    assert_string_equal(answer_msg(&decoded), "实名认证通过");

    assert_int_equal(assert_round_trip(&own), 26 + 1 + strlen(own.msg));
    assert_string_equal(answer_msg(&own), "认证一致");
}

static void an_unknown_status_has_no_words_but_its_own(void **state) {
    (void)state;
    struct answer answer = {.status = "299"};
    assert_string_equal(answer_msg(&answer), "");
    strcpy(answer.msg, "new");
    assert_string_equal(answer_msg(&answer), "new");
    assert_round_trip(&answer);
}

static void a_flag_comes_back(void **state) {
    (void)state;
    struct answer answer = ordinary;
    strcpy(answer.status, "203");
    answer.virtual_operator = true;
    assert_round_trip(&answer);
}

/* What stores hold today must be readable for ever: these bytes never change. */
static void version_1_is_fixed(void **state) {
    (void)state;
    static const uint8_t bytes[] = {1,   7,   0xf2, 2,   4, 3,   '2', '0', '8', 2,
                                    't', '1', 1,    'm', 5, '"', 'a', '"', ':', '1'};
    struct answer wanted = {.status = "208",
                            .msg = "m",
                            .mobile_type = "联通",
                            .trace_id = "t1",
                            .extra = "\"a\":1",
                            .virtual_operator = true,
                            .checked_at = 1,
                            .expires_at = 3};
    static const char *const statuses[] = {"01", "02", "202", "203", "204", "205", "206", "207"};
    struct answer decoded;
    uint8_t encoded[ANSWER_ENCODED_MAX];
    assert_true(answer_decode(bytes, sizeof bytes, &decoded));
    assert_same(&wanted, &decoded);
    assert_int_equal(answer_encode(&wanted, encoded), sizeof bytes);
    assert_memory_equal(encoded, bytes, sizeof bytes);
    for (uint8_t code = 0; code < COUNT(statuses); code++) {
        const uint8_t least[] = {1, 0, (uint8_t)(code << 4), 0, 0, 0};
        assert_true(answer_decode(least, sizeof least, &decoded));
        assert_string_equal(decoded.status, statuses[code]);
    }
}

/* The same for the seller's trace ids, which older answers have as text. */
static void the_sellers_trace_id_is_fixed(void **state) {
    (void)state;
    static const uint8_t packed[] = {1,    8,    2,    0x80, 0xd2, 0xad, 0xb0, 0x0d, 0x80,
                                     0xb4, 0xbc, 0x02, 0xff, 0xb3, 0xd3, 0x75, 0x5f, 0x12,
                                     0xe5, 0x03, 0x73, 0x21, 0x91, 0x23, 0x39, 0x5e};
    uint8_t older[13 + 30] = {1, 0, 2, 0x80, 0xd2, 0xad, 0xb0, 0x0d, 0x80, 0xb4, 0xbc, 0x02, 30};
    uint8_t encoded[ANSWER_ENCODED_MAX];
    struct answer decoded;
    assert_int_equal(answer_encode(&ordinary, encoded), sizeof packed);
    assert_memory_equal(encoded, packed, sizeof packed);
    memcpy(older + 13, ordinary.trace_id, 30);
    assert_true(answer_decode(older, sizeof older, &decoded));
    assert_same(&ordinary, &decoded);
}

static void every_cut_is_refused(void **state) {
    (void)state;
    struct answer answer = ordinary, decoded;
    uint8_t bytes[ANSWER_ENCODED_MAX + 1];
    strcpy(answer.status, "208");
    strcpy(answer.msg, "own words");
    strcpy(answer.extra, "\"a\":1");
    size_t size = answer_encode(&answer, bytes);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(answer_decode(bytes, cut, &decoded));
    bytes[size] = 0;
    assert_false(answer_decode(bytes, size + 1, &decoded));
}

static void what_is_no_answer_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[24];
        size_t size;
    } cases[] = {
        {"version 0", {0, 0, 0, 0, 0, 0}, 6},
        {"version 2", {2, 0, 0, 0, 0, 0}, 6},
        {"unknown flag", {1, 16, 0, 0, 0, 0}, 6},
        {"trace id of 15 digits",
         {1, 8, 0, 0, 0, 0x00, 0x40, 0x7a, 0x10, 0xf3, 0x5a, 0, 0, 0, 0, 0, 0, 0, 0},
         19},
        {"trace id with a mark of seven",
         {1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x10, 0xbf, 0x81, 0, 0, 0, 0},
         19},
        {"unknown status code", {1, 0, 0x80, 0, 0, 0}, 6},
        {"unknown carrier code", {1, 0, 0x04, 0, 0, 0}, 6},
        {"empty status", {1, 0, 0xf0, 0, 0, 0, 0}, 7},
        {"status too long",
         {1,   0,   0xf0, 0,   0,   16,  '1', '1', '1', '1', '1', '1',
          '1', '1', '1',  '1', '1', '1', '1', '1', '1', '1', 0},
         23},
        {"zero in a text", {1, 0, 0xf0, 0, 0, 2, '1', 0, 0}, 9},
        {"text beyond the end", {1, 0, 0, 0, 0, 5, 'a'}, 7},
        {"text length of 2^64 - 1",
         {1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
         15},
        {"varint of 65 bits",
         {1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0},
         15},
        {"varint of eleven bytes",
         {1, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0},
         16},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct answer decoded;
        if (answer_decode(cases[i].bytes, cases[i].size, &decoded))
            fail_msg("%s was accepted", cases[i].what);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_answer_is_small),
        cmocka_unit_test(every_status_and_carrier_comes_back),
        cmocka_unit_test(every_trace_id_comes_back),
        cmocka_unit_test(every_time_comes_back),
        cmocka_unit_test(the_fullest_answer_fits),
        cmocka_unit_test(the_tables_words_are_left_out),
        cmocka_unit_test(an_unknown_status_has_no_words_but_its_own),
        cmocka_unit_test(a_flag_comes_back),
        cmocka_unit_test(version_1_is_fixed),
        cmocka_unit_test(the_sellers_trace_id_is_fixed),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
