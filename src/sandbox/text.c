#include "sandbox/text.h"

#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

static size_t sequence_length(unsigned char lead) {
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        return 3;
    }
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

size_t text_decode(const char *data, size_t size, uint32_t *character) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)data[0];
    size_t length = sequence_length(lead);
    if (length == 0 || length > size) {
        return 0;
    }
    uint32_t value = length == 1 ? lead : lead & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)data[i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (next & 0x3fU);
    }
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *character = value;
    return length;
}

char *text_presentable(struct text text) {
    char *copy = malloc(text.size * (sizeof replacement - 1) + 1);
    if (copy == NULL) {
        return NULL;
    }
    char *to = copy;
    for (size_t i = 0; i < text.size;) {
        uint32_t character;
        size_t length = text_decode(text.data + i, text.size - i, &character);
        if (length == 0 || character == 0) {
            memcpy(to, replacement, sizeof replacement - 1);
            to += sizeof replacement - 1;
            i++;
            continue;
        }
        memcpy(to, text.data + i, length);
        to += length;
        i += length;
    }
    *to = '\0';
    return copy;
}

bool text_equal(struct text one, struct text other) {
    if (one.data == NULL || other.data == NULL) {
        return one.data == other.data;
    }
    return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

struct text text_of(const char *string) {
    return (struct text){.data = string, .size = string == NULL ? 0 : strlen(string)};
}
