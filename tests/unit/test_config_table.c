/* The table against itself, against the schema and against the sample file: three that say one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/config_parts.h"

#define SCHEMA SANYAO_SOURCE_DIR "/config/sanyao.schema.json"
#define SAMPLE SANYAO_SOURCE_DIR "/config/sanyao.jsonc"

/* A JSONC file as cJSON; the caller frees it. */
static cJSON *read_json(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, CONFIG_FILE_SIZE_MAX);
    size_t size = fread(text, 1, CONFIG_FILE_SIZE_MAX - 1, file);
    fclose(file);
    size_t line = 0;
    struct complaint why;
    assert_true(config_text_clean(text, size, &line, &why));
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    free(text);
    return json;
}

static cJSON *default_json(const struct config_setting *setting) {
    union config_value value = {0};
    struct complaint why;
    if (setting->type == CONFIG_SECRET || setting->type == CONFIG_DURATION)
        return cJSON_CreateString(setting->fallback != NULL ? setting->fallback : "");
    assert_true(config_value_from_text(setting, setting->fallback, &value, &why));
    cJSON *json = config_value_to_json(setting, value);
    config_value_free(setting, &value);
    return json;
}

/* The member at a dotted key; between its parts, `between` is descended too. */
static cJSON *find(cJSON *root, const char *key, const char *between) {
    char parts[CONFIG_NAME_SIZE];
    char *rest = parts;
    snprintf(parts, sizeof parts, "%s", key);
    for (char *part; root != NULL && (part = strsep(&rest, ".")) != NULL;) {
        if (between != NULL)
            root = cJSON_GetObjectItemCaseSensitive(root, between);
        root = cJSON_GetObjectItemCaseSensitive(root, part);
    }
    return root;
}

static void file_key(const struct config_setting *setting, char key[CONFIG_NAME_SIZE]) {
    snprintf(key, CONFIG_NAME_SIZE, "%s%s", setting->key,
             setting->type == CONFIG_SECRET ? "_file" : "");
}

/* How many members there are that are not objects of members themselves. */
static size_t count_leaves(const cJSON *object, const char *between) {
    size_t count = 0;
    const cJSON *members =
        between != NULL ? cJSON_GetObjectItemCaseSensitive(object, between) : object;
    for (const cJSON *member = members->child; member != NULL; member = member->next) {
        bool group = between != NULL ? cJSON_HasObjectItem(member, between)
                                     : member->child != NULL && cJSON_IsObject(member);
        count += group ? count_leaves(member, between) : 1;
    }
    return count;
}

static void test_table_is_sound(void **state) {
    (void)state;
    for (size_t i = 0; i < config_table_count; i++) {
        const struct config_setting *setting = &config_table[i];
        union config_value value = {0};
        struct complaint why;
        assert_true(strlen(setting->key) + strlen("SANYAO__FILE") < CONFIG_NAME_SIZE);
        assert_true(setting->least <= setting->most);
        assert_int_equal(setting->type == CONFIG_ENUM, setting->words != NULL);
        assert_true(strchr(".?", setting->help[strlen(setting->help) - 1]) != NULL);
        assert_int_equal(setting->type == CONFIG_SECRET, setting->fallback == NULL);
        if (setting->fallback == NULL)
            continue;
        assert_true(config_value_from_text(setting, setting->fallback, &value, &why));
        config_value_free(setting, &value);
    }
}

/* SANYAO_A_FILE must not be both the setting a.file and the file form of a setting a. */
static void test_variables_are_unambiguous(void **state) {
    (void)state;
    for (size_t i = 0; i < config_table_count; i++) {
        char name[CONFIG_NAME_SIZE];
        char file[CONFIG_NAME_SIZE];
        config_variable_name(&config_table[i], name);
        snprintf(file, sizeof file, "%.58s_FILE", name);
        for (size_t j = 0; j < config_table_count; j++) {
            char other[CONFIG_NAME_SIZE];
            config_variable_name(&config_table[j], other);
            assert_true(i == j || strcmp(name, other) != 0);
            assert_string_not_equal(file, other);
            assert_true(i == j || config_table[i].offset != config_table[j].offset);
        }
    }
}

static void assert_number(const cJSON *object, const char *name, int64_t expected) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_true(cJSON_IsNumber(item));
    assert_true(item->valuedouble == (double)expected);
}

static void assert_text(const cJSON *object, const char *name, const char *expected) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void assert_schema_bounds(const struct config_setting *setting, const cJSON *schema) {
    static const struct {
        const char *type, *least, *most;
    } expected[] = {
        [CONFIG_BOOL] = {"boolean", NULL, NULL},
        [CONFIG_INTEGER] = {"integer", "minimum", "maximum"},
        [CONFIG_DURATION] = {"string", NULL, NULL},
        [CONFIG_STRING] = {"string", "minLength", "maxLength"},
        [CONFIG_LIST] = {"array", "minItems", "maxItems"},
        [CONFIG_ENUM] = {"string", NULL, NULL},
        [CONFIG_JSON] = {"object", "minProperties", "maxProperties"},
        [CONFIG_SECRET] = {"string", NULL, NULL},
    };
    assert_text(schema, "type", expected[setting->type].type);
    if (expected[setting->type].least == NULL)
        return;
    assert_number(schema, expected[setting->type].least, setting->least);
    assert_number(schema, expected[setting->type].most, setting->most);
}

static void assert_schema_description(const struct config_setting *setting, const cJSON *schema) {
    char least[CONFIG_DURATION_SIZE];
    char most[CONFIG_DURATION_SIZE];
    char text[512];
    config_duration_format(setting->least, least);
    config_duration_format(setting->most, most);
    if (setting->type == CONFIG_DURATION)
        snprintf(text, sizeof text, "%s From %s to %s.", setting->help, least, most);
    else
        snprintf(text, sizeof text, "%s", setting->help);
    assert_text(schema, "description", text);
}

static void assert_schema_words(const struct config_setting *setting, const cJSON *schema) {
    const cJSON *words = cJSON_GetObjectItemCaseSensitive(schema, "enum");
    int count = 0;
    for (; setting->words != NULL && setting->words[count] != NULL; count++) {
        const char *word = cJSON_GetStringValue(cJSON_GetArrayItem(words, count));
        assert_non_null(word);
        assert_string_equal(word, setting->words[count]);
    }
    assert_int_equal(cJSON_GetArraySize(words), count);
}

static void test_schema_is_the_table(void **state) {
    (void)state;
    cJSON *schema = read_json(SCHEMA);
    for (size_t i = 0; i < config_table_count; i++) {
        const struct config_setting *setting = &config_table[i];
        char key[CONFIG_NAME_SIZE];
        file_key(setting, key);
        const cJSON *row = find(schema, key, "properties");
        if (row == NULL)
            fail_msg("the schema lacks %s", key);
        assert_schema_bounds(setting, row);
        assert_schema_description(setting, row);
        assert_schema_words(setting, row);
        assert_int_equal(setting->type == CONFIG_DURATION,
                         cJSON_HasObjectItem(row, "pattern") &&
                             !cJSON_HasObjectItem(row, "maxLength"));
        cJSON *expected = default_json(setting);
        if (!cJSON_Compare(cJSON_GetObjectItemCaseSensitive(row, "default"), expected, true))
            fail_msg("the schema has another default for %s", key);
        cJSON_Delete(expected);
    }
    /* "$schema" is the one name more. */
    assert_int_equal(count_leaves(schema, "properties"), config_table_count + 1);
    cJSON_Delete(schema);
}

static void assert_closed(const cJSON *schema) {
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(schema, "additionalProperties")));
    const cJSON *members = cJSON_GetObjectItemCaseSensitive(schema, "properties");
    for (const cJSON *member = members->child; member != NULL; member = member->next) {
        if (cJSON_HasObjectItem(member, "properties"))
            assert_closed(member);
    }
}

static void test_schema_knows_no_other_key(void **state) {
    (void)state;
    cJSON *schema = read_json(SCHEMA);
    assert_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
    assert_closed(schema);
    cJSON_Delete(schema);
}

static void test_sample_is_the_table(void **state) {
    (void)state;
    cJSON *sample = read_json(SAMPLE);
    for (size_t i = 0; i < config_table_count; i++) {
        char key[CONFIG_NAME_SIZE];
        file_key(&config_table[i], key);
        cJSON *expected = default_json(&config_table[i]);
        if (!cJSON_Compare(find(sample, key, NULL), expected, true))
            fail_msg("the sample lacks %s, or has another value than its default", key);
        cJSON_Delete(expected);
    }
    assert_int_equal(count_leaves(sample, NULL), config_table_count + 1);
    cJSON_Delete(sample);
}

/* Each key of the sample has a comment in its line or in the line before. */
static void test_sample_is_commented(void **state) {
    (void)state;
    FILE *file = fopen(SAMPLE, "r");
    assert_non_null(file);
    char line[256];
    bool before = false;
    size_t keys = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *text = line + strspn(line, " ");
        bool group = strchr(text, '{') != NULL && strstr(text, "{}") == NULL;
        if (text[0] == '"' && !group && strncmp(text, "\"$schema\"", 9) != 0) {
            keys++;
            if (!before && strstr(text, " // ") == NULL)
                fail_msg("the sample does not comment: %s", text);
        }
        before = strncmp(text, "//", 2) == 0;
    }
    fclose(file);
    assert_int_equal(keys, config_table_count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_variables_are_unambiguous),
        cmocka_unit_test(test_schema_is_the_table),
        cmocka_unit_test(test_schema_knows_no_other_key),
        cmocka_unit_test(test_sample_is_the_table),
        cmocka_unit_test(test_sample_is_commented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
