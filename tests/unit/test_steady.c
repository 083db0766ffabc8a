/* A Unix time that drifts with the wall clock and does not jump with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/steady.h"

#define START_MS INT64_C(1800000000000)
#define DAY_MS   INT64_C(86400000)

static struct scene {
    int64_t wall_ms, boot_ms;
    struct steady steady;
} scene;

static int64_t wall_ms(void *arg) {
    return ((struct scene *)arg)->wall_ms;
}

static int64_t boot_ms(void *arg) {
    return ((struct scene *)arg)->boot_ms;
}

static int setup(void **state) {
    (void)state;
    scene = (struct scene){
        .wall_ms = START_MS,
        .boot_ms = 5000,
        .steady = {.wall_ms = wall_ms,
                   .boot_ms = boot_ms,
                   .arg = &scene,
                   .mutex = PTHREAD_MUTEX_INITIALIZER},
    };
    steady_begin(&scene.steady);
    return 0;
}

static void pass(int64_t ms) {
    scene.wall_ms += ms;
    scene.boot_ms += ms;
}

static enum steady_event look(void) {
    int64_t apart_ms = 0;
    return steady_follow(&scene.steady, STEADY_WALL, scene.wall_ms, &apart_ms);
}

static enum steady_event hear(int64_t unix_ms) {
    int64_t apart_ms = 0;
    return steady_follow(&scene.steady, STEADY_STORE, unix_ms, &apart_ms);
}

static int64_t now(void) {
    return steady_unix_ms(&scene.steady);
}

static void it_begins_as_the_wall_clock_and_goes_on_with_time(void **state) {
    (void)state;
    assert_int_equal(now(), START_MS);
    pass(1234);
    assert_int_equal(now(), START_MS + 1234);
    assert_int_equal(look(), STEADY_QUIET);
    assert_int_equal(now(), START_MS + 1234);
}

static void a_jump_is_told_once_and_not_followed(void **state) {
    (void)state;
    static const int64_t jumps[] = {DAY_MS, -DAY_MS, 10001, -10001};
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        setup(NULL);
        scene.wall_ms += jumps[i];
        assert_int_equal(look(), STEADY_JUMPED);
        for (int second = 0; second < 1000; second++) {
            pass(1000);
            assert_int_equal(look(), STEADY_QUIET);
        }
        assert_int_equal(now(), START_MS + 1000000);
        assert_int_equal(steady_apart_ms(&scene.steady, STEADY_WALL), jumps[i]);
        scene.wall_ms -= jumps[i];
        assert_int_equal(look(), STEADY_RETURNED);
        assert_int_equal(look(), STEADY_QUIET);
        assert_int_equal(now(), START_MS + 1000000);
    }
}

static void a_further_jump_is_told_again(void **state) {
    (void)state;
    scene.wall_ms += DAY_MS;
    assert_int_equal(look(), STEADY_JUMPED);
    scene.wall_ms -= 2 * DAY_MS;
    assert_int_equal(look(), STEADY_JUMPED);
    assert_int_equal(look(), STEADY_QUIET);
    assert_int_equal(now(), START_MS);
}

/* A second that is corrected is at least 950 and at most 1050 ms long. */
static void drift_is_made_up_for_slowly(void **state) {
    (void)state;
    static const int64_t drifts[] = {9000, -9000};
    for (size_t i = 0; i < sizeof drifts / sizeof drifts[0]; i++) {
        setup(NULL);
        scene.wall_ms += drifts[i];
        for (int second = 0; second < 200; second++) {
            int64_t before = now();
            pass(1000);
            assert_int_equal(look(), STEADY_QUIET);
            assert_in_range(now() - before, 950, 1050);
        }
        assert_int_equal(now(), scene.wall_ms);
    }
}

static void looking_often_follows_no_faster(void **state) {
    (void)state;
    scene.wall_ms += 5000;
    for (int i = 0; i < 10000; i++) {
        pass(i % 10 == 0);
        look();
    }
    assert_in_range(now() - START_MS, 1000, 1050);
}

static void it_can_be_taken_as_it_is(void **state) {
    (void)state;
    scene.wall_ms -= DAY_MS;
    look();
    assert_int_equal(steady_take(&scene.steady), -DAY_MS);
    assert_int_equal(now(), START_MS - DAY_MS);
    assert_int_equal(look(), STEADY_QUIET);
    assert_int_equal(steady_apart_ms(&scene.steady, STEADY_WALL), 0);
    assert_int_equal(steady_take(&scene.steady), 0);
}

static void the_first_word_of_a_store_is_taken(void **state) {
    (void)state;
    look();
    assert_int_equal(hear(START_MS - DAY_MS), STEADY_ADOPTED);
    assert_int_equal(now(), START_MS - DAY_MS);
    /* That the wall clock is elsewhere has been said with it. */
    assert_int_equal(look(), STEADY_QUIET);
    assert_int_equal(steady_apart_ms(&scene.steady, STEADY_WALL), DAY_MS);
    pass(1000);
    assert_int_equal(now(), START_MS - DAY_MS + 1000);
    scene.wall_ms += 3 * DAY_MS;
    assert_int_equal(look(), STEADY_JUMPED);
    assert_int_equal(now(), START_MS - DAY_MS + 1000);
}

static void a_store_that_is_near_is_followed_slowly(void **state) {
    (void)state;
    assert_int_equal(hear(START_MS + 4000), STEADY_QUIET);
    assert_int_equal(now(), START_MS);
    for (int second = 1; second <= 100; second++) {
        pass(1000);
        assert_int_equal(hear(START_MS + 4000 + second * 1000), STEADY_QUIET);
    }
    /* What an answer's way takes is no difference. */
    assert_in_range(START_MS + 104000 - now(), 0, 250);
}

static void a_store_that_jumps_is_followed_when_it_is_taken(void **state) {
    (void)state;
    assert_int_equal(hear(START_MS), STEADY_QUIET);
    assert_int_equal(hear(START_MS + DAY_MS), STEADY_JUMPED);
    assert_int_equal(hear(START_MS + DAY_MS), STEADY_QUIET);
    assert_int_equal(now(), START_MS);
    assert_int_equal(steady_take(&scene.steady), DAY_MS);
    assert_int_equal(now(), START_MS + DAY_MS);
    assert_int_equal(hear(START_MS + DAY_MS), STEADY_QUIET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_begins_as_the_wall_clock_and_goes_on_with_time, setup),
        cmocka_unit_test_setup(a_jump_is_told_once_and_not_followed, setup),
        cmocka_unit_test_setup(a_further_jump_is_told_again, setup),
        cmocka_unit_test_setup(drift_is_made_up_for_slowly, setup),
        cmocka_unit_test_setup(looking_often_follows_no_faster, setup),
        cmocka_unit_test_setup(it_can_be_taken_as_it_is, setup),
        cmocka_unit_test_setup(the_first_word_of_a_store_is_taken, setup),
        cmocka_unit_test_setup(a_store_that_is_near_is_followed_slowly, setup),
        cmocka_unit_test_setup(a_store_that_jumps_is_followed_when_it_is_taken, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
