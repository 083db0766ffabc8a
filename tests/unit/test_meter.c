/* Rates by the microsecond, hits that are taken once, and counts that end with their period. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "money/meter.h"

#define NOW_US INT64_C(5000000000)
#define DAY_MS INT64_C(86400000)

static void a_burst_comes_at_once_and_no_more(void **state) {
    (void)state;
    struct meter meter = {0};
    for (int i = 0; i < 5; i++) {
        struct meter_rate rate = meter_take(&meter, 10, 5, NOW_US);
        assert_true(rate.allowed);
        assert_int_equal(rate.left, 4 - i);
        assert_int_equal(rate.full_ms, (i + 1) * 100);
        assert_int_equal(rate.retry_ms, 0);
    }
    struct meter_rate rate = meter_take(&meter, 10, 5, NOW_US);
    assert_false(rate.allowed);
    assert_int_equal(rate.left, 0);
    assert_int_equal(rate.retry_ms, 100);
    assert_int_equal(rate.full_ms, 500);
}

static void a_refused_one_changes_nothing(void **state) {
    (void)state;
    struct meter meter = {0};
    assert_true(meter_take(&meter, 1, 1, NOW_US).allowed);
    for (int i = 0; i < 1000; i++)
        assert_false(meter_take(&meter, 1, 1, NOW_US + 999999).allowed);
    assert_int_equal(meter_take(&meter, 1, 1, NOW_US + 999999).retry_ms, 1);
    assert_true(meter_take(&meter, 1, 1, NOW_US + 1000000).allowed);
}

/* Whoever asks as soon as they are told that they may is let in, and gets the rate and the burst.
 */
static void the_average_is_the_rate(void **state) {
    (void)state;
    static const int64_t rates[] = {1, 3, 7, 100, 999, 12345, 100000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct meter meter = {0};
        int64_t allowed = 0;
        for (int64_t us = 0; us < 2000000; us += 5)
            allowed += meter_take(&meter, rates[i], 20, NOW_US + us).allowed;
        int64_t expected = 2 * rates[i] + 20;
        assert_in_range(allowed, expected - 1 - expected / 50, expected + 1 + expected / 50);
    }
}

static void what_was_not_used_is_not_saved_beyond_the_burst(void **state) {
    (void)state;
    struct meter meter = {0};
    assert_true(meter_take(&meter, 10, 3, NOW_US).allowed);
    int allowed = 0;
    for (int i = 0; i < 10; i++)
        allowed += meter_take(&meter, 10, 3, NOW_US + 3600 * INT64_C(1000000)).allowed;
    assert_int_equal(allowed, 3);
}

static void without_a_rate_everything_is_allowed(void **state) {
    (void)state;
    struct meter meter = {0};
    for (int i = 0; i < 100; i++)
        assert_true(meter_take(&meter, 0, 0, NOW_US).allowed);
}

static _Atomic int64_t allowed_together;

static void *take_many(void *arg) {
    for (int i = 0; i < 1000; i++)
        allowed_together += meter_take(arg, 10, 500, NOW_US).allowed;
    return NULL;
}

static void threads_share_one_burst(void **state) {
    (void)state;
    struct meter meter = {0};
    pthread_t threads[4];
    allowed_together = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &meter), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(allowed_together, 500);
}

static void counts_hold_until_their_period_ends(void **state) {
    (void)state;
    struct meter meter = {0};
    assert_int_equal(meter_day_used(&meter, 1), -1);
    assert_int_equal(meter_month_used(&meter, 1), -1);
    meter_note_used(&meter, DAY_MS, 7, 30 * DAY_MS, 70);
    assert_int_equal(meter_day_used(&meter, DAY_MS - 1), 7);
    assert_int_equal(meter_day_used(&meter, DAY_MS), -1);
    assert_int_equal(meter_month_used(&meter, DAY_MS), 70);
    assert_int_equal(meter_month_used(&meter, 30 * DAY_MS), -1);
    meter_note_used(&meter, 2 * DAY_MS, 1, 30 * DAY_MS, 71);
    assert_int_equal(meter_day_used(&meter, DAY_MS), 1);
    assert_int_equal(meter_month_used(&meter, DAY_MS), 71);
}

static void hits_are_taken_once(void **state) {
    (void)state;
    struct meter meter = {0};
    meter.hits += 3;
    assert_int_equal(meter_take_hits(&meter), 3);
    assert_int_equal(meter_take_hits(&meter), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_comes_at_once_and_no_more),
        cmocka_unit_test(a_refused_one_changes_nothing),
        cmocka_unit_test(the_average_is_the_rate),
        cmocka_unit_test(what_was_not_used_is_not_saved_beyond_the_burst),
        cmocka_unit_test(without_a_rate_everything_is_allowed),
        cmocka_unit_test(threads_share_one_burst),
        cmocka_unit_test(counts_hold_until_their_period_ends),
        cmocka_unit_test(hits_are_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
