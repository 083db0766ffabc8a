#pragma once
/*
 * listener: a listening TCP socket, on the loopback unless more was asked for.
 */
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/options.h"
#include "sandbox/reason.h"

/*
 * Binds and listens as the options say; -1 with the reason. Writes HOST:PORT as a URL has it, with
 * the port that was bound, to `address`. The caller closes the socket.
 */
int listener_open(const struct options *options, char *address, size_t capacity,
                  struct reason *reason) __attribute__((warn_unused_result));
