#include "runtime/text.h"

#include <stdio.h>
#include <string.h>

struct text text_over(char *buffer, size_t room) {
    buffer[0] = '\0';
    return (struct text){.bytes = buffer, .room = room};
}

void text_add_bytes(struct text *text, const char *bytes, size_t size) {
    size_t left = text->room - text->size - 1;
    if (size > left) {
        size = left;
        text->cut = true;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

void text_add(struct text *text, const char *string) {
    text_add_bytes(text, string, strlen(string));
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

static bool must_escape(unsigned char c) {
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

void text_add_json(struct text *text, const char *string) {
    text_add_bytes(text, "\"", 1);
    const char *plain = string;
    for (const char *at = string; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (!must_escape(c))
            continue;
        text_add_bytes(text, plain, (size_t)(at - plain));
        if (c == '"' || c == '\\')
            text_addf(text, "\\%c", c);
        else
            text_addf(text, "\\u%04x", c);
        plain = at + 1;
    }
    text_add(text, plain);
    text_add_bytes(text, "\"", 1);
}
