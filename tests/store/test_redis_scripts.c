/*
 * The scripts on a number's keys (admit, settle, withdraw), find and find_place, each by itself, on
 * a redis-server in cluster mode, so that one that names keys of two slots would be refused.
 */
#include "number_scene.h"

/* --- that it is a cluster --- */

static void keys_of_two_slots_are_refused_here(void **state) {
    (void)state;
    redisReply *reply = redis_server_ask(&server, "EVAL %s 2 {a}1 {b}1",
                                         "return redis.call('EXISTS', KEYS[1], KEYS[2])");
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_non_null(strstr(reply->str, "CROSSSLOT"));
    freeReplyObject(reply);
}

/* A script reaches only what it names: an undeclared key is not checked by the server. */
static void scripts_touch_declared_keys_only(void **state) {
    (void)state;
    for (int i = 0; i < REDIS_SCRIPTS; i++) {
        const char *at = redis_scripts[i].text;
        while ((at = strstr(at, "redis.call("))) {
            const char *command = strchr(at, '\'');
            const char *next = strchr(command + 1, '\'') + 1;
            bool keyless =
                strncmp(command, "'TIME'", 6) == 0 || strncmp(command, "'PUBLISH'", 9) == 0;
            if (!keyless && strncmp(next, ", KEYS[", 7) != 0)
                fail_msg("%s: %.40s", redis_scripts[i].name, at);
            at = next;
        }
    }
}

/* --- admit --- */

static void the_first_one_leads(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    prepare(scene);
    const struct ledger_id *id = &scene->asked.admit.id;
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    assert_true(is_lent_to(scene, id));
    script_expect_ttl(&server, key(scene, REDIS_KEY_LEASE), LEASE_MS);
    script_expect_near(score_of(scene, id), now_ms());
    assert_int_equal(calls_in_window(scene), 1);
    script_expect_ttl(&server, key(scene, REDIS_KEY_WINDOW), SCRIPT_DAY_MS);
    assert_int_equal(redis_server_count(&server, "DBSIZE"), 2);
}

static void without_a_limit_there_is_no_window(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    prepare(scene);
    scene->asked.admit.limit.max_calls = 0;
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    assert_int_equal(redis_server_count(&server, "DBSIZE"), 1);
}

static void who_leads_already_leads(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    prepare(scene);
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    long long writes = redis_server_writes(&server);
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    assert_int_equal(redis_server_writes(&server), writes);
}

static void whoever_comes_then_waits_for_the_leader(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    prepare(scene);
    struct ledger_id leader = scene->asked.admit.id;
    admit(scene, &said);
    scene->asked.admit.id = ledger_id_make(now_ms());
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_WAIT);
    assert_memory_equal(&said.admitted.holder, &leader, sizeof leader);
    assert_true(said.admitted.left_ms <= LEASE_MS);
    script_expect_near(said.admitted.left_ms, LEASE_MS);
    scene->asked.admit.wish.no_cache = true;
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_WAIT);
}

static void a_kept_answer_is_shown_once(void **state) {
    struct scene *scene = *state;
    const struct answer old = rig_answer("01", 1000);
    const struct answer kept = rig_answer("02", 2000);
    struct redis_seen seen[3] = {{.size = 0}};
    struct redis_seen ignored;
    seen[1].size = answer_encode(&old, seen[1].bytes);
    seen[2].size = answer_encode(&kept, seen[2].bytes);
    static const struct {
        int seen;
        bool no_cache;
        enum redis_decision what;
    } cases[] = {
        {0, false, REDIS_ADMISSION_KEPT}, {1, false, REDIS_ADMISSION_KEPT},
        {2, false, REDIS_ADMISSION_LEAD}, {0, true, REDIS_ADMISSION_LEAD},
        {2, true, REDIS_ADMISSION_LEAD},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct script_said said;
        prepare(scene);
        keep(scene, &kept, &ignored);
        scene->asked.admit.wish.no_cache = cases[i].no_cache;
        assert_int_equal(admit_seen(scene, &said, &seen[cases[i].seen]), cases[i].what);
        if (cases[i].what != REDIS_ADMISSION_KEPT)
            continue;
        assert_int_equal(said.size, seen[2].size);
        assert_memory_equal(said.bytes, seen[2].bytes, said.size);
    }
}

static void a_full_window_says_when_it_opens(void **state) {
    struct scene *scene = *state;
    static const struct {
        int64_t ages_h[5]; /* up to the first 0 */
        int64_t most;
        int64_t left_h; /* 0: it is open */
    } cases[] = {
        {{0}, 1, 0},           {{1}, 1, 23},         {{1, 4}, 2, 20}, {{4, 1}, 2, 20},
        {{1, 4}, 3, 0},        {{1, 24}, 2, 0},      {{1, 25}, 2, 0}, {{24, 25, 26}, 1, 0},
        {{1, 2, 3, 4}, 3, 21}, /* the limit was higher once */
        {{1, 2, 3, 4}, 1, 23}, {{1, 2, 3, 4}, 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct script_said said;
        prepare(scene);
        int young = 0;
        for (int call = 0; cases[i].ages_h[call] != 0; call++) {
            bool is_young = cases[i].ages_h[call] < 24;
            /* The server's time within a command may be a millisecond behind ours. */
            add_call(scene, cases[i].ages_h[call] * SCRIPT_HOUR_MS + (is_young ? 0 : 50));
            young += is_young;
        }
        scene->asked.admit.limit.max_calls = cases[i].most;
        long long writes = redis_server_writes(&server);
        enum redis_decision what = admit(scene, &said);
        if (cases[i].left_h == 0) {
            assert_int_equal(what, REDIS_ADMISSION_LEAD);
            /* Those that do not count any more are gone. */
            assert_int_equal(calls_in_window(scene), young + (cases[i].most > 0));
            continue;
        }
        assert_int_equal(what, REDIS_ADMISSION_CLOSED);
        script_expect_near(said.admitted.left_ms, cases[i].left_h * SCRIPT_HOUR_MS);
        assert_int_equal(redis_server_writes(&server), writes);
    }
}

static void a_closed_number_opens_by_itself(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    prepare(scene);
    close_number(scene, now_ms() + 5 * SCRIPT_HOUR_MS);
    scene->asked.admit.wish.no_cache = true;
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_CLOSED);
    script_expect_near(said.admitted.left_ms, 5 * SCRIPT_HOUR_MS);
    scene->asked.admit.limit.max_calls = 0;
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_CLOSED);
    close_number(scene, now_ms() - 1);
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
}

static void a_proven_number_answers_for_others(void **state) {
    struct scene *scene = *state;
    static const struct {
        bool own;
        bool infer;
        bool no_cache;
        enum redis_decision what;
    } cases[] = {
        {false, true, false, REDIS_ADMISSION_INFERRED},
        {false, false, false, REDIS_ADMISSION_LEAD},
        {false, true, true, REDIS_ADMISSION_LEAD},
        {true, true, false, REDIS_ADMISSION_LEAD},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct script_said said;
        struct digest other = rig_digest();
        prepare(scene);
        own(scene, cases[i].own ? &scene->asked.admit.triple : &other, 1795536000);
        scene->asked.admit.infer = cases[i].infer;
        scene->asked.admit.wish.no_cache = cases[i].no_cache;
        assert_int_equal(admit(scene, &said), cases[i].what);
        if (cases[i].what == REDIS_ADMISSION_INFERRED)
            assert_int_equal(said.admitted.proven_at, 1795536000);
    }
}

/* The order in which they are looked at: who leads, what is kept, whose it is, is it closed. */
static void the_first_reason_is_given_and_none_writes(void **state) {
    struct scene *scene = *state;
    enum { LENT = 1, KEPT = 2, OWNED = 4, CLOSED = 8, FULL = 16 };
    for (int there = 1; there < 32; there++) {
        struct script_said said;
        struct redis_seen ignored;
        const struct answer answer = rig_answer("01", 1000);
        struct digest other = rig_digest();
        prepare(scene);
        struct ledger_id leader = ledger_id_make(now_ms());
        enum redis_decision what = REDIS_ADMISSION_CLOSED;
        if (there & FULL)
            add_call(scene, SCRIPT_HOUR_MS);
        if (there & CLOSED)
            close_number(scene, now_ms() + SCRIPT_HOUR_MS);
        if (there & OWNED) {
            own(scene, &other, 5);
            what = REDIS_ADMISSION_INFERRED;
        }
        if (there & KEPT) {
            keep(scene, &answer, &ignored);
            what = REDIS_ADMISSION_KEPT;
        }
        if (there & LENT) {
            lend(scene, &leader);
            what = REDIS_ADMISSION_WAIT;
        }
        scene->asked.admit.infer = true;
        scene->asked.admit.limit.max_calls = 1;
        long long writes = redis_server_writes(&server);
        char *before = script_snapshot(&server);
        assert_int_equal(admit(scene, &said), what);
        char *after = script_snapshot(&server);
        assert_string_equal(after, before);
        assert_int_equal(redis_server_writes(&server), writes);
        free(before);
        free(after);
    }
}

/* --- settle --- */

static void a_settled_call_leaves_its_answer(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    uint8_t bytes[ANSWER_ENCODED_MAX];
    prepare(scene);
    scene->end.settle.retain_until += 3600; /* kept for longer than it is fresh */
    admit(scene, &said);
    int64_t score = score_of(scene, &scene->asked.admit.id);
    assert_true(settle(scene));

    assert_false(script_exists(&server, key(scene, REDIS_KEY_LEASE)));
    assert_int_equal(score_of(scene, &scene->asked.admit.id), score);
    script_expect_ttl(&server, key(scene, REDIS_KEY_WINDOW), SCRIPT_DAY_MS);
    script_expect_ttl(&server, key(scene, REDIS_KEY_ANSWER), 2 * SCRIPT_HOUR_MS);
    script_expect_ttl(&server, key(scene, REDIS_KEY_OWNER), SCRIPT_HOUR_MS);
    script_expect_ttl(&server, key(scene, REDIS_KEY_CLOSED), 0);
    script_say(&scene->rig, &said,
               redis_send_find(scene->rig.link, script_replied, &said, &scene->end.settle.number,
                               &scene->end.settle.triple));
    assert_int_equal(said.type, REDIS_REPLY_STRING);
    assert_int_equal(said.size, answer_encode(&scene->end.settle.answer, bytes));
    assert_memory_equal(said.bytes, bytes, said.size);
}

static void what_is_not_kept_is_not_found(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    for (int i = 0; i < 3; i++) {
        prepare(scene);
        admit(scene, &said);
        if (i == 0)
            scene->end.settle.keep = false;
        else if (i == 1)
            rig_end_failed(&scene->end, &scene->asked, FAILURE_UPSTREAM_TIMEOUT);
        else /* delivered when its time is over */
            scene->end.settle.retain_until = now_ms() / 1000 - 1;
        assert_false(settle(scene));
        assert_false(script_exists(&server, key(scene, REDIS_KEY_LEASE)));
        assert_int_equal(calls_in_window(scene), 1);
        script_say(&scene->rig, &said,
                   redis_send_find(scene->rig.link, script_replied, &said,
                                   &scene->end.settle.number, &scene->end.settle.triple));
        assert_int_equal(said.type, REDIS_REPLY_NIL);
    }
}

static void settling_twice_changes_nothing(void **state) {
    struct scene *scene = *state;
    static const char *const statuses[] = {"01", "02", "203", ""};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct script_said said;
        prepare(scene);
        admit(scene, &said);
        rig_end(&scene->end, &scene->asked, rig_answer(statuses[i], now_ms() / 1000));
        if (*statuses[i] == '\0')
            rig_end_failed(&scene->end, &scene->asked, FAILURE_UPSTREAM_TIMEOUT);
        if (strcmp(statuses[i], "203") == 0)
            scene->end.settle.close_ms = SCRIPT_DAY_MS;
        bool stored = settle(scene);
        char *before = script_snapshot(&server);
        assert_int_equal(settle(scene), stored);
        char *after = script_snapshot(&server);
        assert_string_equal(after, before);
        free(before);
        free(after);
    }
}

/* The next call of the question has begun meanwhile. */
static void anothers_lease_is_left_alone(void **state) {
    struct scene *scene = *state;
    prepare(scene);
    struct ledger_id other = ledger_id_make(now_ms());
    lend(scene, &other);
    settle(scene);
    assert_true(is_lent_to(scene, &other));
    withdraw(scene);
    assert_true(is_lent_to(scene, &other));
}

static void a_newer_answer_is_not_replaced(void **state) {
    struct scene *scene = *state;
    static const struct {
        int64_t kept;
        int64_t given;
        bool stored;
    } cases[] = {
        {1795536000, 1795536000, true},
        {1795536000, 1795535999, false},
        {1795536000, 1795536001, true},
        /* Around the lengths of a varint, and in the order of the numbers, not of the bytes. */
        {63, 64, true},
        {64, 63, false},
        {8191, 8192, true},
        {8192, 8191, false},
        {256, 257, true},
        {383, 256, false},
        {1, 1795536000, true},
        {1795536000, 1, false},
        {INT64_C(1) << 40, (INT64_C(1) << 40) - 1, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct redis_seen seen;
        const struct answer kept = rig_answer("02", cases[i].kept);
        prepare(scene);
        keep(scene, &kept, &seen);
        scene->end.settle.answer = rig_answer("01", cases[i].given);
        scene->end.settle.answer.expires_at = now_ms() / 1000 + 3600;
        scene->end.settle.retain_until = now_ms() / 1000 + 3600;
        if (settle(scene) != cases[i].stored)
            fail_msg("%lld over %lld", (long long)cases[i].given, (long long)cases[i].kept);
        if (cases[i].stored)
            seen.size = answer_encode(&scene->end.settle.answer, seen.bytes);
        redisReply *reply = redis_server_ask(&server, "GET %s", key(scene, REDIS_KEY_ANSWER));
        assert_int_equal(reply->len, seen.size);
        assert_memory_equal(reply->str, seen.bytes, seen.size);
        freeReplyObject(reply);
    }
}

static void a_released_call_does_not_count(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    prepare(scene);
    struct ledger_id other = add_call(scene, SCRIPT_HOUR_MS);
    admit(scene, &said);
    assert_int_equal(calls_in_window(scene), 2);
    rig_end_failed(&scene->end, &scene->asked, FAILURE_UPSTREAM_UNAVAILABLE);
    scene->end.settle.ledger.state = LEDGER_RELEASED;
    assert_false(settle(scene));
    assert_false(script_exists(&server, key(scene, REDIS_KEY_LEASE)));
    assert_int_equal(calls_in_window(scene), 1);
    assert_true(score_of(scene, &other) > 0);
    /* Nor when the store has lost it. */
    redis_server_do(&server, "FLUSHALL");
    settle(scene);
    assert_int_equal(redis_server_count(&server, "DBSIZE"), 0);
}

static void a_lost_call_counts_again_at_its_age(void **state) {
    struct scene *scene = *state;
    static const struct {
        int64_t age_ms;
        bool counts;
        bool others; /* the window has another call */
    } cases[] = {
        {0, true, false},
        {SCRIPT_HOUR_MS, true, false},
        {SCRIPT_HOUR_MS, true, true},
        {23 * SCRIPT_HOUR_MS, true, false},
        {SCRIPT_DAY_MS, false, false},
        {SCRIPT_DAY_MS, false, true},
        {100 * SCRIPT_DAY_MS, false, false},
        {-SCRIPT_HOUR_MS, true, false}, /* by a clock that goes ahead: no older than now */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t age_ms = cases[i].age_ms;
        prepare_at(scene, now_ms() - age_ms);
        if (cases[i].others)
            add_call(scene, 2 * SCRIPT_HOUR_MS);
        settle(scene);
        assert_int_equal(calls_in_window(scene), cases[i].counts + cases[i].others);
        if (!cases[i].counts) {
            assert_int_equal(score_of(scene, &scene->asked.admit.id), -1);
            continue;
        }
        script_expect_near(score_of(scene, &scene->asked.admit.id),
                           now_ms() - (age_ms > 0 ? age_ms : 0));
        script_expect_ttl(&server, key(scene, REDIS_KEY_WINDOW), SCRIPT_DAY_MS);
    }
}

enum owner { NOBODY, THIS_ONE, ANOTHER };

static enum owner owner_of(const struct scene *scene, int64_t *proven_at) {
    enum owner owner = NOBODY;
    redisReply *reply = redis_server_ask(&server, "GET %s", key(scene, REDIS_KEY_OWNER));
    if (reply->type == REDIS_REPLY_STRING) {
        assert_true(reply->len > DIGEST_SIZE);
        *proven_at = strtoll(reply->str + DIGEST_SIZE, NULL, 10);
        owner = memcmp(reply->str, scene->asked.admit.triple.bytes, DIGEST_SIZE) == 0 ? THIS_ONE
                                                                                      : ANOTHER;
    }
    freeReplyObject(reply);
    return owner;
}

static void answers_say_whose_the_number_is(void **state) {
    struct scene *scene = *state;
    enum { OLD = -100, NOW = 0, NEW = 100, OVER = -4000 }; /* checked, relative to now, s */
    static const struct {
        enum owner before;
        int proven;
        const char *status;
        int checked;
        enum owner after;
        int then_proven;
    } cases[] = {
        {NOBODY, 0, "01", NOW, THIS_ONE, NOW},
        {NOBODY, 0, "02", NOW, NOBODY, 0},
        {NOBODY, 0, "202", NOW, NOBODY, 0},
        {NOBODY, 0, "01", OVER, NOBODY, 0}, /* it is not fresh any more */
        {THIS_ONE, OLD, "01", NOW, THIS_ONE, NOW},
        {THIS_ONE, NEW, "01", NOW, THIS_ONE, NEW},
        {THIS_ONE, OLD, "02", NOW, NOBODY, 0},
        {THIS_ONE, NEW, "02", NOW, THIS_ONE, NEW},
        {THIS_ONE, OLD, "203", NOW, THIS_ONE, OLD},
        {ANOTHER, OLD, "01", NOW, THIS_ONE, NOW},
        {ANOTHER, NEW, "01", NOW, ANOTHER, NEW},
        {ANOTHER, OLD, "02", NOW, ANOTHER, OLD},
    };
    int64_t now = now_ms() / 1000;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct digest another = rig_digest();
        int64_t proven_at = 0;
        prepare(scene);
        if (cases[i].before != NOBODY)
            own(scene, cases[i].before == THIS_ONE ? &scene->asked.admit.triple : &another,
                now + cases[i].proven);
        rig_end(&scene->end, &scene->asked, rig_answer(cases[i].status, now + cases[i].checked));
        settle(scene);
        if (owner_of(scene, &proven_at) != cases[i].after)
            fail_msg("case %zu", i);
        if (cases[i].after != NOBODY)
            assert_int_equal(proven_at, now + cases[i].then_proven);
    }
}

static void only_a_kept_match_proves(void **state) {
    struct scene *scene = *state;
    prepare(scene);
    scene->end.settle.keep = false;
    settle(scene);
    assert_false(script_exists(&server, key(scene, REDIS_KEY_OWNER)));
    scene->end.settle.answered = false;
    scene->end.settle.keep = true;
    settle(scene);
    assert_false(script_exists(&server, key(scene, REDIS_KEY_OWNER)));
}

static void a_203_closes_the_number(void **state) {
    struct scene *scene = *state;
    static const struct {
        int64_t ages_h[3]; /* of other calls, up to the first 0 */
        int64_t age_h;     /* of this one */
        int64_t close_h;   /* in the settlement */
        int64_t settled_h; /* ago */
        int64_t before_h;  /* closed so long already */
        int64_t after_h;   /* then it is closed so long; 0: not at all */
    } cases[] = {
        {{0}, 0, 24, 0, 0, 24},     {{0}, 0, 0, 0, 0, 0},       {{0}, 0, 0, 0, 5, 5},
        {{1, 3}, 0, 24, 0, 0, 21},  {{1, 30}, 0, 24, 0, 0, 23}, {{0}, 2, 24, 1, 0, 22},
        {{5}, 2, 24, 1, 0, 19},     {{1, 3}, 0, 24, 0, 22, 22}, /* a longer closing stays */
        {{1, 3}, 0, 24, 0, 20, 21}, {{0}, 25, 24, 2, 0, 22},    /* not in the window: since it was
                                                                   settled */
        {{0}, 60, 24, 30, 0, 0},                                /* that is over */
        {{0}, 2, 1, 2, 0, 0},       {{0}, 0, 2, 0, 0, 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t now = now_ms();
        prepare_at(scene, now - cases[i].age_h * SCRIPT_HOUR_MS);
        for (int call = 0; cases[i].ages_h[call] != 0; call++)
            add_call(scene, cases[i].ages_h[call] * SCRIPT_HOUR_MS);
        if (cases[i].before_h != 0)
            close_number(scene, now + cases[i].before_h * SCRIPT_HOUR_MS);
        rig_end(&scene->end, &scene->asked, rig_answer("203", now / 1000));
        scene->end.settle.keep = false;
        scene->end.settle.close_ms = cases[i].close_h * SCRIPT_HOUR_MS;
        scene->end.settle.ledger.settled_at_ms = now - cases[i].settled_h * SCRIPT_HOUR_MS;
        settle(scene);
        int64_t opens_ms = closed_until(scene);
        if (cases[i].after_h == 0) {
            if (opens_ms != 0)
                fail_msg("case %zu", i);
            continue;
        }
        script_expect_near(opens_ms, now + cases[i].after_h * SCRIPT_HOUR_MS);
        if (cases[i].after_h != cases[i].before_h)
            script_expect_ttl(&server, key(scene, REDIS_KEY_CLOSED),
                              opens_ms - now_ms() + SCRIPT_SLACK_MS / 2);
    }
}

static void the_end_of_a_call_is_told_once(void **state) {
    struct scene *scene = *state;
    struct listener *listener = start_listening();
    const struct redis_notice *notice;
    struct redis_seen seen;
    const struct answer newer = rig_answer("02", now_ms() / 1000 + 100);

    prepare(scene);
    settle(scene);
    notice = hear_one(listener, scene, REDIS_NOTICE_ANSWERED);
    assert_true(notice->stored);
    assert_same_answer(&notice->answer, &scene->end.settle.answer);

    prepare(scene);
    keep(scene, &newer, &seen);
    settle(scene);
    notice = hear_one(listener, scene, REDIS_NOTICE_ANSWERED);
    assert_false(notice->stored);

    prepare(scene);
    scene->end.settle.keep = false;
    settle(scene);
    notice = hear_one(listener, scene, REDIS_NOTICE_ANSWERED);
    assert_false(notice->stored);

    prepare(scene);
    rig_end_failed(&scene->end, &scene->asked, FAILURE_UPSTREAM_TIMEOUT);
    settle(scene);
    notice = hear_one(listener, scene, REDIS_NOTICE_FAILED);
    assert_false(notice->stored);
    assert_int_equal(notice->failure, FAILURE_UPSTREAM_TIMEOUT);

    /* One that is delivered again has no answer any more, and nobody waits for it. */
    scene->end.settle.failure = FAILURE_NONE;
    settle(scene);
    assert_int_equal(hear(listener), 0);
    stop_listening(listener);
}

/* --- withdraw --- */

static void a_withdrawn_call_leaves_nothing(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    struct listener *listener = start_listening();
    prepare(scene);
    struct ledger_id other = add_call(scene, SCRIPT_HOUR_MS);
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    assert_int_equal(calls_in_window(scene), 2);
    withdraw(scene);
    assert_false(script_exists(&server, key(scene, REDIS_KEY_LEASE)));
    assert_int_equal(calls_in_window(scene), 1);
    assert_true(score_of(scene, &other) > 0);
    assert_false(hear_one(listener, scene, REDIS_NOTICE_WITHDRAWN)->stored);
    char *before = script_snapshot(&server);
    withdraw(scene);
    char *after = script_snapshot(&server);
    assert_string_equal(after, before);
    free(before);
    free(after);
    stop_listening(listener);
}

/* --- find_place --- */

static bool has_place(struct scene *scene) {
    struct script_said said;
    script_say(&scene->rig, &said,
               redis_send_find_place(scene->rig.link, script_replied, &said, &scene->asked.admit.id,
                                     &scene->asked.admit.number, scene->asked.admit.window));
    assert_true(said.type == REDIS_REPLY_STRING || said.type == REDIS_REPLY_NIL);
    return said.type == REDIS_REPLY_STRING;
}

static void what_counts_has_a_place(void **state) {
    struct scene *scene = *state;
    struct script_said said;
    prepare(scene);
    assert_false(has_place(scene));
    add_call(scene, SCRIPT_HOUR_MS);
    assert_false(has_place(scene));
    admit(scene, &said);
    assert_true(has_place(scene));
    settle(scene);
    assert_true(has_place(scene));
    /* Also without a limit: it may be set later. */
    prepare(scene);
    scene->asked.admit.limit.max_calls = 0;
    admit(scene, &said);
    assert_false(has_place(scene));
    settle(scene);
    assert_true(has_place(scene));
    withdraw(scene);
    assert_false(has_place(scene));
}

/* --- a server without memory --- */

/* What is refused changes nothing: a lease that is gone without an answer would let another lead.
 */
static void a_full_server_refuses_all_of_it_or_nothing(void **state) {
    struct scene *scene = *state;
    static const struct redis_seen nothing;
    struct script_said said;
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    prepare(scene);
    assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
    char *before = script_snapshot(&server);
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    script_say_refused(&scene->rig, &said,
                       redis_send_settle(scene->rig.link, script_replied, &said, &scene->end.settle,
                                         SCRIPT_DAY_MS, now_ms(), SENDER),
                       "OOM");
    char *after = script_snapshot(&server);
    assert_string_equal(after, before);
    free(before);
    free(after);
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    assert_true(settle(scene));

    /* To take something back needs no memory. */
    for (int i = 0; i < 2; i++) {
        prepare(scene);
        assert_int_equal(admit(scene, &said), REDIS_ADMISSION_LEAD);
        rig_end_failed(&scene->end, &scene->asked, FAILURE_STORE_UNAVAILABLE);
        scene->end.settle.ledger.state = LEDGER_RELEASED;
        redis_server_do(&server, "CONFIG SET maxmemory 1");
        if (i == 0)
            settle(scene);
        else
            withdraw(scene);
        redis_server_do(&server, "CONFIG SET maxmemory 0");
        assert_int_equal(redis_server_count(&server, "DBSIZE"), 0);
    }

    prepare(scene);
    scene->asked.admit.limit.max_calls = 0;
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    script_say_refused(
        &scene->rig, &said,
        redis_send_admit(scene->rig.link, script_replied, &said, &scene->asked.admit, &nothing),
        "OOM");
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    assert_int_equal(redis_server_count(&server, "DBSIZE"), 0);
}

int main(void) {
#define SCENE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_two_slots_are_refused_here),
        cmocka_unit_test(scripts_touch_declared_keys_only),
        SCENE(the_first_one_leads),
        SCENE(without_a_limit_there_is_no_window),
        SCENE(who_leads_already_leads),
        SCENE(whoever_comes_then_waits_for_the_leader),
        SCENE(a_kept_answer_is_shown_once),
        SCENE(a_full_window_says_when_it_opens),
        SCENE(a_closed_number_opens_by_itself),
        SCENE(a_proven_number_answers_for_others),
        SCENE(the_first_reason_is_given_and_none_writes),
        SCENE(a_settled_call_leaves_its_answer),
        SCENE(what_is_not_kept_is_not_found),
        SCENE(settling_twice_changes_nothing),
        SCENE(anothers_lease_is_left_alone),
        SCENE(a_newer_answer_is_not_replaced),
        SCENE(a_released_call_does_not_count),
        SCENE(a_lost_call_counts_again_at_its_age),
        SCENE(answers_say_whose_the_number_is),
        SCENE(only_a_kept_match_proves),
        SCENE(a_203_closes_the_number),
        SCENE(the_end_of_a_call_is_told_once),
        SCENE(a_withdrawn_call_leaves_nothing),
        SCENE(what_counts_has_a_place),
        SCENE(a_full_server_refuses_all_of_it_or_nothing),
    };
    if (sodium_init() < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, remove_server);
}
