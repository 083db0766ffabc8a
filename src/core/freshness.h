#pragma once
/*
 * freshness: may this stored answer serve this caller now?
 *
 * The rules of RFC 9111 that the service API speaks (no-cache, max-age, max-stale, only-if-cached),
 * over the answer's own expiry. Pure functions; all times in seconds.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/answer.h"

struct freshness_wish {
    bool no_cache;
    bool only_if_cached;
    int64_t max_age;   /* -1: no wish */
    int64_t max_stale; /* -1: no wish; INT64_MAX: however stale */
};

#define FRESHNESS_ANY ((struct freshness_wish){.max_age = -1, .max_stale = -1})

enum freshness {
    FRESHNESS_FRESH,   /* serve it */
    FRESHNESS_STALE,   /* expired, but the caller accepts it: serve it as stale */
    FRESHNESS_REFUSED, /* ask upstream */
};

enum freshness freshness_judge(const struct answer *answer, const struct freshness_wish *wish,
                               int64_t now);

/*
 * Parses the value of a Cache-Control request header. Unknown directives are ignored (RFC 9111,
 * 5.2.3); a known one with a value that is no number makes the whole header void: false, and `wish`
 * is FRESHNESS_ANY. The most restrictive of repeated directives wins.
 */
bool freshness_parse(const char *cache_control, struct freshness_wish *wish)
    __attribute__((warn_unused_result));
