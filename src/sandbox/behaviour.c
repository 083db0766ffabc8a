#include "sandbox/behaviour.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_MS = 60 * 60 * 1000, CALLS_MAX = 1000000000 };

struct choice {
    const char *name;
    int value;
};

static const struct choice cuts[] = {
    {"accept", CUT_ACCEPT},
    {"request", CUT_REQUEST},
    {"reset", CUT_RESET},
    {"mid-headers", CUT_MID_HEADERS},
    {"headers", CUT_HEADERS},
    {"body", CUT_BODY},
    {NULL, 0},
};

static const struct choice replies[] = {
    {"html", REPLY_HTML},
    {"empty", REPLY_EMPTY},
    {"truncated", REPLY_TRUNCATED},
    {"no-status", REPLY_NO_STATUS},
    {"integer-status", REPLY_INTEGER_STATUS},
    {"extra-fields", REPLY_EXTRA_FIELDS},
    {"gbk", REPLY_GBK},
    {"oversized", REPLY_OVERSIZED},
    {"business-failure", REPLY_BUSINESS_FAILURE},
    {NULL, 0},
};

static bool take_long(const cJSON *json, long least, long most, long *to, struct reason *reason) {
    if (!cJSON_IsNumber(json) || json->valuedouble < (double)least ||
        json->valuedouble > (double)most || json->valuedouble != (double)(long)json->valuedouble) {
        return refuse(reason, "%s must be a whole number from %ld to %ld", json->string, least,
                      most);
    }
    *to = (long)json->valuedouble;
    return true;
}

static bool take_bool(const cJSON *json, bool *to, struct reason *reason) {
    if (!cJSON_IsBool(json)) {
        return refuse(reason, "%s must be true or false", json->string);
    }
    *to = cJSON_IsTrue(json);
    return true;
}

static bool take_string(const cJSON *json, char **to, struct reason *reason) {
    if (!cJSON_IsString(json)) {
        return refuse(reason, "%s must be a string", json->string);
    }
    *to = strdup(json->valuestring);
    return *to != NULL || refuse(reason, "out of memory");
}

static bool take_choice(const cJSON *json, const struct choice *choices, int *to,
                        struct reason *reason) {
    char names[256] = "";
    size_t used = 0;
    for (; choices->name != NULL; choices++) {
        if (cJSON_IsString(json) && strcmp(choices->name, json->valuestring) == 0) {
            *to = choices->value;
            return true;
        }
        int written = snprintf(names + used, sizeof names - used, "%s%s", used == 0 ? "" : ", ",
                               choices->name);
        used += (size_t)written;
    }
    return refuse(reason, "%s must be one of: %s", json->string, names);
}

static bool take_calls(struct behaviour *to, const cJSON *json, struct reason *reason) {
    return take_long(json, 1, CALLS_MAX, &to->remaining, reason);
}

static bool take_mobile(struct behaviour *to, const cJSON *json, struct reason *reason) {
    return take_string(json, &to->only_mobile, reason);
}

static bool take_appcode(struct behaviour *to, const cJSON *json, struct reason *reason) {
    return take_string(json, &to->only_appcode, reason);
}

static bool take_latency(struct behaviour *to, const cJSON *json, struct reason *reason) {
    return take_long(json, 0, HOUR_MS, &to->latency_ms, reason);
}

static bool take_jitter(struct behaviour *to, const cJSON *json, struct reason *reason) {
    return take_long(json, 0, HOUR_MS, &to->jitter_ms, reason);
}

static bool take_hang(struct behaviour *to, const cJSON *json, struct reason *reason) {
    return take_bool(json, &to->hang, reason);
}

static bool take_cut(struct behaviour *to, const cJSON *json, struct reason *reason) {
    int value = CUT_NOT;
    bool taken = take_choice(json, cuts, &value, reason);
    to->cut = (enum behaviour_cut)value;
    return taken;
}

static bool take_reply(struct behaviour *to, const cJSON *json, struct reason *reason) {
    int value = REPLY_USUAL;
    bool taken = take_choice(json, replies, &value, reason);
    to->reply = (enum behaviour_reply)value;
    return taken;
}

static bool take_status(struct behaviour *to, const cJSON *json, struct reason *reason) {
    size_t length = cJSON_IsString(json) ? strlen(json->valuestring) : 0;
    if (length == 0 || length > BEHAVIOUR_STATUS_MAX) {
        return refuse(reason, "status must be a string of 1 to %d characters",
                      BEHAVIOUR_STATUS_MAX);
    }
    memcpy(to->status, json->valuestring, length + 1);
    return true;
}

static bool take_gateway(struct behaviour *to, const cJSON *json, struct reason *reason) {
    to->gateway = cJSON_IsString(json) ? gateway_find(json->valuestring) : NULL;
    return to->gateway != NULL ||
           refuse(reason, "gateway must be the name of a refusal; GET /sandbox/ lists them");
}

static bool take_http(struct behaviour *to, const cJSON *json, struct reason *reason) {
    return take_long(json, 200, 599, &to->http, reason);
}

static bool is_token(const char *name) {
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("!#$%&'*+-.^_`|~", *c) == NULL) {
            return false;
        }
    }
    return *name != '\0';
}

static bool take_header(struct behaviour *to, const cJSON *json, struct reason *reason) {
    static const char *const framing[] = {"content-length", "transfer-encoding", "date"};
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++) {
        if (strcasecmp(json->string, framing[i]) == 0) {
            return refuse(reason, "the header %s is the server's own; use raw to lie about it",
                          framing[i]);
        }
    }
    if (!is_token(json->string) || !cJSON_IsString(json) || *json->valuestring == '\0' ||
        strpbrk(json->valuestring, "\r\n") != NULL) {
        return refuse(reason, "headers must be names with texts of one line");
    }
    if (to->header_count == BEHAVIOUR_HEADERS_MAX) {
        return refuse(reason, "headers must be at most %d", BEHAVIOUR_HEADERS_MAX);
    }
    struct behaviour_header *header = &to->headers[to->header_count++];
    header->name = strdup(json->string);
    header->value = strdup(json->valuestring);
    return (header->name != NULL && header->value != NULL) || refuse(reason, "out of memory");
}

static bool take_headers(struct behaviour *to, const cJSON *json, struct reason *reason) {
    if (!cJSON_IsObject(json)) {
        return refuse(reason, "headers must be an object");
    }
    const cJSON *header;
    cJSON_ArrayForEach(header, json) {
        if (!take_header(to, header, reason)) {
            return false;
        }
    }
    return true;
}

static bool take_body(struct behaviour *to, const cJSON *json, struct reason *reason) {
    if (to->body != NULL) {
        return refuse(reason, "give only one of body, bodyHex and raw");
    }
    if (!take_string(json, &to->body, reason)) {
        return false;
    }
    to->body_size = strlen(to->body);
    return true;
}

static int hex_digit(char character) {
    static const char digits[] = "0123456789abcdef";
    const char *found = strchr(digits, tolower((unsigned char)character));
    return character == '\0' || found == NULL ? -1 : (int)(found - digits);
}

static bool take_body_hex(struct behaviour *to, const cJSON *json, struct reason *reason) {
    if (!take_body(to, json, reason)) {
        return false;
    }
    to->body_size = strlen(to->body) / 2;
    for (size_t i = 0; i < to->body_size; i++) {
        int high = hex_digit(to->body[i * 2]);
        int low = hex_digit(to->body[i * 2 + 1]);
        if (high < 0 || low < 0) {
            return refuse(reason, "bodyHex must be hexadecimal digits");
        }
        to->body[i] = (char)(high << 4 | low);
    }
    return to->body[to->body_size * 2] == '\0' ||
           refuse(reason, "bodyHex must be an even number of digits");
}

static bool take_raw(struct behaviour *to, const cJSON *json, struct reason *reason) {
    to->raw = true;
    return take_body(to, json, reason);
}

static bool take_billed(struct behaviour *to, const cJSON *json, struct reason *reason) {
    bool billed = false;
    bool taken = take_bool(json, &billed, reason);
    to->billed = billed;
    return taken;
}

static const struct member {
    const char *name;
    bool (*take)(struct behaviour *to, const cJSON *json, struct reason *reason);
} members[] = {
    {"calls", take_calls},       {"mobile", take_mobile},    {"appCode", take_appcode},
    {"latencyMs", take_latency}, {"jitterMs", take_jitter},  {"hang", take_hang},
    {"cut", take_cut},           {"reply", take_reply},      {"status", take_status},
    {"gateway", take_gateway},   {"http", take_http},        {"headers", take_headers},
    {"body", take_body},         {"bodyHex", take_body_hex}, {"raw", take_raw},
    {"billed", take_billed},
};

static const struct member *find_member(const char *name) {
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

static bool take_members(struct behaviour *to, const cJSON *json, struct reason *reason) {
    bool seen[sizeof members / sizeof *members] = {false};
    if (!cJSON_IsObject(json) || json->child == NULL) {
        return refuse(reason, "a behaviour is a JSON object with at least one member");
    }
    const cJSON *child;
    cJSON_ArrayForEach(child, json) {
        const struct member *member = find_member(child->string);
        if (member == NULL) {
            return refuse(reason, "unknown member: %.64s", child->string);
        }
        if (seen[member - members]) {
            return refuse(reason, "given twice: %s", member->name);
        }
        seen[member - members] = true;
        if (!member->take(to, child, reason)) {
            return false;
        }
    }
    return true;
}

static bool members_agree(const struct behaviour *behaviour, bool tls, struct reason *reason) {
    int answers = (behaviour->cut != CUT_NOT) + (behaviour->reply != REPLY_USUAL) +
                  (behaviour->gateway != NULL) + (behaviour->http != 0) + behaviour->raw;
    if (answers > 1) {
        return refuse(reason, "give only one of cut, reply, gateway, http and raw");
    }
    bool own_reply = behaviour->header_count > 0 || (behaviour->body != NULL && !behaviour->raw);
    if (own_reply && behaviour->http == 0) {
        return refuse(reason, "headers, body and bodyHex need http");
    }
    bool by_connection = behaviour->cut == CUT_ACCEPT;
    if (by_connection && behaviour->remaining < 0) {
        return refuse(reason, "cut accept needs calls: it would refuse control calls too");
    }
    if (by_connection && (behaviour->only_mobile != NULL || behaviour->only_appcode != NULL)) {
        return refuse(reason, "cut accept cannot be limited: nothing is known of the call yet");
    }
    if (tls && (behaviour->raw || behaviour->cut == CUT_MID_HEADERS)) {
        return refuse(reason, "raw and cut mid-headers do not work with TLS");
    }
    return true;
}

struct behaviour *behaviour_parse(const cJSON *json, bool tls, struct reason *reason) {
    struct behaviour *behaviour = calloc(1, sizeof *behaviour);
    if (behaviour == NULL) {
        refuse(reason, "out of memory");
        return NULL;
    }
    atomic_init(&behaviour->references, 1);
    behaviour->remaining = -1;
    behaviour->latency_ms = -1;
    behaviour->billed = -1;
    if (!take_members(behaviour, json, reason) || !members_agree(behaviour, tls, reason)) {
        behaviour_unref(behaviour);
        return NULL;
    }
    return behaviour;
}

struct behaviour *behaviour_ref(struct behaviour *behaviour) {
    atomic_fetch_add(&behaviour->references, 1);
    return behaviour;
}

void behaviour_unref(struct behaviour *behaviour) {
    if (behaviour == NULL || atomic_fetch_sub(&behaviour->references, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < behaviour->header_count; i++) {
        free(behaviour->headers[i].name);
        free(behaviour->headers[i].value);
    }
    free(behaviour->only_mobile);
    free(behaviour->only_appcode);
    free(behaviour->body);
    free(behaviour);
}

void behaviour_add(struct behaviour **list, struct behaviour *behaviour) {
    while (behaviour->remaining >= 0 && *list != NULL) {
        list = &(*list)->next;
    }
    behaviour->next = *list;
    *list = behaviour;
}

void behaviour_clear(struct behaviour **list) {
    while (*list != NULL) {
        struct behaviour *first = *list;
        *list = first->next;
        behaviour_unref(first);
    }
}

/* 0: does not fit; else the higher the more it was meant for this call. */
static int fitness(const struct behaviour *behaviour, struct text mobile, struct text appcode) {
    bool limited = behaviour->only_mobile != NULL || behaviour->only_appcode != NULL;
    if (behaviour->cut == CUT_ACCEPT ||
        (behaviour->only_mobile != NULL && !text_equal(text_of(behaviour->only_mobile), mobile)) ||
        (behaviour->only_appcode != NULL &&
         !text_equal(text_of(behaviour->only_appcode), appcode))) {
        return 0;
    }
    return 1 + (limited ? 2 : 0) + (behaviour->remaining >= 0 ? 1 : 0);
}

static struct behaviour *count_down(struct behaviour **link) {
    struct behaviour *chosen = behaviour_ref(*link);
    if (chosen->remaining > 0 && --chosen->remaining == 0) {
        *link = chosen->next;
        chosen->next = NULL;
        behaviour_unref(chosen);
    }
    return chosen;
}

struct behaviour *behaviour_take(struct behaviour **list, struct text mobile, struct text appcode) {
    struct behaviour **best = NULL;
    int best_fitness = 0;
    for (struct behaviour **link = list; *link != NULL; link = &(*link)->next) {
        int fit = fitness(*link, mobile, appcode);
        if (fit > best_fitness) {
            best = link;
            best_fitness = fit;
        }
    }
    return best == NULL ? NULL : count_down(best);
}

bool behaviour_take_accept(struct behaviour **list) {
    for (struct behaviour **link = list; *link != NULL; link = &(*link)->next) {
        if ((*link)->cut == CUT_ACCEPT) {
            behaviour_unref(count_down(link));
            return true;
        }
    }
    return false;
}

static const char *choice_name(const struct choice *choices, int value) {
    while (choices->name != NULL && choices->value != value) {
        choices++;
    }
    return choices->name == NULL ? "" : choices->name;
}

void behaviour_describe(const struct behaviour *behaviour, char *to, size_t capacity) {
    if (behaviour->cut != CUT_NOT) {
        snprintf(to, capacity, "cut:%s", choice_name(cuts, (int)behaviour->cut));
    } else if (behaviour->reply != REPLY_USUAL) {
        snprintf(to, capacity, "reply:%s", choice_name(replies, (int)behaviour->reply));
    } else if (behaviour->gateway != NULL) {
        snprintf(to, capacity, "gateway:%s", behaviour->gateway->name);
    } else if (behaviour->http != 0) {
        snprintf(to, capacity, "http:%ld", behaviour->http);
    } else if (behaviour->raw) {
        snprintf(to, capacity, "raw");
    } else if (behaviour->status[0] != '\0') {
        snprintf(to, capacity, "status:%s", behaviour->status);
    } else {
        snprintf(to, capacity, "%s", behaviour->hang ? "hang" : "latency");
    }
}
