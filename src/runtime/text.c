#include "runtime/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct text text_over(char *buffer, size_t room) {
    buffer[0] = '\0';
    return (struct text){.bytes = buffer, .room = room};
}

void text_add_cut(struct text *text, const char *bytes, size_t size) {
    size_t left = text->room - text->size - 1;
    memcpy(text->bytes + text->size, bytes, size < left ? size : left);
    text->size = text->room - 1;
    text->bytes[text->size] = '\0';
    text->cut = true;
}

void text_add_number(struct text *text, int64_t number) {
    char digits[24];
    char *end = digits + sizeof digits;
    char *begin = end;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--begin = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--begin = '-';
    text_add_bytes(text, begin, (size_t)(end - begin));
}

void text_addf(struct text *text, const char *format, ...) {
    size_t left = text->room - text->size;
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text->bytes + text->size, left, format, args);
    va_end(args);
    if (wanted < 0 || (size_t)wanted >= left) {
        text->cut = true;
        text->size = text->room - 1;
        text->bytes[text->size] = '\0';
        return;
    }
    text->size += (size_t)wanted;
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void text_add_percent(struct text *text, const char *string) {
    static const char digits[] = "0123456789ABCDEF";
    for (; *string != '\0'; string++) {
        unsigned char c = (unsigned char)*string;
        const char escape[] = {'%', digits[c >> 4], digits[c & 15]};
        if (is_unreserved(*string))
            text_add_bytes(text, string, 1);
        else
            text_add_bytes(text, escape, sizeof escape);
    }
}

/* What must be escaped, and the end. */
static const bool stops[UCHAR_MAX + 1] = {
    [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x7f] = true};

static size_t plain_size(const char *string) {
    size_t size = 0;
    while (!stops[(unsigned char)string[size]])
        size++;
    return size;
}

void text_add_json(struct text *text, const char *string) {
    text_add_bytes(text, "\"", 1);
    for (;;) {
        size_t size = plain_size(string);
        text_add_bytes(text, string, size);
        unsigned char c = (unsigned char)string[size];
        if (c == '\0')
            break;
        if (c == '"' || c == '\\')
            text_addf(text, "\\%c", c);
        else
            text_addf(text, "\\u%04x", c);
        string += size + 1;
    }
    text_add_bytes(text, "\"", 1);
}
