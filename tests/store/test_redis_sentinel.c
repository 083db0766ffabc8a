/* A link that asks sentinels where the master is, with real ones. */
#include "link_rig.h"

static struct redis_server master;
static struct redis_server replica;
static struct redis_server sentinel;

static void start_sentinel(const char *password) {
    char path[128];
    redis_server_prepare(&sentinel);
    snprintf(path, sizeof path, "%s/sentinel.conf", sentinel.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "port %d\nbind 127.0.0.1\nunixsocket %s\ndir %s\nlogfile log\n"
            "sentinel monitor books 127.0.0.1 %d 1\n"
            "sentinel down-after-milliseconds books 200\n"
            "sentinel failover-timeout books 2000\n",
            sentinel.port, sentinel.socket, sentinel.folder, master.port);
    if (password != NULL)
        fprintf(file, "requirepass %s\nsentinel auth-pass books %s\n", password, password);
    assert_int_equal(fclose(file), 0);
    sentinel.argument_count = 0;
    redis_server_add(&sentinel, "redis-server");
    redis_server_add(&sentinel, path);
    redis_server_add(&sentinel, "--sentinel");
    sentinel.password = password;
    redis_server_start(&sentinel);
}

static void start_master(const char *password) {
    redis_server_prepare(&master);
    if (password != NULL) {
        redis_server_add(&master, "--requirepass");
        redis_server_add(&master, password);
    }
    master.password = password;
    redis_server_start(&master);
}

static void start_replica(void) {
    char place[32];
    redis_server_prepare(&replica);
    snprintf(place, sizeof place, "127.0.0.1 %d", master.port);
    redis_server_add(&replica, "--replicaof");
    redis_server_add(&replica, place);
    redis_server_start(&replica);
}

/* Asks until the reply, as text, holds the words. */
static void wait_until_says(const struct redis_server *server, const char *command,
                            const char *words) {
    int64_t deadline = redis_server_now_ms() + REDIS_SERVER_DEADLINE_MS;
    for (;;) {
        redisReply *reply = redis_server_ask(server, command);
        bool says = reply->type == REDIS_REPLY_STRING && strstr(reply->str, words) != NULL;
        freeReplyObject(reply);
        if (says)
            return;
        if (redis_server_now_ms() > deadline)
            fail_msg("in vain: %s in %s", words, command);
        usleep(10000);
    }
}

static int remove_servers(void **state) {
    (void)state;
    redis_server_remove(&sentinel);
    redis_server_remove(&replica);
    redis_server_remove(&master);
    return 0;
}

/* The first of the two is never there. */
static void prepare(struct link_rig *rig) {
    link_rig_prepare(rig, NULL);
    rig->url.transport = REDIS_SENTINEL;
    strcpy(rig->url.master_name, "books");
    rig->url.address_count = 2;
    rig->url.addresses[0].port = redis_server_free_port();
    strcpy(rig->url.addresses[1].host, "localhost");
    rig->url.addresses[1].port = sentinel.port;
}

static long long port_of(struct link_rig *rig) {
    struct link_call call;
    link_call(rig, &call, "INFO", "server", NULL);
    link_call_expect(&call, REDIS_REPLY_STRING, NULL);
    const char *line = strstr(call.text, "tcp_port:");
    return line != NULL ? strtoll(line + strlen("tcp_port:"), NULL, 10) : 0;
}

static void a_failover_is_followed(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call call;
    start_master(NULL);
    start_replica();
    wait_until_says(&replica, "INFO replication", "master_link_status:up");
    start_sentinel(NULL);
    wait_until_says(&sentinel, "INFO sentinel", "status=ok");
    wait_until_says(&sentinel, "INFO sentinel", "slaves=1");

    prepare(&rig);
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    link_call(&rig, &call, "SET", "kept", "before");
    link_call_expect(&call, REDIS_REPLY_STATUS, "OK");
    link_call(&rig, &call, "WAIT", "1", "0");
    link_call_expect(&call, REDIS_REPLY_INTEGER, NULL);

    redis_server_kill(&master);
    link_rig_wait(&rig, rig.downs >= 1);
    link_rig_wait(&rig, rig.ups == 2);
    link_call(&rig, &call, "GET", "kept", NULL);
    link_call_expect(&call, REDIS_REPLY_STRING, "before");
    link_call(&rig, &call, "SET", "kept", "after");
    link_call_expect(&call, REDIS_REPLY_STATUS, "OK");
    redisReply *reply = redis_server_ask(&replica, "GET kept");
    assert_string_equal(reply->str, "after");
    freeReplyObject(reply);
    link_rig_close(&rig);
}

/* The master says that it is none (any more) before the sentinels do. */
static void a_sentinel_with_stale_news_is_not_believed(void **state) {
    (void)state;
    struct link_rig rig;
    start_master(NULL);
    start_sentinel(NULL);
    prepare(&rig);
    redis_server_do(&master, "REPLICAOF 127.0.0.1 1");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 2);
    assert_string_equal(rig.reason, "it is a replica, and takes no writes");
    assert_int_equal(rig.ups, 0);
    redis_server_do(&master, "REPLICAOF NO ONE");
    link_rig_wait(&rig, rig.ups == 1);
    link_rig_close(&rig);
}

static void a_sentinel_that_wants_a_password_gets_the_servers(void **state) {
    (void)state;
    struct link_rig rig;
    start_master("sesame");
    start_sentinel("sesame");
    prepare(&rig);
    strcpy(rig.url.password, "sesame");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    link_rig_close(&rig);

    prepare(&rig);
    strcpy(rig.url.password, "tahini");
    link_rig_open(&rig);
    /* The order of the two changes with every attempt. */
    link_rig_wait(&rig, strstr(rig.reason, "WRONGPASS") != NULL);
    assert_null(strstr(rig.reason, "tahini"));
    link_rig_close(&rig);
}

static void what_keeps_the_sentinels_from_telling_is_said(void **state) {
    (void)state;
    struct link_rig rig;
    start_master(NULL);
    start_sentinel(NULL);
    prepare(&rig);
    strcpy(rig.url.master_name, "films");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    char wanted[160];
    snprintf(wanted, sizeof wanted,
             "no sentinel says where the master films is; localhost:%d: does not know this name",
             sentinel.port);
    assert_string_equal(rig.reason, wanted);
    link_rig_close(&rig);

    /* One that is frozen is waited for, and then the next is asked. */
    redis_server_freeze(&sentinel);
    prepare(&rig);
    rig.settings.timeout_ms = 100;
    rig.url.address_count = 1;
    rig.url.addresses[0] = rig.url.addresses[1];
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_non_null(strstr(rig.reason, "no reply within 100 ms"));
    redis_server_thaw(&sentinel);
    link_rig_wait(&rig, rig.ups == 1);
    assert_int_equal(port_of(&rig), master.port);
    link_rig_close(&rig);
}

static void it_can_be_freed_while_it_asks(void **state) {
    (void)state;
    start_master(NULL);
    start_sentinel(NULL);
    for (int turns = 0; turns < 20; turns++) {
        struct link_rig rig;
        prepare(&rig);
        link_rig_open(&rig);
        for (int i = 0; i < turns; i++)
            uv_run(&rig.loop, UV_RUN_NOWAIT);
        link_rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_failover_is_followed, remove_servers),
        cmocka_unit_test_teardown(a_sentinel_with_stale_news_is_not_believed, remove_servers),
        cmocka_unit_test_teardown(a_sentinel_that_wants_a_password_gets_the_servers,
                                  remove_servers),
        cmocka_unit_test_teardown(what_keeps_the_sentinels_from_telling_is_said, remove_servers),
        cmocka_unit_test_teardown(it_can_be_freed_while_it_asks, remove_servers),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
