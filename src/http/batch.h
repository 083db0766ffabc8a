#pragma once
/*
 * batch: many questions in one request, POST /verify/batch: lines in, lines out as answers come.
 *
 * The body is read whole and bounded before anything is asked, since libmicrohttpd takes no reply
 * while a body is still coming. What is under way at a time is bounded by `batch.concurrency`, what
 * waits to be read by the caller by BATCH_OUT_MOST and what was under way then. One thread: the
 * server's loop.
 */
#include <stdbool.h>
#include <stddef.h>

#include "http/request.h"

struct service;

#define BATCH_BODY_MAX ((size_t)1024 * 1024)
#define BATCH_LINE_MAX ((size_t)16 * 1024)
#define BATCH_OUT_MOST ((size_t)256 * 1024)

/* Before the body is read: who it is, what it sends, and whether there is room for one more. */
bool batch_admit(struct request *request, const struct service *service);

void batch_post(struct request *request, struct service *service);
