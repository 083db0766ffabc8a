#pragma once
/*
 * route: which handler serves which method and path, in one table per listener.
 *
 * One segment of a path may be "{id}": it stands for any that is not empty, and the request is told
 * it as its `parameter`.
 */
#include <stdbool.h>
#include <stddef.h>

struct request;
struct service;

/* How a route is counted and shown in the metrics. */
enum route_name {
    ROUTE_OTHER,
    ROUTE_VERIFY_POST,
    ROUTE_VERIFY_GET,
    ROUTE_CARRIEROPERATOR,
    ROUTE_VERIFY_BATCH,
    ROUTE_NAMES,
};

struct route {
    const char *method;
    const char *path; /* NULL ends a table */
    /* Answers with request_answer, now or later. */
    void (*handle)(struct request *request, struct service *service);
    size_t body_max; /* bytes; 0: REQUEST_BODY_MAX */
    /* Asked before the body is read, where a large one is not to be taken from anybody. False: it
     * was answered. NULL: the handler asks. */
    bool (*admit)(struct request *request, const struct service *service);
    enum route_name name;
};

#define ROUTE_ALLOWED_SIZE   64
#define ROUTE_PARAMETER_SIZE 64 /* a longer segment is no id of anything */

/* The row for a method and path; `parameter` is what stands for its "{id}", else empty. NULL: none;
 * then `allowed` holds the methods the path knows, as for an Allow header, or is empty for an
 * unknown path. */
const struct route *route_find(const struct route *table, const char *method, const char *path,
                               char parameter[ROUTE_PARAMETER_SIZE],
                               char allowed[ROUTE_ALLOWED_SIZE]);
