#pragma once
/*
 * sockets: those that libcurl has open, on the loop.
 *
 * libcurl has a socket watched when a transfer begins and no more when it ends, although its
 * connection is kept. Here the socket of a kept connection stays with libuv, which would need half
 * a dozen system calls for each transfer else; should something come while nobody asks, it is left
 * there, and the socket is not watched until somebody asks again.
 *
 * They are in a list, since libcurl does not tell which one a call goes out on
 * (CURLINFO_ACTIVESOCKET is not known before a reused connection is used).
 *
 * One for each upstream, on its loop. The functions with libcurl's signatures are its
 * CURLMOPT_SOCKETFUNCTION, CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION, and get the
 * sockets as their data.
 */
#include <stdbool.h>

#include <curl/curl.h>
#include <uv.h>

struct watched_socket;

struct sockets_entry {
    curl_socket_t fd;
    int local_port;                 /* 0: not known yet */
    bool connected;                 /* from now on libcurl says when it closes it */
    struct watched_socket *watched; /* NULL: it is not with libuv */
};

struct sockets {
    uv_loop_t *loop;
    CURLM *multi;
    void *arg;
    /* `flags` are CURL_CSELECT_. */
    void (*ready)(void *arg, curl_socket_t fd, int flags);
    void (*closed)(void *arg); /* after `handles` became one less */
    int handles;               /* of libuv's, not yet closed */
    struct sockets_entry *entries;
    int count;
    int room;
};

int sockets_watch(CURL *easy, curl_socket_t fd, int what, void *sockets, void *watched);
curl_socket_t sockets_open(void *sockets, curlsocktype purpose, struct curl_sockaddr *address);
int sockets_close(void *sockets, curl_socket_t fd);

/* The one that is bound to the port is connected: something is about to be sent on it. Not where
 * the port is not known, 0 or less. */
void sockets_note_connected(struct sockets *sockets, int local_port);

/* Can something be read, be it the end, from a socket that is bound to the port? Not where the port
 * is not known, 0 or less. */
bool sockets_have_input(struct sockets *sockets, int local_port);

/* All must be closed, and `handles` be 0. */
void sockets_free(struct sockets *sockets);
