/*
 * What libmicrohttpd alone can do: answers every request with the same bytes, after reading its
 * body.
 *
 *   bare PORT <REPLY
 *
 * REPLY is a whole reply as it goes over the wire; its status line, Content-Length, Date and
 * Connection are the library's own business and left out. One thread, which waits as
 * src/http/server.c does: the library's own loop is no faster, and stands still at 256 connections.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#define REPLY_MOST   ((size_t)64 * 1024)
#define HEADERS_MOST 32

/* As src/http/server.c has them. */
#define BACKLOG           1024
#define CONNECTION_MEMORY ((size_t)16 * 1024)
#define CONNECTIONS_MOST  10000U
#define IDLE_TIMEOUT_S    75U

struct header {
    const char *name;
    const char *value;
};

struct reply {
    char bytes[REPLY_MOST];
    struct header headers[HEADERS_MOST];
    size_t count;
    char *body;
    size_t body_size;
};

static void give_up(const char *why) {
    fprintf(stderr, "bare: %s\n", why);
    exit(1);
}

static bool is_the_library_s(const char *name) {
    static const char *const names[] = {"Content-Length", "Date", "Connection"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* "Name: value", cut in place. */
static void read_header(struct reply *reply, char *line) {
    char *colon = strstr(line, ": ");
    if (colon == NULL || reply->count == HEADERS_MOST)
        give_up("the reply's headers cannot be read");
    *colon = '\0';
    if (!is_the_library_s(line))
        reply->headers[reply->count++] = (struct header){line, colon + 2};
}

static void read_reply(struct reply *reply) {
    size_t size = fread(reply->bytes, 1, sizeof reply->bytes - 1, stdin);
    char *end = strstr(reply->bytes, "\r\n\r\n");
    if (end == NULL)
        give_up("no reply on standard input");
    reply->body = end + 4;
    reply->body_size = size - (size_t)(reply->body - reply->bytes);
    end[2] = '\0';
    char *line = strstr(reply->bytes, "\r\n") + 2;
    for (char *next; (next = strstr(line, "\r\n")) != NULL; line = next + 2) {
        *next = '\0';
        read_header(reply, line);
    }
}

static enum MHD_Result answer(const struct reply *reply, struct MHD_Connection *connection) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body_size, reply->body, MHD_RESPMEM_PERSISTENT);
    for (size_t i = 0; i < reply->count; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *size, void **context) {
    static int seen;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*context == NULL) {
        *context = &seen;
        return MHD_YES;
    }
    if (*size == 0)
        return answer(arg, connection);
    *size = 0;
    return MHD_YES;
}

static int listen_on(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0)
        give_up("cannot listen");
    return fd;
}

static void on_end(int number) {
    (void)number;
    _exit(0);
}

static struct MHD_Daemon *start_daemon(int fd, struct reply *reply) {
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
#if MHD_VERSION >= 0x00097707
    flags |= MHD_USE_NO_THREAD_SAFETY;
#endif
    return MHD_start_daemon(flags, 0, NULL, NULL, on_access, reply, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MOST,
                            MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
}

static void serve(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd waiting = {.fd = info->epoll_fd, .events = POLLIN};
    for (;;) {
        MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
        MHD_run(daemon);
        bool bounded = MHD_get_timeout(daemon, &timeout_ms) == MHD_YES;
        if (!bounded || timeout_ms > 0)
            poll(&waiting, 1, bounded ? (int)timeout_ms : -1);
    }
}

int main(int argc, char **argv) {
    static struct reply reply;
    if (argc != 2)
        give_up("use: bare PORT <REPLY");
    read_reply(&reply);
    signal(SIGTERM, on_end);
    struct MHD_Daemon *daemon = start_daemon(listen_on(argv[1]), &reply);
    if (daemon == NULL)
        give_up("the library did not start");
    serve(daemon);
}
