#pragma once
/*
 * json_scan: what cJSON does not tell: is a text JSON by the letter, and which bytes made a member?
 *
 * cJSON reads more than RFC 8259 allows (numbers such as 01, raw control characters in strings) and
 * keeps numbers as doubles, so what is passed on must be the bytes themselves. Pure functions over
 * spans; whether the text is UTF-8 is not looked at.
 */
#include <stdbool.h>
#include <stddef.h>

/* Deeper nesting counts as not strict. */
#define JSON_SCAN_DEPTH_MAX 64

struct json_span {
    const char *at;
    size_t size;
};

struct json_member {
    struct json_span name; /* with its quotes, escapes as they stand */
    struct json_span value;
};

/* One value by the grammar of RFC 8259, and nothing but white space around it? */
bool json_scan_strict(const char *text, size_t size);

/* Is the text of a strict value that of an object? */
bool json_scan_is_object(struct json_span value);

/*
 * The members of an object one by one, in their order. `rest` begins as the text of an object that
 * json_scan_strict found good, and shrinks. False after the last member, and for what is no object.
 */
bool json_scan_member(struct json_span *rest, struct json_member *member);

/* The elements of an array, likewise. */
bool json_scan_element(struct json_span *rest, struct json_span *element);

/* The value of the first member of that name, in which nothing is escaped. Empty: there is none. */
struct json_span json_scan_find(struct json_span object, const char *name);

/* Does the text of a strict value hold the escape of U+0000, which ends a C string early? */
bool json_scan_has_zero(struct json_span value);
