#pragma once
/*
 * answer: the bytes that a plan comes to.
 *
 * Most answers are an MHD response. Those that HTTP does not allow (a raw reply, a cut within the
 * headers, a reset) are written to the socket by the connection's own thread, which then drops it.
 */
#include <microhttpd.h>
#include <stdbool.h>

#include "sandbox/world.h"

/*
 * Answers the call by its plan. MHD_NO drops the connection, which may be the plan. `socket` is the
 * connection's.
 */
enum MHD_Result answer_send(struct MHD_Connection *connection, const struct plan *plan, int socket);
