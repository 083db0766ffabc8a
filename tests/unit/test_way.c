/* Whom a question's next call goes to: down the order, by what may be used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/way.h"

static int64_t test_now_ms;

static int64_t read_clock(const struct clock *clock) {
    (void)clock;
    return test_now_ms;
}

static const struct clock test_clock = {read_clock, read_clock};

static const struct provider providers[] = {
    {.id = "guide", .guide = true}, {.id = "second"}, {.id = "third"}};

static const struct breaker_settings bounds = {
    .failures = 50, .least_calls = 2, .window_ms = 10000, .open_for_ms = 5000, .probes = 1};

static const struct breaker_name names[] = {
    {BREAKER_PROVIDER, "guide", false}, {BREAKER_PROVIDER, "second", false},
    {BREAKER_PROVIDER, "third", false}, {BREAKER_CREDENTIAL, "a", false},
    {BREAKER_CREDENTIAL, "b", false},   {BREAKER_CREDENTIAL, "c", false},
};

struct scene {
    struct way_offer offer;
    struct way way;
    struct way_step step;
};

static void add(struct budget_plan *plan, const char *credential, int provider) {
    struct budget_line *line = &plan->lines[plan->count++];
    snprintf(line->credential, sizeof line->credential, "%s", credential);
    line->provider = provider;
}

/* a and b are the first provider's, c the third's. */
static int set_up(void **state) {
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    test_now_ms = 1000000;
    scene.offer.plan = budget_plan_new(4);
    scene.offer.plan->count = 0;
    scene.offer.plan->version = 7;
    add(scene.offer.plan, "a", 0);
    add(scene.offer.plan, "c", 2);
    add(scene.offer.plan, "b", 0);
    scene.offer.providers = providers;
    scene.offer.provider_count = 3;
    scene.offer.breakers = breaker_board_new(&bounds, &test_clock);
    assert_true(
        breaker_board_set(scene.offer.breakers, &bounds, names, sizeof names / sizeof names[0]));
    *state = &scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    budget_plan_release(scene->step.plan_owned);
    budget_plan_release(scene->offer.plan);
    breaker_board_free(scene->offer.breakers);
    return 0;
}

/* Where it leads, as "provider: credentials"; "" where nowhere. */
static void assert_leads(struct scene *scene, const char *expected) {
    char text[64] = "";
    budget_plan_release(scene->step.plan_owned);
    if (way_find(&scene->way, &scene->offer, &scene->step)) {
        breaker_leave(scene->offer.breakers, &scene->step.pass, BREAKER_NONE);
        snprintf(text, sizeof text, "%s:", providers[scene->way.provider].id);
        for (int i = 0; i < scene->step.plan_owned->count; i++) {
            strcat(text, " ");
            strcat(text, scene->step.plan_owned->lines[i].credential);
        }
        assert_int_equal(scene->step.plan_owned->version, 7);
    }
    assert_string_equal(text, expected);
}

static void break_provider(const struct scene *scene, const char *name) {
    breaker_open(scene->offer.breakers, BREAKER_PROVIDER, name, 5000, FAILURE_UPSTREAM_UNAVAILABLE);
}

static void it_goes_down_the_order(void **state) {
    struct scene *scene = *state;
    assert_leads(scene, "guide: a b");
    assert_true(way_has_other(&scene->way, &scene->offer, NULL));
    way_pass_on(&scene->way);
    assert_leads(scene, "third: c");
    assert_false(way_has_other(&scene->way, &scene->offer, NULL));
    way_pass_on(&scene->way);
    assert_leads(scene, "");
    assert_int_equal(scene->step.barred, FAILURE_NONE);
}

static void a_whole_plan_is_not_copied(void **state) {
    struct scene *scene = *state;
    for (int i = 0; i < scene->offer.plan->count; i++)
        scene->offer.plan->lines[i].provider = 0;
    assert_leads(scene, "guide: a c b");
    assert_ptr_equal(scene->step.plan_owned, scene->offer.plan);
}

static void a_refused_code_is_not_asked_again(void **state) {
    struct scene *scene = *state;
    assert_true(way_has_other(&scene->way, &scene->offer, "a"));
    way_avoid(&scene->way, "a");
    assert_leads(scene, "guide: b");
    way_avoid(&scene->way, "b");
    assert_leads(scene, "third: c");
    assert_false(way_has_other(&scene->way, &scene->offer, "c"));
    way_avoid(&scene->way, "c");
    assert_leads(scene, "");
}

static void breakers_bar_the_way(void **state) {
    struct scene *scene = *state;
    breaker_open(scene->offer.breakers, BREAKER_CREDENTIAL, "a", 3000,
                 FAILURE_UPSTREAM_UNAVAILABLE);
    assert_leads(scene, "guide: b");
    break_provider(scene, "guide");
    assert_leads(scene, "third: c");
    scene->way = (struct way){0};
    test_now_ms += 1000;
    break_provider(scene, "third");
    assert_leads(scene, "");
    assert_int_equal(scene->step.barred, FAILURE_UPSTREAM_UNAVAILABLE);
    assert_int_equal(scene->step.wait_ms, 2000);
}

static void behind_an_open_breaker_one_probe_goes(void **state) {
    struct scene *scene = *state;
    break_provider(scene, "guide");
    test_now_ms += 5000;
    assert_true(way_find(&scene->way, &scene->offer, &scene->step));
    assert_int_equal(scene->way.provider, 0);
    struct way other = {0};
    struct way_step step;
    assert_true(way_find(&other, &scene->offer, &step));
    assert_int_equal(other.provider, 2);
    budget_plan_release(step.plan_owned);
    breaker_leave(scene->offer.breakers, &step.pass, BREAKER_NONE);
    breaker_leave(scene->offer.breakers, &scene->step.pass, BREAKER_GOOD);
    scene->way = (struct way){0};
    assert_leads(scene, "guide: a b");
}

static void too_many_refused_codes_are_one_refused_provider(void **state) {
    struct scene *scene = *state;
    for (int i = 0; i < WAY_AVOIDED_MOST; i++)
        way_avoid(&scene->way, "x");
    assert_leads(scene, "guide: a b");
    way_avoid(&scene->way, "a");
    assert_leads(scene, "third: c");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_goes_down_the_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_whole_plan_is_not_copied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_code_is_not_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(breakers_bar_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(behind_an_open_breaker_one_probe_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_refused_codes_are_one_refused_provider, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
