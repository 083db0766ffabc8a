#pragma once
/*
 * form: the parameters of a call, from its query or from its body.
 *
 * The market's sellers take the same three values under other names, in a query, in a form or as
 * JSON. Functions without state; safe from any thread.
 */
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/call.h"

/*
 * Fills the call's parameters with what is given: from the query in the guide's shape or with GET,
 * else from `body` (of `size` bytes, may be NULL when that is 0) as its Content-Type says. What
 * cannot be read gives none. False when memory is out.
 */
bool form_take(struct MHD_Connection *connection, const char *method, const char *body, size_t size,
               struct call *call) __attribute__((warn_unused_result));
