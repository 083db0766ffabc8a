#pragma once
/*
 * server: libmicrohttpd on a libuv loop.
 *
 * libmicrohttpd never waits by itself: its epoll descriptor hangs in the loop, and it is run when
 * that is ready, when its own timeout says so, and after a resume. (Its own epoll loop stands still
 * at exact multiples of 128 busy connections; a resumed connection waits for the next unrelated
 * event.) One thread: the loop's.
 */
#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>
#include <uv.h>

#include "http/route.h"
#include "runtime/complaint.h"

struct server;

struct server_settings {
    int fd; /* listening; taken, also on failure */
    unsigned max_connections;
    unsigned idle_timeout_s;
    const struct route *routes; /* ended by a row without a path; borrowed */
    struct service *service;    /* handed to the routes; borrowed */
};

struct server *server_new(uv_loop_t *loop, const struct server_settings *settings,
                          struct complaint *complaint);

/* A connection was resumed: run once more before the loop sleeps. */
void server_poke(struct server *server);

/* Takes what already queues to be accepted, then closes the listening socket. */
void server_stop_listening(struct server *server);

/* Requests that have begun and not ended. */
size_t server_active(const struct server *server);

/* Open ones, idle or not. */
size_t server_connections(const struct server *server);

/* No request may be suspended. The loop must run once more for libuv to let go. */
void server_free(struct server *server);

/* Of the server that a request came to: its routes, its service and its loop; and, for request.c,
 * its count and what it makes requests of. */
const struct route *server_routes(const struct server *server);
struct service *server_service(const struct server *server);
uv_loop_t *server_loop(const struct server *server);
struct request_pool *server_request_pool(struct server *server);
void server_count(struct server *server, int change);
