#include "command/lines.h"

#include <string.h>

static bool take_line(struct lines *lines) {
    struct json_span object = {lines->line, lines->size};
    lines->size = 0;
    return json_scan_strict(object.at, object.size) && lines->take(lines->arg, object);
}

bool lines_take(void *arg, const char *bytes, size_t size) {
    struct lines *lines = arg;
    const char *end = bytes + size;
    while (bytes < end) {
        const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t part = (size_t)((stop != NULL ? stop : end) - bytes);
        if (part > sizeof lines->line - lines->size)
            return false;
        memcpy(lines->line + lines->size, bytes, part);
        lines->size += part;
        if (stop != NULL && !take_line(lines))
            return false;
        bytes += part + (stop != NULL ? 1 : 0);
    }
    return true;
}
