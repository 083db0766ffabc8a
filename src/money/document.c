#include "money/document.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/civil.h"
#include "runtime/clock.h"
#include "runtime/utf8.h"

#define NAME_SHOWN_MOST 40
/* 9999-01-01T00:00:00Z, behind which civil_parse would not read what was written. */
#define TIME_END_MS INT64_C(253370764800000)

cJSON *document_parse(const char *body) {
    cJSON *json = cJSON_ParseWithOpts(body, NULL, true);
    if (cJSON_IsObject(json))
        return json;
    cJSON_Delete(json);
    return NULL;
}

char *document_print(cJSON *object) {
    char *text = object != NULL ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return text;
}

/* Control characters would break a terminal's table or a file's line. */
static bool is_line(const char *text, size_t size) {
    return !utf8_has_control(text, size) && utf8_valid(text, size);
}

bool document_text(const cJSON *item, char *text, size_t room) {
    if (!cJSON_IsString(item))
        return false;
    size_t size = strlen(item->valuestring);
    if (size >= room || !is_line(item->valuestring, size))
        return false;
    memcpy(text, item->valuestring, size + 1);
    return true;
}

/* All bounds lie within what a double holds exactly. */
bool document_integer(const cJSON *item, int64_t least, int64_t most, int64_t *number) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)least) ||
        !(item->valuedouble <= (double)most))
        return false;
    int64_t whole = (int64_t)item->valuedouble;
    if ((double)whole != item->valuedouble)
        return false;
    *number = whole;
    return true;
}

bool document_time(const cJSON *item, int64_t *unix_ms) {
    int64_t ms = 0;
    if (!cJSON_IsString(item) || !civil_parse(item->valuestring, strlen(item->valuestring), &ms) ||
        ms <= 0 || ms >= TIME_END_MS)
        return false;
    *unix_ms = ms;
    return true;
}

bool document_time_or_none(const cJSON *item, int64_t *unix_ms) {
    if (!cJSON_IsNull(item))
        return document_time(item, unix_ms);
    *unix_ms = 0;
    return true;
}

bool document_add_text(cJSON *object, const char *name, const char *text) {
    if (text[0] == '\0')
        return cJSON_AddNullToObject(object, name) != NULL;
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

bool document_add_time(cJSON *object, const char *name, int64_t unix_ms) {
    char text[CLOCK_RFC3339_SIZE + 8];
    if (unix_ms == 0)
        return cJSON_AddNullToObject(object, name) != NULL;
    clock_format_rfc3339(unix_ms / 1000, text);
    if (unix_ms % 1000 != 0)
        snprintf(text + strlen(text) - 1, 8, ".%03dZ", (int)(unix_ms % 1000));
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

bool document_add_integer(cJSON *object, const char *name, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

bool document_add_limit(cJSON *object, const char *name, int64_t number, int64_t none) {
    if (number == none)
        return cJSON_AddNullToObject(object, name) != NULL;
    return document_add_integer(object, name, number);
}

bool document_refuse_member(const char *name, struct complaint *complaint) {
    size_t size = name != NULL ? strlen(name) : 0;
    bool harmless = size > 0 && size <= NAME_SHOWN_MOST;
    for (size_t i = 0; i < size && harmless; i++)
        harmless = name[i] > ' ' && name[i] <= '~' && name[i] != '"';
    if (harmless)
        return complain(complaint, "The member \"%s\" is none that can be set.", name);
    return complain(complaint, "There is a member that is none that can be set.");
}
