#pragma once
/*
 * freshness: may this stored answer serve this caller now?
 *
 * The rules of RFC 9111 that the service API speaks (no-cache, max-age, max-stale, only-if-cached),
 * over the answer's own expiry, and the wait of RFC 7240. Pure functions; all times in seconds; a
 * number too large for 64 bits counts as INT64_MAX.
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

/*
 * Each wish binds by itself: an answer older than max_age is refused whatever max_stale allows, and
 * one past its expiry needs max_stale however young it is. An answer from the future has age 0.
 */
enum freshness freshness_judge(const struct answer *answer, const struct freshness_wish *wish,
                               int64_t now);

/*
 * Parses the value of a Cache-Control request header, several lines of it joined by commas. Unknown
 * directives are ignored (RFC 9111, 5.2.3); a known one with a value that is no number makes the
 * whole header void: false, and `wish` is FRESHNESS_ANY. The most restrictive of repeated
 * directives wins.
 */
bool freshness_parse(const char *cache_control, struct freshness_wish *wish)
    __attribute__((warn_unused_result));

/*
 * The wish that satisfies both: an answer that may serve it may serve either. For callers that wait
 * for one answer, and not for lines of one header: of two that do not both accept stale answers,
 * none is accepted.
 */
struct freshness_wish freshness_strictest(const struct freshness_wish *a,
                                          const struct freshness_wish *b);

/*
 * The `wait` of a Prefer request header (RFC 7240), in seconds. False, and `wait_s` untouched, when
 * there is none or it is no number. Other preferences are ignored; of several waits the first
 * counts.
 */
bool freshness_parse_wait(const char *prefer, int64_t *wait_s) __attribute__((warn_unused_result));
