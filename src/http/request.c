#include "http/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "http/problem.h"
#include "http/route.h"
#include "http/server.h"
#include "runtime/text.h"

#define REQUEST_MAGIC 0x53595251u

/* A chunked body is read and dropped up to here, so that its sender sees the 413; beyond, the
 * connection is cut. */
#define BODY_DROPPED_MAX ((size_t)1024 * 1024)

/* What is looked for in one pass over the headers. */
struct head {
    struct request *request;
    int hosts;
    int content_lengths;
    int transfer_encodings;
    bool chunked;
    bool folded;
    unsigned long long content_length;
};

/* --- the head --- */

static bool is_id_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("._:-", c) != NULL);
}

static bool is_request_id(const char *value, size_t size) {
    if (size == 0 || size >= REQUEST_ID_SIZE)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_id_character(value[i]))
            return false;
    }
    return true;
}

#define TRACE_AT   3
#define TRACE_HEX  32
#define PARENT_AT  36
#define PARENT_HEX 16

static bool is_zero(const char *hex, size_t size) {
    return strspn(hex, "0") >= size;
}

/* Version 00 of W3C Trace Context, 3.2: 00-32 hex-16 hex-2 hex, lower case, no id all zero. */
static bool is_traceparent(const char *value, size_t size) {
    static const char form[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (size != sizeof form - 1)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool hex = (value[i] >= '0' && value[i] <= '9') || (value[i] >= 'a' && value[i] <= 'f');
        if (form[i] == 'x' ? !hex : value[i] != form[i])
            return false;
    }
    return !is_zero(value + TRACE_AT, TRACE_HEX) && !is_zero(value + PARENT_AT, PARENT_HEX);
}

static void append_list(struct request *request, char list[REQUEST_HEADER_LIST_SIZE],
                        const char *value) {
    size_t used = strlen(list);
    struct text text = {.bytes = list, .size = used, .room = REQUEST_HEADER_LIST_SIZE};
    if (used > 0)
        text_add(&text, ", ");
    text_add(&text, value);
    request->lists_too_long = request->lists_too_long || text.cut;
}

static void take_host(struct head *head, const char *value, size_t size) {
    (void)value;
    (void)size;
    head->hosts++;
}

static void take_content_length(struct head *head, const char *value, size_t size) {
    (void)size;
    head->content_lengths++;
    head->content_length = strtoull(value, NULL, 10);
}

static void take_transfer_encoding(struct head *head, const char *value, size_t size) {
    (void)size;
    head->transfer_encodings++;
    head->chunked = strcasecmp(value, "chunked") == 0;
}

static void take_content_type(struct head *head, const char *value, size_t size) {
    (void)size;
    head->request->content_type = value;
}

static void take_authorization(struct head *head, const char *value, size_t size) {
    (void)size;
    head->request->authorization = value;
}

static void take_api_key(struct head *head, const char *value, size_t size) {
    (void)size;
    head->request->api_key = value;
}

static void take_cache_control(struct head *head, const char *value, size_t size) {
    (void)size;
    append_list(head->request, head->request->cache_control, value);
}

static void take_prefer(struct head *head, const char *value, size_t size) {
    (void)size;
    append_list(head->request, head->request->prefer, value);
}

static void take_request_id(struct head *head, const char *value, size_t size) {
    if (is_request_id(value, size))
        memcpy(head->request->id, value, size + 1);
}

static void take_traceparent(struct head *head, const char *value, size_t size) {
    struct request *request = head->request;
    if (!is_traceparent(value, size))
        return;
    memcpy(request->traceparent, value, size + 1);
    memcpy(request->trace_id, value + TRACE_AT, TRACE_HEX);
}

static const struct {
    const char *name;
    size_t size;
    void (*take)(struct head *head, const char *value, size_t size);
} known_headers[] = {
    {"Host", 4, take_host},
    {"Content-Length", 14, take_content_length},
    {"Transfer-Encoding", 17, take_transfer_encoding},
    {"Content-Type", 12, take_content_type},
    {"Authorization", 13, take_authorization},
    {"X-API-Key", 9, take_api_key},
    {"Cache-Control", 13, take_cache_control},
    {"Prefer", 6, take_prefer},
    {"X-Request-Id", 12, take_request_id},
    {"traceparent", 11, take_traceparent},
};

/*
 * libmicrohttpd 0.9 appends a folded line to the name of its header and not to the value: a gateway
 * that unfolds lines would see a length or a coding where we see a header of another name.
 */
static bool is_folded_framing(const char *name, size_t size) {
    static const char *const framing[] = {"Transfer-Encoding", "Content-Length"};
    for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++) {
        size_t length = strlen(framing[i]);
        if (size > length && strncasecmp(name, framing[i], length) == 0)
            return true;
    }
    return false;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    struct head *head = arg;
    head->folded = head->folded || is_folded_framing(name, name_size);
    for (size_t i = 0; i < sizeof known_headers / sizeof known_headers[0]; i++) {
        if (known_headers[i].size == name_size &&
            strncasecmp(known_headers[i].name, name, name_size) == 0)
            known_headers[i].take(head, value != NULL ? value : "", value_size);
    }
    return MHD_YES;
}

/*
 * What libmicrohttpd lets through and a gateway may read otherwise: two readings of where a request
 * ends are how requests are smuggled (RFC 9112, 6.3 and 11.2). NULL: the shape is sound.
 */
static const char *find_ambiguity(const struct head *head, const char *version) {
    if (head->transfer_encodings > 0 && head->content_lengths > 0)
        return "Content-Length and Transfer-Encoding together";
    if (head->transfer_encodings > 1 || (head->transfer_encodings == 1 && !head->chunked))
        return "a Transfer-Encoding other than chunked";
    if (head->folded)
        return "a folded Content-Length or Transfer-Encoding";
    if (head->content_lengths > 1)
        return "more than one Content-Length";
    if (head->hosts > 1)
        return "more than one Host";
    if (head->hosts == 0 && strcmp(version, "HTTP/1.1") == 0)
        return "no Host";
    return NULL;
}

/* --- the reply --- */

static enum MHD_Result queue_answer(struct request *request) {
    struct MHD_Response *response = request->response;
    if (response == NULL)
        return MHD_NO;
    request->response = NULL;
    enum MHD_Result queued =
        MHD_queue_response(request->connection, request->http_status, response);
    MHD_destroy_response(response);
    return queued;
}

void request_answer(struct request *request, unsigned http_status, struct MHD_Response *response) {
    bool suspended = request->state == REQUEST_WAITING;
    request->http_status = http_status;
    request->response = response;
    request->state = REQUEST_ANSWERED;
    measure_end(request);
    access_log(request);
    if (!suspended)
        return;
    MHD_resume_connection(request->connection);
    server_poke(request->server);
}

/* --- the life --- */

void *request_on_uri(void *arg, const char *uri, struct MHD_Connection *connection) {
    struct server *server = arg;
    struct request *request = request_pool_take(server_request_pool(server));
    if (request == NULL)
        return NULL;
    request->magic = REQUEST_MAGIC;
    request->server = server;
    request->connection = connection;
    request->uri_too_long = strlen(uri) > REQUEST_URI_MAX;
    measure_begin(request);
    server_count(request->server, 1);
    return request;
}

static void find_route(struct request *request) {
    request->route = route_find(server_routes(request->server), request->method, request->path,
                                request->parameter, request->allowed);
    bool has_limit =
        !request->uri_too_long && request->route != NULL && request->route->body_max > 0;
    request->body_max = has_limit ? request->route->body_max : REQUEST_BODY_MAX;
}

static void refuse_body(struct request *request) {
    char detail[64];
    struct text text = text_over(detail, sizeof detail);
    text_addf(&text, "The body has at most %zu KiB.", request->body_max / 1024);
    problem_answer(request, PROBLEM_BODY_TOO_LARGE, detail, BILLED_NO);
}

/* False: the head alone was enough for a refusal, which was answered. */
static bool accept_head(struct request *request, const struct head *head, const char *version) {
    const char *ambiguity = find_ambiguity(head, version);
    const struct route *route = request->uri_too_long ? NULL : request->route;
    if (ambiguity != NULL)
        problem_answer(request, PROBLEM_MALFORMED_REQUEST, ambiguity, BILLED_NO);
    else if (route != NULL && route->admit != NULL &&
             !route->admit(request, server_service(request->server)))
        return false;
    else if (head->content_length > request->body_max)
        refuse_body(request);
    return request->state != REQUEST_ANSWERED;
}

static enum MHD_Result begin(struct request *request, const char *version) {
    struct head head = {.request = request};
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, on_header, &head);
    if (request->id[0] == '\0')
        request_id_make(&server_request_pool(request->server)->ids, request->id);
    find_route(request);
    request->state = REQUEST_READING;
    request->close = true; /* with a refusal: what follows the head is not read */
    if (!accept_head(request, &head, version))
        return queue_answer(request);
    request->close = false;
    return MHD_YES;
}

/* By at least `size` bytes. What realloc leaves behind would keep people's data in the heap. */
static bool grow_body(struct request *request, size_t size) {
    size_t room = request->body_size + size;
    if (room < 2 * request->body_room)
        room = 2 * request->body_room;
    if (room > request->body_max)
        room = request->body_max;
    char *grown = malloc(room);
    if (grown == NULL)
        return false;
    if (request->body != NULL) {
        memcpy(grown, request->body, request->body_size);
        sodium_memzero(request->body, request->body_size);
        free(request->body);
    }
    request->body = grown;
    request->body_room = room;
    return true;
}

static enum MHD_Result take_body(struct request *request, const char *upload, size_t *upload_size) {
    size_t size = *upload_size;
    *upload_size = 0;
    if (request->body_too_large || size > request->body_max - request->body_size) {
        request->body_too_large = true;
        request->body_dropped += size;
        return request->body_dropped > BODY_DROPPED_MAX ? MHD_NO : MHD_YES;
    }
    if (request->body_size + size > request->body_room && !grow_body(request, size))
        return MHD_NO;
    memcpy(request->body + request->body_size, upload, size);
    request->body_size += size;
    return MHD_YES;
}

static void dispatch(struct request *request) {
    if (request->uri_too_long)
        problem_answer(request, PROBLEM_URI_TOO_LONG, NULL, BILLED_NO);
    else if (request->body_too_large)
        refuse_body(request);
    else if (request->route != NULL)
        request->route->handle(request, server_service(request->server));
    else if (request->allowed[0] != '\0')
        problem_answer_not_allowed(request, request->allowed);
    else
        problem_answer(request, PROBLEM_NOT_FOUND, NULL, BILLED_NO);
}

static enum MHD_Result finish_reading(struct request *request) {
    dispatch(request);
    if (request->state == REQUEST_ANSWERED)
        return queue_answer(request);
    request->state = REQUEST_WAITING;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

enum MHD_Result request_on_access(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context) {
    (void)arg;
    (void)connection;
    struct request *request = *context;
    if (request == NULL || request->magic != REQUEST_MAGIC)
        return MHD_NO;
    switch (request->state) {
    case REQUEST_NEW:
        request->method = method;
        request->path = url;
        return begin(request, version);
    case REQUEST_READING:
        return *upload_size > 0 ? take_body(request, upload, upload_size) : finish_reading(request);
    case REQUEST_ANSWERED:
        return queue_answer(request);
    case REQUEST_WAITING:
        break;
    }
    return MHD_NO;
}

void request_on_completed(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code) {
    (void)arg;
    (void)connection;
    (void)code;
    struct request *request = *context;
    *context = NULL;
    if (request == NULL)
        return;
    if (request->ended != NULL)
        request->ended(request);
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    if (request->body != NULL)
        sodium_memzero(request->body, request->body_size);
    free(request->body);
    server_count(request->server, -1);
    request_pool_give(server_request_pool(request->server), request);
}
