#pragma once
/*
 * control: the endpoint under /sandbox/ by which tests and people see what the sandbox received and
 * tell it what to do. Its requests are no calls: nothing counts, logs or bills them.
 * docs/sandbox.md is its reference.
 */
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/world.h"

/* The path of the endpoint and all below it. */
#define CONTROL_PATH "/sandbox"

/* Is this path the control endpoint's? */
bool control_owns(const char *path);

/* Answers a control request. `body` has `body_size` bytes and may be NULL when that is 0. */
enum MHD_Result control_answer(struct MHD_Connection *connection, struct world *world, bool tls,
                               const char *method, const char *path, const char *body,
                               size_t body_size);

/* Answers that the body is larger than the endpoint takes. */
enum MHD_Result control_refuse_size(struct MHD_Connection *connection);
