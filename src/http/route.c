#include "http/route.h"

#include <string.h>

#include "runtime/text.h"

const struct route *route_find(const struct route *table, const char *method, const char *path,
                               char allowed[ROUTE_ALLOWED_SIZE]) {
    struct text methods = text_over(allowed, ROUTE_ALLOWED_SIZE);
    for (const struct route *route = table; route->path != NULL; route++) {
        if (strcmp(route->path, path) != 0)
            continue;
        if (strcmp(route->method, method) == 0)
            return route;
        if (methods.size > 0)
            text_add(&methods, ", ");
        text_add(&methods, route->method);
    }
    return NULL;
}
