#pragma once
/*
 * listener: a listening socket from an address of the settings: "host:port", "[v6]:port" (port 0:
 * any free one) or "unix:PATH". Call from the main thread.
 */
#include <stdbool.h>

#include "runtime/complaint.h"

/*
 * Returns the descriptor (non-blocking, close-on-exec), or -1 with a complaint. `shared`: with
 * SO_REUSEPORT, for several workers on one port. A Unix socket's path is replaced when nobody
 * answers on it.
 */
int listener_open(const char *address, bool shared, struct complaint *complaint);

/*
 * One more for another worker, where `first` (opened as shared) listens: the kernel spreads the
 * connections over them. A Unix socket cannot be shared so; its descriptor is duplicated, and
 * whoever is awake accepts.
 */
int listener_open_another(int first, const char *address, struct complaint *complaint);

/*
 * Is the address free? Tried without SO_REUSEPORT, under which a second process of the same user
 * would silently share the port.
 */
bool listener_is_free(const char *address, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* The address that was bound, with the real port. */
#define LISTENER_NAME_SIZE 160
void listener_name(int fd, const char *address, char name[LISTENER_NAME_SIZE]);
