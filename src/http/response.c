#include "http/response.h"

#include "http/server.h"
#include "http/service.h"
#include "runtime/text.h"

/* What a reader is asked for at most at a time. */
#define STREAM_BLOCK ((size_t)8 * 1024)

static void add_common(const struct request *request, struct MHD_Response *response,
                       const char *content_type) {
    if (content_type != NULL)
        response_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    response_add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    response_add(response, "X-Request-Id", request->id);
    if (request->traceparent[0] != '\0')
        response_add(response, "traceparent", request->traceparent);
    if (request->rate_limit[0] != '\0') {
        response_add(response, "RateLimit-Policy", request->rate_policy);
        response_add(response, "RateLimit", request->rate_limit);
    }
    if (request->close || service_is_draining(server_service(request->server)))
        response_add(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static struct MHD_Response *make(const struct request *request, const char *content_type,
                                 const char *body, size_t size, enum MHD_ResponseMemoryMode mode) {
    /* The library's interface takes a pointer to mutable bytes and leaves them alone. */
    union {
        const char *bytes;
        void *buffer;
    } borrowed = {.bytes = body};
    struct MHD_Response *response = MHD_create_response_from_buffer(size, borrowed.buffer, mode);
    add_common(request, response, content_type);
    return response;
}

struct MHD_Response *response_new(const struct request *request, const char *content_type,
                                  const char *body, size_t size) {
    return make(request, content_type, body, size, MHD_RESPMEM_MUST_COPY);
}

struct MHD_Response *response_new_static(const struct request *request, const char *content_type,
                                         const char *body, size_t size) {
    return make(request, content_type, body, size, MHD_RESPMEM_PERSISTENT);
}

struct MHD_Response *response_new_empty(const struct request *request) {
    return make(request, NULL, "", 0, MHD_RESPMEM_PERSISTENT);
}

struct MHD_Response *response_new_stream(const struct request *request, const char *content_type,
                                         MHD_ContentReaderCallback read, void *arg,
                                         MHD_ContentReaderFreeCallback release) {
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read, arg, release);
    add_common(request, response, content_type);
    return response;
}

void response_add(struct MHD_Response *response, const char *name, const char *value) {
    if (response != NULL)
        MHD_add_response_header(response, name, value);
}

void response_add_number(struct MHD_Response *response, const char *name, int64_t value) {
    char digits[24];
    struct text text = text_over(digits, sizeof digits);
    text_add_number(&text, value);
    response_add(response, name, digits);
}
