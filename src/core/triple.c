#include "core/triple.h"

#include <stddef.h>
#include <string.h>

#include <sodium.h>
#include <utf8proc.h>

#include "core/character.h"
#include "runtime/civil.h"

/* Canonical decomposition makes at most three code points of two bytes, four of three. */
#define POINTS_MAX ((size_t)TRIPLE_FIELD_MAX * 2)

/* A field on its way to canonical form, as code points. */
struct points {
    size_t count;
    size_t touched; /* so many have held something: what is to be wiped */
    utf8proc_int32_t at[POINTS_MAX];
};

static const size_t field_at[] = {
    [TRIPLE_NAME] = offsetof(struct triple, name),
    [TRIPLE_ID_CARD] = offsetof(struct triple, id_card),
    [TRIPLE_MOBILE] = offsetof(struct triple, mobile),
};

static char *field_text(struct triple *triple, enum triple_field field) {
    return (char *)triple + field_at[field];
}

const char *triple_text(const struct triple *triple, enum triple_field field) {
    return (const char *)triple + field_at[field];
}

void triple_empty(struct triple *triple) {
    triple->name[0] = '\0';
    triple->id_card[0] = '\0';
    triple->mobile[0] = '\0';
}

static bool read_points(struct points *points, const char *text, size_t size) {
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t point = bytes[at];
        utf8proc_ssize_t length = 1;
        if (point >= 0x80)
            length = utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(size - at), &point);
        if (length <= 0 || point == 0)
            return false;
        points->at[points->count++] = point;
        points->touched = points->count;
        at += (size_t)length;
    }
    return true;
}

/* Zero-terminated; false when it does not fit `capacity`. */
static bool write_points(const struct points *points, char *text, size_t capacity) {
    size_t size = 0;
    for (size_t i = 0; i < points->count; i++) {
        utf8proc_uint8_t bytes[4] = {(utf8proc_uint8_t)points->at[i]};
        size_t length = 1;
        if (points->at[i] >= 0x80)
            length = (size_t)utf8proc_encode_char(points->at[i], bytes);
        if (size + length >= capacity)
            return false;
        memcpy(text + size, bytes, length);
        size += length;
    }
    text[size] = '\0';
    return true;
}

static utf8proc_int32_t fold(utf8proc_int32_t point, enum triple_field field) {
    if (point < 0x80)
        return point;
    if (field == TRIPLE_NAME && character_is_interpunct(point))
        return CHARACTER_INTERPUNCT;
    if (point >= 0xff01 && point <= 0xff5e)
        return point - 0xff01 + '!';
    if (point == 0x3000)
        return ' ';
    return point;
}

static bool is_packing(utf8proc_int32_t point) {
    return character_is_space(point) || character_is_invisible(point);
}

static void drop_first(struct points *points, size_t count) {
    if (count == 0)
        return;
    points->count -= count;
    memmove(points->at, points->at + count, points->count * sizeof points->at[0]);
}

static void trim(struct points *points) {
    size_t first = 0;
    while (points->count > 0 && is_packing(points->at[points->count - 1]))
        points->count--;
    while (first < points->count && is_packing(points->at[first]))
        first++;
    drop_first(points, first);
}

/* Most names and all sound numbers consist of characters that NFC leaves alone. */
static bool is_surely_nfc(const struct points *points) {
    for (size_t i = 0; i < points->count; i++) {
        utf8proc_int32_t point = points->at[i];
        if (point >= 0x80 && point != CHARACTER_INTERPUNCT && (point < 0x4e00 || point > 0x9fff))
            return false;
    }
    return true;
}

static bool normalise(struct points *points) {
    const utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    char text[TRIPLE_FIELD_MAX + 1];
    if (is_surely_nfc(points))
        return true;
    if (!write_points(points, text, sizeof text))
        return false;
    points->touched = POINTS_MAX;
    const utf8proc_ssize_t room = (utf8proc_ssize_t)POINTS_MAX;
    utf8proc_ssize_t count = utf8proc_decompose(
        (const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strlen(text), points->at, room, nfc);
    if (count >= 0 && count <= room)
        count = utf8proc_normalize_utf32(points->at, count, nfc);
    sodium_memzero(text, sizeof text);
    if (count < 0 || count > room)
        return false;
    points->count = (size_t)count;
    return true;
}

static void finish_name(struct points *points) {
    for (size_t i = 1; i + 1 < points->count; i++) {
        bool stop = points->at[i] == '.' || points->at[i] == 0x3002;
        if (stop && character_is_han(points->at[i - 1]) && character_is_han(points->at[i + 1]))
            points->at[i] = CHARACTER_INTERPUNCT;
    }
}

static void finish_id_card(struct points *points) {
    for (size_t i = 0; i < points->count; i++) {
        if (points->at[i] == 'x')
            points->at[i] = 'X';
    }
}

static bool begins_with(const struct points *points, const char *prefix) {
    for (size_t i = 0; prefix[i] != '\0'; i++) {
        if (i >= points->count || points->at[i] != prefix[i])
            return false;
    }
    return true;
}

static void strip_mobile(struct points *points) {
    size_t kept = 0;
    for (size_t i = 0; i < points->count; i++) {
        if (!is_packing(points->at[i]) && !character_is_dash(points->at[i]))
            points->at[kept++] = points->at[i];
    }
    points->count = kept;
}

/* Repeated, since forms put a +86 before what the caller typed with one. */
static void finish_mobile(struct points *points) {
    for (;;) {
        if (begins_with(points, "+86"))
            drop_first(points, 3);
        else if (begins_with(points, "0086"))
            drop_first(points, 4);
        else
            return;
    }
}

static bool canonicalise(struct points *points, enum triple_field field) {
    for (size_t i = 0; i < points->count; i++)
        points->at[i] = fold(points->at[i], field);
    if (field == TRIPLE_MOBILE)
        strip_mobile(points);
    else
        trim(points);
    if (!normalise(points))
        return false;
    if (field == TRIPLE_NAME)
        finish_name(points);
    else if (field == TRIPLE_ID_CARD)
        finish_id_card(points);
    else
        finish_mobile(points);
    return true;
}

static bool is_digits(const char *text, size_t size) {
    size_t count = 0;
    while (count < size && text[count] >= '0' && text[count] <= '9')
        count++;
    return count == size;
}

/* Most numbers come as they are kept. */
static bool is_plain_number(enum triple_field field, const char *text, size_t size) {
    if (field == TRIPLE_MOBILE)
        return size > 0 && text[0] == '1' && is_digits(text, size);
    bool tail = size > 0 && (text[size - 1] == 'X' || is_digits(text + size - 1, 1));
    return field == TRIPLE_ID_CARD && tail && is_digits(text, size - 1);
}

bool triple_set(struct triple *triple, enum triple_field field, const char *text, size_t size) {
    struct points points;
    points.count = 0;
    points.touched = 0;
    char *canonical = field_text(triple, field);
    if (size <= TRIPLE_FIELD_MAX && is_plain_number(field, text, size)) {
        memcpy(canonical, text, size);
        canonical[size] = '\0';
        return true;
    }
    bool ok = size <= TRIPLE_FIELD_MAX && read_points(&points, text, size) &&
              canonicalise(&points, field) && write_points(&points, canonical, sizeof triple->name);
    if (!ok)
        canonical[0] = '\0';
    sodium_memzero(points.at, points.touched * sizeof points.at[0]);
    return ok;
}

int triple_today(int64_t unix_s) {
    const int64_t china_offset_s = (int64_t)8 * 60 * 60;
    struct civil_time date = civil_time_of(unix_s + china_offset_s);
    return date.year * 10000 + date.month * 100 + date.day;
}

bool triple_mobile_has_prefix(const struct triple *triple, const char *const *prefixes) {
    for (; *prefixes != NULL; prefixes++) {
        if (strncmp(triple->mobile, *prefixes, strlen(*prefixes)) == 0)
            return true;
    }
    return false;
}

static bool is_ascii(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

/* Keeps `head` and `tail` characters of an ASCII value; `echo` holds 16 bytes. */
static void mask_number(const char *value, size_t head, size_t tail, char *echo) {
    static const char stars[] = "*****";
    size_t length = strlen(value);
    if (length <= head + tail || !is_ascii(value)) {
        memcpy(echo, stars, sizeof stars);
        return;
    }
    memcpy(echo, value, head);
    memcpy(echo + head, stars, sizeof stars - 1);
    memcpy(echo + head + sizeof stars - 1, value + length - tail, tail + 1);
}

static void mask_name(const char *name, char *echo) {
    utf8proc_int32_t first;
    size_t size = strlen(name);
    utf8proc_ssize_t head =
        utf8proc_iterate((const utf8proc_uint8_t *)name, (utf8proc_ssize_t)size, &first);
    if (head <= 0 || (size_t)head == size)
        head = 0;
    memcpy(echo, name, (size_t)head);
    memcpy(echo + head, "*", 2);
}

void triple_mask(const struct triple *triple, struct triple_echo *echo) {
    mask_name(triple->name, echo->name);
    mask_number(triple->id_card, 2, 4, echo->id_card);
    mask_number(triple->mobile, 2, 3, echo->mobile);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* The next byte of `*text` as it is compared, 0 at the end. */
static int next_byte(const char **text) {
    const char *at = *text;
    int byte = (unsigned char)*at++;
    if (byte == '%' && hex_digit(at[0]) >= 0 && hex_digit(at[1]) >= 0) {
        byte = hex_digit(at[0]) * 16 + hex_digit(at[1]);
        at += 2;
    }
    if (byte == '\0')
        return 0;
    *text = at;
    return byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte;
}

static int next_telling_byte(const char **text) {
    int byte = next_byte(text);
    while (byte == ' ' || byte == '-' || byte == '+')
        byte = next_byte(text);
    return byte;
}

static bool value_starts_at(const char *text, const char *value) {
    for (;;) {
        int wanted = next_telling_byte(&value);
        if (wanted == 0)
            return true;
        if (next_telling_byte(&text) != wanted)
            return false;
    }
}

/* May the telling byte `first` stand there, as it is, as a capital or percent-encoded? */
static bool may_begin(char c, int first) {
    int byte = (unsigned char)c;
    int small = byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte;
    return small == first || byte == '%';
}

static bool value_appears_in(const char *text, const char *value) {
    const char *probe = value;
    int first = next_telling_byte(&probe);
    if (first == 0)
        return false;
    for (; *text != '\0'; text++) {
        if (may_begin(*text, first) && value_starts_at(text, value))
            return true;
    }
    return false;
}

bool triple_appears_in(const struct triple *triple, const char *text) {
    return value_appears_in(text, triple->mobile) || value_appears_in(text, triple->id_card) ||
           value_appears_in(text, triple->name);
}

void triple_wipe(struct triple *triple) {
    sodium_memzero(triple, sizeof *triple);
}
