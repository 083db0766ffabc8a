/* What a masked echo shows is compared with the question, and what may be a mask is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/echo.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct comparison {
    const char *asked, *echo;
    bool contradicts;
};

static void compare(enum triple_field field, const struct comparison *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct triple asked = {.name = ""};
        assert_true(triple_set(&asked, field, cases[i].asked, strlen(cases[i].asked)));
        if (echo_contradicts(&asked, field, cases[i].echo) != cases[i].contradicts)
            fail_msg("case %zu: %s", i, cases[i].echo);
    }
}

static void mobile_numbers(void **state) {
    (void)state;
    static const struct comparison cases[] = {
        {"13800138000", "13*****000", false},
        {"13800138000", "138****8000", false},
        {"13800138000", "138xxxx8000", false},
        {"13800138000", "138XXXX8000", false},
        {"13800138000", "138****", false},
        {"13800138000", "****8000", false},
        {"13800138000", "8000", false},
        {"13800138000", "1380013", false},
        {"13800138000", "13800138000", false},
        {"13800138000", "+86 138-****-8000", false},
        {"13800138000", "１３８＊＊＊＊８０００", false},
        {"13800138000", "138●●●●8000", false},
        {"13800138000", "***********", false},
        {"13800138000", "", false},
        {"13800138000", "*", false},
        {"13800138000", "null", false},
        {"13800138000", "\xff\xfe", false},
        {"13800138000", "**0**", false},
        {"13800138000", "18*****000", true},
        {"13800138000", "13*****001", true},
        {"13800138000", "139****8000", true},
        {"13800138000", "****8001", true},
        {"13800138000", "0138", true},
        {"13800138000", "13800138001", true},
        {"13800138000", "138001380000", true},
        {"13800138000", "138001380001****", true},
        {"13800138000", "****113800138000", true},
    };
    compare(TRIPLE_MOBILE, cases, COUNT(cases));
}

static void id_cards(void **state) {
    (void)state;
    static const struct comparison cases[] = {
        {"11010519491231002X", "11*****002X", false},
        {"11010519491231002X", "11*****002x", false},
        {"11010519491231002X", "1101**********002X", false},
        {"11010519491231002X", "110105********002*", false},
        {"11010519491231002X", "1****************X", false},
        {"11010519491231002X", "11010519491231XXXX", false},
        {"110105194912310021", "11010519491231XXXX", false},
        {"110105194912310021", "110105xxxxxxxx0021", false},
        {"11010519491231002X", "11010519491231002X", false},
        {"11010519491231002X", "11*****0021", true},
        {"110105194912310021", "11*****002X", true},
        {"110105194912310021", "1****************X", true},
        {"11010519491231002X", "51*****002X", true},
        {"11010519491231002X", "110106********002X", true},
    };
    compare(TRIPLE_ID_CARD, cases, COUNT(cases));
}

static void names(void **state) {
    (void)state;
    static const struct comparison cases[] = {
        {"张三", "张*", false},
        {"张三", "*三", false},
        {"张三", "张", false},
        {"张三", "三", false},
        {"张三", "张三", false},
        {"张三", "张**", false},
        {"张三", "张某", false},
        {"张三丰", "张某某", false},
        {"张三", "张〇", false},
        {"张三", "张○", false},
        {"张三", "张x", false},
        {"张三", " 张＊ ", false},
        {"张三丰", "张*丰", false},
        {"张某三", "张某三", false},
        {"买买提·艾力", "买*", false},
        {"买买提·艾力", "买买提•**", false},
        {"买买提·艾力", "***力", false},
        {"\U00020bb7三", "\U00020bb7*", false},
        {"ALEXANDER SMITH", "A********* SMITH", false},
        {"ALEXANDER SMITH", "Alex***", false},
        {"张三", "**", false},
        {"张三", "", false},
        {"张三", "李*", true},
        {"张三", "*四", true},
        {"张三", "李", true},
        {"张三", "张四", true},
        {"张三", "张三丰*", true},
        {"张三丰", "张*三", true},
        {"\U00020bb7三", "\U00020bb8*", true},
        {"ALEXANDER SMITH", "B***", true},
    };
    compare(TRIPLE_NAME, cases, COUNT(cases));
}

/* By whatever rule we mask ourselves, the question's own echo fits. */
static void our_own_masks_fit(void **state) {
    (void)state;
    static const char *const names[] = {"张三", "欧阳某", "〇三", "阿·三", "x三", "AL X"};
    static const char *const ids[] = {"11010519491231002X", "932682198501010017", "1X"};
    struct triple asked = {.name = ""};
    struct triple_echo echo;
    assert_true(triple_set(&asked, TRIPLE_MOBILE, "13800138000", 11));
    for (size_t i = 0; i < COUNT(names) * COUNT(ids); i++) {
        const char *name = names[i % COUNT(names)];
        const char *id = ids[i / COUNT(names)];
        assert_true(triple_set(&asked, TRIPLE_NAME, name, strlen(name)));
        assert_true(triple_set(&asked, TRIPLE_ID_CARD, id, strlen(id)));
        triple_mask(&asked, &echo);
        assert_false(echo_contradicts(&asked, TRIPLE_NAME, echo.name));
        assert_false(echo_contradicts(&asked, TRIPLE_ID_CARD, echo.id_card));
        assert_false(echo_contradicts(&asked, TRIPLE_MOBILE, echo.mobile));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mobile_numbers),
        cmocka_unit_test(id_cards),
        cmocka_unit_test(names),
        cmocka_unit_test(our_own_masks_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
