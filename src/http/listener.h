#pragma once
/*
 * listener: a listening socket from an address of the settings.
 */
#include <stdbool.h>

#include "runtime/complaint.h"

/*
 * Listens on `address` ("host:port", "[v6]:port", "unix:PATH"). `shared`: with SO_REUSEPORT, for
 * several workers on one port. Returns the descriptor (non-blocking, close-on-exec), or -1 with a
 * complaint. A Unix socket's path is replaced when nobody answers on it.
 */
int listener_open(const char *address, bool shared, struct complaint *complaint);

/*
 * Is the address free? Tried without SO_REUSEPORT, under which a second process of the same user
 * would silently share the port.
 */
bool listener_is_free(const char *address, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* The port that was bound, for an address with port 0; 0 for a Unix socket. */
int listener_port(int fd);
