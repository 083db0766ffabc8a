#include "runtime/config_parts.h"

#include <string.h>

#include <utf8proc.h>

struct cleaner {
    char *text;
    size_t size;
    size_t at;
    char last;      /* the last byte that is neither space nor comment */
    size_t last_at; /* and where it is */
    size_t *line;
    struct complaint *why;
};

size_t config_text_line(const char *text, size_t size, size_t offset) {
    size_t line = 1;
    for (size_t i = 0; i < offset && i < size; i++)
        line += text[i] == '\n';
    return line;
}

static bool refuse(struct cleaner *cleaner, size_t offset, const char *reason) {
    *cleaner->line = config_text_line(cleaner->text, cleaner->size, offset);
    return complain(cleaner->why, "%s", reason);
}

static bool is_utf8(struct cleaner *cleaner) {
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)cleaner->text;
    for (size_t at = 0; at < cleaner->size;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t used =
            utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(cleaner->size - at), &code);
        if (used <= 0)
            return refuse(cleaner, at, "is not UTF-8; save the file as UTF-8");
        at += (size_t)used;
    }
    return true;
}

static bool begins(const struct cleaner *cleaner, const char *word) {
    size_t size = strlen(word);
    return cleaner->size - cleaner->at >= size &&
           memcmp(cleaner->text + cleaner->at, word, size) == 0;
}

static void blank(struct cleaner *cleaner, size_t count) {
    for (; count > 0; count--, cleaner->at++) {
        if (cleaner->text[cleaner->at] != '\n')
            cleaner->text[cleaner->at] = ' ';
    }
}

static void blank_line_comment(struct cleaner *cleaner) {
    while (cleaner->at < cleaner->size && cleaner->text[cleaner->at] != '\n')
        blank(cleaner, 1);
}

static bool blank_block_comment(struct cleaner *cleaner) {
    size_t start = cleaner->at;
    blank(cleaner, 2);
    while (cleaner->at < cleaner->size && !begins(cleaner, "*/"))
        blank(cleaner, 1);
    if (cleaner->at == cleaner->size)
        return refuse(cleaner, start, "the comment that begins here is never closed with */");
    blank(cleaner, 2);
    return true;
}

static bool pass_string(struct cleaner *cleaner) {
    size_t start = cleaner->at++;
    while (cleaner->at < cleaner->size) {
        unsigned char byte = (unsigned char)cleaner->text[cleaner->at];
        if (byte == '"') {
            cleaner->at++;
            return true;
        }
        if (byte < 0x20)
            break;
        if (begins(cleaner, "\\u0000"))
            return refuse(cleaner, cleaner->at, "\\u0000 is not allowed in a string");
        bool escape = byte == '\\' && cleaner->at + 1 < cleaner->size &&
                      (unsigned char)cleaner->text[cleaner->at + 1] >= 0x20;
        cleaner->at += escape ? 2 : 1;
    }
    return refuse(cleaner, start, "the string is not closed in its line (a \" is missing?)");
}

static bool pass_byte(struct cleaner *cleaner) {
    char byte = cleaner->text[cleaner->at];
    if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
        cleaner->at++;
        return true;
    }
    if ((unsigned char)byte < 0x20 || byte == 0x7f)
        return refuse(cleaner, cleaner->at, "holds a control character");
    if ((byte == '}' || byte == ']') && cleaner->last == ',')
        return refuse(cleaner, cleaner->last_at,
                      "a comma stands before a closing bracket; remove it");
    cleaner->last = byte;
    cleaner->last_at = cleaner->at;
    if (byte == '"')
        return pass_string(cleaner);
    cleaner->at++;
    return true;
}

bool config_text_clean(char *text, size_t size, size_t *line, struct complaint *why) {
    struct cleaner cleaner = {.text = text, .size = size, .line = line, .why = why};
    if (!is_utf8(&cleaner))
        return false;
    if (begins(&cleaner, "\xEF\xBB\xBF"))
        blank(&cleaner, 3);
    while (cleaner.at < size) {
        bool good = true;
        if (begins(&cleaner, "//"))
            blank_line_comment(&cleaner);
        else if (begins(&cleaner, "/*"))
            good = blank_block_comment(&cleaner);
        else
            good = pass_byte(&cleaner);
        if (!good)
            return false;
    }
    return true;
}

/* From here on the text is valid JSON, but no offset is trusted to stay within it. */

static size_t skip_string(const char *text, size_t size, size_t at) {
    for (at++; at < size && text[at] != '"'; at++) {
        if (text[at] == '\\')
            at++;
    }
    return at + 1;
}

static size_t skip_until(const char *text, size_t size, size_t at, char wanted) {
    while (at < size && text[at] != wanted)
        at = text[at] == '"' ? skip_string(text, size, at) : at + 1;
    return at;
}

/* Behind the comma that ends the member or item in which `at` is. */
static size_t skip_member(const char *text, size_t size, size_t at) {
    size_t depth = 0;
    while (at < size && !(depth == 0 && text[at] == ',')) {
        if (text[at] == '"') {
            at = skip_string(text, size, at);
            continue;
        }
        if (text[at] == '{' || text[at] == '[')
            depth++;
        else if ((text[at] == '}' || text[at] == ']') && depth > 0)
            depth--;
        at++;
    }
    return at + 1;
}

size_t config_text_member_line(const char *text, size_t size, const size_t *ordinals,
                               size_t depth) {
    size_t at = 0;
    for (size_t level = 0; level < depth; level++) {
        at = skip_until(text, size, at, '{') + 1;
        for (size_t i = 0; i < ordinals[level]; i++)
            at = skip_member(text, size, at);
        at = skip_until(text, size, at, level + 1 < depth ? ':' : '"');
    }
    return config_text_line(text, size, at);
}
