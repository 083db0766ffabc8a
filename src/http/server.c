#include "http/server.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/request.h"
#include "runtime/log.h"

/* Headers and a request line must fit; bodies are kept elsewhere. Also bounds what an idle
 * connection costs. */
#define CONNECTION_MEMORY ((size_t)16 * 1024)

/* So often is the library run in one turn while it says that it has work: then the loop's other
 * sources get theirs. */
#define RUNS_PER_TURN 8

/* Bounds the accepting of what queues when the socket is closed; ten are accepted per run. */
#define FINAL_ACCEPT_RUNS 200

struct server {
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_prepare_t prepare;
    bool poked;
    int fd; /* -1: no longer listening */
    size_t active;
    size_t connections;
    const struct route *routes;
    struct service *service;
    int open_handles;
    struct request_pool requests;
};

/* --- running the library --- */

static void on_timer(uv_timer_t *timer);

static void run(struct server *server) {
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    bool has_timeout = false;
    bool more = true;
    for (int i = 0; i < RUNS_PER_TURN && more; i++) {
        server->poked = false;
        MHD_run(server->daemon);
        has_timeout = MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES;
        more = server->poked || (has_timeout && timeout_ms == 0);
    }
    server->poked = false;
    if (more)
        uv_timer_start(&server->timer, on_timer, 0, 0);
    else if (has_timeout)
        uv_timer_start(&server->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&server->timer);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_timer(uv_timer_t *timer) {
    run(timer->data);
}

/* Just before the loop may sleep. */
static void on_prepare(uv_prepare_t *prepare) {
    struct server *server = prepare->data;
    if (server->poked)
        run(server);
}

void server_poke(struct server *server) {
    server->poked = true;
}

/* --- life --- */

__attribute__((format(printf, 2, 0))) static void on_library_log(void *arg, const char *format,
                                                                 va_list args) {
    (void)arg;
    char line[512];
    if (!log_enabled(LOG_DEBUG))
        return;
    vsnprintf(line, sizeof line, format, args);
    log_debug("http library", LOG_TEXT("message", line));
}

/*
 * At its limit the library stops watching the listening socket, and watches it again in the run
 * after the one in which a connection ended; without that run nobody would be let in any more.
 */
static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    (void)connection;
    (void)context;
    struct server *server = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        server->connections--;
        server_poke(server);
    } else {
        server->connections++;
    }
}

static struct MHD_Daemon *start_daemon(struct server *server,
                                       const struct server_settings *settings) {
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
#if MHD_VERSION >= 0x00097707
    flags |= MHD_USE_NO_THREAD_SAFETY;
#endif
#if MHD_VERSION >= 0x00097701
    const struct MHD_OptionItem strictness = {MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL};
#else
    const struct MHD_OptionItem strictness = {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL};
#endif
    struct MHD_OptionItem options[] = {strictness, {MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        flags, 0, NULL, NULL, request_on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_library_log,
        NULL, MHD_OPTION_LISTEN_SOCKET, settings->fd, MHD_OPTION_CONNECTION_LIMIT,
        settings->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, settings->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_URI_LOG_CALLBACK,
        request_on_uri, server, MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_ARRAY, options,
        MHD_OPTION_END);
}

static bool watch_daemon(struct server *server, uv_loop_t *loop) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || uv_poll_init(loop, &server->poll, info->epoll_fd) != 0)
        return false;
    uv_timer_init(loop, &server->timer);
    uv_prepare_init(loop, &server->prepare);
    server->poll.data = server;
    server->timer.data = server;
    server->prepare.data = server;
    server->open_handles = 3;
    uv_poll_start(&server->poll, UV_READABLE, on_ready);
    uv_prepare_start(&server->prepare, on_prepare);
    return true;
}

struct server *server_new(uv_loop_t *loop, const struct server_settings *settings,
                          struct complaint *complaint) {
    struct server *server = calloc(1, sizeof *server);
    if (server != NULL) {
        server->fd = settings->fd;
        server->routes = settings->routes;
        server->service = settings->service;
        server->daemon = start_daemon(server, settings);
    }
    if (server != NULL && server->daemon != NULL && watch_daemon(server, loop))
        return server;
    complain(complaint, "the HTTP library could not be started; is there memory, and are there "
                        "file descriptors left (ulimit -n)?");
    if (server != NULL && server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    else
        close(settings->fd);
    free(server);
    return NULL;
}

static bool has_queue(int fd) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, 0) > 0;
}

void server_stop_listening(struct server *server) {
    if (server->fd < 0)
        return;
    for (int i = 0; i < FINAL_ACCEPT_RUNS && has_queue(server->fd); i++)
        MHD_run(server->daemon);
    MHD_quiesce_daemon(server->daemon);
    close(server->fd);
    server->fd = -1;
    server->poked = true;
}

size_t server_active(const struct server *server) {
    return server->active;
}

size_t server_connections(const struct server *server) {
    return server->connections;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct server *server = handle->data;
    if (--server->open_handles == 0)
        free(server);
}

void server_free(struct server *server) {
    if (server == NULL)
        return;
    /* Before the library closes the descriptor that is watched. */
    uv_poll_stop(&server->poll);
    MHD_stop_daemon(server->daemon);
    request_pool_free(&server->requests);
    uv_close((uv_handle_t *)&server->poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
}

const struct route *server_routes(const struct server *server) {
    return server->routes;
}

struct service *server_service(const struct server *server) {
    return server->service;
}

uv_loop_t *server_loop(const struct server *server) {
    return server->timer.loop;
}

struct request_pool *server_request_pool(struct server *server) {
    return &server->requests;
}

void server_count(struct server *server, int change) {
    server->active = change > 0 ? server->active + 1 : server->active - 1;
}
