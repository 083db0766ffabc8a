#include "http/body.h"

#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "http/problem.h"
#include "runtime/json_scan.h"
#include "runtime/text.h"
#include "runtime/utf8.h"

bool body_is_type(const char *content_type, const char *wanted) {
    size_t size = strlen(wanted);
    return content_type != NULL && strncasecmp(content_type, wanted, size) == 0 &&
           strchr("; \t", content_type[size]) != NULL;
}

bool body_is_json(const char *content_type) {
    return body_is_type(content_type, "application/json") ||
           body_is_type(content_type, "application/merge-patch+json");
}

/* What is freed is not erased: the values would stay in the heap. */
static void wipe_strings(cJSON *item) {
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL && !(item->type & cJSON_IsReference))
            sodium_memzero(item->valuestring, strlen(item->valuestring));
        wipe_strings(item->child);
    }
}

void body_free(cJSON *object) {
    wipe_strings(object);
    cJSON_Delete(object);
}

static bool has_twice(const cJSON *object) {
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        for (const cJSON *other = member->next; other != NULL; other = other->next) {
            if (strcmp(member->string, other->string) == 0)
                return true;
        }
    }
    return false;
}

static cJSON *read_object(const char *body, size_t size, struct complaint *complaint) {
    bool strict = utf8_valid(body, size) && json_scan_strict(body, size);
    bool zero = strict && json_scan_has_zero((struct json_span){body, size});
    cJSON *object = strict && !zero ? cJSON_ParseWithLength(body, size) : NULL;
    if (cJSON_IsObject(object) && !has_twice(object))
        return object;
    if (cJSON_IsObject(object))
        complain(complaint, "A member is given more than once.");
    else if (zero)
        complain(complaint, "The body holds the character U+0000.");
    else
        complain(complaint, "The body is not one JSON object in UTF-8.");
    body_free(object);
    return NULL;
}

cJSON *body_read_object(struct request *request, bool optional) {
    static const char nothing[] = "{}";
    struct complaint complaint = {""};
    bool empty = request->body_size == 0;
    if (!(empty && optional) && !body_is_json(request->content_type)) {
        problem_answer(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL, BILLED_NO);
        return NULL;
    }
    cJSON *object = empty && optional
                        ? cJSON_Parse(nothing)
                        : read_object(empty ? "" : request->body, request->body_size, &complaint);
    if (object == NULL)
        problem_answer(request, PROBLEM_MALFORMED_REQUEST, complaint.text, BILLED_NO);
    return object;
}

bool body_knows_members(const cJSON *object, const char *const *known,
                        struct complaint *complaint) {
    char names[256];
    struct text text = text_over(names, sizeof names);
    for (size_t i = 0; known[i] != NULL; i++)
        text_addf(&text, "%s\"%s\"", i > 0 ? ", " : "", known[i]);
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], member->string) != 0)
            i++;
        if (known[i] == NULL)
            return complain(complaint, "There is an unknown member: only %s can be given.", names);
    }
    return true;
}
