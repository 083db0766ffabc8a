#pragma once
/*
 * server: the listener, one thread per connection, and the way from a request to its answer.
 *
 * A connection's thread may sleep, so that latency is plain waiting; server_stop() wakes all of
 * them. libmicrohttpd's threads are waited for with poll, never its own epoll loop.
 */
#include <stdbool.h>

#include "sandbox/options.h"
#include "sandbox/reason.h"
#include "sandbox/world.h"

struct server;

/* Listens and serves from now on. Borrows `options` and `world`. NULL with the reason. */
struct server *server_start(const struct options *options, struct world *world,
                            struct reason *reason) __attribute__((warn_unused_result));

/* The address of the seller's API, such as http://127.0.0.1:9090/carrieroperator. */
const char *server_url(const struct server *server);

/* Ends every wait, closes every connection and frees the server. */
void server_stop(struct server *server);
