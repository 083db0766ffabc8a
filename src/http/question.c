#include "http/question.h"

#include <string.h>

#include <cjson/cJSON.h>
#include <sodium.h>

#include "runtime/utf8.h"

#define FIELDS 3

#define ID     "id"
#define ID_BIT (1u << FIELDS)

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

/* What is being read. */
struct reading {
    struct triple *triple;
    struct json_span *id; /* NULL: there may be none */
    unsigned seen;
    struct complaint *complaint;
};

static bool is_id(struct json_span value) {
    bool string = value.size > 0 && value.at[0] == '"';
    bool number = value.size > 0 && strchr("-0123456789", value.at[0]) != NULL;
    return (string || number) && value.size <= QUESTION_ID_MAX + (string ? 2 : 0);
}

static bool add_id(struct reading *reading, struct json_span value) {
    if (reading->seen & ID_BIT)
        return complain(reading->complaint, "The field \"" ID "\" is given more than once.");
    if (!is_id(value))
        return complain(reading->complaint,
                        "The field \"" ID "\" is not a string or a number of at most %d bytes.",
                        QUESTION_ID_MAX);
    reading->seen |= ID_BIT;
    *reading->id = value;
    return true;
}

static bool add_member(struct reading *reading, const cJSON *member, struct json_span raw) {
    int field = field_of(member->string);
    if (reading->id != NULL && strcmp(member->string, ID) == 0)
        return add_id(reading, raw);
    if (field == FIELDS)
        return complain(reading->complaint,
                        "There is an unknown member: only %s\"name\", \"idCard\" and \"mobile\" "
                        "are known.",
                        reading->id != NULL ? "\"" ID "\", " : "");
    if (!cJSON_IsString(member))
        return complain(reading->complaint, "The field \"%s\" is not a string.",
                        question_field_name[field]);
    if (json_scan_has_zero(raw))
        return complain(reading->complaint, "The field \"%s\" holds the character U+0000.",
                        question_field_name[field]);
    return question_add(reading->triple, &reading->seen, (enum triple_field)field,
                        member->valuestring, strlen(member->valuestring), reading->complaint);
}

static bool add_members(struct reading *reading, const cJSON *member, struct json_span text) {
    struct json_member raw;
    for (; member != NULL && json_scan_member(&text, &raw); member = member->next) {
        if (json_scan_has_zero(raw.name))
            return complain(reading->complaint, "A member's name holds the character U+0000.");
        if (!add_member(reading, member, raw.value))
            return false;
    }
    return question_complete(reading->seen, reading->complaint);
}

/* What is freed is not erased: the values would stay in the heap. */
static void wipe_strings(const cJSON *item) {
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL)
            sodium_memzero(item->valuestring, strlen(item->valuestring));
        wipe_strings(item->child);
    }
}

static bool read(struct reading *reading, struct json_span text) {
    cJSON *json = NULL;
    bool ok = false;
    memset(reading->triple, 0, sizeof *reading->triple);
    if (utf8_valid(text.at, text.size) && json_scan_strict(text.at, text.size))
        json = cJSON_ParseWithLength(text.at, text.size);
    if (json != NULL && cJSON_IsObject(json))
        ok = add_members(reading, json->child, text);
    else
        complain(reading->complaint, "The %s is not one JSON object in UTF-8.",
                 reading->id != NULL ? "line" : "body");
    /* A caller finds its line again by the id, whatever is wrong with the rest. */
    if (!ok && reading->id != NULL && json != NULL && !(reading->seen & ID_BIT)) {
        struct json_span id = json_scan_find(text, ID);
        if (is_id(id))
            *reading->id = id;
    }
    wipe_strings(json);
    cJSON_Delete(json);
    if (!ok)
        triple_wipe(reading->triple);
    return ok;
}

bool question_read_json(const char *body, size_t size, struct triple *triple,
                        struct complaint *complaint) {
    struct reading reading = {.triple = triple, .complaint = complaint};
    return read(&reading, (struct json_span){body, size});
}

bool question_read_line(const char *line, size_t size, struct triple *triple, struct json_span *id,
                        struct complaint *complaint) {
    struct reading reading = {.triple = triple, .id = id, .complaint = complaint};
    *id = (struct json_span){NULL, 0};
    return read(&reading, (struct json_span){line, size});
}
