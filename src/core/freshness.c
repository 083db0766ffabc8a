#include "core/freshness.h"

#include <string.h>
#include <strings.h>

static int64_t seconds_since(int64_t then, int64_t now) {
    int64_t seconds;
    if (__builtin_sub_overflow(now, then, &seconds))
        return now > then ? INT64_MAX : INT64_MIN;
    return seconds;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* -1 stands for no limit. */
static int64_t tighter_limit(int64_t a, int64_t b) {
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return smaller(a, b);
}

enum freshness freshness_judge(const struct answer *answer, const struct freshness_wish *wish,
                               int64_t now) {
    int64_t age = seconds_since(answer->checked_at, now);
    int64_t staleness = seconds_since(answer->expires_at, now);
    if (wish->no_cache || (wish->max_age >= 0 && age > wish->max_age))
        return FRESHNESS_REFUSED;
    if (staleness < 0)
        return FRESHNESS_FRESH;
    return staleness <= wish->max_stale ? FRESHNESS_STALE : FRESHNESS_REFUSED;
}

struct freshness_wish freshness_strictest(const struct freshness_wish *a,
                                          const struct freshness_wish *b) {
    return (struct freshness_wish){
        .no_cache = a->no_cache || b->no_cache,
        .only_if_cached = a->only_if_cached && b->only_if_cached,
        .max_age = tighter_limit(a->max_age, b->max_age),
        .max_stale = smaller(a->max_stale, b->max_stale),
    };
}

/* One element of a comma-separated header: `name`, `name=value`, `name="value"`, and what follows.
 */
struct element {
    const char *name;
    size_t name_size;
    const char *value; /* without its quotes; NULL: none */
    size_t value_size;
    char tail; /* what stands after it: ',' or 0 at a clean end */
};

static const char *skip_space(const char *at) {
    return at + strspn(at, " \t");
}

/* The closing quote of the string that begins at `at`, or the end of the text. */
static const char *find_quote(const char *at) {
    while (*at != '\0' && *at != '"')
        at += *at == '\\' && at[1] != '\0' ? 2 : 1;
    return at;
}

static const char *read_value(const char *at, struct element *element) {
    at = skip_space(at);
    if (*at != '"') {
        element->value = at;
        element->value_size = strcspn(at, " \t,;\"");
        return at + element->value_size;
    }
    const char *end = find_quote(at + 1);
    if (*end == '\0') {
        element->value = end;
        return end;
    }
    element->value = at + 1;
    element->value_size = (size_t)(end - at - 1);
    return end + 1;
}

/* The comma that ends an element, or the end of the text. */
static const char *find_comma(const char *at) {
    while (*at != '\0' && *at != ',') {
        if (*at == '"')
            at = find_quote(at + 1);
        if (*at != '\0')
            at++;
    }
    return at;
}

static bool next_element(const char **cursor, struct element *element) {
    const char *at = *cursor + strspn(*cursor, " \t,");
    if (*at == '\0')
        return false;
    *element = (struct element){.name = at, .name_size = strcspn(at, " \t,;=\"")};
    at = skip_space(at + element->name_size);
    if (*at == '=')
        at = skip_space(read_value(at + 1, element));
    element->tail = *at;
    *cursor = find_comma(at);
    return true;
}

static bool is_named(const struct element *element, const char *name) {
    return strlen(name) == element->name_size &&
           strncasecmp(element->name, name, element->name_size) == 0;
}

static bool read_seconds(const struct element *element, int64_t *seconds) {
    int64_t number = 0;
    if (element->value == NULL || element->value_size == 0)
        return false;
    for (size_t i = 0; i < element->value_size; i++) {
        int digit = element->value[i] - '0';
        if (digit < 0 || digit > 9)
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            number = INT64_MAX;
    }
    *seconds = number;
    return true;
}

enum directive { NO_CACHE, ONLY_IF_CACHED, MAX_AGE, MAX_STALE, DIRECTIVES };

static enum directive directive_of(const struct element *element) {
    static const char *const names[DIRECTIVES] = {
        [NO_CACHE] = "no-cache",
        [ONLY_IF_CACHED] = "only-if-cached",
        [MAX_AGE] = "max-age",
        [MAX_STALE] = "max-stale",
    };
    int i = 0;
    while (i < DIRECTIVES && !is_named(element, names[i]))
        i++;
    return (enum directive)i;
}

static bool take_directive(const struct element *element, struct freshness_wish *wish) {
    int64_t seconds = INT64_MAX;
    enum directive directive = directive_of(element);
    if (directive == DIRECTIVES)
        return true;
    bool bare_max_stale = directive == MAX_STALE && element->value == NULL;
    if ((directive == MAX_AGE || directive == MAX_STALE) && !bare_max_stale &&
        !read_seconds(element, &seconds))
        return false;
    if (element->tail != ',' && element->tail != '\0')
        return false;
    wish->no_cache = wish->no_cache || directive == NO_CACHE;
    wish->only_if_cached = wish->only_if_cached || directive == ONLY_IF_CACHED;
    if (directive == MAX_AGE)
        wish->max_age = tighter_limit(wish->max_age, seconds);
    if (directive == MAX_STALE)
        wish->max_stale = tighter_limit(wish->max_stale, seconds);
    return true;
}

bool freshness_parse(const char *cache_control, struct freshness_wish *wish) {
    struct element element;
    *wish = FRESHNESS_ANY;
    while (next_element(&cache_control, &element)) {
        if (!take_directive(&element, wish)) {
            *wish = FRESHNESS_ANY;
            return false;
        }
    }
    return true;
}

bool freshness_parse_wait(const char *prefer, int64_t *wait_s) {
    struct element element;
    while (next_element(&prefer, &element)) {
        if (is_named(&element, "wait"))
            return read_seconds(&element, wait_s);
    }
    return false;
}
