#include "money/audit.h"

#include <stdbool.h>

#include "runtime/clock.h"

static void add_state(cJSON *line, const char *name, const cJSON *state) {
    cJSON_AddItemToObject(line, name,
                          state != NULL ? cJSON_Duplicate(state, true) : cJSON_CreateNull());
}

char *audit_encode(const struct audit_entry *entry) {
    char at[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(entry->at_ms / 1000, at);
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "at", at);
    cJSON_AddStringToObject(line, "token", entry->token);
    cJSON_AddStringToObject(line, "action", entry->action);
    cJSON_AddStringToObject(line, "kind", entry->kind);
    cJSON_AddStringToObject(line, "id", entry->id);
    add_state(line, "before", entry->before);
    add_state(line, "after", entry->after);
    char *text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    return text;
}
