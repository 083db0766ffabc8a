#include "core/result.h"

#include <string.h>

const struct result_info result_table[RESULT_KINDS] = {
    [RESULT_MATCH] = {"01", "实名认证通过", "match"},
    [RESULT_MISMATCH] = {"02", "实名认证不通过", "mismatch"},
    [RESULT_UNVERIFIABLE] = {"202", "无法验证", "unverifiable"},
    [RESULT_ABNORMAL] = {"203", "异常情况", "number_limited"},
    [RESULT_INVALID_NAME] = {"204", "姓名错误", "invalid_name"},
    [RESULT_INVALID_ID_CARD] = {"205", "身份证号错误", "invalid_id_card"},
    [RESULT_INVALID_MOBILE] = {"206", "电话号码错误", "invalid_mobile"},
    [RESULT_UNSUPPORTED_SEGMENT] = {"207", "不支持当前号段", "unsupported_segment"},
    [RESULT_UNKNOWN] = {NULL, "", "unknown"},
};

enum result_kind result_of(const char *status) {
    for (int kind = 0; kind < RESULT_UNKNOWN; kind++) {
        if (strcmp(result_table[kind].status, status) == 0)
            return (enum result_kind)kind;
    }
    return RESULT_UNKNOWN;
}

const char *result_name(enum result_kind kind, bool virtual_operator) {
    if (kind == RESULT_ABNORMAL && virtual_operator)
        return "virtual_operator";
    return result_table[kind].name;
}
