/*
 * The scripts on a number's keys where a lease is held from one call to the next (admit, settle,
 * pass, let_go), and where a window is a provider's own, each by itself, on a redis-server in
 * cluster mode.
 */
#include "number_scene.h"

/* --- after a call whose lease is held --- */

static struct ledger_id hold(struct scene *scene) {
    struct ledger_id holder = ledger_id_make(now_ms() - 5000);
    lend(scene, &holder);
    scene->asked.admit.after = holder;
    return holder;
}

/* Neither what is kept nor an owner is in its way; it counts, and the lease stays for now. */
static void who_comes_after_the_holder_is_next(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct redis_seen ignored;
    const struct answer answer = rig_answer("01", 1000);
    struct digest other = rig_digest();
    prepare(scene);
    struct ledger_id holder = hold(scene);
    keep(scene, &answer, &ignored);
    own(scene, &other, 5);
    scene->asked.admit.infer = true;
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_NEXT);
    assert_true(is_lent_to(scene, &holder));
    script_expect_ttl(&server, key(scene, REDIS_KEY_LEASE), 50000);
    assert_int_equal(calls_in_window(scene), 1);
    script_expect_near(score_of(scene, &scene->asked.admit.id), now_ms());

    /* What came between and refused takes only its place in the window back. */
    withdraw(scene);
    assert_true(is_lent_to(scene, &holder));
    assert_int_equal(calls_in_window(scene), 0);
}

static void who_comes_next_may_be_refused_by_the_window(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    for (int full = 0; full < 2; full++) {
        prepare(scene);
        hold(scene);
        scene->asked.admit.limit.max_calls = 1;
        if (full)
            add_call(scene, SCRIPT_HOUR_MS);
        else
            close_number(scene, now_ms() + SCRIPT_HOUR_MS);
        char *before = script_snapshot(&server);
        assert_int_equal(admit(scene, &said), REDIS_ADMISSION_CLOSED);
        char *after = script_snapshot(&server);
        assert_string_equal(after, before);
        free(before);
        free(after);
    }
}

static void after_another_is_after_nobody(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct redis_seen ignored;
    const struct answer answer = rig_answer("01", 1000);
    prepare(scene);
    struct ledger_id holder = hold(scene);
    scene->asked.admit.after = ledger_id_make(now_ms());
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_WAIT);
    assert_memory_equal(&said.admitted.holder, &holder, sizeof holder);
    redis_server_do(&server, "DEL %s", key(scene, REDIS_KEY_LEASE));
    keep(scene, &answer, &ignored);
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_KEPT);
    redis_server_do(&server, "DEL %s", key(scene, REDIS_KEY_ANSWER));
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    assert_true(is_lent_to(scene, &scene->asked.admit.id));
}

/* --- leases that are held --- */

static bool pass(struct scene *scene) {
    struct script_said said;
    script_say(
        &scene->rig, &said,
        redis_send_pass(scene->rig.link, script_replied, &said, &scene->asked.admit, SENDER));
    assert_int_equal(said.type, REDIS_REPLY_INTEGER);
    return said.integer == 1;
}

static bool let_go(struct scene *scene) {
    struct script_said said;
    script_say(
        &scene->rig, &said,
        redis_send_let_go(scene->rig.link, script_replied, &said, &scene->end.settle, SENDER));
    assert_int_equal(said.type, REDIS_REPLY_INTEGER);
    return said.integer == 1;
}

static void a_lease_is_passed_on_once_and_told(void **state) {
    struct scene *scene = *state;
    struct listener *listener = start_listening();
    prepare(scene);
    struct ledger_id holder = hold(scene);
    assert_true(pass(scene));
    assert_true(is_lent_to(scene, &scene->asked.admit.id));
    script_expect_ttl(&server, key(scene, REDIS_KEY_LEASE), LEASE_MS);
    const struct redis_notice *notice = &listener->notices[0];
    assert_int_equal(hear(listener), 1);
    assert_int_equal(notice->kind, REDIS_NOTICE_PASSED);
    assert_false(notice->stored);
    assert_memory_equal(&notice->call, &holder, sizeof holder);
    assert_memory_equal(&notice->next, &scene->asked.admit.id, sizeof notice->next);
    assert_int_equal(notice->lease_ms, LEASE_MS);
    assert_true(digest_equal(&notice->triple, &scene->asked.admit.triple));

    redis_server_do(&server, "PEXPIRE %s 20000", key(scene, REDIS_KEY_LEASE));
    assert_true(pass(scene));
    script_expect_ttl(&server, key(scene, REDIS_KEY_LEASE), 20000);
    assert_int_equal(hear(listener), 0);

    /* What is another's, or nobody's any more, is not there to be passed on. */
    lend(scene, &scene->end.settle.id);
    scene->asked.admit.id = ledger_id_make(now_ms());
    assert_false(pass(scene));
    assert_true(is_lent_to(scene, &scene->end.settle.id));
    redis_server_do(&server, "DEL %s", key(scene, REDIS_KEY_LEASE));
    assert_false(pass(scene));
    assert_false(script_exists(&server, key(scene, REDIS_KEY_LEASE)));
    assert_int_equal(hear(listener), 0);
    stop_listening(listener);
}

/* All of it is written, and those who remember an older answer are told; nobody's waiting ends. */
static void a_held_call_keeps_its_lease(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct listener *listener = start_listening();
    struct redis_seen seen;
    const struct answer newer = rig_answer("02", now_ms() / 1000 + 100);
    prepare(scene);
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    scene->end.settle.hold = true;
    assert_true(settle(scene));
    assert_true(is_lent_to(scene, &scene->asked.admit.id));
    script_expect_ttl(&server, key(scene, REDIS_KEY_LEASE), LEASE_MS);
    script_expect_ttl(&server, key(scene, REDIS_KEY_ANSWER), SCRIPT_HOUR_MS);
    script_expect_ttl(&server, key(scene, REDIS_KEY_OWNER), SCRIPT_HOUR_MS);
    assert_true(score_of(scene, &scene->asked.admit.id) > 0);
    assert_true(hear_one(listener, scene, REDIS_NOTICE_HELD)->stored);

    keep(scene, &newer, &seen);
    assert_false(settle(scene));
    assert_false(hear_one(listener, scene, REDIS_NOTICE_HELD)->stored);
    scene->end.settle.keep = false;
    settle(scene);
    assert_int_equal(hear(listener), 0);
    rig_end_failed(&scene->end, &scene->asked, FAILURE_UPSTREAM_TIMEOUT);
    scene->end.settle.hold = true;
    settle(scene);
    assert_int_equal(hear(listener), 0);
    assert_true(is_lent_to(scene, &scene->asked.admit.id));
    stop_listening(listener);
}

static void a_lease_that_is_let_go_tells_as_its_end_says(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct listener *listener = start_listening();
    const struct redis_notice *notice;
    prepare(scene);
    for (int how = 0; how < 3; how++) {
        static const enum redis_notice_kind kinds[] = {REDIS_NOTICE_ANSWERED, REDIS_NOTICE_FAILED,
                                                       REDIS_NOTICE_WITHDRAWN};
        prepare(scene);
        if (how > 0)
            rig_end_failed(&scene->end, &scene->asked, FAILURE_UPSTREAM_TIMEOUT);
        scene->end.settle.again = how == 2;
        assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
        scene->end.settle.hold = true;
        settle(scene);
        hear(listener);
        /* What was forgotten meanwhile does not come back. */
        redis_server_do(&server, "DEL %s", key(scene, REDIS_KEY_ANSWER));
        scene->end.settle.hold = false;
        assert_true(let_go(scene));
        notice = hear_one(listener, scene, kinds[how]);
        assert_false(notice->stored);
        if (how == 0)
            assert_same_answer(&notice->answer, &scene->end.settle.answer);
        if (how == 1)
            assert_int_equal(notice->failure, FAILURE_UPSTREAM_TIMEOUT);
        assert_false(script_exists(&server, key(scene, REDIS_KEY_LEASE)));
        assert_false(script_exists(&server, key(scene, REDIS_KEY_ANSWER)));
        assert_true(score_of(scene, &scene->asked.admit.id) > 0);

        struct ledger_id other = ledger_id_make(now_ms());
        assert_false(let_go(scene));
        lend(scene, &other);
        assert_false(let_go(scene));
        assert_true(is_lent_to(scene, &other));
        assert_int_equal(hear(listener), 0);
    }
    stop_listening(listener);
}

/* What is counted and closed is so in the call's own window. */
static void another_window_is_another_count(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct redis_key own_keys[REDIS_NUMBER_KEYS];
    prepare(scene);
    redis_keys_of_number(&scene->asked.admit.number, &scene->asked.admit.triple, "acme", own_keys);
    strcpy(scene->asked.admit.window, "acme");
    strcpy(scene->end.settle.window, "acme");
    for (int i = 0; i < 3; i++)
        add_call(scene, SCRIPT_HOUR_MS);
    close_number(scene, now_ms() + SCRIPT_HOUR_MS);
    char *before = script_snapshot_of(&server, key(scene, REDIS_KEY_WINDOW));
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    const struct ledger_id *id = &scene->asked.admit.id;
    script_expect_near(script_score(&server, own_keys[REDIS_KEY_WINDOW].text, id), now_ms());
    scene->end.settle.close_ms = SCRIPT_DAY_MS;
    settle(scene);
    script_expect_ttl(&server, own_keys[REDIS_KEY_CLOSED].text, SCRIPT_DAY_MS);
    scene->end.settle.ledger.state = LEDGER_RELEASED;
    settle(scene);
    assert_int_equal(script_score(&server, own_keys[REDIS_KEY_WINDOW].text, id), -1);
    char *after = script_snapshot_of(&server, key(scene, REDIS_KEY_WINDOW));
    assert_string_equal(after, before);
    script_expect_near(closed_until(scene), now_ms() + SCRIPT_HOUR_MS);
    free(before);
    free(after);
}

int main(void) {
#define SCENE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        SCENE(who_comes_after_the_holder_is_next),
        SCENE(who_comes_next_may_be_refused_by_the_window),
        SCENE(after_another_is_after_nobody),
        SCENE(a_lease_is_passed_on_once_and_told),
        SCENE(a_held_call_keeps_its_lease),
        SCENE(a_lease_that_is_let_go_tells_as_its_end_says),
        SCENE(another_window_is_another_count),
    };
    if (sodium_init() < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, remove_server);
}
