#include "sandbox/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* A reply under way: 200 with `json`, or `http` with the reason. */
struct reply {
    unsigned http;
    cJSON *json;
    struct reason reason;
    const char *allow; /* with 405 */
};

struct request {
    struct MHD_Connection *connection;
    struct world *world;
    bool tls;
    const cJSON *members; /* of the body; NULL when it is empty */
};

static void refuse_with(struct reply *reply, unsigned http, const char *text) {
    reply->http = http;
    refuse(&reply->reason, "%s", text);
}

static void answer_text(struct reply *reply, const char *name, double number) {
    reply->json = cJSON_CreateObject();
    cJSON_AddNumberToObject(reply->json, name, number);
}

static const char *query_value(const struct request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct known_query {
    const char *const *names; /* ended by NULL */
    const char *unknown;
};

static enum MHD_Result find_unknown(void *context, enum MHD_ValueKind kind, const char *key,
                                    const char *value) {
    (void)kind;
    (void)value;
    struct known_query *query = context;
    for (const char *const *name = query->names; *name != NULL; name++) {
        if (strcmp(*name, key) == 0) {
            return MHD_YES;
        }
    }
    query->unknown = key;
    return MHD_NO;
}

/* A misspelt parameter would count every call there was. */
static bool query_is_known(const struct request *request, const char *const *names,
                           struct reply *reply) {
    struct known_query query = {.names = names};
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, find_unknown, &query);
    if (query.unknown == NULL) {
        return true;
    }
    reply->http = MHD_HTTP_BAD_REQUEST;
    return refuse(&reply->reason, "unknown parameter: %.64s", query.unknown);
}

static void get_stats(const struct request *request, struct reply *reply) {
    reply->json = world_stats(request->world);
}

static void get_calls(const struct request *request, struct reply *reply) {
    static const char *const names[] = {"idCard", "mobile", "name", NULL};
    if (!query_is_known(request, names, reply)) {
        return;
    }
    struct seller_question question = {.id_card = text_of(query_value(request, "idCard")),
                                       .mobile = text_of(query_value(request, "mobile")),
                                       .name = text_of(query_value(request, "name"))};
    reply->json = world_calls(request->world, &question);
}

static void get_log(const struct request *request, struct reply *reply) {
    static const char *const names[] = {"limit", NULL};
    if (!query_is_known(request, names, reply)) {
        return;
    }
    const char *text = query_value(request, "limit");
    unsigned long limit = SIZE_MAX;
    if (text != NULL) {
        char *end;
        errno = 0;
        limit = strtoul(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || *text == '-') {
            refuse_with(reply, MHD_HTTP_BAD_REQUEST, "limit must be a whole number");
            return;
        }
    }
    reply->json = world_log(request->world, limit);
}

static void get_behaviour(const struct request *request, struct reply *reply) {
    reply->json = world_behaviours(request->world);
}

static void post_behaviour(const struct request *request, struct reply *reply) {
    struct behaviour *behaviour = behaviour_parse(request->members, request->tls, &reply->reason);
    if (behaviour == NULL) {
        reply->http = MHD_HTTP_BAD_REQUEST;
        return;
    }
    answer_text(reply, "number", world_behave(request->world, behaviour));
}

static void get_settings(const struct request *request, struct reply *reply) {
    reply->json = world_settings(request->world);
}

static void post_settings(const struct request *request, struct reply *reply) {
    if (!world_set(request->world, request->members, &reply->reason)) {
        reply->http = MHD_HTTP_BAD_REQUEST;
        return;
    }
    reply->json = world_settings(request->world);
}

static void post_clock(const struct request *request, struct reply *reply) {
    enum { TEN_YEARS_S = 10 * 366 * 24 * 60 * 60 };
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(request->members, "advanceSeconds");
    double value = cJSON_IsNumber(seconds) ? seconds->valuedouble : -1;
    if (cJSON_GetArraySize(request->members) != 1 || !(value >= 0 && value <= TEN_YEARS_S) ||
        value != (double)(int64_t)value) {
        refuse_with(reply, MHD_HTTP_BAD_REQUEST,
                    "clock takes one member, advanceSeconds, a whole number from 0 to ten years");
        return;
    }
    answer_text(reply, "clockAheadSeconds", (double)world_advance(request->world, (int64_t)value));
}

static bool has_no_members(const struct request *request, struct reply *reply) {
    if (cJSON_GetArraySize(request->members) == 0) {
        return true;
    }
    refuse_with(reply, MHD_HTTP_BAD_REQUEST, "this takes no members");
    return false;
}

static void post_release(const struct request *request, struct reply *reply) {
    if (has_no_members(request, reply)) {
        answer_text(reply, "released", world_release(request->world));
    }
}

static const struct {
    const char *name;
    enum world_part part;
} parts[] = {
    {"behaviours", WORLD_BEHAVIOURS}, {"counters", WORLD_COUNTERS}, {"numbers", WORLD_NUMBERS},
    {"packages", WORLD_PACKAGES},     {"settings", WORLD_SETTINGS}, {"clock", WORLD_CLOCK},
};

static unsigned part_named(const cJSON *name) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (cJSON_IsString(name) && strcmp(name->valuestring, parts[i].name) == 0) {
            return parts[i].part;
        }
    }
    return 0;
}

/* 0 when the members will not do. */
static unsigned parts_named(const cJSON *members) {
    if (cJSON_GetArraySize(members) == 0) {
        return WORLD_ALL;
    }
    const cJSON *only = cJSON_GetObjectItemCaseSensitive(members, "only");
    if (cJSON_GetArraySize(members) != 1 || !cJSON_IsArray(only)) {
        return 0;
    }
    unsigned sum = 0;
    const cJSON *name;
    cJSON_ArrayForEach(name, only) {
        unsigned part = part_named(name);
        if (part == 0) {
            return 0;
        }
        sum |= part;
    }
    return sum;
}

static void post_reset(const struct request *request, struct reply *reply) {
    unsigned sum = parts_named(request->members);
    if (sum == 0) {
        refuse_with(reply, MHD_HTTP_BAD_REQUEST,
                    "reset takes one member, only, an array of: behaviours, counters, numbers, "
                    "packages, settings, clock; none resets all");
        return;
    }
    world_reset(request->world, sum);
    reply->json = cJSON_CreateObject();
    cJSON_AddTrueToObject(reply->json, "reset");
}

static void get_index(const struct request *request, struct reply *reply);

static const struct endpoint {
    const char *path;
    const char *method;
    void (*answer)(const struct request *request, struct reply *reply);
    const char *help;
} endpoints[] = {
    {"/sandbox/", "GET", get_index, "this list"},
    {"/sandbox/stats", "GET", get_stats, "counters"},
    {"/sandbox/calls", "GET", get_calls,
     "how many calls were received for ?mobile=&idCard=&name= (any of them)"},
    {"/sandbox/log", "GET", get_log, "the last calls, oldest first; ?limit=N"},
    {"/sandbox/behaviour", "GET", get_behaviour, "behaviours in force"},
    {"/sandbox/behaviour", "POST", post_behaviour,
     "{\"cut\":\"request\",\"calls\":1}: do something else than answer"},
    {"/sandbox/settings", "GET", get_settings, "package, limits and latency"},
    {"/sandbox/settings", "POST", post_settings, "{\"latencyMs\":200}: change them"},
    {"/sandbox/clock", "POST", post_clock, "{\"advanceSeconds\":86400}: let time pass"},
    {"/sandbox/release", "POST", post_release, "let hanging calls go on"},
    {"/sandbox/reset", "POST", post_reset, "back to the start; {\"only\":[\"counters\"]}"},
};

static void get_index(const struct request *request, struct reply *reply) {
    (void)request;
    reply->json = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(reply->json, "endpoints");
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        cJSON *endpoint = cJSON_CreateObject();
        cJSON_AddStringToObject(endpoint, "method", endpoints[i].method);
        cJSON_AddStringToObject(endpoint, "path", endpoints[i].path);
        cJSON_AddStringToObject(endpoint, "does", endpoints[i].help);
        cJSON_AddItemToArray(list, endpoint);
    }
    size_t count;
    const struct gateway_refusal *refusals = gateway_all(&count);
    cJSON *names = cJSON_AddArrayToObject(reply->json, "gatewayRefusals");
    for (size_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(names, cJSON_CreateString(refusals[i].name));
    }
}

static const struct endpoint *find_endpoint(const char *method, const char *path,
                                            struct reply *reply) {
    const char *allowed = NULL;
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        if (strcmp(endpoints[i].path, path) != 0) {
            continue;
        }
        if (strcmp(endpoints[i].method, method) == 0) {
            return &endpoints[i];
        }
        allowed = allowed == NULL ? endpoints[i].method : "GET, POST";
    }
    if (allowed == NULL) {
        refuse_with(reply, MHD_HTTP_NOT_FOUND, "no such path; GET /sandbox/ lists what there is");
        return NULL;
    }
    refuse_with(reply, MHD_HTTP_METHOD_NOT_ALLOWED, "not with this method");
    reply->allow = allowed;
    return NULL;
}

/* The members of the body; NULL for an empty one, and, with the refusal set, for no JSON object. */
static cJSON *parse_body(const char *body, size_t size, struct reply *reply) {
    const char *end = body;
    if (size == 0) {
        return NULL;
    }
    cJSON *json = cJSON_ParseWithLengthOpts(body, size, &end, 0);
    size_t left = json == NULL ? 0 : size - (size_t)(end - body);
    while (left > 0 && strchr(" \t\r\n", end[0]) != NULL && end[0] != '\0') {
        end++;
        left--;
    }
    if (!cJSON_IsObject(json) || left > 0) {
        cJSON_Delete(json);
        refuse_with(reply, MHD_HTTP_BAD_REQUEST, "the body must be a JSON object");
        return NULL;
    }
    return json;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct reply *reply) {
    if (reply->http != MHD_HTTP_OK) {
        reply->json = cJSON_CreateObject();
        cJSON_AddStringToObject(reply->json, "error", reply->reason.text);
    }
    char *text = cJSON_Print(reply->json);
    cJSON_Delete(reply->json);
    if (text == NULL) {
        return MHD_NO;
    }
    size_t length = strlen(text);
    text[length] = '\n'; /* Takes the place of the zero: the response knows its length. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length + 1, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (reply->allow != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    }
    enum MHD_Result queued = MHD_queue_response(connection, reply->http, response);
    MHD_destroy_response(response);
    return queued;
}

bool control_owns(const char *path) {
    size_t length = strlen(CONTROL_PATH);
    return strncmp(path, CONTROL_PATH, length) == 0 &&
           (path[length] == '/' || path[length] == '\0');
}

enum MHD_Result control_answer(struct MHD_Connection *connection, struct world *world, bool tls,
                               const char *method, const char *path, const char *body,
                               size_t body_size) {
    struct reply reply = {.http = MHD_HTTP_OK};
    const struct endpoint *endpoint = find_endpoint(method, path, &reply);
    if (endpoint != NULL) {
        cJSON *members = parse_body(body, body_size, &reply);
        struct request request = {
            .connection = connection, .world = world, .tls = tls, .members = members};
        if (reply.http == MHD_HTTP_OK) {
            endpoint->answer(&request, &reply);
        }
        cJSON_Delete(members);
    }
    return send_reply(connection, &reply);
}

enum MHD_Result control_refuse_size(struct MHD_Connection *connection) {
    struct reply reply = {.http = MHD_HTTP_OK};
    refuse_with(&reply, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
    return send_reply(connection, &reply);
}
