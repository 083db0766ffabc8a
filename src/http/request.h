#pragma once
/*
 * request: one HTTP request, from its first line to the last byte of its reply.
 *
 *   NEW ── head read ──→ READING ── body read ──→ (route) ─┬─ answered at once ──→ ANSWERED
 *    └── shape refused ──→ ANSWERED, and the connection ends └─ later: WAITING ──→ ANSWERED
 *
 * WAITING is a connection suspended in libmicrohttpd. The request is freed only when the library
 * says that it is completed. One thread: the server's loop.
 */
#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>

#include "http/access.h"
#include "http/measure.h"
#include "http/request_id.h"
#include "http/request_pool.h"
#include "http/route.h"

struct server;

#define REQUEST_BODY_MAX         ((size_t)16 * 1024)
#define REQUEST_URI_MAX          4096
#define REQUEST_TRACEPARENT_SIZE 64
#define REQUEST_TRACE_SIZE       33
#define REQUEST_HEADER_LIST_SIZE 512
#define REQUEST_RATE_SIZE        64
#define REQUEST_TOKEN_SIZE       9

enum request_state { REQUEST_NEW, REQUEST_READING, REQUEST_WAITING, REQUEST_ANSWERED };

struct request {
    unsigned magic;
    enum request_state state;
    struct server *server;
    struct MHD_Connection *connection;
    const char *method; /* the library's, valid till the end */
    const char *path;
    const struct route *route;            /* NULL: none serves it */
    char parameter[ROUTE_PARAMETER_SIZE]; /* what stands for "{id}" in the route's path */
    char allowed[ROUTE_ALLOWED_SIZE];     /* where there is no route: of the path, for Allow */
    size_t body_max;
    bool uri_too_long;
    bool lists_too_long; /* Cache-Control or Prefer beyond what is kept */
    bool close;          /* the connection ends with this reply */
    bool body_too_large;
    struct access access; /* what its line in the log will say */
    char id[REQUEST_ID_SIZE];
    char traceparent[REQUEST_TRACEPARENT_SIZE]; /* empty: none, or not valid */
    char trace_id[REQUEST_TRACE_SIZE];          /* of the traceparent; empty: none */
    const char *content_type;                   /* the library's, or NULL */
    const char *authorization;                  /* the same */
    const char *api_key;                        /* the same: X-API-Key */
    char
        rate_policy[REQUEST_RATE_SIZE]; /* what the reply says of the caller's limit; empty: none */
    char rate_limit[REQUEST_RATE_SIZE];
    char token[REQUEST_TOKEN_SIZE]; /* of the admin token it was admitted by: 8 hex of its hash */
    char *body;                     /* owned; NULL: none */
    size_t body_size;
    size_t body_room;
    size_t body_dropped;
    struct measure measure;
    unsigned http_status;
    struct MHD_Response *response; /* owned; with ANSWERED */
    void *work; /* owned; room for what a route keeps till the end (request_pool_work) */
    size_t work_room;
    size_t work_size;                       /* so much of it is in use, and wiped at the end */
    void (*ended)(struct request *request); /* it goes; NULL: nobody wants to know */
    struct request *next_spare;             /* in the pool */
    /* Last, as they are wiped by their length. */
    char cache_control[REQUEST_HEADER_LIST_SIZE];
    char prefer[REQUEST_HEADER_LIST_SIZE];
};

/* `response` is taken; NULL ends the connection. At once while the route's handler runs, or later;
 * once. */
void request_answer(struct request *request, unsigned http_status, struct MHD_Response *response);

/* libmicrohttpd's callbacks; `arg` is the struct server. */
void *request_on_uri(void *arg, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_on_access(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context);
void request_on_completed(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code);
