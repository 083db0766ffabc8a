#include "runtime/json_pointer.h"

#include <string.h>

const char *json_pointer_check(const char *text) {
    int depth = 0;
    if (text[0] != '/')
        return "must begin with /, as in \"/data/result\"";
    if (strlen(text) >= JSON_POINTER_SIZE)
        return "must have at most 127 bytes";
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return "holds a control character";
        if (*at == '~' && at[1] != '0' && at[1] != '1')
            return "has a ~ that is neither ~0 (for ~) nor ~1 (for /)";
        depth += *at == '/' ? 1 : 0;
    }
    return depth <= JSON_POINTER_DEPTH_MAX ? NULL : "must have at most 8 steps";
}

bool json_pointer_step(const char **rest, char token[JSON_POINTER_SIZE]) {
    const char *at = *rest;
    size_t size = 0;
    if (*at != '/')
        return false;
    for (at++; *at != '\0' && *at != '/' && size + 1 < JSON_POINTER_SIZE; at++) {
        if (*at == '~' && at[1] != '\0')
            token[size++] = *++at == '1' ? '/' : '~';
        else
            token[size++] = *at;
    }
    token[size] = '\0';
    *rest = at;
    return true;
}

static const cJSON *find_element(const cJSON *array, const char *token) {
    size_t digits = strlen(token);
    int index = 0;
    if (digits == 0 || digits > 6 || strspn(token, "0123456789") != digits ||
        (token[0] == '0' && digits > 1))
        return NULL;
    for (; *token != '\0'; token++)
        index = index * 10 + (*token - '0');
    return cJSON_GetArrayItem(array, index);
}

static const cJSON *find_child(const cJSON *parent, const char *token) {
    return cJSON_IsArray(parent) ? find_element(parent, token)
                                 : cJSON_GetObjectItemCaseSensitive(parent, token);
}

bool json_pointer_is_single(const cJSON *root, const char *pointer) {
    char token[JSON_POINTER_SIZE];
    while (root != NULL && json_pointer_step(&pointer, token)) {
        const cJSON *child = find_child(root, token);
        const cJSON *other = child != NULL && child->string != NULL ? child->next : NULL;
        for (; other != NULL; other = other->next) {
            if (strcmp(other->string, token) == 0)
                return false;
        }
        root = child;
    }
    return true;
}

const cJSON *json_pointer_find(const cJSON *root, const char *pointer) {
    char token[JSON_POINTER_SIZE];
    while (root != NULL && json_pointer_step(&pointer, token))
        root = find_child(root, token);
    return root;
}
