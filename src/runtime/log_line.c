#include "runtime/log_line.h"

#include <stdbool.h>
#include <string.h>

#include <utf8proc.h>

#include "runtime/clock.h"
#include "runtime/text.h"

/* For what ends a line whatever was cut off. */
#define END_SIZE    32
#define EVENT_WIDTH 28

static const char *const level_name[] = {"debug", "info", "warn", "error"};

/* --- what nobody is to read in a log --- */

#define MOBILE_SIZE ((size_t)11) /* the shortest run of digits that is looked for */
#define ID_SIZE     ((size_t)18)

/* Where something is to be blotted out. */
struct blot {
    size_t begin;
    size_t size;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Of a run of digits: a mobile number, or 17 digits and a digit or X, an ID number by its shape.
 * Nothing else that is logged has that shape. 0: neither. */
static size_t number_size(const char *bytes, size_t size, size_t begin, size_t end) {
    size_t digits = end - begin;
    bool ends_in_x =
        digits == ID_SIZE - 1 && end < size && (bytes[end] == 'X' || bytes[end] == 'x');
    size_t length = ends_in_x ? ID_SIZE : digits;
    bool is_mobile = length == MOBILE_SIZE && bytes[begin] == '1' && bytes[begin + 1] >= '3';
    bool inside_word = begin > 0 && is_word(bytes[begin - 1]);
    bool followed = begin + length < size && is_word(bytes[begin + length]);
    return (is_mobile || length == ID_SIZE) && !inside_word && !followed ? length : 0;
}

/* The first from `at` on, which is not within a number. A run that is long enough has a digit among
 * any so many bytes, so only one of them is looked at. */
static bool find_number(const char *bytes, size_t size, size_t at, struct blot *blot) {
    for (size_t probe = at + MOBILE_SIZE - 1; probe < size; probe += MOBILE_SIZE) {
        if (!is_digit(bytes[probe]))
            continue;
        size_t begin = probe;
        size_t end = probe + 1;
        while (begin > at && is_digit(bytes[begin - 1]))
            begin--;
        while (end < size && is_digit(bytes[end]))
            end++;
        *blot = (struct blot){begin, number_size(bytes, size, begin, end)};
        if (blot->size > 0)
            return true;
        probe = end;
    }
    return false;
}

static void redact(char *line, size_t size) {
    struct blot blot = {0, 0};
    while (find_number(line, size, blot.begin + blot.size, &blot))
        memset(line + blot.begin, '*', blot.size);
}

/* --- text of any kind --- */

/* Controls, line ends beyond ASCII, and marks by which text reads otherwise than it is. */
static bool is_hidden(int32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void add_hidden(struct text *text, int32_t c) {
    static const char digits[] = "0123456789abcdef";
    const char escape[] = {
        '\\', 'u', digits[c >> 12 & 15], digits[c >> 8 & 15], digits[c >> 4 & 15], digits[c & 15]};
    text_add_bytes(text, escape, sizeof escape);
}

static bool is_quoting(int32_t c) {
    return c == '"' || c == '\\';
}

/* The next character, or -1 with a length of 1 where there is none. */
static int32_t read_character(const char *bytes, size_t size, size_t *length) {
    utf8proc_int32_t c = (unsigned char)bytes[0];
    *length = 1;
    if (c < 0x80)
        return c;
    utf8proc_ssize_t read =
        utf8proc_iterate((const utf8proc_uint8_t *)bytes, (utf8proc_ssize_t)size, &c);
    if (read <= 0)
        return -1;
    *length = (size_t)read;
    return c;
}

/* Most values are nothing else. */
static bool is_ordinary(char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static void add_escaped(struct text *text, const char *bytes, size_t size, bool quoted) {
    size_t added = 0;
    size_t length = 1;
    for (size_t at = 0; at < size; at += length) {
        length = 1;
        if (is_ordinary(bytes[at]))
            continue;
        int32_t c = read_character(bytes + at, size - at, &length);
        bool is_escaped = quoted && is_quoting(c);
        if (!is_escaped && !is_hidden(c))
            continue;
        text_add_bytes(text, bytes + added, at - added);
        added = at + length;
        if (c < 0)
            text_add(text, "\xef\xbf\xbd");
        else if (is_escaped)
            text_add_bytes(text, (const char[]){'\\', (char)c}, 2);
        else
            add_hidden(text, c);
    }
    text_add_bytes(text, bytes + added, size - added);
}

static void add_stars(struct text *text, size_t count) {
    static const char stars[] = "******************";
    text_add_bytes(text, stars, count);
}

/* Numbers are looked for in what is not escaped yet: behind an escape one looks like part of a
 * word. */
static void add_redacted(struct text *text, const char *bytes, size_t size, bool quoted) {
    struct blot blot = {0, 0};
    for (size_t at = 0;; at = blot.begin + blot.size) {
        bool found = find_number(bytes, size, at, &blot);
        add_escaped(text, bytes + at, (found ? blot.begin : size) - at, quoted);
        if (!found)
            return;
        add_stars(text, blot.size);
    }
}

static void add_value(struct text *text, const char *value, bool quoted) {
    size_t size = strnlen(value, LOG_VALUE_MAX);
    bool cut = size == LOG_VALUE_MAX && value[size] != '\0';
    while (cut && size > 0 && ((unsigned char)value[size] & 0xc0) == 0x80)
        size--;
    if (quoted)
        text_add(text, "\"");
    add_redacted(text, value, size, quoted);
    if (cut)
        text_add(text, "…");
    if (quoted)
        text_add(text, "\"");
}

/* .000 to .999 */
static void add_thousandths(struct text *text, int64_t number) {
    const char digits[] = {'.', (char)('0' + number / 100), (char)('0' + number / 10 % 10),
                           (char)('0' + number % 10)};
    text_add_bytes(text, digits, sizeof digits);
}

static void add_time(struct text *line, int64_t unix_ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(unix_ms / 1000, text);
    text_add_bytes(line, text, strlen(text) - 1);
    add_thousandths(line, unix_ms % 1000);
    text_add(line, "Z");
}

/* Microseconds, as milliseconds. */
static void add_ms(struct text *line, int64_t us) {
    text_add_number(line, us / 1000);
    add_thousandths(line, us % 1000);
}

static bool is_plain(const char *value) {
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return value[0] != '\0';
}

/* Blotted out by itself: in colour, what stands before it ends with a letter. */
static void add_number(struct text *line, const struct log_field *field) {
    size_t begin = line->size;
    if (field->kind == LOG_FIELD_MS)
        add_ms(line, field->number);
    else
        text_add_number(line, field->number);
    redact(line->bytes + begin, line->size - begin);
}

static void add_field_value(struct text *line, const struct log_field *field, bool json) {
    if (field->kind == LOG_FIELD_TEXT)
        add_value(line, field->text, json || !is_plain(field->text));
    else
        add_number(line, field);
}

/* --- the two forms --- */

static void begin_json(struct text *text, const struct log_line *line) {
    text_add(text, "{\"time\":\"");
    add_time(text, line->unix_ms);
    text_add(text, "\",\"level\":\"");
    text_add(text, level_name[line->level]);
    text_add(text, "\",\"event\":");
    add_value(text, line->event, true);
}

static void add_json(struct text *text, const struct log_field *field) {
    text_add(text, ",\"");
    text_add(text, field->key);
    text_add(text, "\":");
    add_field_value(text, field, true);
}

#define DIM   "\x1b[2m"
#define BOLD  "\x1b[1m"
#define PLAIN "\x1b[0m"

static void begin_human(struct text *text, const struct log_line *line, bool color) {
    static const char *const level_color[] = {DIM, "\x1b[32m", "\x1b[33m", "\x1b[31m"};
    text_add(text, color ? DIM : "");
    add_time(text, line->unix_ms);
    text_add(text, color ? PLAIN : "");
    text_addf(text, " %s%-5s%s %s", color ? level_color[line->level] : "", level_name[line->level],
              color ? PLAIN : "", color ? BOLD : "");
    size_t begin = text->size;
    add_value(text, line->event, false);
    size_t width = text->size - begin;
    text_add(text, color ? PLAIN : "");
    for (; width < EVENT_WIDTH && line->count > 0; width++)
        text_add(text, " ");
}

static void add_human(struct text *text, const struct log_field *field, bool color) {
    text_addf(text, "  %s%s=%s", color ? DIM : "", field->key, color ? PLAIN : "");
    add_field_value(text, field, false);
}

size_t log_line_format(const struct log_line *line, enum log_style style, char *buffer,
                       size_t room) {
    struct text text = text_over(buffer, room - END_SIZE);
    bool json = style == LOG_STYLE_JSON;
    bool cut = false;
    if (json)
        begin_json(&text, line);
    else
        begin_human(&text, line, style == LOG_STYLE_COLOR);
    for (int i = 0; i < line->count && !cut; i++) {
        const struct log_field *field = &line->fields[i];
        size_t before = text.size;
        if (field->kind == LOG_FIELD_TEXT && field->text == NULL)
            continue;
        if (json)
            add_json(&text, field);
        else
            add_human(&text, field, style == LOG_STYLE_COLOR);
        cut = text.cut;
        if (cut)
            text.size = before;
    }
    redact(buffer, text.size);
    text.room = room;
    if (cut)
        text_add(&text, json ? ",\"cut\":true" : "  cut=true");
    text_add(&text, json ? "}\n" : "\n");
    return text.size;
}
