#pragma once
/*
 * settings: the numbers that govern the sandbox, set on the command line and, while it runs, by
 * POST /sandbox/settings. One table is the source of names, ranges, defaults and help of both.
 * Value type; the running copy belongs to the world's lock.
 */
#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "sandbox/reason.h"

struct settings {
    long package;      /* billed calls each AppCode is good for; -1: without end */
    long number_limit; /* checks of one number in 24 hours; 0: off */
    long rate;         /* calls a second; 0: without limit */
    long rate_http;    /* HTTP status of a throttled call: 403 or 429 */
    long latency_ms;
    long jitter_ms; /* at random up to this much more */
};

struct setting {
    const char *option; /* on the command line, without the dashes */
    const char *member; /* in JSON */
    size_t offset;      /* of the long in struct settings */
    long least;
    long most;
    long usual;
    const char *help;
};

const struct setting *settings_all(size_t *count);

void settings_default(struct settings *settings);

/* Sets one from its text; false, with the reason, when that is no number in its range. */
bool settings_set_text(struct settings *settings, const struct setting *setting, const char *text,
                       struct reason *reason) __attribute__((warn_unused_result));

/* Sets those that are members of `json`; false, changing nothing, when a member will not do. */
bool settings_set_json(struct settings *settings, const cJSON *json, struct reason *reason)
    __attribute__((warn_unused_result));

/* All of them as a JSON object, for the caller to delete; NULL when memory is out. */
cJSON *settings_json(const struct settings *settings) __attribute__((warn_unused_result));
