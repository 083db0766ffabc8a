#include "core/character.h"

#include <stddef.h>

struct range {
    int32_t first;
    int32_t last;
};

/* The ranges ascend: most characters are before all but the first few of them. */
static bool in_ranges(const struct range *ranges, size_t count, int32_t c) {
    for (size_t i = 0; i < count && c >= ranges[i].first; i++) {
        if (c <= ranges[i].last)
            return true;
    }
    return false;
}

#define IN(ranges, c) in_ranges((ranges), sizeof(ranges) / sizeof(ranges)[0], (c))

bool character_is_space(int32_t c) {
    static const struct range spaces[] = {
        {0x09, 0x0d},     {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
        {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
    };
    return IN(spaces, c);
}

bool character_is_invisible(int32_t c) {
    static const struct range invisible[] = {
        {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200f},
        {0x202a, 0x202e}, {0x2060, 0x2069}, {0xfeff, 0xfeff},
    };
    return IN(invisible, c);
}

bool character_is_dash(int32_t c) {
    static const struct range dashes[] = {
        {'-', '-'},       {0x2010, 0x2015}, {0x2043, 0x2043}, {0x2212, 0x2212},
        {0xfe58, 0xfe58}, {0xfe63, 0xfe63}, {0xff0d, 0xff0d},
    };
    return IN(dashes, c);
}

bool character_is_interpunct(int32_t c) {
    static const struct range interpuncts[] = {
        {CHARACTER_INTERPUNCT, CHARACTER_INTERPUNCT},
        {0x2022, 0x2022}, /* bullet */
        {0x2027, 0x2027}, /* hyphenation point */
        {0x2219, 0x2219}, /* bullet operator */
        {0x22c5, 0x22c5}, /* dot operator */
        {0x25cf, 0x25cf}, /* black circle */
        {0x30fb, 0x30fb}, /* katakana middle dot */
        {0xfe52, 0xfe52}, /* small full stop */
        {0xff0e, 0xff0e}, /* full-width full stop */
        {0xff65, 0xff65}, /* half-width katakana middle dot */
    };
    return IN(interpuncts, c);
}

bool character_is_han(int32_t c) {
    static const struct range han[] = {
        {0x3007, 0x3007},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},
        {0xe000, 0xf8ff},   {0xf900, 0xfaff},   {0x20000, 0x2fffd},
        {0x30000, 0x3fffd}, {0xf0000, 0xffffd}, {0x100000, 0x10fffd},
    };
    return IN(han, c);
}

bool character_is_latin(int32_t c) {
    static const struct range latin[] = {
        {'A', 'Z'}, {'a', 'z'}, {0xc0, 0xd6}, {0xd8, 0xf6}, {0xf8, 0x24f}, {0x1e00, 0x1eff},
    };
    return IN(latin, c);
}
