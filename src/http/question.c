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

/* What a JSON string says. Nearly always its very bytes; where something is escaped, a copy. */
struct said {
    const char *at;
    size_t size;
    cJSON *owned; /* NULL: `at` lies in the span */
};

static bool read_string(struct json_span span, struct said *said) {
    *said = (struct said){.at = span.at + 1, .size = span.size - 2};
    if (memchr(said->at, '\\', said->size) == NULL)
        return true;
    said->owned = cJSON_ParseWithLength(span.at, span.size);
    if (said->owned == NULL)
        return false;
    said->at = said->owned->valuestring;
    said->size = strlen(said->at);
    return true;
}

/* What is freed is not erased: the value would stay in the heap. */
static void let_go(struct said *said) {
    if (said->owned == NULL)
        return;
    sodium_memzero(said->owned->valuestring, said->size);
    cJSON_Delete(said->owned);
}

static bool add_field(struct reading *reading, int field, struct json_span value) {
    const char *name = question_field_name[field];
    struct said said;
    if (value.at[0] != '"')
        return complain(reading->complaint, "The field \"%s\" is not a string.", name);
    if (json_scan_has_zero(value))
        return complain(reading->complaint, "The field \"%s\" holds the character U+0000.", name);
    if (!read_string(value, &said))
        return complain(reading->complaint, "There is no memory for the field \"%s\".", name);
    bool added = question_add(reading->triple, &reading->seen, (enum triple_field)field, said.at,
                              said.size, reading->complaint);
    let_go(&said);
    return added;
}

static bool is_named(const struct said *name, const char *known) {
    return name->size == strlen(known) && memcmp(name->at, known, name->size) == 0;
}

/* The field's index; FIELDS for a name that is none of them. */
static int field_of(const struct said *name) {
    int field = 0;
    while (field < FIELDS && !is_named(name, question_field_name[field]))
        field++;
    return field;
}

static bool add_member(struct reading *reading, const struct json_member *member) {
    struct said name;
    if (json_scan_has_zero(member->name))
        return complain(reading->complaint, "A member's name holds the character U+0000.");
    if (!read_string(member->name, &name))
        return complain(reading->complaint, "There is no memory for a member's name.");
    int field = field_of(&name);
    bool id = reading->id != NULL && is_named(&name, ID);
    let_go(&name);
    if (id)
        return add_id(reading, member->value);
    if (field < FIELDS)
        return add_field(reading, field, member->value);
    return complain(reading->complaint,
                    "There is an unknown member: only %s\"name\", \"idCard\" and \"mobile\" "
                    "are known.",
                    reading->id != NULL ? "\"" ID "\", " : "");
}

static bool add_members(struct reading *reading, struct json_span text) {
    struct json_member member;
    while (json_scan_member(&text, &member)) {
        if (!add_member(reading, &member))
            return false;
    }
    return question_complete(reading->seen, reading->complaint);
}

static bool read(struct reading *reading, struct json_span text) {
    bool sound = utf8_valid(text.at, text.size) && json_scan_strict(text.at, text.size);
    bool ok = false;
    triple_empty(reading->triple);
    if (sound && json_scan_is_object(text))
        ok = add_members(reading, text);
    else
        complain(reading->complaint, "The %s is not one JSON object in UTF-8.",
                 reading->id != NULL ? "line" : "body");
    /* A caller finds its line again by the id, whatever is wrong with the rest. */
    if (!ok && reading->id != NULL && sound && !(reading->seen & ID_BIT)) {
        struct json_span id = json_scan_find(text, ID);
        if (is_id(id))
            *reading->id = id;
    }
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
