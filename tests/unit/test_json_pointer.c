/* Places in a JSON value, by RFC 6901. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/json_pointer.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void good_ones_and_bad_ones(void **state) {
    (void)state;
    static const struct {
        const char *text, *fault; /* NULL: good */
    } cases[] = {
        {"/a", NULL},
        {"/", NULL},
        {"/data/0/result", NULL},
        {"/a~0b~1c", NULL},
        {"/名/二", NULL},
        {"/1/2/3/4/5/6/7/8", NULL},
        {"", "must begin with /"},
        {"a/b", "must begin with /"},
        {"#/a", "must begin with /"},
        {"/a~", "has a ~"},
        {"/a~2", "has a ~"},
        {"/a\tb", "control"},
        {"/1/2/3/4/5/6/7/8/9", "at most 8 steps"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *fault = json_pointer_check(cases[i].text);
        if (cases[i].fault == NULL)
            assert_null(fault);
        else if (fault == NULL || strstr(fault, cases[i].fault) == NULL)
            fail_msg("%s: %s", cases[i].text, fault != NULL ? fault : "good");
    }
    char longest[JSON_POINTER_SIZE + 1];
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[JSON_POINTER_SIZE - 1] = '\0';
    assert_null(json_pointer_check(longest));
    longest[JSON_POINTER_SIZE - 1] = 'a';
    longest[JSON_POINTER_SIZE] = '\0';
    assert_non_null(json_pointer_check(longest));
}

static void what_stands_there(void **state) {
    (void)state;
    static const struct {
        const char *pointer;
        int number; /* 0: nothing stands there */
    } cases[] = {
        {"/a", 1},    {"/b/c", 2}, {"/d/0", 3},  {"/d/1/e", 4}, {"/f~1g", 5}, {"/h~0i", 6},
        {"/", 7},     {"/A", 0},   {"/b/C", 0},  {"/d/2", 0},   {"/d/00", 0}, {"/d/-", 0},
        {"/d/-1", 0}, {"/a/b", 0}, {"/d/1x", 0}, {"/d/", 0},    {"/x/y", 0},  {"/d/99999999999", 0},
    };
    cJSON *json = cJSON_Parse("{\"a\":1,\"a\":9,\"b\":{\"c\":2},\"d\":[3,{\"e\":4}],\"f/g\":5,"
                              "\"h~i\":6,\"\":7}");
    assert_non_null(json);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const cJSON *item = json_pointer_find(json, cases[i].pointer);
        int number = cJSON_IsNumber(item) ? item->valueint : 0;
        if (number != cases[i].number)
            fail_msg("%s leads to %d", cases[i].pointer, number);
    }
    assert_null(json_pointer_find(NULL, "/a"));
    cJSON_Delete(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_and_bad_ones),
        cmocka_unit_test(what_stands_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
