#include "upstream/sockets.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct watched_socket {
    uv_poll_t poll;
    struct sockets *sockets;
    curl_socket_t fd;
    bool ours;      /* opened here, and closed here by libcurl's wish */
    bool polled;    /* is `poll` a handle of the loop's? */
    int wanted;     /* UV_READABLE and so on: what libcurl waits for; 0: nothing */
    int watched;    /* what libuv looks for; 0: nothing */
    int local_port; /* 0: not known yet */
};

/* --- the list --- */

static bool make_room(struct sockets *sockets) {
    if (sockets->count < sockets->room)
        return true;
    int room = sockets->room > 0 ? sockets->room * 2 : 16;
    struct watched_socket **list = realloc(sockets->list, (size_t)room * sizeof *list);
    if (list == NULL)
        return false;
    sockets->list = list;
    sockets->room = room;
    return true;
}

/* NULL: no memory. */
static struct watched_socket *add(struct sockets *sockets, curl_socket_t fd, bool ours) {
    struct watched_socket *added = make_room(sockets) ? calloc(1, sizeof *added) : NULL;
    if (added == NULL)
        return NULL;
    added->sockets = sockets;
    added->fd = fd;
    added->ours = ours;
    sockets->list[sockets->count++] = added;
    return added;
}

static int place_of(const struct sockets *sockets, curl_socket_t fd) {
    int place = 0;
    while (place < sockets->count && sockets->list[place]->fd != fd)
        place++;
    return place;
}

static void on_poll_closed(uv_handle_t *handle) {
    struct watched_socket *socket = handle->data;
    struct sockets *sockets = socket->sockets;
    free(socket);
    sockets->handles--;
    sockets->closed(sockets->arg);
}

static void drop(struct sockets *sockets, curl_socket_t fd) {
    int place = place_of(sockets, fd);
    if (place == sockets->count)
        return;
    struct watched_socket *socket = sockets->list[place];
    sockets->list[place] = sockets->list[--sockets->count];
    if (socket->polled)
        uv_close((uv_handle_t *)&socket->poll, on_poll_closed);
    else
        free(socket);
}

/* --- on the loop --- */

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct watched_socket *socket = poll->data;
    int flags = 0;
    if (status < 0 || socket->wanted == 0) {
        uv_poll_stop(poll);
        socket->watched = 0;
    }
    if (socket->wanted == 0)
        return;
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    socket->sockets->ready(socket->sockets->arg, socket->fd, flags);
}

static bool begin_polling(struct watched_socket *socket) {
    if (uv_poll_init(socket->sockets->loop, &socket->poll, socket->fd) != 0)
        return false;
    socket->poll.data = socket;
    socket->polled = true;
    socket->sockets->handles++;
    return true;
}

static void watch(struct watched_socket *socket) {
    if (socket->watched == socket->wanted || (!socket->polled && !begin_polling(socket)))
        return;
    bool started = uv_poll_start(&socket->poll, socket->wanted, on_ready) == 0;
    socket->watched = started ? socket->wanted : 0;
}

/* The sockets by which the resolver's threads report are opened and closed by libcurl itself. */
static void forget(struct watched_socket *socket) {
    socket->wanted = 0;
    if (!socket->ours)
        drop(socket->sockets, socket->fd);
}

/* Returning -1 would abort every transfer (libcurl's documentation), so a socket that cannot be
 * watched is left to its transfer's own timeout. */
int sockets_watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned) {
    (void)easy;
    struct sockets *sockets = arg;
    struct watched_socket *socket = assigned;
    int place = socket == NULL ? place_of(sockets, fd) : 0;
    if (socket == NULL && place < sockets->count)
        socket = sockets->list[place];
    if (what == CURL_POLL_REMOVE) {
        if (socket != NULL)
            forget(socket);
        return 0;
    }
    if (socket == NULL)
        socket = add(sockets, fd, false);
    if (socket == NULL)
        return 0;
    socket->wanted =
        (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    watch(socket);
    if (assigned == NULL)
        curl_multi_assign(sockets->multi, fd, socket);
    return 0;
}

/* --- opened and closed --- */

curl_socket_t sockets_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    struct sockets *sockets = arg;
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && add(sockets, fd, true) == NULL) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

int sockets_close(void *arg, curl_socket_t fd) {
    drop(arg, fd);
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

bool sockets_have_input(const struct sockets *sockets, int local_port) {
    for (int i = 0; local_port > 0 && i < sockets->count; i++) {
        struct watched_socket *socket = sockets->list[i];
        struct pollfd pending = {.fd = socket->fd, .events = POLLIN};
        if (socket->ours && socket->local_port == 0)
            socket->local_port = read_local_port(socket->fd);
        if (socket->local_port == local_port && poll(&pending, 1, 0) > 0)
            return true;
    }
    return false;
}

void sockets_free(struct sockets *sockets) {
    free(sockets->list);
    *sockets = (struct sockets){.list = NULL};
}
