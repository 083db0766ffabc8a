/* The status table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/result.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void every_status_of_the_guide_is_known(void **state) {
    (void)state;
    static const struct {
        const char *status, *msg, *name;
        enum result_kind kind;
    } cases[] = {
        {"01", "实名认证通过", "match", RESULT_MATCH},
        {"02", "实名认证不通过", "mismatch", RESULT_MISMATCH},
        {"202", "无法验证", "unverifiable", RESULT_UNVERIFIABLE},
        {"203", "异常情况", "number_limited", RESULT_ABNORMAL},
        {"204", "姓名错误", "invalid_name", RESULT_INVALID_NAME},
        {"205", "身份证号错误", "invalid_id_card", RESULT_INVALID_ID_CARD},
        {"206", "电话号码错误", "invalid_mobile", RESULT_INVALID_MOBILE},
        {"207", "不支持当前号段", "unsupported_segment", RESULT_UNSUPPORTED_SEGMENT},
    };
    assert_int_equal(COUNT(cases), RESULT_UNKNOWN);
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum result_kind kind = result_of(cases[i].status);
        assert_int_equal(kind, cases[i].kind);
        assert_string_equal(result_table[kind].status, cases[i].status);
        assert_string_equal(result_table[kind].msg, cases[i].msg);
        assert_string_equal(result_name(kind, false), cases[i].name);
    }
}

static void what_is_not_in_the_table_is_unknown(void **state) {
    (void)state;
    static const char *const others[] = {"",   "0",   "1",   "001",  "01 ",
                                         "03", "200", "208", "2020", "ok"};
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(result_of(others[i]), RESULT_UNKNOWN);
    assert_null(result_table[RESULT_UNKNOWN].status);
    assert_string_equal(result_table[RESULT_UNKNOWN].msg, "");
    assert_string_equal(result_name(RESULT_UNKNOWN, false), "unknown");
}

static void only_203_speaks_of_virtual_operators(void **state) {
    (void)state;
    for (int kind = 0; kind < RESULT_KINDS; kind++) {
        const char *name = result_name((enum result_kind)kind, true);
        if (kind == RESULT_ABNORMAL)
            assert_string_equal(name, "virtual_operator");
        else
            assert_string_equal(name, result_table[kind].name);
    }
}

static void statuses_fit_their_size(void **state) {
    (void)state;
    for (int kind = 0; kind < RESULT_UNKNOWN; kind++)
        assert_true(strlen(result_table[kind].status) < RESULT_STATUS_SIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_of_the_guide_is_known),
        cmocka_unit_test(what_is_not_in_the_table_is_unknown),
        cmocka_unit_test(only_203_speaks_of_virtual_operators),
        cmocka_unit_test(statuses_fit_their_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
