#pragma once
/*
 * redis_server: a real redis-server of a test's own, on a free loopback port and a unix socket in a
 * folder of its own. It dies with the test program, and its folder goes too. SANYAO_TEST_REDIS
 * names another program, such as valkey-server.
 *
 * All functions fail the running cmocka test when something does not happen within the deadline.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define REDIS_SERVER_DEADLINE_MS 30000
#define REDIS_SERVER_ARGUMENTS   48
#define REDIS_SERVERS            16

struct redis_server {
    char folder[64];
    char socket[80];
    int port;
    pid_t pid;            /* 0: does not run */
    const char *password; /* of the default user, for redis_server_ask; NULL: none */
    char arguments[REDIS_SERVER_ARGUMENTS][160];
    int argument_count;
};

static struct redis_server *redis_servers[REDIS_SERVERS];

static inline int64_t redis_server_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline const char *redis_server_program(void) {
    const char *program = getenv("SANYAO_TEST_REDIS");
    return program != NULL && program[0] != '\0' ? program : "redis-server";
}

/* A port that was free a moment ago, below the kernel's own choices, so that nobody is given the
 * port of a server that is down, and so that a cluster's second port, 10000 above, exists. */
static inline int redis_server_free_port(void) {
    for (int tries = 0; tries < 1000; tries++) {
        uint16_t chance = 0;
        if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
            break;
        uint16_t port = (uint16_t)(10000 + chance % 10000);
        struct sockaddr_in address = {
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (bound == 0)
            return port;
    }
    fail_msg("no free port");
    return 0;
}

/* --- its life --- */

static inline void redis_server_kill(struct redis_server *server) {
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

/* Stops it, and removes its folder. */
static inline void redis_server_remove(struct redis_server *server) {
    redis_server_kill(server);
    for (int i = 0; i < REDIS_SERVERS; i++) {
        if (redis_servers[i] == server)
            redis_servers[i] = NULL;
    }
    if (server->folder[0] == '\0')
        return;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", server->folder);
    if (system(command) != 0)
        print_error("cannot remove %s\n", server->folder);
    server->folder[0] = '\0';
}

static inline void redis_server_remove_all(void) {
    for (int i = 0; i < REDIS_SERVERS; i++) {
        if (redis_servers[i] != NULL)
            redis_server_remove(redis_servers[i]);
    }
}

static inline void redis_server_register(struct redis_server *server) {
    static bool asked;
    if (!asked)
        atexit(redis_server_remove_all);
    asked = true;
    for (int i = 0; i < REDIS_SERVERS; i++) {
        if (redis_servers[i] == NULL) {
            redis_servers[i] = server;
            return;
        }
    }
    fail_msg("too many servers");
}

static inline void redis_server_add(struct redis_server *server, const char *argument) {
    assert_true(server->argument_count < REDIS_SERVER_ARGUMENTS - 1);
    snprintf(server->arguments[server->argument_count++], sizeof server->arguments[0], "%s",
             argument);
}

/* A folder, a port and the usual arguments; what is to be added is added before it is started. */
static inline void redis_server_prepare(struct redis_server *server) {
    memset(server, 0, sizeof *server);
    strcpy(server->folder, "/tmp/sanyao-redis-XXXXXX");
    if (mkdtemp(server->folder) == NULL)
        fail_msg("cannot make %s", server->folder);
    redis_server_register(server);
    snprintf(server->socket, sizeof server->socket, "%s/socket", server->folder);
    server->port = redis_server_free_port();
    char port[16];
    snprintf(port, sizeof port, "%d", server->port);
    const char *const usual[] = {redis_server_program(),
                                 "--port",
                                 port,
                                 "--bind",
                                 "127.0.0.1",
                                 "--unixsocket",
                                 server->socket,
                                 "--dir",
                                 server->folder,
                                 "--logfile",
                                 "log",
                                 "--save",
                                 "",
                                 "--repl-diskless-sync-delay",
                                 "0"};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        redis_server_add(server, usual[i]);
}

static inline void redis_server_launch(struct redis_server *server) {
    char *argv[REDIS_SERVER_ARGUMENTS];
    for (int i = 0; i < server->argument_count; i++)
        argv[i] = server->arguments[i];
    argv[server->argument_count] = NULL;
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 0);
    dup2(nowhere, 1);
    execvp(argv[0], argv);
    _exit(127);
}

static inline redisContext *redis_server_connect(const struct redis_server *server) {
    const struct timeval timeout = {.tv_sec = 5};
    redisContext *context = redisConnectUnixWithTimeout(server->socket, timeout);
    if (context == NULL)
        fail_msg("no memory");
    redisSetTimeout(context, timeout);
    if (context->err == 0 && server->password != NULL)
        freeReplyObject(redisCommand(context, "AUTH %s", server->password));
    return context;
}

/* Runs it, with what was added; also after it was killed. Waits until it answers. */
static inline void redis_server_start(struct redis_server *server) {
    int64_t deadline = redis_server_now_ms() + REDIS_SERVER_DEADLINE_MS;
    redis_server_launch(server);
    for (;;) {
        redisContext *context = redis_server_connect(server);
        redisReply *reply = context->err == 0 ? redisCommand(context, "PING") : NULL;
        bool ready = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
        redisFree(context);
        if (ready)
            return;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            fail_msg("%s ended; is it installed?", redis_server_program());
        }
        if (redis_server_now_ms() > deadline)
            fail_msg("redis-server does not answer");
        usleep(2000);
    }
}

/* The usual one. */
static inline void redis_server_run(struct redis_server *server) {
    redis_server_prepare(server);
    redis_server_start(server);
}

static inline void redis_server_freeze(const struct redis_server *server) {
    int status = 0;
    assert_true(server->pid > 0);
    kill(server->pid, SIGSTOP);
    waitpid(server->pid, &status, WUNTRACED);
    assert_true(WIFSTOPPED(status));
}

static inline void redis_server_thaw(const struct redis_server *server) {
    assert_true(server->pid > 0);
    kill(server->pid, SIGCONT);
}

/* --- asking it, past what is tested --- */

/* A command as for redisCommand, on a connection of its own. To be freed with freeReplyObject. */
static inline redisReply *redis_server_ask(const struct redis_server *server, const char *format,
                                           ...) {
    va_list arguments;
    redisContext *context = redis_server_connect(server);
    va_start(arguments, format);
    redisReply *reply = context->err == 0 ? redisvCommand(context, format, arguments) : NULL;
    va_end(arguments);
    if (reply == NULL)
        fail_msg("redis-server does not answer: %s", context->errstr);
    redisFree(context);
    return reply;
}

/* The same, where the reply must not be an error and does not matter otherwise. */
#define redis_server_do(server, ...)                                                               \
    do {                                                                                           \
        redisReply *reply_ = redis_server_ask((server), __VA_ARGS__);                              \
        if (reply_->type == REDIS_REPLY_ERROR)                                                     \
            fail_msg("%s", reply_->str);                                                           \
        freeReplyObject(reply_);                                                                   \
    } while (0)

static inline long long redis_server_count(const struct redis_server *server, const char *command) {
    redisReply *reply = redis_server_ask(server, command);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    long long count = reply->integer;
    freeReplyObject(reply);
    return count;
}

/* As 602 for 6.2. */
static inline int redis_server_version(const struct redis_server *server) {
    redisReply *reply = redis_server_ask(server, "INFO server");
    const char *found = strstr(reply->str, "redis_version:");
    int major = 0;
    int minor = 0;
    if (found == NULL || sscanf(found, "redis_version:%d.%d", &major, &minor) != 2)
        fail_msg("no version");
    freeReplyObject(reply);
    return major * 100 + minor;
}

/* Grows with everything that is written. */
static inline long long redis_server_writes(const struct redis_server *server) {
    redisReply *reply = redis_server_ask(server, "INFO persistence");
    const char *found = strstr(reply->str, "rdb_changes_since_last_save:");
    assert_non_null(found);
    long long writes = atoll(strchr(found, ':') + 1);
    freeReplyObject(reply);
    return writes;
}

/* One by one, since Redis 6 knows no ranges. */
static inline void redis_server_add_slots(const struct redis_server *server) {
    enum { SLOTS = 16384 };
    static char numbers[SLOTS][8];
    static const char *argv[2 + SLOTS] = {"CLUSTER", "ADDSLOTS"};
    for (int i = 0; i < SLOTS; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%d", i);
        argv[2 + i] = numbers[i];
    }
    redisContext *context = redis_server_connect(server);
    redisReply *reply = redisCommandArgv(context, 2 + SLOTS, argv, NULL);
    if (reply == NULL || reply->type != REDIS_REPLY_STATUS)
        fail_msg("the slots are not taken: %s", reply != NULL ? reply->str : context->errstr);
    freeReplyObject(reply);
    redisFree(context);
}

/* One in cluster mode, which refuses every script that names keys of more than one hash slot. All
 * slots on one node, which therefore is the whole cluster. */
static inline void redis_server_run_cluster(struct redis_server *server) {
    redis_server_prepare(server);
    redis_server_add(server, "--cluster-enabled");
    redis_server_add(server, "yes");
    redis_server_start(server);
    redis_server_add_slots(server);
    int64_t deadline = redis_server_now_ms() + REDIS_SERVER_DEADLINE_MS;
    for (;;) {
        redisReply *reply = redis_server_ask(server, "CLUSTER INFO");
        bool ready = strstr(reply->str, "cluster_state:ok") != NULL;
        freeReplyObject(reply);
        if (ready)
            return;
        if (redis_server_now_ms() > deadline)
            fail_msg("the cluster does not come up");
        usleep(1000);
    }
}
