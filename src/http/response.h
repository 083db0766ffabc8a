#pragma once
/*
 * response: a reply with the headers that every one of ours carries.
 *
 * Cache-Control: no-store (no gateway may keep people's data), X-Request-Id, and traceparent when
 * the caller sent one; RateLimit and RateLimit-Policy where the caller has limits; Connection:
 * close when the connection ends with it.
 */
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "http/request.h"

/* Copies the body. NULL without memory; the other functions accept that, and request_answer then
 * ends the connection. */
struct MHD_Response *response_new(const struct request *request, const char *content_type,
                                  const char *body, size_t size);

/* As response_new, but borrows a body that outlives every request. */
struct MHD_Response *response_new_static(const struct request *request, const char *content_type,
                                         const char *body, size_t size);

/* A reply without a body (204). */
struct MHD_Response *response_new_empty(const struct request *request);

/* As response_new, but the body is what `read` gives, bit by bit, until it says that it is at its
 * end; `release` is called with `arg` when nobody will read any more, not when this returns NULL.
 */
struct MHD_Response *response_new_stream(const struct request *request, const char *content_type,
                                         MHD_ContentReaderCallback read, void *arg,
                                         MHD_ContentReaderFreeCallback release);

void response_add(struct MHD_Response *response, const char *name, const char *value);
void response_add_number(struct MHD_Response *response, const char *name, int64_t value);
