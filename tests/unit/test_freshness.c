/* May an answer serve a caller: judging, parsing Cache-Control and Prefer, merging wishes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/freshness.h"

#define COUNT(array)   (sizeof(array) / sizeof(array)[0])
#define NONE           INT64_C(-1)
#define HOWEVER        INT64_MAX
#define CHECKED        INT64_C(1000)
#define EXPIRES        INT64_C(2000)
#define WISH(age, old) ((struct freshness_wish){.max_age = (age), .max_stale = (old)})

static void answers_are_judged(void **state) {
    (void)state;
    static const struct {
        const char *what;
        int64_t now;
        int64_t max_age;
        int64_t max_stale;
        enum freshness wanted;
    } cases[] = {
        {"just checked", 1000, NONE, NONE, FRESHNESS_FRESH},
        {"the last second", 1999, NONE, NONE, FRESHNESS_FRESH},
        {"expired at its second", 2000, NONE, NONE, FRESHNESS_REFUSED},
        {"expired", 5000, NONE, NONE, FRESHNESS_REFUSED},
        {"young enough", 1010, 10, NONE, FRESHNESS_FRESH},
        {"too old", 1011, 10, NONE, FRESHNESS_REFUSED},
        {"max-age 0 in the same second", 1000, 0, NONE, FRESHNESS_FRESH},
        {"max-age 0 a second later", 1001, 0, NONE, FRESHNESS_REFUSED},
        {"max-age beyond expiry makes nothing fresh", 2000, 9999, NONE, FRESHNESS_REFUSED},
        {"stale and accepted", 2010, NONE, 10, FRESHNESS_STALE},
        {"stale at its second", 2000, NONE, 0, FRESHNESS_STALE},
        {"too stale", 2011, NONE, 10, FRESHNESS_REFUSED},
        {"however stale", INT64_MAX, NONE, HOWEVER, FRESHNESS_STALE},
        {"max-stale for a fresh one", 1500, NONE, 10, FRESHNESS_FRESH},
        {"max-age binds beside max-stale", 1500, 100, HOWEVER, FRESHNESS_REFUSED},
        {"both satisfied", 2010, 1010, 10, FRESHNESS_STALE},
        {"from the future", 500, 0, NONE, FRESHNESS_FRESH},
        {"the clock is far behind", INT64_MIN, 0, NONE, FRESHNESS_FRESH},
    };
    const struct answer answer = {.checked_at = CHECKED, .expires_at = EXPIRES};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct freshness_wish wish = WISH(cases[i].max_age, cases[i].max_stale);
        if (freshness_judge(&answer, &wish, cases[i].now) != cases[i].wanted)
            fail_msg("%s", cases[i].what);
        wish.no_cache = true;
        assert_int_equal(freshness_judge(&answer, &wish, cases[i].now), FRESHNESS_REFUSED);
        wish.no_cache = false;
        wish.only_if_cached = true;
        assert_int_equal(freshness_judge(&answer, &wish, cases[i].now), cases[i].wanted);
    }
}

static void times_at_the_ends_of_their_range_are_judged(void **state) {
    (void)state;
    const struct answer oldest = {.checked_at = INT64_MIN, .expires_at = INT64_MIN};
    const struct answer eternal = {.checked_at = INT64_MAX, .expires_at = INT64_MAX};
    assert_int_equal(freshness_judge(&oldest, &WISH(NONE, HOWEVER), INT64_MAX), FRESHNESS_STALE);
    assert_int_equal(freshness_judge(&oldest, &WISH(NONE, 10), INT64_MAX), FRESHNESS_REFUSED);
    assert_int_equal(freshness_judge(&eternal, &WISH(0, NONE), INT64_MIN), FRESHNESS_FRESH);
}

static void directives_are_parsed(void **state) {
    (void)state;
    static const struct {
        const char *header;
        struct freshness_wish wish;
    } cases[] = {
        {"", {false, false, NONE, NONE}},
        {" , ,, ", {false, false, NONE, NONE}},
        {"no-cache", {true, false, NONE, NONE}},
        {"No-Cache", {true, false, NONE, NONE}},
        {"only-if-cached", {false, true, NONE, NONE}},
        {"max-age=0", {false, false, 0, NONE}},
        {"max-age=60", {false, false, 60, NONE}},
        {"MAX-AGE=60", {false, false, 60, NONE}},
        {"max-age=\"60\"", {false, false, 60, NONE}},
        {"max-age=060", {false, false, 60, NONE}},
        {"max-age = 60", {false, false, 60, NONE}},
        {"max-stale", {false, false, NONE, HOWEVER}},
        {"max-stale=30", {false, false, NONE, 30}},
        {"max-stale=\"30\"", {false, false, NONE, 30}},
        {"no-cache,max-age=5,max-stale=6,only-if-cached", {true, true, 5, 6}},
        {"\tno-cache ,\t max-age=5 ,", {true, false, 5, NONE}},
        {"max-age=9223372036854775807", {false, false, INT64_MAX, NONE}},
        {"max-age=9223372036854775808", {false, false, INT64_MAX, NONE}},
        {"max-age=99999999999999999999999999", {false, false, INT64_MAX, NONE}},
        {"max-age=5, max-age=3, max-age=4", {false, false, 3, NONE}},
        {"max-stale=5, max-stale, max-stale=7", {false, false, NONE, 5}},
        {"no-store, no-transform, min-fresh=5", {false, false, NONE, NONE}},
        {"x=\"max-age=5, no-cache\"", {false, false, NONE, NONE}},
        {"x=\"a\\\"b, no-cache\", max-age=7", {false, false, 7, NONE}},
        {"max-ages=5, xmax-age=6, max=7", {false, false, NONE, NONE}},
        {"\"no-cache\"", {false, false, NONE, NONE}},
        {"=5, max-age=7", {false, false, 7, NONE}},
        {"x=\"never closed, no-cache", {false, false, NONE, NONE}},
        {"foo bar, max-age=7", {false, false, 7, NONE}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct freshness_wish wish;
        bool ok = freshness_parse(cases[i].header, &wish);
        const struct freshness_wish *wanted = &cases[i].wish;
        if (!ok || wish.no_cache != wanted->no_cache ||
            wish.only_if_cached != wanted->only_if_cached || wish.max_age != wanted->max_age ||
            wish.max_stale != wanted->max_stale)
            fail_msg("%s", cases[i].header);
    }
}

static void a_value_that_is_no_number_makes_the_header_void(void **state) {
    (void)state;
    static const char *const headers[] = {
        "max-age",
        "max-age=",
        "max-age=\"\"",
        "max-age=-1",
        "max-age=1.5",
        "max-age=abc",
        "max-age=5s",
        "max-age=+5",
        "max-age=\"5",
        "max-age=5\"",
        "max-age=\" 5\"",
        "max-age=\"5\"6",
        "max-age 5",
        "max-age=5 6",
        "max-age=5;x",
        "max-stale=",
        "max-stale=x",
        "max-stale=-1",
        "max-stale 5",
        "no-cache 5",
        "no-cache, max-age",
        "max-age=5, max-age=x",
        "max-age=\xef\xbc\x95",
        "max-age=\"\\5\"",
    };
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct freshness_wish wish;
        if (freshness_parse(headers[i], &wish))
            fail_msg("%s was accepted", headers[i]);
        assert_false(wish.no_cache);
        assert_false(wish.only_if_cached);
        assert_int_equal(wish.max_age, NONE);
        assert_int_equal(wish.max_stale, NONE);
    }
}

static void the_strictest_wish_satisfies_both(void **state) {
    (void)state;
    static const struct {
        struct freshness_wish a, b, strictest;
    } cases[] = {
        {{false, false, NONE, NONE}, {false, false, NONE, NONE}, {false, false, NONE, NONE}},
        {{true, false, NONE, NONE}, {false, false, NONE, NONE}, {true, false, NONE, NONE}},
        {{false, true, NONE, NONE}, {false, false, NONE, NONE}, {false, false, NONE, NONE}},
        {{false, true, NONE, NONE}, {false, true, NONE, NONE}, {false, true, NONE, NONE}},
        {{false, false, 5, NONE}, {false, false, NONE, NONE}, {false, false, 5, NONE}},
        {{false, false, 5, NONE}, {false, false, 7, NONE}, {false, false, 5, NONE}},
        {{false, false, 0, NONE}, {false, false, 7, NONE}, {false, false, 0, NONE}},
        {{false, false, NONE, 5}, {false, false, NONE, NONE}, {false, false, NONE, NONE}},
        {{false, false, NONE, 5}, {false, false, NONE, HOWEVER}, {false, false, NONE, 5}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int swapped = 0; swapped < 2; swapped++) {
            const struct freshness_wish *a = swapped ? &cases[i].b : &cases[i].a;
            const struct freshness_wish *b = swapped ? &cases[i].a : &cases[i].b;
            struct freshness_wish wish = freshness_strictest(a, b);
            assert_int_equal(wish.no_cache, cases[i].strictest.no_cache);
            assert_int_equal(wish.only_if_cached, cases[i].strictest.only_if_cached);
            assert_int_equal(wish.max_age, cases[i].strictest.max_age);
            assert_int_equal(wish.max_stale, cases[i].strictest.max_stale);
        }
    }
}

static void waits_are_parsed(void **state) {
    (void)state;
    static const struct {
        const char *header;
        bool found;
        int64_t wait_s;
    } cases[] = {
        {"", false, 0},
        {"wait=10", true, 10},
        {"Wait=0", true, 0},
        {"wait=\"10\"", true, 10},
        {"wait = 10", true, 10},
        {"respond-async, wait=10", true, 10},
        {"return=minimal; foo=\"wait=5, wait=6\", wait=7", true, 7},
        {"wait=10; reason=x", true, 10},
        {"foo; wait=10", false, 0},
        {"wait=3, wait=9", true, 3},
        {"wait=x, wait=9", false, 0},
        {"wait", false, 0},
        {"wait=", false, 0},
        {"wait=-1", false, 0},
        {"wait=1.5", false, 0},
        {"waiting=5", false, 0},
        {"wait=99999999999999999999", true, INT64_MAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t wait_s = 4711;
        bool found = freshness_parse_wait(cases[i].header, &wait_s);
        if (found != cases[i].found || wait_s != (found ? cases[i].wait_s : 4711))
            fail_msg("%s", cases[i].header);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(times_at_the_ends_of_their_range_are_judged),
        cmocka_unit_test(directives_are_parsed),
        cmocka_unit_test(a_value_that_is_no_number_makes_the_header_void),
        cmocka_unit_test(the_strictest_wish_satisfies_both),
        cmocka_unit_test(waits_are_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
