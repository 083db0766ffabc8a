#include "upstream/echo.h"

#include <string.h>

#include <sodium.h>
#include <utf8proc.h>

#include "core/character.h"

#define POINTS_MAX sizeof(((struct triple *)0)->name)

struct points {
    size_t count;
    utf8proc_int32_t at[POINTS_MAX];
};

static void read_points(struct points *points, const char *text) {
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    points->count = 0;
    while (*bytes != '\0' && points->count < POINTS_MAX) {
        utf8proc_ssize_t size = utf8proc_iterate(bytes, -1, &points->at[points->count]);
        if (size <= 0)
            return;
        bytes += size;
        points->count++;
    }
}

static bool is_x(utf8proc_int32_t c) {
    return c == 'x' || c == 'X';
}

static bool is_telling_in_name(utf8proc_int32_t c) {
    const utf8proc_int32_t somebody = 0x67d0; /* 某 */
    const utf8proc_int32_t circle = 0x3007;   /* 〇 */
    if (c == somebody || c == circle || is_x(c))
        return false;
    return character_is_han(c) || character_is_latin(c);
}

/* Is it certainly a character of the value, and no mask? */
static bool is_telling(const struct points *echo, size_t at, enum triple_field field) {
    utf8proc_int32_t c = echo->at[at];
    if (field == TRIPLE_NAME)
        return is_telling_in_name(c);
    bool ends_id = field == TRIPLE_ID_CARD && at + 1 == echo->count;
    if (ends_id && is_x(c))
        return at > 0 && !is_x(echo->at[at - 1]);
    return c >= '0' && c <= '9';
}

/* Names of Latin letters come in either case. */
static bool is_same(utf8proc_int32_t a, utf8proc_int32_t b) {
    return utf8proc_tolower(a) == utf8proc_tolower(b);
}

/* The first characters up to a mask, against the value's first ones. */
static bool head_fits(const struct points *echo, const struct points *value,
                      enum triple_field field) {
    for (size_t i = 0; i < echo->count && is_telling(echo, i, field); i++) {
        if (i >= value->count || !is_same(echo->at[i], value->at[i]))
            return false;
    }
    return true;
}

static bool tail_fits(const struct points *echo, const struct points *value,
                      enum triple_field field) {
    for (size_t i = 1; i <= echo->count && is_telling(echo, echo->count - i, field); i++) {
        if (i > value->count || !is_same(echo->at[echo->count - i], value->at[value->count - i]))
            return false;
    }
    return true;
}

static bool compare(const struct points *echo, const struct points *value,
                    enum triple_field field) {
    bool masked = false;
    for (size_t i = 0; i < echo->count; i++)
        masked = masked || !is_telling(echo, i, field);
    bool head = head_fits(echo, value, field);
    bool tail = tail_fits(echo, value, field);
    return masked ? head && tail : head || tail;
}

static void wipe_points(struct points *points) {
    sodium_memzero(points->at, points->count * sizeof points->at[0]);
}

/* `told` is in canonical form. */
static bool fits(const char *told, const char *value, enum triple_field field) {
    struct points told_points;
    struct points value_points;
    read_points(&told_points, told);
    read_points(&value_points, value);
    bool is_fitting = compare(&told_points, &value_points, field);
    wipe_points(&told_points);
    wipe_points(&value_points);
    return is_fitting;
}

bool echo_contradicts(const struct triple *asked, enum triple_field field, const char *echo) {
    struct triple canonical; /* of which one field is set */
    bool contradicts = triple_set(&canonical, field, echo, strlen(echo)) &&
                       !fits(triple_text(&canonical, field), triple_text(asked, field), field);
    triple_wipe(&canonical);
    return contradicts;
}
