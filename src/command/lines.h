#pragma once
/*
 * lines: cuts what comes from the admin API into its lines, each a JSON object. Value type.
 */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/json_scan.h"

/* False: no more is wanted. */
typedef bool lines_line(void *arg, struct json_span object);

struct lines {
    lines_line *take;
    void *arg;
    size_t size;     /* of what has come of a line */
    char line[8192]; /* no longer one is taken */
};

/* An admin_take; `arg` is a struct lines. False also for what is no JSON. */
bool lines_take(void *arg, const char *bytes, size_t size);
