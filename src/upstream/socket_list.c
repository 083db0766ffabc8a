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
    struct socket_list_entry *entries =
        realloc(list->entries, (size_t)room * sizeof list->entries[0]);
    if (entries == NULL)
        return false;
    list->entries = entries;
    list->room = room;
    return true;
}

curl_socket_t socket_list_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    struct socket_list *list = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || !make_room(list))
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0)
        list->entries[list->count++] = (struct socket_list_entry){.fd = fd};
    return fd;
}

int socket_list_close(void *arg, curl_socket_t fd) {
    struct socket_list *list = arg;
    for (int i = 0; i < list->count; i++) {
        if (list->entries[i].fd == fd) {
            list->entries[i] = list->entries[--list->count];
            break;
        }
    }
    return close(fd);
}

/* 0: none, for it is not connected yet. */
static int read_local_port(curl_socket_t fd) {
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

bool socket_list_has_input(struct socket_list *list, int local_port) {
    for (int i = 0; local_port > 0 && i < list->count; i++) {
        struct socket_list_entry *entry = &list->entries[i];
        struct pollfd pending = {.fd = entry->fd, .events = POLLIN};
        if (entry->local_port == 0)
            entry->local_port = read_local_port(entry->fd);
        if (entry->local_port == local_port && poll(&pending, 1, 0) > 0)
            return true;
    }
    return false;
}

void socket_list_free(struct socket_list *list) {
    free(list->entries);
    *list = (struct socket_list){.entries = NULL};
}
