/*
 * Arbitrary bytes as the settings file. Beside what the sanitizers see: a refusal says where and
 * why, and what is accepted fits its table and is accepted a second time with the same result.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "runtime/config_parts.h"

static bool parse(const uint8_t *data, size_t size, struct config_file *file,
                  struct complaint *complaint) {
    /* Exactly as large as the text, so that reading one byte too many is seen. */
    char *text = malloc(size > 0 ? size : 1);
    if (text == NULL)
        abort();
    memcpy(text, data, size);
    bool good = config_file_parse(text, size, "fuzz", file, complaint);
    free(text);
    return good;
}

static void check_row(const struct config_setting *setting, const struct config_file *file,
                      size_t row, size_t size) {
    if (file->rows[row].line < 1 || file->rows[row].line > size)
        abort();
    if (setting->type == CONFIG_SECRET || setting->type == CONFIG_BOOL)
        return;
    int64_t number = file->rows[row].value.number;
    bool numeric = setting->type == CONFIG_INTEGER || setting->type == CONFIG_DURATION;
    if (numeric && (number < setting->least || number > setting->most))
        abort();
    cJSON *json = config_value_to_json(setting, file->rows[row].value);
    union config_value again = {0};
    struct complaint why;
    /* With "***" for its password an address may be longer than is accepted. */
    if (!config_value_from_json(setting, json, &again, &why) && !setting->password)
        abort();
    if ((numeric || setting->type == CONFIG_ENUM) && again.number != number)
        abort();
    config_value_free(setting, &again);
    cJSON_Delete(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config_file file;
    struct complaint complaint = {{0}};
    if (sodium_init() < 0)
        abort();
    bool good = parse(data, size, &file, &complaint);
    if (!good && strncmp(complaint.text, "fuzz:", 5) != 0)
        abort();
    for (size_t i = 0; good && i < config_table_count; i++) {
        if (file.rows[i].present)
            check_row(&config_table[i], &file, i, size);
    }
    config_file_free(&file);
    return 0;
}
