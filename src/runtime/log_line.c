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

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_mobile(const char *run, size_t length) {
    return length == 11 && run[0] == '1' && run[1] >= '3';
}

/* 17 digits and a digit or X: an ID number by its shape. Nothing else that is logged has that
 * shape. */
static bool is_id_card(const char *run, size_t length) {
    if (length != 18)
        return false;
    for (size_t i = 0; i < 17; i++) {
        if (!is_digit(run[i]))
            return false;
    }
    return is_digit(run[17]) || run[17] == 'X' || run[17] == 'x';
}

static void redact(char *line, size_t size) {
    for (size_t begin = 0; begin < size;) {
        if (!is_digit(line[begin])) {
            begin++;
            continue;
        }
        bool inside_word = begin > 0 && is_word(line[begin - 1]);
        size_t end = begin;
        while (end < size && is_digit(line[end]))
            end++;
        size_t digits = end - begin;
        bool ends_in_x = digits == 17 && end < size && (line[end] == 'X' || line[end] == 'x');
        size_t length = ends_in_x ? 18 : digits;
        bool followed = begin + length < size && is_word(line[begin + length]);
        if (!inside_word && !followed &&
            (is_mobile(line + begin, length) || is_id_card(line + begin, length)))
            memset(line + begin, '*', length);
        begin = end;
    }
}

/* --- text of any kind --- */

/* Controls, line ends beyond ASCII, and marks by which text reads otherwise than it is. */
static bool is_hidden(int32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void add_escaped(struct text *text, const char *bytes, size_t size, bool quoted) {
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t c = 0;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)bytes + at,
                                                   (utf8proc_ssize_t)(size - at), &c);
        if (length <= 0) {
            text_add(text, "\xef\xbf\xbd");
            at++;
            continue;
        }
        if (is_hidden(c))
            text_addf(text, "\\u%04x", (unsigned)c);
        else if (quoted && (c == '"' || c == '\\'))
            text_addf(text, "\\%c", (char)c);
        else
            text_add_bytes(text, bytes + at, (size_t)length);
        at += (size_t)length;
    }
}

/* Before anything is escaped: behind an escape a number looks like part of a word. */
static void add_value(struct text *text, const char *value, bool quoted) {
    char copy[LOG_VALUE_MAX];
    size_t size = strnlen(value, sizeof copy);
    bool cut = size == sizeof copy && value[size] != '\0';
    while (cut && size > 0 && ((unsigned char)value[size] & 0xc0) == 0x80)
        size--;
    memcpy(copy, value, size);
    redact(copy, size);
    if (quoted)
        text_add(text, "\"");
    add_escaped(text, copy, size, quoted);
    if (cut)
        text_add(text, "…");
    if (quoted)
        text_add(text, "\"");
}

static void add_time(struct text *line, int64_t unix_ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(unix_ms / 1000, text);
    text[strlen(text) - 1] = '\0';
    text_addf(line, "%s.%03dZ", text, (int)(unix_ms % 1000));
}

/* Microseconds, as milliseconds. */
static void add_ms(struct text *line, int64_t us) {
    text_add_number(line, us / 1000);
    text_addf(line, ".%03d", (int)(us % 1000));
}

static bool is_plain(const char *value) {
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return value[0] != '\0';
}

static void add_field_value(struct text *line, const struct log_field *field, bool json) {
    if (field->kind == LOG_FIELD_TEXT)
        add_value(line, field->text, json || !is_plain(field->text));
    else if (field->kind == LOG_FIELD_MS)
        add_ms(line, field->number);
    else
        text_add_number(line, field->number);
}

/* --- the two forms --- */

static void begin_json(struct text *text, const struct log_line *line) {
    text_add(text, "{\"time\":\"");
    add_time(text, line->unix_ms);
    text_addf(text, "\",\"level\":\"%s\",\"event\":", level_name[line->level]);
    add_value(text, line->event, true);
}

static void add_json(struct text *text, const struct log_field *field) {
    text_addf(text, ",\"%s\":", field->key);
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
