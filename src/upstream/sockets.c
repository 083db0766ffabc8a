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
    int wanted;  /* UV_READABLE and so on: what libcurl waits for; 0: nothing */
    int watched; /* what libuv looks for; 0: nothing */
};

/* --- the list --- */

static struct sockets_entry *find(const struct sockets *sockets, curl_socket_t fd) {
    for (int i = 0; i < sockets->count; i++) {
        if (sockets->entries[i].fd == fd)
            return &sockets->entries[i];
    }
    return NULL;
}

static bool make_room(struct sockets *sockets) {
    if (sockets->count < sockets->room)
        return true;
    int room = sockets->room > 0 ? sockets->room * 2 : 16;
    struct sockets_entry *entries =
        realloc(sockets->entries, (size_t)room * sizeof sockets->entries[0]);
    if (entries == NULL)
        return false;
    sockets->entries = entries;
    sockets->room = room;
    return true;
}

static void remove_entry(struct sockets *sockets, curl_socket_t fd) {
    struct sockets_entry *entry = find(sockets, fd);
    if (entry != NULL)
        *entry = sockets->entries[--sockets->count];
}

/* --- on the loop --- */

static void on_closed(uv_handle_t *handle) {
    struct watched_socket *watched = handle->data;
    struct sockets *sockets = watched->sockets;
    free(watched);
    sockets->handles--;
    sockets->closed(sockets->arg);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct watched_socket *watched = poll->data;
    int flags = 0;
    if (status < 0 || watched->wanted == 0) {
        uv_poll_stop(poll);
        watched->watched = 0;
    }
    if (watched->wanted == 0)
        return;
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    watched->sockets->ready(watched->sockets->arg, watched->fd, flags);
}

/* NULL: no memory, or libuv cannot watch it. */
static struct watched_socket *begin(struct sockets *sockets, curl_socket_t fd) {
    struct watched_socket *watched = calloc(1, sizeof *watched);
    if (watched == NULL)
        return NULL;
    if (uv_poll_init(sockets->loop, &watched->poll, fd) != 0) {
        free(watched);
        return NULL;
    }
    watched->poll.data = watched;
    watched->sockets = sockets;
    watched->fd = fd;
    sockets->handles++;
    return watched;
}

static void watch(struct watched_socket *watched, int wanted) {
    watched->wanted = wanted;
    if (watched->watched == wanted)
        return;
    bool started = uv_poll_start(&watched->poll, wanted, on_ready) == 0;
    watched->watched = started ? wanted : 0;
}

/* One that is not connected yet may be closed already, without a word, and its number be another
 * one's; so may one of those by which the resolver's threads report, which are in no list. */
static void stop(struct watched_socket *watched, struct sockets_entry *entry) {
    if (entry != NULL && entry->connected) {
        watched->wanted = 0;
        return;
    }
    uv_close((uv_handle_t *)&watched->poll, on_closed);
    if (entry != NULL)
        entry->watched = NULL;
}

/* Returning -1 would abort every transfer (libcurl's documentation), so a socket that cannot be
 * watched is left to its transfer's own timeout. */
int sockets_watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *known) {
    (void)easy;
    struct sockets *sockets = arg;
    struct sockets_entry *entry = find(sockets, fd);
    struct watched_socket *watched = known;
    if (watched == NULL && entry != NULL)
        watched = entry->watched;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL)
            stop(watched, entry);
        return 0;
    }
    if (watched == NULL)
        watched = begin(sockets, fd);
    if (watched == NULL)
        return 0;
    if (entry != NULL)
        entry->watched = watched;
    if (known == NULL)
        curl_multi_assign(sockets->multi, fd, watched);
    watch(watched,
          (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0));
    return 0;
}

/* --- opened and closed --- */

curl_socket_t sockets_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    struct sockets *sockets = arg;
    if (purpose != CURLSOCKTYPE_IPCXN || !make_room(sockets))
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return fd;
    remove_entry(sockets, fd); /* of one that was closed without a word */
    sockets->entries[sockets->count++] = (struct sockets_entry){.fd = fd};
    return fd;
}

int sockets_close(void *arg, curl_socket_t fd) {
    struct sockets *sockets = arg;
    struct sockets_entry *entry = find(sockets, fd);
    if (entry != NULL && entry->watched != NULL)
        uv_close((uv_handle_t *)&entry->watched->poll, on_closed);
    remove_entry(sockets, fd);
    return close(fd);
}

/* --- which one is it? --- */

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

static bool is_at_port(struct sockets_entry *entry, int local_port) {
    if (entry->local_port == 0)
        entry->local_port = read_local_port(entry->fd);
    return entry->local_port == local_port;
}

void sockets_note_connected(struct sockets *sockets, int local_port) {
    for (int i = 0; local_port > 0 && i < sockets->count; i++) {
        struct sockets_entry *entry = &sockets->entries[i];
        if (!entry->connected && is_at_port(entry, local_port))
            entry->connected = true;
    }
}

bool sockets_have_input(struct sockets *sockets, int local_port) {
    for (int i = 0; local_port > 0 && i < sockets->count; i++) {
        struct sockets_entry *entry = &sockets->entries[i];
        struct pollfd pending = {.fd = entry->fd, .events = POLLIN};
        if (is_at_port(entry, local_port) && poll(&pending, 1, 0) > 0)
            return true;
    }
    return false;
}

void sockets_free(struct sockets *sockets) {
    free(sockets->entries);
    *sockets = (struct sockets){.entries = NULL};
}
