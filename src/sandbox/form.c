#include "sandbox/form.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>

static bool take_query(struct MHD_Connection *connection, struct call *call) {
    for (enum call_parameter i = 0; i < CALL_PARAMETERS; i++) {
        const char *name = call_parameter_name(call->shape, i);
        const char *value = NULL;
        size_t size = 0;
        if (MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
                                          &value, &size) == MHD_YES &&
            !call_keep(call, i, value, size)) {
            return false;
        }
    }
    return true;
}

static int digit_of(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* In place; what is no escape stays as it is. Returns the size. */
static size_t decode(char *text, size_t size) {
    size_t to = 0;
    for (size_t i = 0; i < size; i++, to++) {
        int high = i + 2 < size && text[i] == '%' ? digit_of(text[i + 1]) : -1;
        int low = high < 0 ? -1 : digit_of(text[i + 2]);
        if (low >= 0) {
            text[to] = (char)(high * 16 + low);
            i += 2;
        } else {
            text[to] = text[i] == '+' ? ' ' : text[i];
        }
    }
    return to;
}

static bool take_pair(char *pair, size_t size, struct call *call) {
    const char *equals = memchr(pair, '=', size);
    size_t length = equals == NULL ? size : (size_t)(equals - pair);
    for (enum call_parameter i = 0; equals != NULL && i < CALL_PARAMETERS; i++) {
        const char *name = call_parameter_name(call->shape, i);
        if (strlen(name) == length && memcmp(name, pair, length) == 0) {
            char *value = pair + length + 1;
            return call_keep(call, i, value, decode(value, size - length - 1));
        }
    }
    return true;
}

static bool take_form(const char *body, size_t size, struct call *call) {
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, body, size);
    bool kept = true;
    for (size_t at = 0; kept && at < size;) {
        const char *end = memchr(copy + at, '&', size - at);
        size_t pair = end == NULL ? size - at : (size_t)(end - copy) - at;
        kept = take_pair(copy + at, pair, call);
        at += pair + 1;
    }
    free(copy);
    return kept;
}

/* At the top, or in an object called "data". */
static bool take_json(const char *body, size_t size, struct call *call) {
    cJSON *json = cJSON_ParseWithLength(body, size);
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(json, "data");
    const cJSON *from = cJSON_IsObject(inner) ? inner : json;
    bool kept = true;
    for (enum call_parameter i = 0; kept && i < CALL_PARAMETERS; i++) {
        const cJSON *item =
            cJSON_GetObjectItemCaseSensitive(from, call_parameter_name(call->shape, i));
        if (cJSON_IsString(item)) {
            kept = call_keep(call, i, item->valuestring, strlen(item->valuestring));
        }
    }
    cJSON_Delete(json);
    return kept;
}

static bool begins_with(const char *type, const char *wanted) {
    return type != NULL && strncasecmp(type, wanted, strlen(wanted)) == 0;
}

bool form_take(struct MHD_Connection *connection, const char *method, const char *body, size_t size,
               struct call *call) {
    if (call->shape == CALL_GUIDE || strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        return take_query(connection, call);
    }
    const char *type =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (size > 0 && begins_with(type, "application/x-www-form-urlencoded")) {
        return take_form(body, size, call);
    }
    if (size > 0 && begins_with(type, "application/json")) {
        return take_json(body, size, call);
    }
    return true;
}
