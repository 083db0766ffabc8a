#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     1024
#define UNIX_PREFIX "unix:"

struct endpoint {
    struct sockaddr_storage address;
    socklen_t size;
};

static bool is_unix(const char *address) {
    return strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
}

static bool parse_unix(const char *address, struct endpoint *endpoint,
                       struct complaint *complaint) {
    struct sockaddr_un *un = (struct sockaddr_un *)&endpoint->address;
    const char *path = address + strlen(UNIX_PREFIX);
    if (path[0] == '\0' || strlen(path) >= sizeof un->sun_path)
        return complain(complaint, "cannot listen on %s: the path must have 1 to %zu bytes",
                        address, sizeof un->sun_path - 1);
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof un->sun_path, "%s", path);
    endpoint->size = sizeof *un;
    return true;
}

static bool parse_inet(const char *address, struct endpoint *endpoint,
                       struct complaint *complaint) {
    const char *colon = strrchr(address, ':');
    if (colon == NULL)
        return complain(complaint, "cannot listen on %s: a port is missing, as in 127.0.0.1:8080",
                        address);
    char host[256];
    bool bracketed = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
    const char *begin = bracketed ? address + 1 : address;
    const char *end = bracketed ? colon - 1 : colon;
    snprintf(host, sizeof host, "%.*s", (int)(end - begin), begin);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, &found);
    if (error != 0)
        return complain(complaint, "cannot listen on %s: %s", address, gai_strerror(error));
    memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
    endpoint->size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool parse(const char *address, struct endpoint *endpoint, struct complaint *complaint) {
    *endpoint = (struct endpoint){0};
    return is_unix(address) ? parse_unix(address, endpoint, complaint)
                            : parse_inet(address, endpoint, complaint);
}

static int new_socket(const struct endpoint *endpoint) {
    return socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static bool bind_to(int fd, const struct endpoint *endpoint) {
    return bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->size) == 0;
}

static bool complain_of_errno(struct complaint *complaint, const char *address) {
    if (errno == EADDRINUSE)
        return complain(complaint,
                        "cannot listen on %s: another process does; stop it or set `listen` (or "
                        "`admin.listen`) to a free address",
                        address);
    return complain(complaint, "cannot listen on %s: %s", address, strerror(errno));
}

/* A socket file nobody answers on is a leftover of a process that was killed. */
static void remove_leftover(const struct endpoint *endpoint) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)&endpoint->address;
    struct stat info;
    if (lstat(un->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return;
    int fd = new_socket(endpoint);
    if (fd < 0)
        return;
    bool answered = connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->size) == 0 ||
                    errno != ECONNREFUSED;
    close(fd);
    if (!answered)
        unlink(un->sun_path);
}

bool listener_is_free(const char *address, struct complaint *complaint) {
    struct endpoint endpoint;
    if (!parse(address, &endpoint, complaint))
        return false;
    if (is_unix(address))
        return true;
    int fd = new_socket(&endpoint);
    if (fd < 0)
        return complain_of_errno(complaint, address);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind_to(fd, &endpoint) || complain_of_errno(complaint, address);
    close(fd);
    return is_free;
}

int listener_open(const char *address, bool shared, struct complaint *complaint) {
    struct endpoint endpoint;
    if (!parse(address, &endpoint, complaint))
        return -1;
    int fd = new_socket(&endpoint);
    if (fd < 0) {
        complain_of_errno(complaint, address);
        return -1;
    }
    const int on = 1;
    if (is_unix(address))
        remove_leftover(&endpoint);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind_to(fd, &endpoint) && listen(fd, BACKLOG) == 0)
        return fd;
    complain_of_errno(complaint, address);
    close(fd);
    return -1;
}

void listener_name(int fd, const char *address, char name[LISTENER_NAME_SIZE]) {
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char host[64];
    char port[8];
    snprintf(name, LISTENER_NAME_SIZE, "%s", address);
    if (is_unix(address) || getsockname(fd, (struct sockaddr *)&bound, &size) != 0 ||
        getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    bool v6 = bound.ss_family == AF_INET6;
    snprintf(name, LISTENER_NAME_SIZE, v6 ? "[%s]:%s" : "%s:%s", host, port);
}

int listener_open_another(int first, const char *address, struct complaint *complaint) {
    char name[LISTENER_NAME_SIZE];
    if (!is_unix(address)) {
        listener_name(first, address, name);
        return listener_open(name, true, complaint);
    }
    int fd = fcntl(first, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        complain_of_errno(complaint, address);
    return fd;
}
