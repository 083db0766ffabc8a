#include "runtime/config_parts.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/secret.h"
#include "runtime/text.h"

/* ---- what differs ---- */

static bool is_at(size_t row, size_t offset) {
    return config_table[row].offset == offset;
}

static bool is_same_value(const struct config *before, const struct config *after, size_t row) {
    /* Counting again may find other processors: nobody has changed a setting. */
    if (is_at(row, offsetof(struct config, workers)) && before->workers_counted &&
        after->workers_counted)
        return true;
    return config_value_equal(&config_table[row], config_value_of(&config_table[row], before),
                              config_value_of(&config_table[row], after));
}

/* NULL is equal to NULL. */
static bool is_same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* That of `appcode` is told by its own row; those behind it are the list's. */
static int listed(const struct config *config, const struct config_credential **first) {
    int own = config->appcode != NULL ? 1 : 0;
    *first = config->credentials + own;
    return config->credential_count - own;
}

static bool is_same_codes(const struct config *before, const struct config *after) {
    const struct config_credential *was = NULL;
    const struct config_credential *is = NULL;
    int count = listed(before, &was);
    if (listed(after, &is) != count)
        return false;
    for (int i = 0; i < count; i++) {
        if (!is_same_text(was[i].id, is[i].id) || !is_same_text(was[i].appcode, is[i].appcode))
            return false;
    }
    return true;
}

static bool is_same_webhooks(const struct config *before, const struct config *after) {
    if (before->webhook_count != after->webhook_count)
        return false;
    for (int i = 0; i < before->webhook_count; i++) {
        const struct config_webhook *was = &before->webhooks[i];
        const struct config_webhook *is = &after->webhooks[i];
        if (was->kind != is->kind || !is_same_text(was->name, is->name) ||
            !is_same_text(was->url, is->url) || !is_same_text(was->secret, is->secret))
            return false;
    }
    return true;
}

/* Do the files that a row names hold the same? */
static bool is_same_content(const struct config *before, const struct config *after, size_t row) {
    if (is_at(row, offsetof(struct config, credential_files)))
        return is_same_codes(before, after);
    if (is_at(row, offsetof(struct config, webhook_files)))
        return is_same_webhooks(before, after);
    return true;
}

/* ---- may it be taken? ---- */

static bool needs_restart(const struct config *before, size_t row) {
    enum config_reload reload = config_table[row].reload;
    return reload == CONFIG_RESTARTS ||
           (reload == CONFIG_RESTARTS_SHARED && config_store_is_shared(before->store_url));
}

bool config_can_reload(const struct config *before, const struct config *after,
                       struct complaint *complaint) {
    char buffer[512];
    struct text keys = text_over(buffer, sizeof buffer);
    for (size_t i = 0; i < config_table_count; i++) {
        if (needs_restart(before, i) && !is_same_value(before, after, i))
            text_addf(&keys, "%s%s", keys.size > 0 ? ", " : "", config_table[i].key);
    }
    return keys.size == 0 ||
           complain(complaint, "only a restart can take another value of: %s", buffer);
}

static bool is_secret(const struct config *config, size_t row) {
    const struct config_setting *setting = &config_table[row];
    return setting->password || config_value_is_secret(setting, config_value_of(setting, config));
}

static bool is_from_a_file(const struct config *config, const char *source) {
    for (int i = 0; i < config->secret_file_count; i++) {
        size_t size = strlen(config->secret_files[i].path);
        if (strncmp(source, config->secret_files[i].path, size) == 0 &&
            strncmp(source + size, " (", 2) == 0)
            return true;
    }
    return false;
}

static bool keep_text(const struct config *before, struct config *after, size_t row) {
    const struct config_setting *setting = &config_table[row];
    union config_value old = config_value_of(setting, after);
    const char *text = config_value_of(setting, before).text;
    union config_value kept = {.text = setting->type == CONFIG_SECRET ? secret_copy(text)
                                                                      : strdup(text)};
    if (kept.text == NULL)
        return false;
    config_value_free(setting, &old);
    config_value_store(setting, after, kept);
    return true;
}

bool config_keep_secrets(const struct config *before, struct config *after,
                         struct complaint *keys) {
    struct text text = text_over(keys->text, sizeof keys->text);
    keys->text[0] = '\0';
    for (size_t i = 0; i < config_table_count; i++) {
        bool held = config_table[i].type == CONFIG_SECRET || config_table[i].type == CONFIG_STRING;
        if (!held || !needs_restart(before, i) || is_same_value(before, after, i) ||
            !is_secret(before, i) || !is_secret(after, i) ||
            strcmp(before->source[i], after->source[i]) != 0 ||
            !is_from_a_file(after, after->source[i]))
            continue;
        if (config_value_of(&config_table[i], before).text == NULL || !keep_text(before, after, i))
            return false;
        text_addf(&text, "%s%s", text.size > 0 ? ", " : "", config_table[i].key);
    }
    return true;
}

/* ---- for people ---- */

static const char *secret_words(const char *was, const char *is, bool after) {
    const char *text = after ? is : was;
    if (text == NULL)
        return "(not set)";
    return after && was != NULL ? "(changed)" : "(set)";
}

static bool add_change(cJSON *changes, const char *key, cJSON *before, cJSON *after) {
    cJSON *change = cJSON_CreateObject();
    bool added = cJSON_AddStringToObject(change, "key", key) != NULL &&
                 cJSON_AddItemToObject(change, "before", before);
    if (!added)
        cJSON_Delete(before);
    if (!added || !cJSON_AddItemToObject(change, "after", after)) {
        cJSON_Delete(after);
        cJSON_Delete(change);
        return false;
    }
    return cJSON_AddItemToArray(changes, change);
}

static bool add_row(cJSON *changes, const struct config *before, const struct config *after,
                    size_t row) {
    const struct config_setting *setting = &config_table[row];
    union config_value was = config_value_of(setting, before);
    union config_value is = config_value_of(setting, after);
    if (is_same_value(before, after, row)) {
        if (is_same_content(before, after, row))
            return true;
        return add_change(changes, setting->key, cJSON_CreateString("(set)"),
                          cJSON_CreateString("(changed)"));
    }
    if (setting->type == CONFIG_SECRET)
        return add_change(changes, setting->key,
                          cJSON_CreateString(secret_words(was.text, is.text, false)),
                          cJSON_CreateString(secret_words(was.text, is.text, true)));
    return add_change(changes, setting->key, config_value_to_json(setting, was),
                      config_value_to_json(setting, is));
}

cJSON *config_changes(const struct config *before, const struct config *after) {
    cJSON *changes = cJSON_CreateArray();
    bool good = changes != NULL;
    for (size_t i = 0; good && i < config_table_count; i++)
        good = add_row(changes, before, after, i);
    if (good)
        return changes;
    cJSON_Delete(changes);
    return NULL;
}
