#include "sandbox/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct entry {
    struct call *call;
    struct journal_outcome outcome;
};

struct journal {
    size_t capacity;
    uint64_t added; /* entry n (from 0) stands at n % capacity */
    struct entry *entries;
};

struct journal *journal_new(size_t capacity) {
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return NULL;
    }
    journal->capacity = capacity;
    journal->entries = calloc(capacity + 1, sizeof *journal->entries);
    if (journal->entries == NULL) {
        free(journal);
        return NULL;
    }
    return journal;
}

void journal_free(struct journal *journal) {
    if (journal == NULL) {
        return;
    }
    journal_clear(journal);
    free(journal->entries);
    free(journal);
}

void journal_add(struct journal *journal, struct call *call,
                 const struct journal_outcome *outcome) {
    uint64_t number = journal->added++;
    if (journal->capacity == 0) {
        call_free(call);
        return;
    }
    struct entry *entry = &journal->entries[number % journal->capacity];
    call_free(entry->call);
    entry->call = call;
    entry->outcome = *outcome;
}

void journal_clear(struct journal *journal) {
    for (size_t i = 0; i < journal->capacity; i++) {
        call_free(journal->entries[i].call);
        journal->entries[i].call = NULL;
    }
    journal->added = 0;
}

static void add_text(cJSON *json, const char *name, struct text text) {
    char *presentable = text.data == NULL ? NULL : text_presentable(text);
    if (presentable == NULL) {
        cJSON_AddNullToObject(json, name);
        return;
    }
    cJSON_AddStringToObject(json, name, presentable);
    free(presentable);
}

static void add_time(cJSON *json, int64_t unix_ms) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    char text[64];
    gmtime_r(&seconds, &utc);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, sizeof text - length, ".%03dZ", (int)(unix_ms % 1000));
    cJSON_AddStringToObject(json, "time", text);
}

static void add_parameters(cJSON *json, const struct call *call) {
    cJSON *parameters = cJSON_AddObjectToObject(json, "parameters");
    for (enum call_parameter i = 0; i < CALL_PARAMETERS; i++) {
        struct text value = call_value(call, i);
        if (value.data != NULL) {
            add_text(parameters, call_parameter_name(CALL_GUIDE, i), value);
        }
    }
}

static void add_header_names(cJSON *json, const char *names) {
    cJSON *array = cJSON_AddArrayToObject(json, "headers");
    while (*names != '\0') {
        size_t length = strcspn(names, "\n");
        char *name = text_presentable((struct text){.data = names, .size = length});
        cJSON_AddItemToArray(array, cJSON_CreateString(name == NULL ? "" : name));
        free(name);
        names += length + (names[length] == '\n' ? 1 : 0);
    }
}

static cJSON *entry_json(const struct entry *entry, uint64_t number) {
    const struct call *call = entry->call;
    const struct journal_outcome *outcome = &entry->outcome;
    cJSON *json = cJSON_CreateObject();
    if (json == NULL) {
        return NULL;
    }
    const char *query = strchr(call->uri, '?');
    cJSON_AddNumberToObject(json, "number", (double)number);
    add_time(json, outcome->unix_ms);
    cJSON_AddNumberToObject(json, "connection", (double)call->connection);
    cJSON_AddNumberToObject(json, "nthOnConnection", (double)call->nth);
    add_text(json, "shape", text_of(call->path_is_right ? call_shape_name(call->shape) : NULL));
    add_text(json, "method", text_of(call->method));
    add_text(json, "uri", text_of(call->uri));
    add_text(json, "query", text_of(query == NULL ? "" : query + 1));
    add_parameters(json, call);
    add_header_names(json, call->header_names);
    add_text(json, "appCode", text_of(call->appcode));
    cJSON_AddNumberToObject(json, "http", outcome->http);
    add_text(json, "status", text_of(outcome->status[0] == '\0' ? NULL : outcome->status));
    add_text(json, "gateway", text_of(outcome->refusal == NULL ? NULL : outcome->refusal->name));
    add_text(json, "behaviour", text_of(outcome->behaviour[0] == '\0' ? NULL : outcome->behaviour));
    cJSON_AddBoolToObject(json, "billed", outcome->billed);
    return json;
}

cJSON *journal_json(const struct journal *journal, size_t limit) {
    cJSON *array = cJSON_CreateArray();
    uint64_t kept = journal->added < journal->capacity ? journal->added : journal->capacity;
    uint64_t wanted = limit < kept ? limit : kept;
    for (uint64_t n = journal->added - wanted; array != NULL && n < journal->added; n++) {
        cJSON_AddItemToArray(array, entry_json(&journal->entries[n % journal->capacity], n + 1));
    }
    return array;
}
