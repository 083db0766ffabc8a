/* A link over TLS: only to a server whose certificate is from a known authority and for the host.
 */
#include "link_rig.h"

#if SANYAO_REDIS_TLS

static struct redis_server server;
static int tls_port;
static char path_of[4][128];

static const char *in_folder(int buffer, const char *name) {
    snprintf(path_of[buffer], sizeof path_of[0], "%s/%s", server.folder, name);
    return path_of[buffer];
}

static void run(const char *command) {
    char line[1024];
    snprintf(line, sizeof line, "cd '%s' && { %s; } >/dev/null 2>&1", server.folder, command);
    if (system(line) != 0)
        fail_msg("%s", command);
}

/* An authority, a certificate of its for localhost and 127.0.0.1, one for somebody else, and a
 * stranger's authority. */
static void make_certificates(void) {
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=authority -keyout ca.key -out ca.pem");
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=stranger -keyout stranger.key -out stranger.pem");
    run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-subj /CN=server -keyout server.key -out server.csr");
    run("echo subjectAltName=DNS:localhost,IP:127.0.0.1 >san && openssl x509 -req -days 2 "
        "-in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile san -out server.pem");
    run("echo subjectAltName=DNS:other.example,IP:127.0.0.2 >san && openssl x509 -req -days 2 "
        "-in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile san -out other.pem");
}

static int start_server(void **state) {
    (void)state;
    char port[16];
    redis_server_prepare(&server);
    make_certificates();
    tls_port = redis_server_free_port();
    snprintf(port, sizeof port, "%d", tls_port);
    const char *const arguments[] = {
        "--tls-port",         port,         "--tls-cert-file",    "server.pem",
        "--tls-key-file",     "server.key", "--tls-ca-cert-file", "ca.pem",
        "--tls-auth-clients", "no"};
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        const char *argument = arguments[i];
        bool is_file = strchr(argument, '.') != NULL;
        redis_server_add(&server, is_file ? in_folder(0, argument) : argument);
    }
    redis_server_start(&server);
    return 0;
}

static int remove_server(void **state) {
    (void)state;
    redis_server_remove(&server);
    return 0;
}

static void prepare(struct link_rig *rig, const char *host, const char *ca_file) {
    link_rig_prepare(rig, NULL);
    rig->url.transport = REDIS_TLS;
    snprintf(rig->url.addresses[0].host, sizeof rig->url.addresses[0].host, "%s", host);
    rig->url.addresses[0].port = tls_port;
    rig->settings.ca_file = ca_file;
}

static void expect_refused(const char *host, const char *ca_file, const char *reason) {
    struct link_rig rig;
    prepare(&rig, host, ca_file);
    link_rig_open(&rig);
    /* localhost may have an address of each family, and only one of them is served. */
    link_rig_wait(&rig, rig.downs >= 2 && strstr(rig.reason, reason) != NULL);
    assert_int_equal(rig.ups, 0);
    link_rig_close(&rig);
}

static void the_right_server_is_talked_to(void **state) {
    (void)state;
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    struct link_rig rig;
    struct complaint complaint = {""};
    for (int i = 0; i < 2; i++) {
        prepare(&rig, hosts[i], in_folder(1, "ca.pem"));
        assert_true(redis_link_supported(&rig.url, &complaint));
        link_rig_open(&rig);
        link_rig_wait(&rig, rig.ups == 1);
        link_rig_expect_echo(&rig, "under seal");
        link_rig_close(&rig);
    }
}

static void much_passes_both_ways(void **state) {
    (void)state;
    enum { SIZE = 1024 * 1024, COUNT = 20 };
    struct link_rig rig;
    struct link_call calls[COUNT];
    char *big = malloc(SIZE);
    memset(big, 'x', SIZE);
    const char *const argv[] = {"ECHO", big};
    const size_t sizes[] = {4, SIZE};
    prepare(&rig, "localhost", in_folder(1, "ca.pem"));
    rig.settings.timeout_ms = 20000;
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    for (int i = 0; i < COUNT; i++) {
        link_call_prepare(&rig, &calls[i]);
        assert_true(redis_link_send(rig.link, link_call_replied, &calls[i], 2, argv, sizes));
    }
    free(big);
    for (int i = 0; i < COUNT; i++)
        link_call_expect(&calls[i], REDIS_REPLY_STRING, NULL);
    assert_int_equal(rig.downs, 0);
    link_rig_close(&rig);
}

static void a_stranger_is_refused(void **state) {
    (void)state;
    expect_refused("localhost", in_folder(1, "stranger.pem"),
                   "the server's certificate is refused");
    /* The system's authorities do not know ours. */
    expect_refused("localhost", NULL, "the server's certificate is refused");
}

/* Of the known authority, but for somebody else: by name and by address. */
static void another_host_is_refused(void **state) {
    (void)state;
    redis_server_do(&server, "CONFIG SET tls-cert-file %s", in_folder(0, "other.pem"));
    expect_refused("localhost", in_folder(1, "ca.pem"), "hostname mismatch");
    expect_refused("127.0.0.1", in_folder(1, "ca.pem"), "IP address mismatch");
    redis_server_do(&server, "CONFIG SET tls-cert-file %s", in_folder(0, "server.pem"));
}

static void authorities_that_cannot_be_read_are_named(void **state) {
    (void)state;
    expect_refused("localhost", in_folder(1, "nothing.pem"), "nothing.pem");
}

static void a_server_without_tls_is_refused(void **state) {
    (void)state;
    int port = tls_port;
    tls_port = server.port;
    expect_refused("localhost", in_folder(1, "ca.pem"), "");
    tls_port = port;
}

static void it_comes_back_after_a_restart(void **state) {
    (void)state;
    struct link_rig rig;
    prepare(&rig, "localhost", in_folder(1, "ca.pem"));
    link_rig_open(&rig);
    link_rig_wait(&rig, rig.ups == 1);
    redis_server_kill(&server);
    link_rig_wait(&rig, rig.downs >= 2);
    redis_server_start(&server);
    link_rig_wait(&rig, rig.ups == 2);
    link_rig_expect_echo(&rig, "back");
    link_rig_close(&rig);
}

static void it_can_be_freed_at_any_step_of_coming_up(void **state) {
    (void)state;
    for (int turns = 0; turns < 40; turns++) {
        struct link_rig rig;
        prepare(&rig, "127.0.0.1", in_folder(1, "ca.pem"));
        link_rig_open(&rig);
        for (int i = 0; i < turns; i++)
            link_rig_turn(&rig);
        link_rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_server_is_talked_to),
        cmocka_unit_test(much_passes_both_ways),
        cmocka_unit_test(a_stranger_is_refused),
        cmocka_unit_test(another_host_is_refused),
        cmocka_unit_test(authorities_that_cannot_be_read_are_named),
        cmocka_unit_test(a_server_without_tls_is_refused),
        cmocka_unit_test(it_comes_back_after_a_restart),
        cmocka_unit_test(it_can_be_freed_at_any_step_of_coming_up),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start_server, remove_server);
}

#else

static void rediss_is_refused_with_what_to_do(void **state) {
    (void)state;
    struct redis_url url = {.transport = REDIS_TLS};
    struct complaint complaint = {""};
    assert_false(redis_link_supported(&url, &complaint));
    assert_non_null(strstr(complaint.text, "rediss:// needs hiredis with TLS"));
    url.transport = REDIS_TCP;
    assert_true(redis_link_supported(&url, &complaint));
}

static void a_link_over_tls(void **state) {
    (void)state;
    print_message("skipped: built without TLS to Redis\n");
    skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rediss_is_refused_with_what_to_do),
        cmocka_unit_test(a_link_over_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
