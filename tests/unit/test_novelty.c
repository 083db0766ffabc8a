/* Statuses that the guide does not have, on their way from workers to the alerts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/novelty.h"

static char taken[NOVELTY_MOST][RESULT_STATUS_SIZE];

static struct novelty make(void) {
    struct novelty novelty;
    assert_true(novelty_init(&novelty));
    return novelty;
}

static void a_status_is_taken_once(void **state) {
    (void)state;
    struct novelty novelty = make();
    novelty_note(&novelty, "299");
    novelty_note(&novelty, "300");
    novelty_note(&novelty, "299");
    assert_int_equal(novelty_take(&novelty, taken), 2);
    assert_string_equal(taken[0], "299");
    assert_string_equal(taken[1], "300");
    assert_int_equal(novelty_take(&novelty, taken), 0);
    novelty_note(NULL, "299");
    novelty_destroy(&novelty);
}

static void what_looks_like_no_status_is_not_repeated(void **state) {
    (void)state;
    static const char *const odd[] = {"", "a b", "a/b", "\n", "状态", "1234567890123456"};
    struct novelty novelty = make();
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        novelty_note(&novelty, odd[i]);
    assert_int_equal(novelty_take(&novelty, taken), 1);
    assert_string_equal(taken[0], "other");
    novelty_destroy(&novelty);
}

static void only_few_are_kept(void **state) {
    (void)state;
    struct novelty novelty = make();
    char status[RESULT_STATUS_SIZE];
    for (int i = 0; i < 3 * NOVELTY_MOST; i++) {
        snprintf(status, sizeof status, "%d", 300 + i);
        novelty_note(&novelty, status);
    }
    assert_int_equal(novelty_take(&novelty, taken), NOVELTY_MOST);
    novelty_destroy(&novelty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_taken_once),
        cmocka_unit_test(what_looks_like_no_status_is_not_repeated),
        cmocka_unit_test(only_few_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
