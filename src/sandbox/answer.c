#include "sandbox/answer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "sandbox/envelope.h"

enum { OVERSIZED_BYTES = 70000, WRITE_TIMEOUT_MS = 10000 };

static const char json_type[] = "application/json;charset=UTF-8";

struct content {
    char *data; /* from malloc */
    size_t size;
    const char *type;
};

static struct content content_of(const char *data, size_t size, const char *type) {
    struct content content = {.data = malloc(size + 1), .size = size, .type = type};
    if (content.data != NULL && size > 0) {
        memcpy(content.data, data, size);
    }
    return content;
}

/* The seven fields in the seller's order. */
static cJSON *seller_json(const struct plan *plan) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "status", plan->status);
    cJSON_AddStringToObject(json, "msg", seller_message(plan->status));
    cJSON_AddStringToObject(json, "idCard", plan->echo.id_card);
    cJSON_AddStringToObject(json, "mobile", plan->echo.mobile);
    cJSON_AddStringToObject(json, "mobileType", plan->carrier);
    cJSON_AddStringToObject(json, "name", plan->echo.name);
    cJSON_AddStringToObject(json, "traceId", plan->trace_id);
    return json;
}

static void add_extra_fields(cJSON *json) {
    cJSON_AddStringToObject(json, "area", "北京");
    cJSON_AddNumberToObject(json, "version", 2);
    cJSON_AddNullToObject(json, "remark");
    cJSON *detail = cJSON_AddObjectToObject(json, "detail");
    cJSON_AddTrueToObject(detail, "ported");
    cJSON_AddArrayToObject(detail, "history");
}

static void add_padding(cJSON *json) {
    char padding[OVERSIZED_BYTES + 1];
    memset(padding, 'x', OVERSIZED_BYTES);
    padding[OVERSIZED_BYTES] = '\0';
    cJSON_AddStringToObject(json, "padding", padding);
}

/* The second shape's code has the other type: a text for a number. */
static void change_envelope(cJSON *json, enum behaviour_reply reply) {
    if (reply == REPLY_NO_STATUS) {
        cJSON_DeleteItemFromObjectCaseSensitive(json, "code");
    } else if (reply == REPLY_INTEGER_STATUS) {
        char code[16];
        snprintf(code, sizeof code, "%d", cJSON_GetObjectItemCaseSensitive(json, "code")->valueint);
        cJSON_ReplaceItemInObjectCaseSensitive(json, "code", cJSON_CreateString(code));
    }
}

static void change_status(cJSON *json, const struct plan *plan, enum behaviour_reply reply) {
    if (reply == REPLY_NO_STATUS) {
        cJSON_DeleteItemFromObjectCaseSensitive(json, "status");
    } else if (reply == REPLY_INTEGER_STATUS) {
        double status = (double)strtol(plan->status, NULL, 10);
        cJSON_ReplaceItemInObjectCaseSensitive(json, "status", cJSON_CreateNumber(status));
    }
}

static void change(cJSON *json, const struct plan *plan, enum behaviour_reply reply) {
    if (plan->shape == CALL_SECOND) {
        change_envelope(json, reply);
    } else {
        change_status(json, plan, reply);
    }
    if (reply == REPLY_EXTRA_FIELDS) {
        add_extra_fields(json);
    } else if (reply == REPLY_OVERSIZED) {
        add_padding(json);
    }
}

static struct content seller_content(const struct plan *plan, enum behaviour_reply reply) {
    cJSON *json = plan->shape == CALL_SECOND ? envelope_json(plan) : seller_json(plan);
    change(json, plan, reply);
    struct content content = {.data = cJSON_PrintUnformatted(json), .type = json_type};
    cJSON_Delete(json);
    if (content.data != NULL) {
        content.size = strlen(content.data) / (reply == REPLY_TRUNCATED ? 2 : 1);
    }
    return content;
}

/* Replies that do not depend on the question. The GBK one says 实名认证通过 and 联通 in GBK. */
static const struct fixed_reply {
    enum behaviour_reply reply;
    const char *body;
    const char *type;
} fixed_replies[] = {
    {REPLY_HTML, "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>\n",
     "text/html;charset=UTF-8"},
    {REPLY_EMPTY, "", json_type},
    {REPLY_GBK,
     "{\"status\":\"01\",\"msg\":\"\xca\xb5\xc3\xfb\xc8\xcf\xd6\xa4\xcd\xa8\xb9\xfd\",\"idCard\":"
     "\"\","
     "\"mobile\":\"\",\"mobileType\":\"\xc1\xaa\xcd\xa8\",\"name\":\"\",\"traceId\":\"gbk\"}",
     json_type},
    {REPLY_BUSINESS_FAILURE, "{\"code\":450,\"msg\":\"查询失败\"}", json_type},
};

static struct content content_for(const struct plan *plan) {
    const struct behaviour *behaviour = plan->behaviour;
    if (plan->refusal != NULL) {
        return content_of("", 0, NULL);
    }
    if (behaviour != NULL && behaviour->http != 0) {
        return content_of(behaviour->body, behaviour->body_size, json_type);
    }
    enum behaviour_reply reply = behaviour == NULL ? REPLY_USUAL : behaviour->reply;
    for (size_t i = 0; i < sizeof fixed_replies / sizeof *fixed_replies; i++) {
        const struct fixed_reply *fixed = &fixed_replies[i];
        if (fixed->reply == reply) {
            return content_of(fixed->body, strlen(fixed->body), fixed->type);
        }
    }
    return seller_content(plan, reply);
}

static unsigned http_for(const struct plan *plan) {
    const struct behaviour *behaviour = plan->behaviour;
    if (plan->refusal != NULL) {
        return plan->refusal->http;
    }
    if (behaviour != NULL && behaviour->http != 0) {
        return (unsigned)behaviour->http;
    }
    return behaviour != NULL && behaviour->reply == REPLY_BUSINESS_FAILURE ? 450 : 200;
}

static bool has_own(const struct plan *plan, const char *header) {
    for (size_t i = 0; plan->behaviour != NULL && i < plan->behaviour->header_count; i++) {
        if (strcasecmp(plan->behaviour->headers[i].name, header) == 0) {
            return true;
        }
    }
    return false;
}

static void add_headers(struct MHD_Response *response, const struct plan *plan, const char *type) {
    static const char request_id[] = "X-Ca-Request-Id";
    if (type != NULL && !has_own(plan, MHD_HTTP_HEADER_CONTENT_TYPE)) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    }
    if (!has_own(plan, request_id)) {
        MHD_add_response_header(response, request_id, plan->request_id);
    }
    if (plan->refusal != NULL) {
        MHD_add_response_header(response, "X-Ca-Error-Message", plan->refusal->message);
        if (*plan->refusal->code != '\0') {
            MHD_add_response_header(response, "X-Ca-Error-Code", plan->refusal->code);
        }
    }
    for (size_t i = 0; plan->behaviour != NULL && i < plan->behaviour->header_count; i++) {
        const struct behaviour_header *header = &plan->behaviour->headers[i];
        MHD_add_response_header(response, header->name, header->value);
    }
}

/* A body of which only the first part is sent. */
struct cut_body {
    char *data;
    size_t sent_part;
};

static ssize_t read_cut_body(void *context, uint64_t position, char *to, size_t capacity) {
    const struct cut_body *body = context;
    if (position >= body->sent_part) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t left = body->sent_part - (size_t)position;
    size_t size = left < capacity ? left : capacity;
    memcpy(to, body->data + position, size);
    return (ssize_t)size;
}

static void free_cut_body(void *context) {
    struct cut_body *body = context;
    free(body->data);
    free(body);
}

/* Takes the content over. */
static struct MHD_Response *cut_response(struct content *content, bool half) {
    struct cut_body *body = malloc(sizeof *body);
    if (body == NULL) {
        free(content->data);
        return NULL;
    }
    *body = (struct cut_body){.data = content->data, .sent_part = half ? content->size / 2 : 0};
    struct MHD_Response *response = MHD_create_response_from_callback(
        content->size, content->size, read_cut_body, body, free_cut_body);
    if (response == NULL) {
        free_cut_body(body);
    }
    return response;
}

static struct MHD_Response *make_response(const struct plan *plan) {
    struct content content = content_for(plan);
    if (content.data == NULL) {
        return NULL;
    }
    enum behaviour_cut cut = plan->behaviour == NULL ? CUT_NOT : plan->behaviour->cut;
    struct MHD_Response *response;
    if (cut == CUT_HEADERS || cut == CUT_BODY) {
        response = cut_response(&content, cut == CUT_BODY);
    } else {
        response =
            MHD_create_response_from_buffer(content.size, content.data, MHD_RESPMEM_MUST_FREE);
        if (response == NULL) {
            free(content.data);
        }
    }
    if (response != NULL) {
        add_headers(response, plan, content.type);
    }
    return response;
}

static void write_all(int socket, const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(socket, data, size, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
            continue;
        }
        struct pollfd writable = {.fd = socket, .events = POLLOUT};
        if (sent == 0 || (errno != EAGAIN && errno != EINTR) ||
            poll(&writable, 1, WRITE_TIMEOUT_MS) == 0) {
            return;
        }
    }
}

/* Linux sends a TCP reset when a connected socket is dissolved so. */
static void reset_connection(int socket) {
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(socket, &nowhere, sizeof nowhere);
}

/* Is the plan one that HTTP does not allow? Then it has been carried out. */
static bool break_off(const struct plan *plan, int socket) {
    static const char half_header[] = "HTTP/1.1 200 OK\r\nContent-Type: applic";
    const struct behaviour *behaviour = plan->behaviour;
    if (behaviour == NULL || plan->refusal != NULL) {
        return false;
    }
    if (behaviour->raw) {
        write_all(socket, behaviour->body, behaviour->body_size);
        return true;
    }
    if (behaviour->cut == CUT_MID_HEADERS) {
        write_all(socket, half_header, sizeof half_header - 1);
        return true;
    }
    if (behaviour->cut == CUT_RESET) {
        reset_connection(socket);
    }
    return behaviour->cut == CUT_REQUEST || behaviour->cut == CUT_RESET;
}

enum MHD_Result answer_send(struct MHD_Connection *connection, const struct plan *plan,
                            int socket) {
    if (break_off(plan, socket)) {
        return MHD_NO;
    }
    struct MHD_Response *response = make_response(plan);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_queue_response(connection, http_for(plan), response);
    MHD_destroy_response(response);
    return queued;
}
