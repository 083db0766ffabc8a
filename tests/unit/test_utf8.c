/* What counts as text, and where it may be cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void only_well_formed_text_is_valid(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        bool valid;
    } cases[] = {
        {"", 0, true},
        {"plain\x01\x7f", 7, true},
        {"é张\U00020bb7", 9, true},
        {"\ufffe\uffff\U0010ffff", 10, true},
        {"\0", 1, false},
        {"a\0b", 3, false},
        {"\xc3", 1, false},
        {"\xe5\xbc", 2, false},
        {"\xf0\xa0\xae", 3, false},
        {"\xbc", 1, false},
        {"\xc0\x80", 2, false},
        {"\xe0\x9f\xbf", 3, false},
        {"\xf0\x8f\xbf\xbf", 4, false},
        {"\xed\xa0\x80\xed\xb0\x80", 6, false},
        {"\xf4\x90\x80\x80", 4, false},
        {"\xf8\x88\x80\x80\x80", 5, false},
        {"\xff", 1, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (utf8_valid(cases[i].text, cases[i].size) != cases[i].valid)
            fail_msg("case %zu", i);
    }
}

static void the_size_bounds_what_is_read(void **state) {
    (void)state;
    assert_true(utf8_valid("张\xff", 3));
    assert_false(utf8_valid("张", 2));
}

static void cuts_fall_between_characters(void **state) {
    (void)state;
    static const char text[] = "aé张\U00020bb7";
    static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < COUNT(cuts); max++)
        assert_int_equal(utf8_cut(text, sizeof text - 1, max), cuts[max]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_well_formed_text_is_valid),
        cmocka_unit_test(the_size_bounds_what_is_read),
        cmocka_unit_test(cuts_fall_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
