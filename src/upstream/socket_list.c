#include "upstream/socket_list.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool make_room(struct socket_list *list) {
    if (list->count < list->room)
        return true;
    int room = list->room > 0 ? list->room * 2 : 16;
    curl_socket_t *fds = realloc(list->fds, (size_t)room * sizeof fds[0]);
    if (fds == NULL)
        return false;
    list->fds = fds;
    list->room = room;
    return true;
}

curl_socket_t socket_list_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    struct socket_list *list = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || !make_room(list))
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0)
        list->fds[list->count++] = fd;
    return fd;
}

int socket_list_close(void *arg, curl_socket_t fd) {
    struct socket_list *list = arg;
    for (int i = 0; i < list->count; i++) {
        if (list->fds[i] == fd) {
            list->fds[i] = list->fds[--list->count];
            break;
        }
    }
    return close(fd);
}

/* 0: none. */
static int local_port_of(curl_socket_t fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

bool socket_list_has_input(const struct socket_list *list, int local_port) {
    for (int i = 0; i < list->count; i++) {
        struct pollfd pending = {.fd = list->fds[i], .events = POLLIN};
        if (local_port_of(list->fds[i]) == local_port && poll(&pending, 1, 0) > 0)
            return true;
    }
    return false;
}

void socket_list_free(struct socket_list *list) {
    free(list->fds);
    *list = (struct socket_list){.fds = NULL};
}
