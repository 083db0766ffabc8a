#include "runtime/json_scan.h"

#include <string.h>

/* The scanners return what follows the thing they name, or NULL when it is not there. */

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

static bool is_at(const char *at, const char *end, char c) {
    return at < end && *at == c;
}

static bool is_digit(const char *at, const char *end) {
    return at < end && *at >= '0' && *at <= '9';
}

/* The four hexadecimal digits of an escape; -1 when they are not there. */
static int hex4(const char *at, const char *end) {
    int number = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        number *= 16;
        if (c >= '0' && c <= '9')
            number += c - '0';
        else if (c >= 'a' && c <= 'f')
            number += c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            number += c - 'A' + 10;
        else
            return -1;
    }
    return number;
}

/* `at` is behind the \u. Surrogates only as a pair. */
static const char *scan_unicode_escape(const char *at, const char *end) {
    int first = hex4(at, end);
    if (first < 0 || (first >= 0xdc00 && first <= 0xdfff))
        return NULL;
    at += 4;
    if (first < 0xd800 || first > 0xdbff)
        return at;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return NULL;
    int second = hex4(at + 2, end);
    return second >= 0xdc00 && second <= 0xdfff ? at + 6 : NULL;
}

/* `at` is behind the backslash. */
static const char *scan_escape(const char *at, const char *end) {
    if (at == end || *at == '\0' || strchr("\"\\/bfnrtu", *at) == NULL)
        return NULL;
    return *at == 'u' ? scan_unicode_escape(at + 1, end) : at + 1;
}

static const char *scan_string(const char *at, const char *end) {
    if (!is_at(at, end, '"'))
        return NULL;
    at++;
    while (at != NULL && at < end && *at != '"') {
        if ((unsigned char)*at < 0x20)
            return NULL;
        at = *at == '\\' ? scan_escape(at + 1, end) : at + 1;
    }
    return at != NULL && at < end ? at + 1 : NULL;
}

static const char *scan_digits(const char *at, const char *end) {
    if (!is_digit(at, end))
        return NULL;
    while (is_digit(at, end))
        at++;
    return at;
}

static const char *scan_number(const char *at, const char *end) {
    if (is_at(at, end, '-'))
        at++;
    at = is_at(at, end, '0') ? at + 1 : scan_digits(at, end);
    if (at != NULL && is_at(at, end, '.'))
        at = scan_digits(at + 1, end);
    if (at != NULL && (is_at(at, end, 'e') || is_at(at, end, 'E'))) {
        at++;
        if (is_at(at, end, '+') || is_at(at, end, '-'))
            at++;
        at = scan_digits(at, end);
    }
    return at;
}

static const char *scan_word(const char *at, const char *end, const char *word) {
    size_t size = strlen(word);
    return (size_t)(end - at) >= size && memcmp(at, word, size) == 0 ? at + size : NULL;
}

static const char *scan_value(const char *at, const char *end, int depth);

/* A member's name and the colon, with the white space around it. */
static const char *scan_name(const char *at, const char *end) {
    at = scan_string(at, end);
    if (at == NULL)
        return NULL;
    at = skip_space(at, end);
    return is_at(at, end, ':') ? skip_space(at + 1, end) : NULL;
}

/* An array, or an object where `close` is a brace; `depth` counts it and what it may hold. */
static const char *scan_container(const char *at, const char *end, char close, int depth) {
    if (depth == 0)
        return NULL;
    at = skip_space(at + 1, end);
    if (is_at(at, end, close))
        return at + 1;
    while (at != NULL) {
        if (close == '}')
            at = scan_name(at, end);
        if (at != NULL)
            at = scan_value(at, end, depth - 1);
        if (at == NULL)
            return NULL;
        at = skip_space(at, end);
        if (is_at(at, end, close))
            return at + 1;
        at = is_at(at, end, ',') ? skip_space(at + 1, end) : NULL;
    }
    return NULL;
}

static const char *scan_value(const char *at, const char *end, int depth) {
    if (at == end)
        return NULL;
    switch (*at) {
    case '{':
        return scan_container(at, end, '}', depth);
    case '[':
        return scan_container(at, end, ']', depth);
    case '"':
        return scan_string(at, end);
    case 't':
        return scan_word(at, end, "true");
    case 'f':
        return scan_word(at, end, "false");
    case 'n':
        return scan_word(at, end, "null");
    default:
        return scan_number(at, end);
    }
}

bool json_scan_strict(const char *text, size_t size) {
    const char *end = text + size;
    const char *at = scan_value(skip_space(text, end), end, JSON_SCAN_DEPTH_MAX);
    return at != NULL && skip_space(at, end) == end;
}

static struct json_span span(const char *at, const char *end) {
    return (struct json_span){at, (size_t)(end - at)};
}

bool json_scan_is_object(struct json_span value) {
    const char *end = value.at + value.size;
    return is_at(skip_space(value.at, end), end, '{');
}

bool json_scan_member(struct json_span *rest, struct json_member *member) {
    const char *end = rest->at + rest->size;
    const char *at = skip_space(rest->at, end);
    if (!is_at(at, end, '{') && !is_at(at, end, ','))
        return false;
    const char *name = skip_space(at + 1, end);
    const char *name_end = scan_string(name, end);
    const char *value = scan_name(name, end);
    if (name_end == NULL || value == NULL)
        return false;
    const char *value_end = scan_value(value, end, JSON_SCAN_DEPTH_MAX - 1);
    if (value_end == NULL)
        return false;
    *member = (struct json_member){span(name, name_end), span(value, value_end)};
    *rest = span(value_end, end);
    return true;
}

bool json_scan_element(struct json_span *rest, struct json_span *element) {
    const char *end = rest->at + rest->size;
    const char *at = skip_space(rest->at, end);
    if (!is_at(at, end, '[') && !is_at(at, end, ','))
        return false;
    at = skip_space(at + 1, end);
    const char *element_end = scan_value(at, end, JSON_SCAN_DEPTH_MAX - 1);
    if (element_end == NULL)
        return false;
    *element = span(at, element_end);
    *rest = span(element_end, end);
    return true;
}

struct json_span json_scan_find(struct json_span object, const char *name) {
    struct json_member member;
    size_t size = strlen(name);
    while (json_scan_member(&object, &member)) {
        if (member.name.size == size + 2 && memcmp(member.name.at + 1, name, size) == 0)
            return member.value;
    }
    return (struct json_span){"", 0};
}

bool json_scan_has_zero(struct json_span value) {
    const char *end = value.at + value.size;
    for (const char *at = value.at; at < end; at++) {
        if (*at != '\\')
            continue;
        at++;
        if (end - at >= 5 && memcmp(at, "u0000", 5) == 0)
            return true;
    }
    return false;
}
