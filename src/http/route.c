#include "http/route.h"

#include <string.h>

#include "runtime/text.h"

#define PLACE "{id}"

static bool take_segment(const char *path, size_t size, char parameter[ROUTE_PARAMETER_SIZE]) {
    if (size == 0 || size >= ROUTE_PARAMETER_SIZE)
        return false;
    memcpy(parameter, path, size);
    parameter[size] = '\0';
    return true;
}

static bool matches(const char *pattern, const char *path, char parameter[ROUTE_PARAMETER_SIZE]) {
    parameter[0] = '\0';
    const char *place = strstr(pattern, PLACE);
    if (place == NULL)
        return strcmp(pattern, path) == 0;
    size_t before = (size_t)(place - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    size_t size = strcspn(path + before, "/");
    return strcmp(place + strlen(PLACE), path + before + size) == 0 &&
           take_segment(path + before, size, parameter);
}

const struct route *route_find(const struct route *table, const char *method, const char *path,
                               char parameter[ROUTE_PARAMETER_SIZE],
                               char allowed[ROUTE_ALLOWED_SIZE]) {
    struct text methods = text_over(allowed, ROUTE_ALLOWED_SIZE);
    for (const struct route *route = table; route->path != NULL; route++) {
        if (!matches(route->path, path, parameter))
            continue;
        if (strcmp(route->method, method) == 0)
            return route;
        if (methods.size > 0)
            text_add(&methods, ", ");
        text_add(&methods, route->method);
    }
    parameter[0] = '\0';
    return NULL;
}
