#include "sandbox/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct setting table[] = {
    {"package", "package", offsetof(struct settings, package), -1, 1000000000, -1,
     "billed calls each AppCode is good for, then 403 Quota Exhausted;\n-1: without end"},
    {"number-limit", "numberLimit", offsetof(struct settings, number_limit), 0, 100000, 5,
     "checks of one mobile number in a rolling 24 h, then status 203;\n0: off"},
    {"rate", "rate", offsetof(struct settings, rate), 0, 1000000, 0,
     "calls a second, then Throttled by USER; 0: without limit"},
    {"rate-http", "rateHttp", offsetof(struct settings, rate_http), 403, 429, 429,
     "HTTP status of throttled calls: 429, or 403 as older gateways\nsend"},
    {"latency-ms", "latencyMs", offsetof(struct settings, latency_ms), 0, 3600000, 0,
     "milliseconds before the seller's answer"},
    {"jitter-ms", "jitterMs", offsetof(struct settings, jitter_ms), 0, 3600000, 0,
     "up to this many milliseconds more, at random"},
};

enum { COUNT = sizeof table / sizeof *table };

const struct setting *settings_all(size_t *count) {
    *count = COUNT;
    return table;
}

static void set(struct settings *settings, const struct setting *setting, long value) {
    memcpy((char *)settings + setting->offset, &value, sizeof value);
}

static long get(const struct settings *settings, const struct setting *setting) {
    long value;
    memcpy(&value, (const char *)settings + setting->offset, sizeof value);
    return value;
}

void settings_default(struct settings *settings) {
    for (size_t i = 0; i < COUNT; i++) {
        set(settings, &table[i], table[i].usual);
    }
}

static bool is_one_of_two(const struct setting *setting) {
    return setting->offset == offsetof(struct settings, rate_http);
}

static bool fits(const struct setting *setting, double value) {
    double least = (double)setting->least;
    double most = (double)setting->most;
    if (!(value >= least && value <= most) || value != (double)(long)value) {
        return false;
    }
    return !is_one_of_two(setting) || value == least || value == most;
}

static bool refuse_value(const struct setting *setting, const char *name, struct reason *reason) {
    return refuse(reason, "%s must be %s %ld %s %ld", name,
                  is_one_of_two(setting) ? "either" : "a whole number from", setting->least,
                  is_one_of_two(setting) ? "or" : "to", setting->most);
}

bool settings_set_text(struct settings *settings, const struct setting *setting, const char *text,
                       struct reason *reason) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || !fits(setting, (double)value)) {
        return refuse_value(setting, setting->option, reason);
    }
    set(settings, setting, value);
    return true;
}

static const struct setting *find_member(const char *name) {
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].member, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

bool settings_set_json(struct settings *settings, const cJSON *json, struct reason *reason) {
    struct settings changed = *settings;
    if (!cJSON_IsObject(json)) {
        return refuse(reason, "settings are a JSON object");
    }
    const cJSON *child;
    cJSON_ArrayForEach(child, json) {
        const struct setting *setting = find_member(child->string);
        if (setting == NULL) {
            return refuse(reason, "unknown member: %.64s", child->string);
        }
        if (!cJSON_IsNumber(child) || !fits(setting, child->valuedouble)) {
            return refuse_value(setting, setting->member, reason);
        }
        set(&changed, setting, (long)child->valuedouble);
    }
    *settings = changed;
    return true;
}

cJSON *settings_json(const struct settings *settings) {
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; json != NULL && i < COUNT; i++) {
        cJSON_AddNumberToObject(json, table[i].member, (double)get(settings, &table[i]));
    }
    return json;
}
