#pragma once
/*
 * socket_list: the sockets that libcurl has open, since it does not tell which one a call goes out
 * on (CURLINFO_ACTIVESOCKET is not known before a reused connection is used).
 *
 * One for each upstream, on its loop. The functions are libcurl's CURLOPT_OPENSOCKETFUNCTION and
 * CURLOPT_CLOSESOCKETFUNCTION; their first argument is the list.
 */
#include <stdbool.h>

#include <curl/curl.h>

struct socket_list_entry {
    curl_socket_t fd;
    int local_port; /* 0: not known yet */
};

struct socket_list {
    struct socket_list_entry *entries;
    int count;
    int room;
};

curl_socket_t socket_list_open(void *list, curlsocktype purpose, struct curl_sockaddr *address);
int socket_list_close(void *list, curl_socket_t fd);

/* Can something be read, be it the end, from a socket that is bound to the port? Not where the port
 * is not known, 0 or less. */
bool socket_list_has_input(struct socket_list *list, int local_port);

/* All must be closed. */
void socket_list_free(struct socket_list *list);
