#include "runtime/config_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "runtime/json_scan.h"
#include "runtime/secret.h"
#include "runtime/text.h"
#include "runtime/utf8.h"
#include "store/redis_url.h"

#define TEXT_SIZE_MAX 1024        /* bytes of any one string or item */
#define JSON_SIZE_MAX (64 * 1024) /* of an object as text */

static bool no_memory(struct complaint *why) {
    return complain(why, "no memory for it");
}

/* ---- durations ---- */

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

#define UNIT_COUNT (sizeof units / sizeof units[0])

void config_duration_format(int64_t ms, char text[CONFIG_DURATION_SIZE]) {
    const struct unit *unit = units;
    while (ms % unit->ms != 0)
        unit++;
    snprintf(text, CONFIG_DURATION_SIZE, "%" PRId64 "%s", ms / unit->ms, ms == 0 ? "" : unit->name);
}

static bool digits_to_number(const char *text, size_t size, int64_t *number) {
    if (size == 0 || size > 15)
        return false;
    *number = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return true;
}

static bool duration_to_ms(const char *text, int64_t *ms) {
    size_t digits = strspn(text, "0123456789");
    if (!digits_to_number(text, digits, ms))
        return false;
    if (strcmp(text, "0") == 0)
        return true;
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (strcmp(text + digits, units[i].name) == 0)
            return !__builtin_mul_overflow(*ms, units[i].ms, ms);
    }
    return false;
}

static bool within(const struct config_setting *setting, int64_t number) {
    return number >= setting->least && number <= setting->most;
}

bool config_duration_read(const char *text, int64_t least, int64_t most, int64_t *ms,
                          struct complaint *why) {
    int64_t read = 0;
    if (!duration_to_ms(text, &read) || read < least || read > most)
        return complain(why, "must be a duration with its unit (\"30s\", \"24h\") within bounds");
    *ms = read;
    return true;
}

static bool want_duration(const struct config_setting *setting, struct complaint *why) {
    char least[CONFIG_DURATION_SIZE];
    char most[CONFIG_DURATION_SIZE];
    config_duration_format(setting->least, least);
    config_duration_format(setting->most, most);
    return complain(why,
                    "must be a duration with its unit (\"500ms\", \"30s\", \"10m\", \"24h\", "
                    "\"30d\"), from %s to %s",
                    least, most);
}

static bool duration_from_text(const struct config_setting *setting, const char *text,
                               union config_value *value, struct complaint *why) {
    if (!duration_to_ms(text, &value->number) || !within(setting, value->number))
        return want_duration(setting, why);
    return true;
}

/* ---- integers, truth, words ---- */

static bool want_integer(const struct config_setting *setting, struct complaint *why) {
    return complain(why, "must be a whole number from %" PRId64 " to %" PRId64, setting->least,
                    setting->most);
}

static bool integer_from_text(const struct config_setting *setting, const char *text,
                              union config_value *value, struct complaint *why) {
    if (!digits_to_number(text, strlen(text), &value->number) || !within(setting, value->number))
        return want_integer(setting, why);
    return true;
}

static bool integer_from_json(const struct config_setting *setting, const cJSON *item,
                              union config_value *value, struct complaint *why) {
    double number = item->valuedouble;
    bool good = cJSON_IsNumber(item) && number >= (double)setting->least &&
                number <= (double)setting->most && number == (double)(int64_t)number;
    if (!good)
        return want_integer(setting, why);
    value->number = (int64_t)number;
    return true;
}

static bool bool_from_text(const struct config_setting *setting, const char *text,
                           union config_value *value, struct complaint *why) {
    (void)setting;
    value->flag = strcmp(text, "true") == 0;
    return value->flag || strcmp(text, "false") == 0 || complain(why, "must be true or false");
}

static bool bool_from_json(const struct config_setting *setting, const cJSON *item,
                           union config_value *value, struct complaint *why) {
    (void)setting;
    value->flag = cJSON_IsTrue(item);
    return cJSON_IsBool(item) || complain(why, "must be true or false, without quotes");
}

static bool enum_from_text(const struct config_setting *setting, const char *text,
                           union config_value *value, struct complaint *why) {
    char words[128] = "";
    for (size_t i = 0; setting->words[i] != NULL; i++) {
        if (strcmp(setting->words[i], text) == 0) {
            value->number = (int64_t)i;
            return true;
        }
        size_t used = strlen(words);
        snprintf(words + used, sizeof words - used, "%s\"%s\"", i > 0 ? ", " : "",
                 setting->words[i]);
    }
    return complain(why, "must be one of %s", words);
}

/* ---- strings and secrets ---- */

/* NULL, or what is wrong with a string, an item of a list, or a secret. */
static const char *text_fault(const struct config_setting *setting, const char *text) {
    if (strlen(text) > TEXT_SIZE_MAX)
        return "is too long";
    if (utf8_has_control(text, strlen(text)))
        return "holds a line break or another control character";
    return setting->check != NULL ? setting->check(text) : NULL;
}

static bool string_from_text(const struct config_setting *setting, const char *text,
                             union config_value *value, struct complaint *why) {
    bool may_be_empty = setting->least == 0;
    if (text[0] == '\0' && !may_be_empty)
        return complain(why, "must not be empty");
    if ((int64_t)strlen(text) > setting->most)
        return complain(why, "must have at most %" PRId64 " bytes", setting->most);
    const char *fault = text[0] != '\0' ? text_fault(setting, text) : NULL;
    if (fault != NULL)
        return complain(why, "%s", fault);
    value->text = strdup(text);
    return value->text != NULL || no_memory(why);
}

static bool secret_from_text(const struct config_setting *setting, const char *text,
                             union config_value *value, struct complaint *why) {
    const char *fault = text_fault(setting, text);
    if (fault != NULL)
        return complain(why, "%s", fault);
    value->text = secret_copy(text);
    return value->text != NULL || no_memory(why);
}

/* ---- lists ---- */

size_t config_list_count(const char *const *list) {
    size_t count = 0;
    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

bool config_list_add(config_list *list, const char *text, size_t size) {
    size_t count = config_list_count((const char *const *)*list);
    char *item = strndup(text, size);
    if (item == NULL)
        return false;
    config_list grown = realloc(*list, (count + 2) * sizeof *grown);
    if (grown == NULL) {
        free(item);
        return false;
    }
    grown[count] = item;
    grown[count + 1] = NULL;
    *list = grown;
    return true;
}

void config_list_free(config_list list) {
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

static bool list_add_checked(const struct config_setting *setting, config_list *list,
                             const char *text, size_t size, struct complaint *why) {
    size_t count = config_list_count((const char *const *)*list);
    if ((int64_t)count >= setting->most)
        return complain(why, "must have at most %" PRId64 " items", setting->most);
    if (!config_list_add(list, text, size))
        return no_memory(why);
    const char *fault = size == 0 ? "is empty" : text_fault(setting, (*list)[count]);
    return fault == NULL || complain(why, "item %zu %s", count + 1, fault);
}

static bool list_finish(const struct config_setting *setting, bool good, union config_value *value,
                        struct complaint *why) {
    if (good && (int64_t)config_list_count((const char *const *)value->list) < setting->least)
        good = complain(why, "must have at least %" PRId64 " item(s)", setting->least);
    if (good && value->list == NULL) {
        value->list = calloc(1, sizeof *value->list);
        good = value->list != NULL || no_memory(why);
    }
    if (!good) {
        config_list_free(value->list);
        value->list = NULL;
    }
    return good;
}

static bool list_from_text(const struct config_setting *setting, const char *text,
                           union config_value *value, struct complaint *why) {
    value->list = NULL;
    bool good = true;
    for (const char *at = text; good && text[0] != '\0';) {
        size_t size = strcspn(at, ",");
        size_t before = strspn(at, " \t");
        if (before > size)
            before = size;
        size_t end = size;
        while (end > before && (at[end - 1] == ' ' || at[end - 1] == '\t'))
            end--;
        good = list_add_checked(setting, &value->list, at + before, end - before, why);
        if (at[size] == '\0')
            break;
        at += size + 1;
    }
    return list_finish(setting, good, value, why);
}

static bool list_from_json(const struct config_setting *setting, const cJSON *item,
                           union config_value *value, struct complaint *why) {
    value->list = NULL;
    bool good = cJSON_IsArray(item) || complain(why, "must be a list: [\"...\", \"...\"]");
    const cJSON *member = good ? item->child : NULL;
    for (; good && member != NULL; member = member->next) {
        if (!cJSON_IsString(member))
            good = complain(why, "must be a list of strings, each in quotes");
        else
            good = list_add_checked(setting, &value->list, member->valuestring,
                                    strlen(member->valuestring), why);
    }
    return list_finish(setting, good, value, why);
}

/* ---- objects ---- */

/* Printed anew, so that the same settings are the same text. */
static bool object_from_json(const struct config_setting *setting, const cJSON *item,
                             union config_value *value, struct complaint *why) {
    if (!cJSON_IsObject(item))
        return complain(why, "must be an object: { ... }");
    if (cJSON_GetArraySize(item) > (int)setting->most)
        return complain(why, "must have at most %" PRId64 " members", setting->most);
    value->text = cJSON_PrintUnformatted(item);
    return value->text != NULL || no_memory(why);
}

static bool object_from_text(const struct config_setting *setting, const char *text,
                             union config_value *value, struct complaint *why) {
    size_t size = strlen(text);
    const struct json_span span = {text, size};
    if (size > JSON_SIZE_MAX || !utf8_valid(text, size) || !json_scan_strict(text, size) ||
        json_scan_has_zero(span))
        return complain(why, "must be a JSON object, { ... }, without comments");
    cJSON *item = cJSON_Parse(text);
    bool good = object_from_json(setting, item, value, why);
    cJSON_Delete(item);
    return good;
}

/* ---- by type ---- */

static const struct {
    bool (*from_text)(const struct config_setting *, const char *, union config_value *,
                      struct complaint *);
    /* NULL: JSON has it as a string, which from_text reads */
    bool (*from_json)(const struct config_setting *, const cJSON *, union config_value *,
                      struct complaint *);
} types[] = {
    [CONFIG_BOOL] = {bool_from_text, bool_from_json},
    [CONFIG_INTEGER] = {integer_from_text, integer_from_json},
    [CONFIG_DURATION] = {duration_from_text, NULL},
    [CONFIG_STRING] = {string_from_text, NULL},
    [CONFIG_LIST] = {list_from_text, list_from_json},
    [CONFIG_ENUM] = {enum_from_text, NULL},
    [CONFIG_JSON] = {object_from_text, object_from_json},
    [CONFIG_SECRET] = {secret_from_text, NULL},
};

bool config_value_from_text(const struct config_setting *setting, const char *text,
                            union config_value *value, struct complaint *why) {
    return types[setting->type].from_text(setting, text, value, why);
}

bool config_value_from_json(const struct config_setting *setting, const cJSON *item,
                            union config_value *value, struct complaint *why) {
    if (types[setting->type].from_json != NULL)
        return types[setting->type].from_json(setting, item, value, why);
    if (cJSON_IsString(item))
        return types[setting->type].from_text(setting, item->valuestring, value, why);
    if (setting->type == CONFIG_DURATION)
        return want_duration(setting, why);
    return complain(why, "must be a string, in quotes");
}

bool config_value_is_secret(const struct config_setting *setting, union config_value value) {
    size_t size = 0;
    return setting->type == CONFIG_SECRET ||
           (setting->password && redis_url_password(value.text, &size) != NULL);
}

void config_value_free(const struct config_setting *setting, union config_value *value) {
    if (setting->password && value->text != NULL)
        sodium_memzero(value->text, strlen(value->text));
    if (setting->type == CONFIG_STRING || setting->type == CONFIG_JSON)
        free(value->text);
    else if (setting->type == CONFIG_LIST)
        config_list_free(value->list);
    else if (setting->type == CONFIG_SECRET)
        secret_free(value->text);
    *value = (union config_value){0};
}

/* The bytes of the union that a type's member in struct config has. */
static size_t member_size(const struct config_setting *setting) {
    static const size_t sizes[] = {
        [CONFIG_BOOL] = sizeof(bool),        [CONFIG_INTEGER] = sizeof(int64_t),
        [CONFIG_DURATION] = sizeof(int64_t), [CONFIG_STRING] = sizeof(char *),
        [CONFIG_LIST] = sizeof(config_list), [CONFIG_ENUM] = sizeof(int64_t),
        [CONFIG_JSON] = sizeof(char *),      [CONFIG_SECRET] = sizeof(char *),
    };
    return sizes[setting->type];
}

void config_value_store(const struct config_setting *setting, struct config *config,
                        union config_value value) {
    memcpy((char *)config + setting->offset, &value, member_size(setting));
}

union config_value config_value_of(const struct config_setting *setting,
                                   const struct config *config) {
    union config_value value = {0};
    memcpy(&value, (const char *)config + setting->offset, member_size(setting));
    return value;
}

static bool is_same_list(config_list a, config_list b) {
    size_t i = 0;
    while (a[i] != NULL && b[i] != NULL && strcmp(a[i], b[i]) == 0)
        i++;
    return a[i] == NULL && b[i] == NULL;
}

bool config_value_equal(const struct config_setting *setting, union config_value a,
                        union config_value b) {
    switch (setting->type) {
    case CONFIG_BOOL:
        return a.flag == b.flag;
    case CONFIG_INTEGER:
    case CONFIG_DURATION:
    case CONFIG_ENUM:
        return a.number == b.number;
    case CONFIG_STRING:
    case CONFIG_JSON:
        return strcmp(a.text, b.text) == 0;
    case CONFIG_LIST:
        return is_same_list(a.list, b.list);
    case CONFIG_SECRET:
        return (a.text == NULL) == (b.text == NULL) &&
               (a.text == NULL || strcmp(a.text, b.text) == 0);
    }
    return false;
}

static cJSON *duration_to_json(int64_t ms) {
    char text[CONFIG_DURATION_SIZE];
    config_duration_format(ms, text);
    return cJSON_CreateString(text);
}

static cJSON *string_to_json(const struct config_setting *setting, const char *text) {
    size_t size = 0;
    const char *password = setting->password ? redis_url_password(text, &size) : NULL;
    if (password == NULL)
        return cJSON_CreateString(text);
    char shown[TEXT_SIZE_MAX + 4];
    struct text out = text_over(shown, sizeof shown);
    text_add_bytes(&out, text, (size_t)(password - text));
    text_add(&out, "***");
    text_add(&out, password + size);
    return cJSON_CreateString(shown);
}

cJSON *config_value_to_json(const struct config_setting *setting, union config_value value) {
    switch (setting->type) {
    case CONFIG_BOOL:
        return cJSON_CreateBool(value.flag);
    case CONFIG_INTEGER:
        return cJSON_CreateNumber((double)value.number);
    case CONFIG_DURATION:
        return duration_to_json(value.number);
    case CONFIG_STRING:
        return string_to_json(setting, value.text);
    case CONFIG_LIST:
        return cJSON_CreateStringArray((const char *const *)value.list,
                                       (int)config_list_count((const char *const *)value.list));
    case CONFIG_ENUM:
        return cJSON_CreateString(setting->words[value.number]);
    case CONFIG_JSON:
        return cJSON_Parse(value.text);
    case CONFIG_SECRET:
        return cJSON_CreateString(value.text != NULL ? "(set)" : "(not set)");
    }
    return NULL;
}
