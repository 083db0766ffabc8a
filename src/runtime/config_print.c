#include "runtime/config_parts.h"

#include <stdlib.h>

static char *value_text(const struct config *config, size_t row) {
    union config_value value = config_value_of(&config_table[row], config);
    cJSON *json = config_value_to_json(&config_table[row], value);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}

void config_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config_table_count; i++) {
        char *text = value_text(config, i);
        fprintf(out, "%-27s %-28s %s\n", config_table[i].key, text != NULL ? text : "?",
                config->source[i]);
        cJSON_free(text);
    }
}

static bool add_setting(cJSON *array, const struct config *config, size_t row) {
    union config_value value = config_value_of(&config_table[row], config);
    cJSON *item = cJSON_CreateObject();
    if (item == NULL || !cJSON_AddItemToArray(array, item))
        return false;
    return cJSON_AddStringToObject(item, "key", config_table[row].key) != NULL &&
           cJSON_AddItemToObject(item, "value", config_value_to_json(&config_table[row], value)) &&
           cJSON_AddStringToObject(item, "source", config->source[row]) != NULL;
}

cJSON *config_to_json(const struct config *config) {
    cJSON *array = cJSON_CreateArray();
    bool good = array != NULL;
    for (size_t i = 0; good && i < config_table_count; i++)
        good = add_setting(array, config, i);
    if (good)
        return array;
    cJSON_Delete(array);
    return NULL;
}
