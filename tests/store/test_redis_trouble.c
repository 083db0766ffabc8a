/* A link in trouble: servers that die, freeze, refuse, or are not what they should be. */
#include <pthread.h>

#include "link_rig.h"

#define TIMEOUT_MS 300
#define SLACK_MS   100

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

static void open_impatient(struct link_rig *rig) {
    link_rig_prepare(rig, &server);
    rig->settings.timeout_ms = TIMEOUT_MS;
    link_rig_open(rig);
    link_rig_wait(rig, rig->ups == 1);
    rig->longest_ms = 0;
}

/* It was in time, but for what the machine made the test itself wait. */
static void expect_in_time(const struct link_call *call) {
    int64_t most_ms = TIMEOUT_MS + SLACK_MS + call->rig->longest_ms;
    if (call->took_ms > most_ms)
        fail_msg("called back after %lld ms", (long long)call->took_ms);
}

/* --- gone --- */

static void a_server_that_was_killed_is_found_again(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[10];
    struct link_call refused;
    link_rig_run(&rig, &server);
    redis_server_freeze(&server);
    for (int i = 0; i < 10; i++)
        link_call(&rig, &calls[i], "PING", NULL, NULL);
    link_rig_turn(&rig);
    redis_server_kill(&server);
    link_rig_wait(&rig, rig.downs >= 1);
    for (int i = 0; i < 10; i++)
        assert_true(calls[i].done == 1 && calls[i].unanswered);
    assert_false(link_call_try(&rig, &refused, "PING", NULL, NULL));
    link_rig_wait(&rig, rig.downs >= 4);
    assert_string_equal(strrchr(rig.reason, ':'), ": Connection refused");
    redis_server_start(&server);
    link_rig_wait(&rig, rig.ups == 2);
    link_rig_expect_echo(&rig, "back");
    assert_int_equal(rig.ups, 2);
    link_rig_close(&rig);
}

/* Some commands are written while more are sent: then it is found out, and told a turn later. */
static int send_to_the_dead(struct link_rig *rig, struct link_call *calls, int most) {
    int sent = 0;
    redis_server_kill(&server);
    while (sent < most && link_call_try(rig, &calls[sent], "PING", NULL, NULL))
        sent++;
    for (int i = 0; i < sent; i++)
        assert_int_equal(calls[i].done, 0);
    assert_int_equal(rig->downs, 0);
    return sent;
}

static void a_loss_that_is_found_while_sending_is_told_later(void **state) {
    (void)state;
    enum { MANY = 200 };
    struct link_rig rig;
    struct link_call calls[MANY];
    link_rig_run(&rig, &server);
    int sent = send_to_the_dead(&rig, calls, MANY);
    assert_in_range(sent, 1, MANY - 1);
    link_rig_wait(&rig, rig.downs >= 1);
    for (int i = 0; i < sent; i++)
        assert_true(calls[i].done == 1 && calls[i].unanswered);
    redis_server_start(&server);
    link_rig_wait(&rig, rig.ups == 2);
    link_rig_expect_echo(&rig, "back");
    link_rig_close(&rig);
}

static void it_can_be_freed_before_its_loss_is_told(void **state) {
    (void)state;
    enum { MANY = 200 };
    struct link_rig rig;
    struct link_call calls[MANY];
    link_rig_run(&rig, &server);
    int sent = send_to_the_dead(&rig, calls, MANY);
    link_rig_close(&rig);
    for (int i = 0; i < sent; i++)
        assert_true(calls[i].done == 1 && calls[i].unanswered);
    redis_server_start(&server);
}

static void where_nothing_is_it_says_so_and_goes_on_trying(void **state) {
    (void)state;
    struct link_rig rig;
    char wanted[64];
    int port = redis_server_free_port();
    link_rig_prepare(&rig, NULL);
    rig.url.addresses[0].port = port;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 3);
    snprintf(wanted, sizeof wanted, "127.0.0.1:%d: Connection refused", port);
    assert_string_equal(rig.reason, wanted);
    assert_int_equal(rig.ups, 0);
    link_rig_close(&rig);

    link_rig_prepare(&rig, NULL);
    rig.url.transport = REDIS_UNIX;
    strcpy(rig.url.path, "/nowhere/socket");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 3);
    assert_string_equal(rig.reason, "/nowhere/socket: No such file or directory");
    link_rig_close(&rig);
}

static void a_name_that_does_not_resolve_is_said(void **state) {
    (void)state;
    struct link_rig rig;
    link_rig_prepare(&rig, NULL);
    strcpy(rig.url.addresses[0].host, "no-such-host.invalid");
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 1);
    assert_non_null(strstr(rig.reason, "no-such-host.invalid:1: "));
    link_rig_close(&rig);
}

/* --- frozen --- */

static void a_frozen_server_keeps_no_command_waiting(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call call;
    open_impatient(&rig);
    redis_server_freeze(&server);
    link_call(&rig, &call, "PING", NULL, NULL);
    link_rig_wait(&rig, call.done == 1);
    assert_true(call.unanswered);
    assert_true(call.took_ms >= TIMEOUT_MS - 1);
    expect_in_time(&call);
    assert_string_equal(rig.reason, "no reply within 300 ms");
    /* Connecting works, since the kernel does it; logging in does not. */
    link_rig_wait(&rig, rig.downs == 2);
    assert_string_equal(rig.reason, "no reply within 300 ms");
    redis_server_thaw(&server);
    link_rig_wait(&rig, rig.ups == 2);
    link_rig_expect_echo(&rig, "back");
    link_rig_close(&rig);
}

static void it_is_noticed_also_under_a_steady_stream(void **state) {
    (void)state;
    enum { MOST = 20000 };
    struct link_rig rig;
    struct link_call *calls = calloc(MOST, sizeof *calls);
    int sent = 0;
    char number[16];
    open_impatient(&rig);
    /* Some that are answered, then frozen in the middle of it. */
    for (int turn = 0; rig.downs == 0; turn++) {
        if (turn == 100)
            redis_server_freeze(&server);
        for (int i = 0; i < 2 && sent < MOST; i++) {
            snprintf(number, sizeof number, "%d", sent);
            if (link_call_try(&rig, &calls[sent], "ECHO", number, NULL))
                sent++;
        }
        link_rig_turn(&rig);
    }
    int answered = 0;
    for (int i = 0; i < sent; i++) {
        assert_int_equal(calls[i].done, 1);
        expect_in_time(&calls[i]);
        if (calls[i].unanswered)
            continue;
        snprintf(number, sizeof number, "%d", i);
        assert_string_equal(calls[i].text, number);
        answered++;
    }
    assert_true(answered >= 100 && answered < sent);

    /* What the server still writes for the old connection reaches nobody. */
    redis_server_thaw(&server);
    link_rig_wait(&rig, rig.ups == 2);
    for (int i = 0; i < 100; i++) {
        snprintf(number, sizeof number, "new %d", i);
        link_rig_expect_echo(&rig, number);
    }
    for (int i = 0; i < sent; i++)
        assert_int_equal(calls[i].done, 1);
    link_rig_close(&rig);
    free(calls);
}

static void a_server_frozen_from_the_start_is_waited_for(void **state) {
    (void)state;
    struct link_rig rig;
    redis_server_freeze(&server);
    link_rig_prepare(&rig, &server);
    rig.settings.timeout_ms = 100;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.downs == 2);
    assert_string_equal(rig.reason, "no reply within 100 ms");
    redis_server_thaw(&server);
    link_rig_wait(&rig, rig.ups == 1);
    link_rig_close(&rig);
}

static void paused_clients_are_dropped_and_come_back(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call call;
    open_impatient(&rig);
    redis_server_do(&server, "CLIENT PAUSE 1000");
    link_call(&rig, &call, "SET", "paused", "1");
    link_rig_wait(&rig, call.done == 1);
    assert_true(call.unanswered);
    expect_in_time(&call);
    link_rig_wait(&rig, rig.ups == 2);
    link_rig_expect_echo(&rig, "back");
    link_rig_close(&rig);
}

/* The loop stands still for longer than the deadline, with the replies in the socket. */
static void a_busy_loop_is_not_taken_for_a_slow_server(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[3];
    open_impatient(&rig);
    for (int i = 0; i < 3; i++)
        link_call(&rig, &calls[i], "INCR", "busy", NULL);
    uv_run(&rig.loop, UV_RUN_NOWAIT);
    while (redis_server_count(&server, "INCRBY busy 0") < 3)
        ;
    int64_t begin = redis_server_now_ms();
    while (redis_server_now_ms() < begin + TIMEOUT_MS + 50)
        ;
    for (int i = 0; i < 3; i++)
        link_call_expect(&calls[i], REDIS_REPLY_INTEGER, NULL);
    assert_int_equal(rig.downs, 0);
    link_rig_close(&rig);
}

/* --- of no use --- */

static void a_replica_is_not_used(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call calls[2];
    link_rig_run(&rig, &server);
    redis_server_do(&server, "REPLICAOF 127.0.0.1 1");
    link_call(&rig, &calls[0], "SET", "key", "1");
    link_call(&rig, &calls[1], "PING", NULL, NULL);
    link_rig_wait(&rig, rig.downs == 1);
    /* What it said is handed over; what was asked behind it is not waited for. */
    assert_int_equal(calls[0].done, 1);
    assert_int_equal(calls[0].type, REDIS_REPLY_ERROR);
    assert_non_null(strstr(calls[0].text, "READONLY"));
    assert_true(calls[1].done == 1 && calls[1].unanswered);
    assert_non_null(strstr(rig.reason, "READONLY"));
    link_rig_wait(&rig, rig.downs == 2);
    assert_string_equal(rig.reason, "it is a replica, and takes no writes");
    assert_int_equal(rig.ups, 1);
    redis_server_do(&server, "REPLICAOF NO ONE");
    link_rig_wait(&rig, rig.ups == 2);
    link_rig_close(&rig);
}

static void a_full_server_is_heard_and_kept(void **state) {
    (void)state;
    struct link_rig rig;
    struct link_call call;
    link_rig_run(&rig, &server);
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    link_call(&rig, &call, "SET", "key", "1");
    link_call_expect(&call, REDIS_REPLY_ERROR, NULL);
    assert_non_null(strstr(call.text, "OOM"));
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    link_call(&rig, &call, "SET", "key", "1");
    link_call_expect(&call, REDIS_REPLY_STATUS, "OK");
    assert_int_equal(rig.downs, 0);
    link_rig_close(&rig);
}

static void a_server_with_too_many_clients_is_tried_again(void **state) {
    (void)state;
    struct link_rig rig;
    /* Through the socket that stays open, since the server takes no other any more. */
    redisContext *admin = redis_server_connect(&server);
    freeReplyObject(redisCommand(admin, "CONFIG SET maxclients 1"));
    link_rig_prepare(&rig, &server);
    link_rig_open(&rig);
    link_rig_wait(&rig, strstr(rig.reason, "max number of clients reached") != NULL);
    assert_int_equal(rig.ups, 0);
    freeReplyObject(redisCommand(admin, "CONFIG SET maxclients 1000"));
    redisFree(admin);
    link_rig_wait(&rig, rig.ups == 1);
    link_rig_close(&rig);
}

/* Answers everything with one line. */
struct parrot {
    pthread_t thread;
    int fd;
    int port;
    const char *line;
};

static void *be_parrot(void *arg) {
    const struct parrot *parrot = arg;
    for (;;) {
        int fd = accept(parrot->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        char heard[4096];
        while (read(fd, heard, sizeof heard) > 0 &&
               write(fd, parrot->line, strlen(parrot->line)) > 0)
            ;
        close(fd);
    }
}

static void start_parrot(struct parrot *parrot, const char *line) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    parrot->line = line;
    parrot->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(parrot->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(parrot->fd, 8), 0);
    assert_int_equal(getsockname(parrot->fd, (struct sockaddr *)&address, &size), 0);
    parrot->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&parrot->thread, NULL, be_parrot, parrot), 0);
}

static void stop_parrot(struct parrot *parrot) {
    shutdown(parrot->fd, SHUT_RDWR);
    pthread_join(parrot->thread, NULL);
    close(parrot->fd);
}

static void what_a_useless_server_says_is_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *reason;
    } cases[] = {
        {"-LOADING Redis is loading the dataset in memory\r\n",
         "LOADING Redis is loading the dataset in memory"},
        {"-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN Link with MASTER is down"},
        {"-DENIED Redis is running in protected mode\r\n",
         "DENIED Redis is running in protected mode"},
        {"220 mail.example.com ESMTP\r\n", "Protocol error, got \"2\" as reply type byte"},
        {"-ERR max number of clients reached\r\n", "ERR max number of clients reached"},
        {"-NOAUTH \x1b[31m\xff\r\n", "NOAUTH ?[31m?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parrot parrot;
        struct link_rig rig;
        start_parrot(&parrot, cases[i].line);
        link_rig_prepare(&rig, NULL);
        rig.url.addresses[0].port = parrot.port;
        link_rig_open(&rig);
        link_rig_wait(&rig, rig.downs == 2);
        assert_string_equal(rig.reason, cases[i].reason);
        assert_int_equal(rig.ups, 0);
        link_rig_close(&rig);
        stop_parrot(&parrot);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_was_killed_is_found_again),
        cmocka_unit_test(a_loss_that_is_found_while_sending_is_told_later),
        cmocka_unit_test(it_can_be_freed_before_its_loss_is_told),
        cmocka_unit_test(where_nothing_is_it_says_so_and_goes_on_trying),
        cmocka_unit_test(a_name_that_does_not_resolve_is_said),
        cmocka_unit_test(a_frozen_server_keeps_no_command_waiting),
        cmocka_unit_test(it_is_noticed_also_under_a_steady_stream),
        cmocka_unit_test(a_server_frozen_from_the_start_is_waited_for),
        cmocka_unit_test(paused_clients_are_dropped_and_come_back),
        cmocka_unit_test(a_busy_loop_is_not_taken_for_a_slow_server),
        cmocka_unit_test(a_replica_is_not_used),
        cmocka_unit_test(a_full_server_is_heard_and_kept),
        cmocka_unit_test(a_server_with_too_many_clients_is_tried_again),
        cmocka_unit_test(what_a_useless_server_says_is_the_reason),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, remove_server);
}
