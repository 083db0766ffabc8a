#include "runtime/utf8.h"

#include <stdint.h>

#include <utf8proc.h>

bool utf8_valid(const char *text, size_t size) {
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = 0;
    while (at < size) {
        utf8proc_int32_t character;
        if (bytes[at] > 0 && bytes[at] < 0x80) {
            at++;
            continue;
        }
        utf8proc_ssize_t length =
            utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(size - at), &character);
        if (length <= 0 || character == 0)
            return false;
        at += (size_t)length;
    }
    return true;
}

bool utf8_has_control(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < ' ' || byte == 0x7f)
            return true;
    }
    return false;
}

size_t utf8_cut(const char *text, size_t size, size_t max) {
    if (size <= max)
        return size;
    size_t cut = max;
    while (cut > 0 && ((uint8_t)text[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}
