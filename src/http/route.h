#pragma once
/*
 * route: which handler serves which method and path, in one table per listener.
 */
#include <stdbool.h>

#include "http/request.h"

struct service;

struct route {
    const char *method;
    const char *path; /* NULL ends a table */
    /* Answers with request_answer, now or later. */
    void (*handle)(struct request *request, struct service *service);
};

/* The row for a method and path. NULL: none; then `allowed` holds the methods the path knows, as
 * for an Allow header, or is empty for an unknown path. */
#define ROUTE_ALLOWED_SIZE 64
const struct route *route_find(const struct route *table, const char *method, const char *path,
                               char allowed[ROUTE_ALLOWED_SIZE]);
