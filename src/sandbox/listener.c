#include "sandbox/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

static void write_address(int socket, char *to, size_t capacity) {
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "?";
    char port[8] = "?";
    getsockname(socket, (struct sockaddr *)&bound, &size);
    getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(to, capacity, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int bind_and_listen(const struct addrinfo *info) {
    int on = 1;
    int opened = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
    if (opened < 0) {
        return -1;
    }
    setsockopt(opened, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(opened, info->ai_addr, info->ai_addrlen) == 0 && listen(opened, BACKLOG) == 0) {
        return opened;
    }
    int error = errno;
    close(opened);
    errno = error;
    return -1;
}

int listener_open(const struct options *options, char *address, size_t capacity,
                  struct reason *reason) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(options->host, options->port, &hints, &found);
    if (error != 0) {
        refuse(reason, "listen: %s:%s: %s", options->host, options->port, gai_strerror(error));
        return -1;
    }
    int opened = -1;
    if (!options->open_to_all && !is_loopback(found->ai_addr)) {
        refuse(reason, "listen: %s is not a loopback address; --public allows it", options->host);
    } else if ((opened = bind_and_listen(found)) < 0) {
        refuse(reason, "listen: %s:%s: %s", options->host, options->port, strerror(errno));
    } else {
        write_address(opened, address, capacity);
    }
    freeaddrinfo(found);
    return opened;
}
