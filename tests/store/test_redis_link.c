/* A link that works: logging in, commands, scripts, messages, and letting go of it. */
#include "link_rig.h"

static const struct redis_script scripts[] = {
    {"first", "return 'first ' .. KEYS[1] .. ' ' .. ARGV[1]"},
    {"second", "return redis.call('INCR', KEYS[1])"},
};

static struct redis_server server;

static int start_server(void **state) {
    (void)state;
    redis_server_run(&server);
    return 0;
}

static int remove_server(void **state) {
    (void)state;
    redis_server_remove(&server);
    return 0;
}

/* --- commands --- */

static void replies_come_in_the_order_of_the_commands(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[1000];
    char number[16];
    link_rig_run(&rig, &server);
    for (int i = 0; i < 1000; i++) {
        snprintf(number, sizeof number, "%d", i);
        link_call(&rig, &calls[i], "ECHO", number, NULL);
    }
    link_rig_wait(&rig, calls[999].done > 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(number, sizeof number, "%d", i);
        link_call_expect(&calls[i], REDIS_REPLY_STRING, number);
    }
    assert_int_equal(rig.ups, 1);
    assert_int_equal(rig.downs, 0);
    link_rig_close(&rig);
}

/* Neither a descriptor nor a handle keeps the loop turning. */
static void an_idle_link_lets_the_loop_sleep(void **state) {
    (void)state;
    struct link_rig rig;
    link_rig_run(&rig, &server);
    link_rig_expect_echo(&rig, "one");
    link_rig_wait(&rig, uv_backend_timeout(&rig.loop) != 0);
    link_rig_wait(&rig, uv_backend_timeout(&rig.loop) == -1);
    link_rig_expect_echo(&rig, "two");
    link_rig_close(&rig);
}

static int many_left;
static int many_answered;

static void send_one_more(struct link_call *call) {
    assert_false(call->unanswered);
    many_answered++;
    if (many_left > 0) {
        many_left--;
        assert_true(link_call_again(call, "INCR", "many", NULL));
    }
}

static void a_hundred_thousand_commands_are_answered(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[100];
    link_rig_run(&rig, &server);
    many_left = 100000;
    for (int i = 0; i < 100; i++) {
        link_call(&rig, &calls[i], "INCR", "many", NULL);
        calls[i].then = send_one_more;
    }
    link_rig_wait(&rig, many_answered == 100100);
    assert_int_equal(redis_server_count(&server, "INCRBY many 0"), 100100);
    link_rig_close(&rig);
}

static void big_arguments_and_replies_pass(void **state) {
    (void)state;
    enum { SIZE = 4 * 1024 * 1024 };
    struct link_rig rig;
    struct link_call set;
    struct link_call get;
    char *big = malloc(SIZE);
    memset(big, 'x', SIZE);
    const char *const argv[] = {"SET", "big", big};
    const size_t sizes[] = {3, 3, SIZE};
    link_rig_run(&rig, &server);
    link_call_prepare(&rig, &set);
    assert_true(redis_link_send(rig.link, link_call_replied, &set, 3, argv, sizes));
    free(big);
    link_call(&rig, &get, "STRLEN", "big", NULL);
    link_call_expect(&set, REDIS_REPLY_STATUS, "OK");
    link_call_expect(&get, REDIS_REPLY_INTEGER, NULL);
    assert_int_equal(get.integer, SIZE);
    link_call(&rig, &get, "GET", "big", NULL);
    link_call_expect(&get, REDIS_REPLY_STRING, NULL);
    link_rig_close(&rig);
}

static void too_many_waiting_commands_are_refused(void **state) {
    (void)state;
    struct link_rig rig;
    link_rig_prepare(&rig, &server);
    rig.settings.timeout_ms = 20000;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    struct link_call *calls = calloc(70000, sizeof *calls);
    int sent = 0;
    while (sent < 70000 && link_call_try(&rig, &calls[sent], "PING", NULL, NULL))
        sent++;
    assert_int_equal(sent, 65536);
    link_rig_wait(&rig, calls[sent - 1].done == 1);
    link_rig_expect_echo(&rig, "room again");
    link_rig_close(&rig);
    free(calls);
}

/* --- scripts --- */

static void eval(struct link_rig *rig, struct link_call *call, int script, const char *key,
                 const char *argument) {
    const char *const argv[] = {key, argument};
    const size_t sizes[] = {strlen(key), strlen(argument)};
    link_call_prepare(rig, call);
    assert_true(redis_link_eval(rig->link, link_call_replied, call, script, 1, 2, argv, sizes));
}

static void scripts_run_also_when_the_server_forgot_them(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[3];
    link_rig_prepare(&rig, &server);
    rig.settings.scripts = scripts;
    rig.settings.script_count = 2;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    /* Loaded at login: no script travels with the calls. */
    redis_server_do(&server, "CONFIG RESETSTAT");
    eval(&rig, &calls[0], 0, "key", "argument");
    link_call_expect(&calls[0], REDIS_REPLY_STRING, "first key argument");
    redisReply *stats = redis_server_ask(&server, "INFO commandstats");
    assert_non_null(strstr(stats->str, "cmdstat_evalsha:calls=1"));
    assert_null(strstr(stats->str, "cmdstat_eval:"));
    freeReplyObject(stats);

    redis_server_do(&server, "SCRIPT FLUSH");
    eval(&rig, &calls[0], 0, "key", "again");
    eval(&rig, &calls[1], 1, "counter", "");
    eval(&rig, &calls[2], 1, "counter", "");
    link_call_expect(&calls[0], REDIS_REPLY_STRING, "first key again");
    link_call_expect(&calls[1], REDIS_REPLY_INTEGER, NULL);
    link_call_expect(&calls[2], REDIS_REPLY_INTEGER, NULL);
    assert_int_equal(calls[1].integer + calls[2].integer, 3);
    link_rig_expect_echo(&rig, "after scripts");
    assert_int_equal(rig.downs, 0);
    link_rig_close(&rig);
}

static void a_script_that_is_none_is_named(void **state) {
    (void)state;
    static const struct redis_script broken[] = {{"broken", "this is no Lua"}};
    struct link_rig rig;
    link_rig_prepare(&rig, &server);
    rig.settings.scripts = broken;
    rig.settings.script_count = 1;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 2);
    assert_non_null(strstr(rig.reason, "the script broken is not taken: ERR"));
    assert_int_equal(rig.ups, 0);
    link_rig_close(&rig);
}

/* --- logging in --- */

static void a_unix_socket_and_a_database_are_used(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call call;
    link_rig_prepare(&rig, &server);
    rig.url.transport = REDIS_UNIX;
    rig.url.database = 3;
    snprintf(rig.url.path, sizeof rig.url.path, "%s", server.socket);
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    link_call(&rig, &call, "CLIENT", "INFO", NULL);
    link_call_expect(&call, REDIS_REPLY_STRING, NULL);
    assert_non_null(strstr(call.text, " db=3 "));
    assert_non_null(strstr(call.text, " name=sanyao "));
    link_rig_close(&rig);
}

static void a_database_that_is_not_there_is_said(void **state) {
    (void)state;
    struct link_rig rig;
    link_rig_prepare(&rig, &server);
    rig.url.database = 999;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_string_equal(rig.reason, "ERR DB index is out of range");
    link_rig_close(&rig);
}

static void a_name_is_looked_up(void **state) {
    (void)state;
    struct link_rig rig;
    link_rig_prepare(&rig, &server);
    strcpy(rig.url.addresses[0].host, "localhost");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    link_rig_close(&rig);
}

static void the_server_says_what_it_is(void **state) {
    (void)state;
    struct link_rig rig;
    link_rig_run(&rig, &server);
    assert_true(rig.facts.version[0] >= '1' && rig.facts.version[0] <= '9');
    assert_false(rig.facts.persistent);
    assert_false(rig.facts.append_only);
    assert_false(rig.facts.evicting);
    assert_int_equal(rig.facts.max_memory, 0);
    assert_string_equal(rig.facts.policy, "noeviction");
    link_rig_close(&rig);

    redis_server_do(&server, "CONFIG SET save %s", "3600 1");
    redis_server_do(&server, "CONFIG SET maxmemory 100000000");
    redis_server_do(&server, "CONFIG SET maxmemory-policy volatile-lru");
    link_rig_run(&rig, &server);
    assert_true(rig.facts.persistent);
    assert_false(rig.facts.append_only);
    assert_true(rig.facts.evicting);
    assert_false(rig.facts.evicting_permanent);
    assert_int_equal(rig.facts.max_memory, 100000000);
    link_rig_close(&rig);

    redis_server_do(&server, "CONFIG SET save %s", "");
    redis_server_do(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    redis_server_do(&server, "CONFIG SET appendonly yes");
    link_rig_run(&rig, &server);
    assert_true(rig.facts.persistent);
    assert_true(rig.facts.append_only);
    assert_true(rig.facts.evicting_permanent);
    link_rig_close(&rig);
    redis_server_do(&server, "CONFIG SET appendonly no");
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    redis_server_do(&server, "CONFIG SET maxmemory-policy noeviction");
}

static void users_and_passwords_are_used_and_never_said(void **state) {
    (void)state;
    struct redis_server locked;
    struct link_rig rig;
    redis_server_prepare(&locked);
    redis_server_add(&locked, "--requirepass");
    redis_server_add(&locked, "correct horse");
    locked.password = "correct horse";
    redis_server_start(&locked);

    link_rig_prepare(&rig, &locked);
    strcpy(rig.url.password, "correct horse");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    link_rig_close(&rig);

    link_rig_prepare(&rig, &locked);
    strcpy(rig.url.password, "battery staple");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_non_null(strstr(rig.reason, "WRONGPASS"));
    assert_null(strstr(rig.reason, "battery"));
    link_rig_close(&rig);

    link_rig_prepare(&rig, &locked);
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_non_null(strstr(rig.reason, "NOAUTH"));
    link_rig_close(&rig);

    /* A user that may do little: what only informs is done without. */
    redis_server_do(&locked, "ACL SETUSER guard on >%s ~* +@all -info -config -role -client",
                    "secret");
    link_rig_prepare(&rig, &locked);
    strcpy(rig.url.user, "guard");
    strcpy(rig.url.password, "secret");
    rig.settings.scripts = scripts;
    rig.settings.script_count = 2;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    assert_string_equal(rig.facts.version, "");
    struct link_call call;
    link_call(&rig, &call, "ACL", "WHOAMI", NULL);
    link_call_expect(&call, REDIS_REPLY_STRING, "guard");
    link_rig_close(&rig);

    /* But scripts must be taken. */
    redis_server_do(&locked, "ACL SETUSER guard -script");
    link_rig_prepare(&rig, &locked);
    strcpy(rig.url.user, "guard");
    strcpy(rig.url.password, "secret");
    rig.settings.scripts = scripts;
    rig.settings.script_count = 2;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_non_null(strstr(rig.reason, "the script first is not taken: NOPERM"));
    link_rig_close(&rig);
    redis_server_remove(&locked);
}

static void a_server_that_does_not_know_auth_cannot_give_the_password_away(void **state) {
    (void)state;
    struct redis_server old;
    struct link_rig rig;
    redis_server_prepare(&old);
    redis_server_add(&old, "--rename-command");
    redis_server_add(&old, "AUTH");
    redis_server_add(&old, "OPEN-SESAME");
    redis_server_start(&old);
    link_rig_prepare(&rig, &old);
    strcpy(rig.url.password, "battery staple");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_string_equal(rig.reason, "ERR unknown command ");
    link_rig_close(&rig);
    redis_server_remove(&old);
}

/* --- listening --- */

static void messages_are_heard_and_heard_again(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call call;
    link_rig_prepare(&rig, &server);
    rig.settings.channel = "news";
    rig.settings.scripts = scripts;
    rig.settings.script_count = 2;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    assert_true(rig.facts.version[0] != '\0');
    assert_false(link_call_try(&rig, &call, "PING", NULL, NULL));
    /* It is up when nothing said from now on is missed. */
    assert_int_equal(redis_server_count(&server, "PUBLISH news one"), 1);
    link_rig_wait(&rig, rig.messages == 1);
    assert_string_equal(rig.message, "one");
    for (int i = 0; i < 100; i++)
        redis_server_do(&server, "PUBLISH news %d", i);
    link_rig_wait(&rig, rig.messages == 101);
    assert_string_equal(rig.message, "99");

    redis_server_do(&server, "CLIENT KILL TYPE pubsub");
    link_rig_wait(&rig, rig.downs == 1);
    link_rig_wait(&rig, rig.ups == 2);
    assert_int_equal(redis_server_count(&server, "PUBLISH news two"), 1);
    link_rig_wait(&rig, rig.messages == 102);
    assert_string_equal(rig.message, "two");
    link_rig_close(&rig);
}

static void a_channel_that_is_forbidden_is_said(void **state) {
    (void)state;
    struct link_rig rig;
    redis_server_do(&server, "ACL SETUSER deaf on >secret ~* resetchannels +@all");
    link_rig_prepare(&rig, &server);
    strcpy(rig.url.user, "deaf");
    strcpy(rig.url.password, "secret");
    rig.settings.channel = "news";
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_non_null(strstr(rig.reason, "NOPERM"));
    assert_int_equal(rig.ups, 0);
    link_rig_close(&rig);
}

/* --- letting go --- */

static void free_it(struct link_call *call) {
    redis_link_free(call->rig->link, link_rig_gone);
}

static void drop_it(struct link_call *call) {
    redis_link_drop(call->rig->link, "because");
}

static void freed_on_up(struct link_rig *rig) {
    redis_link_free(rig->link, link_rig_gone);
}

static void dropped_on_up(struct link_rig *rig) {
    if (rig->ups == 1)
        redis_link_drop(rig->link, "because");
}

static void it_can_be_freed_at_any_step_of_coming_up(void **state) {
    (void)state;
    for (int turns = 0; turns < 40; turns++) {
        struct link_rig rig;
        link_rig_prepare(&rig, &server);
        if (turns % 2 == 1)
            strcpy(rig.url.addresses[0].host, "localhost");
        rig.settings.scripts = scripts;
        rig.settings.script_count = 2;
        link_rig_open(&rig);
        for (int i = 0; i < turns / 2; i++)
            uv_run(&rig.loop, UV_RUN_NOWAIT);
        link_rig_close(&rig);
    }
}

static void it_can_be_freed_in_its_callbacks(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[3];
    /* Of three commands the second frees it: the third is called back all the same. */
    link_rig_run(&rig, &server);
    for (int i = 0; i < 3; i++)
        link_call(&rig, &calls[i], "PING", NULL, NULL);
    calls[1].then = free_it;
    link_rig_wait(&rig, calls[1].done == 1);
    assert_int_equal(calls[2].done, 1);
    assert_true(calls[2].unanswered);
    link_rig_end(&rig);
    assert_int_equal(rig.downs, 0);

    link_rig_prepare(&rig, &server);
    rig.on_up = freed_on_up;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.gone == 1);
    link_rig_end(&rig);

    /* By the callback of a command that is called back because the link went down. */
    link_rig_run(&rig, &server);
    for (int i = 0; i < 3; i++)
        link_call(&rig, &calls[i], "PING", NULL, NULL);
    calls[0].then = free_it;
    redis_link_drop(rig.link, "because");
    assert_int_equal(calls[2].done, 1);
    link_rig_end(&rig);
    assert_int_equal(rig.downs, 0);

    /* By what is told that it went down. */
    link_rig_run(&rig, &server);
    rig.on_down = freed_on_up;
    redis_link_drop(rig.link, "because");
    link_rig_end(&rig);
    assert_int_equal(rig.downs, 1);

    /* By a message. */
    link_rig_prepare(&rig, &server);
    rig.settings.channel = "news";
    rig.on_message = freed_on_up;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    redis_server_do(&server, "PUBLISH news one");
    link_rig_wait(&rig, rig.messages == 1);
    link_rig_end(&rig);
}

static void it_can_be_freed_while_commands_wait(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[10];
    link_rig_run(&rig, &server);
    for (int i = 0; i < 10; i++)
        link_call(&rig, &calls[i], "PING", NULL, NULL);
    redis_link_free(rig.link, link_rig_gone);
    for (int i = 0; i < 10; i++)
        assert_true(calls[i].done == 1 && calls[i].unanswered);
    link_rig_end(&rig);
}

static void it_can_be_dropped_in_its_callbacks(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[3];
    link_rig_run(&rig, &server);
    for (int i = 0; i < 3; i++)
        link_call(&rig, &calls[i], "PING", NULL, NULL);
    calls[1].then = drop_it;
    link_rig_wait(&rig, calls[1].done == 1);
    assert_false(calls[1].unanswered);
    assert_true(calls[2].done == 1 && calls[2].unanswered);
    assert_int_equal(rig.downs, 1);
    assert_string_equal(rig.reason, "because");
    link_rig_wait(&rig, rig.ups == 2);
    link_rig_expect_echo(&rig, "back");

    /* Dropping what is down does nothing; sending is refused. */
    redis_link_drop(rig.link, "because");
    redis_link_drop(rig.link, "twice");
    assert_string_equal(rig.reason, "because");
    assert_false(link_call_try(&rig, &calls[0], "PING", NULL, NULL));
    link_rig_close(&rig);

    link_rig_prepare(&rig, &server);
    rig.on_up = dropped_on_up;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 2);
    assert_int_equal(rig.downs, 1);
    link_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_come_in_the_order_of_the_commands),
        cmocka_unit_test(an_idle_link_lets_the_loop_sleep),
        cmocka_unit_test(a_hundred_thousand_commands_are_answered),
        cmocka_unit_test(big_arguments_and_replies_pass),
        cmocka_unit_test(too_many_waiting_commands_are_refused),
        cmocka_unit_test(scripts_run_also_when_the_server_forgot_them),
        cmocka_unit_test(a_script_that_is_none_is_named),
        cmocka_unit_test(a_unix_socket_and_a_database_are_used),
        cmocka_unit_test(a_database_that_is_not_there_is_said),
        cmocka_unit_test(a_name_is_looked_up),
        cmocka_unit_test(the_server_says_what_it_is),
        cmocka_unit_test(users_and_passwords_are_used_and_never_said),
        cmocka_unit_test(a_server_that_does_not_know_auth_cannot_give_the_password_away),
        cmocka_unit_test(messages_are_heard_and_heard_again),
        cmocka_unit_test(a_channel_that_is_forbidden_is_said),
        cmocka_unit_test(it_can_be_freed_at_any_step_of_coming_up),
        cmocka_unit_test(it_can_be_freed_in_its_callbacks),
        cmocka_unit_test(it_can_be_freed_while_commands_wait),
        cmocka_unit_test(it_can_be_dropped_in_its_callbacks),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, remove_server);
}
