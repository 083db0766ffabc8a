#include "runtime/config_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 4 /* objects in objects; the table's keys need three */

struct reader {
    const char *text; /* cleaned */
    size_t size;
    const char *name;
    struct config_file *file;
    struct complaint *complaint;
    size_t ordinals[NESTING_MAX]; /* the way to the member at hand */
    size_t depth;
};

static bool refuse_line(const struct reader *reader, size_t line, const char *reason) {
    return complain(reader->complaint, "%s:%zu: %s", reader->name, line, reason);
}

static size_t member_line(const struct reader *reader) {
    return config_text_member_line(reader->text, reader->size, reader->ordinals, reader->depth);
}

static bool refuse_key(const struct reader *reader, const char *key, const char *reason) {
    char shown[CONFIG_NAME_SIZE];
    config_name_show(key, strlen(key), shown);
    return complain(reader->complaint, "%s:%zu: %s: %s", reader->name, member_line(reader), shown,
                    reason);
}

static bool refuse_unknown(const struct reader *reader, const char *key) {
    char hint[CONFIG_HINT_SIZE];
    char reason[CONFIG_HINT_SIZE + 32];
    config_key_hint(key, hint);
    snprintf(reason, sizeof reason, "unknown key%s", hint);
    return refuse_key(reader, key, reason);
}

/* Names in an object are few: the first unknown one ends the reading. */
static bool is_repeated(const cJSON *object, const cJSON *member) {
    for (const cJSON *other = object->child; other != member; other = other->next) {
        if (strcmp(other->string, member->string) == 0)
            return true;
    }
    return false;
}

static bool is_group(const char *key) {
    size_t size = strlen(key);
    for (size_t i = 0; i < config_table_count; i++) {
        if (strncmp(config_table[i].key, key, size) == 0 && config_table[i].key[size] == '.')
            return true;
    }
    return false;
}

/* The row of `key`, or of the secret whose file's path it holds (`path`); the count: none. */
static size_t find_row(const char *key, bool *path) {
    for (size_t i = 0; i < config_table_count; i++) {
        size_t size = strlen(config_table[i].key);
        *path = config_table[i].type == CONFIG_SECRET;
        bool begins = strncmp(config_table[i].key, key, size) == 0;
        if (begins && strcmp(key + size, *path ? "_file" : "") == 0)
            return i;
    }
    return config_table_count;
}

static const struct config_setting *find_secret(const char *key) {
    for (size_t i = 0; i < config_table_count; i++) {
        if (config_table[i].type == CONFIG_SECRET && strcmp(config_table[i].key, key) == 0)
            return &config_table[i];
    }
    return NULL;
}

static bool refuse_literal_secret(const struct reader *reader,
                                  const struct config_setting *setting) {
    char variable[CONFIG_NAME_SIZE];
    char reason[320];
    const char *dot = strrchr(setting->key, '.');
    config_variable_name(setting, variable);
    snprintf(reason, sizeof reason,
             "a secret must not stand in the settings file; keep it in a file of its own and name "
             "that file with \"%s_file\" here, or set %s or %s_FILE",
             dot != NULL ? dot + 1 : setting->key, variable, variable);
    return refuse_key(reader, setting->key, reason);
}

static bool read_path(struct reader *reader, size_t row, const char *key, const cJSON *item) {
    if (!cJSON_IsString(item))
        return refuse_key(reader, key, "must be a string, in quotes: the path of a file");
    if (item->valuestring[0] == '\0')
        return true;
    reader->file->rows[row].value.text = strdup(item->valuestring);
    if (reader->file->rows[row].value.text == NULL)
        return refuse_key(reader, key, "no memory for it");
    reader->file->rows[row].present = true;
    return true;
}

static bool read_value(struct reader *reader, size_t row, const char *key, const cJSON *item) {
    struct complaint why;
    if (!config_value_from_json(&config_table[row], item, &reader->file->rows[row].value, &why))
        return refuse_key(reader, key, why.text);
    reader->file->rows[row].present = true;
    return true;
}

static bool read_object(struct reader *reader, const cJSON *object, const char *prefix);

static bool read_group(struct reader *reader, const char *key, const cJSON *item) {
    if (!cJSON_IsObject(item))
        return refuse_key(reader, key, "must be an object: { ... }");
    char prefix[2 * CONFIG_NAME_SIZE + 1];
    snprintf(prefix, sizeof prefix, "%s.", key);
    return read_object(reader, item, prefix);
}

static bool read_member(struct reader *reader, const char *key, const cJSON *item) {
    if (find_secret(key) != NULL)
        return refuse_literal_secret(reader, find_secret(key));
    bool path = false;
    size_t row = find_row(key, &path);
    if (row < config_table_count) {
        reader->file->rows[row].line = member_line(reader);
        return path ? read_path(reader, row, key, item) : read_value(reader, row, key, item);
    }
    if (is_group(key))
        return read_group(reader, key, item);
    return refuse_unknown(reader, key);
}

static bool read_named(struct reader *reader, const cJSON *object, const cJSON *member,
                       const char *prefix) {
    char key[2 * CONFIG_NAME_SIZE];
    int size = snprintf(key, sizeof key, "%s%s", prefix, member->string);
    if (is_repeated(object, member))
        return refuse_key(reader, key, "stands here a second time");
    if (prefix[0] == '\0' && strcmp(member->string, "$schema") == 0)
        return cJSON_IsString(member) || refuse_key(reader, key, "must be a string, in quotes");
    if (strchr(member->string, '.') != NULL)
        return refuse_key(reader, key,
                          "unknown key: dots are written as nesting, { \"a\": { \"b\": ... } }");
    if (size < 0 || (size_t)size >= CONFIG_NAME_SIZE)
        return refuse_key(reader, key, "unknown key");
    return read_member(reader, key, member);
}

static bool read_object(struct reader *reader, const cJSON *object, const char *prefix) {
    size_t level = reader->depth++;
    bool good = true;
    reader->ordinals[level] = 0;
    for (const cJSON *member = object->child; good && member != NULL; member = member->next) {
        good = read_named(reader, object, member, prefix);
        reader->ordinals[level]++;
    }
    reader->depth--;
    return good;
}

static size_t skip_space(const struct reader *reader, size_t offset) {
    while (offset < reader->size && memchr(" \t\r\n", reader->text[offset], 4) != NULL)
        offset++;
    return offset;
}

static bool read_root(struct reader *reader, const cJSON *root, const char *end) {
    size_t offset = skip_space(reader, (size_t)(end - reader->text));
    size_t line = config_text_line(reader->text, reader->size, offset);
    if (root == NULL)
        return refuse_line(reader, line,
                           "is not JSON from here on; look for a comma, quote or bracket that is "
                           "missing or too many, here or in the line before");
    if (offset < reader->size)
        return refuse_line(reader, line, "something stands behind the end of the settings");
    if (!cJSON_IsObject(root))
        return refuse_line(reader, 1, "must hold an object: { ... }");
    return read_object(reader, root, "");
}

bool config_file_parse(char *text, size_t size, const char *name, struct config_file *file,
                       struct complaint *complaint) {
    *file = (struct config_file){0};
    struct reader reader = {
        .text = text, .size = size, .name = name, .file = file, .complaint = complaint};
    size_t line = 0;
    struct complaint why;
    if (!config_text_clean(text, size, &line, &why))
        return refuse_line(&reader, line, why.text);
    if (skip_space(&reader, 0) == size)
        return refuse_line(&reader, 1, "holds no settings; at least { } must stand in it");

    const char *end = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, size, &end, 0);
    bool good = read_root(&reader, root, end);
    cJSON_Delete(root);
    return good;
}

static bool parse_stream(FILE *stream, const char *path, char *text, struct config_file *file,
                         struct complaint *complaint) {
    size_t size = fread(text, 1, CONFIG_FILE_SIZE_MAX + 1, stream);
    if (ferror(stream))
        return complain(complaint, "%s: %s", path, strerror(errno));
    if (size > CONFIG_FILE_SIZE_MAX)
        return complain(complaint, "%s: is larger than 1 MiB, too large for settings", path);
    text[size] = '\0';
    return config_file_parse(text, size, path, file, complaint);
}

bool config_file_read(const char *path, struct config_file *file, struct complaint *complaint) {
    *file = (struct config_file){0};
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return complain(complaint, "%s: %s", path, strerror(errno));
    char *text = malloc(CONFIG_FILE_SIZE_MAX + 2);
    bool good = text != NULL ? parse_stream(stream, path, text, file, complaint)
                             : complain(complaint, "%s: no memory for it", path);
    free(text);
    fclose(stream);
    return good;
}

void config_file_free(struct config_file *file) {
    for (size_t i = 0; i < config_table_count; i++) {
        if (config_table[i].type == CONFIG_SECRET)
            free(file->rows[i].value.text);
        else
            config_value_free(&config_table[i], &file->rows[i].value);
    }
    *file = (struct config_file){0};
}
