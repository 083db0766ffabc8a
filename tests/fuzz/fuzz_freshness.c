/*
 * Two Cache-Control headers, one a line, and what follows as Prefer. What serves the strictest of
 * two wishes serves each of them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/freshness.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static struct freshness_wish parse(const char *header) {
    struct freshness_wish wish;
    bool ok = freshness_parse(header, &wish);
    MUST(wish.max_age >= -1 && wish.max_stale >= -1);
    if (!ok)
        MUST(!wish.no_cache && !wish.only_if_cached && wish.max_age == -1 && wish.max_stale == -1);
    return wish;
}

static void check_strictest(const struct freshness_wish *a, const struct freshness_wish *b) {
    static const int64_t times[] = {INT64_MIN, -1, 0, 5, 60, 3600, INT64_MAX};
    const size_t count = sizeof times / sizeof times[0];
    struct freshness_wish both = freshness_strictest(a, b);
    for (size_t i = 0; i < count * count * count; i++) {
        struct answer answer = {.checked_at = times[i % count],
                                .expires_at = times[i / count % count]};
        int64_t now = times[i / count / count];
        if (freshness_judge(&answer, &both, now) != FRESHNESS_REFUSED) {
            MUST(freshness_judge(&answer, a, now) != FRESHNESS_REFUSED);
            MUST(freshness_judge(&answer, b, now) != FRESHNESS_REFUSED);
        }
    }
}

/* Another element before it changes nothing. */
static void check_prefixed(const char *header, const struct freshness_wish *wish) {
    char *prefixed = malloc(strlen(header) + 16);
    MUST(prefixed != NULL);
    strcpy(prefixed, "x=\",\\\"\" , ");
    strcat(prefixed, header);
    struct freshness_wish again = parse(prefixed);
    MUST(again.no_cache == wish->no_cache && again.only_if_cached == wish->only_if_cached);
    MUST(again.max_age == wish->max_age && again.max_stale == wish->max_stale);
    free(prefixed);
}

static char *take_line(const uint8_t **at, const uint8_t *end) {
    size_t left = (size_t)(end - *at);
    const uint8_t *stop = memchr(*at, '\n', left);
    size_t size = stop != NULL ? (size_t)(stop - *at) : left;
    char *line = strndup((const char *)*at, size);
    MUST(line != NULL);
    *at += stop != NULL ? size + 1 : size;
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = data + size;
    char *first = take_line(&data, end);
    char *second = take_line(&data, end);
    char *prefer = take_line(&data, end);
    struct freshness_wish a = parse(first);
    struct freshness_wish b = parse(second);
    int64_t wait_s = 4711;
    check_strictest(&a, &b);
    check_prefixed(first, &a);
    if (freshness_parse_wait(prefer, &wait_s))
        MUST(wait_s >= 0);
    else
        MUST(wait_s == 4711);
    free(first);
    free(second);
    free(prefer);
    return 0;
}
