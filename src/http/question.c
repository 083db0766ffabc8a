#include "http/question.h"

#include <string.h>

#include <cjson/cJSON.h>
#include <sodium.h>

#include "runtime/json_scan.h"
#include "runtime/utf8.h"

#define FIELDS 3

const char *const question_field_name[FIELDS] = {
    [TRIPLE_NAME] = "name",
    [TRIPLE_ID_CARD] = "idCard",
    [TRIPLE_MOBILE] = "mobile",
};

bool question_add(struct triple *triple, unsigned *seen, enum triple_field field, const char *value,
                  size_t size, struct complaint *complaint) {
    const char *name = question_field_name[field];
    if (*seen & 1u << field)
        return complain(complaint, "The field \"%s\" is given more than once.", name);
    if (size > TRIPLE_FIELD_MAX)
        return complain(complaint, "The field \"%s\" is longer than %d bytes.", name,
                        TRIPLE_FIELD_MAX);
    if (memchr(value, 0, size) != NULL)
        return complain(complaint, "The field \"%s\" holds the character U+0000.", name);
    if (!triple_set(triple, field, value, size))
        return complain(complaint, "The field \"%s\" is not UTF-8.", name);
    *seen |= 1u << field;
    return true;
}

bool question_complete(unsigned seen, struct complaint *complaint) {
    for (int field = 0; field < FIELDS; field++) {
        if (!(seen & 1u << field))
            return complain(complaint, "The field \"%s\" is missing.", question_field_name[field]);
    }
    return true;
}

/* The field's index; FIELDS for a name that is none of them. */
static int field_of(const char *name) {
    int field = 0;
    while (field < FIELDS && strcmp(name, question_field_name[field]) != 0)
        field++;
    return field;
}

static bool add_member(const cJSON *member, struct json_span raw, unsigned *seen,
                       struct triple *triple, struct complaint *complaint) {
    int field = field_of(member->string);
    if (field == FIELDS)
        return complain(complaint, "There is an unknown member: only \"name\", \"idCard\" and "
                                   "\"mobile\" are known.");
    if (!cJSON_IsString(member))
        return complain(complaint, "The field \"%s\" is not a string.", question_field_name[field]);
    if (json_scan_has_zero(raw))
        return complain(complaint, "The field \"%s\" holds the character U+0000.",
                        question_field_name[field]);
    return question_add(triple, seen, (enum triple_field)field, member->valuestring,
                        strlen(member->valuestring), complaint);
}

static bool add_members(const cJSON *member, struct json_span text, struct triple *triple,
                        struct complaint *complaint) {
    unsigned seen = 0;
    struct json_member raw;
    for (; member != NULL && json_scan_member(&text, &raw); member = member->next) {
        if (json_scan_has_zero(raw.name))
            return complain(complaint, "A member's name holds the character U+0000.");
        if (!add_member(member, raw.value, &seen, triple, complaint))
            return false;
    }
    return question_complete(seen, complaint);
}

/* What is freed is not erased: the values would stay in the heap. */
static void wipe_strings(const cJSON *item) {
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL)
            sodium_memzero(item->valuestring, strlen(item->valuestring));
        wipe_strings(item->child);
    }
}

bool question_read_json(const char *body, size_t size, struct triple *triple,
                        struct complaint *complaint) {
    cJSON *json = NULL;
    bool ok = false;
    memset(triple, 0, sizeof *triple);
    if (utf8_valid(body, size) && json_scan_strict(body, size))
        json = cJSON_ParseWithLength(body, size);
    if (json != NULL && cJSON_IsObject(json))
        ok = add_members(json->child, (struct json_span){body, size}, triple, complaint);
    else
        complain(complaint, "The body is not one JSON object in UTF-8.");
    wipe_strings(json);
    cJSON_Delete(json);
    if (!ok)
        triple_wipe(triple);
    return ok;
}
