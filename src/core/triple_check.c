/* The checks of triple.h: what cannot be a person's is not paid for. */
#include <string.h>

#include <utf8proc.h>

#include "core/character.h"
#include "core/triple.h"

#define NAME_MIN       2
#define NAME_HAN_MAX   30
#define NAME_LATIN_MAX 64
#define ID_CARD_LENGTH 18
#define MOBILE_LENGTH  11

/* The next code point of valid UTF-8, 0 at the end. */
static utf8proc_int32_t next_point(const char **text) {
    utf8proc_int32_t point;
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)*text, -1, &point);
    if (length <= 0 || point == 0)
        return 0;
    *text += length;
    return point;
}

static bool is_han_name(const char *name) {
    int length = 0;
    bool after_han = false;
    for (utf8proc_int32_t point = next_point(&name); point != 0; point = next_point(&name)) {
        bool han = character_is_han(point);
        if (!han && (point != CHARACTER_INTERPUNCT || !after_han))
            return false;
        after_han = han;
        length++;
    }
    return after_han && length >= NAME_MIN && length <= NAME_HAN_MAX;
}

static bool is_latin_name(const char *name) {
    int length = 0;
    int letters = 0;
    for (utf8proc_int32_t point = next_point(&name); point != 0; point = next_point(&name)) {
        if (character_is_latin(point))
            letters++;
        else if (point >= 0x80 || strchr(" '-.,", point) == NULL)
            return false;
        length++;
    }
    return letters > 0 && length >= NAME_MIN && length <= NAME_LATIN_MAX;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int number_at(const char *digits, int count) {
    int number = 0;
    for (int i = 0; i < count; i++)
        number = number * 10 + (digits[i] - '0');
    return number;
}

static bool is_province(int code) {
    static const struct {
        int first;
        int last;
    } provinces[] = {
        {11, 15}, {21, 23}, {31, 37}, {41, 46}, {50, 54}, {61, 65}, {71, 71}, {81, 83},
    };
    for (size_t i = 0; i < sizeof provinces / sizeof provinces[0]; i++) {
        if (code >= provinces[i].first && code <= provinces[i].last)
            return true;
    }
    return false;
}

static bool is_leap_year(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_date(int year, int month, int day) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] + (month == 2 && is_leap_year(year) ? 1 : 0);
}

static char check_digit(const char *id_card) {
    static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    int sum = 0;
    for (int i = 0; i < ID_CARD_LENGTH - 1; i++)
        sum += (id_card[i] - '0') * weights[i];
    return "10X98765432"[sum % 11];
}

static bool is_id_card(const char *id_card, int today) {
    if (strlen(id_card) != ID_CARD_LENGTH)
        return false;
    for (int i = 0; i < ID_CARD_LENGTH - 1; i++) {
        if (!is_digit(id_card[i]))
            return false;
    }
    if (id_card[0] != '9' && !is_province(number_at(id_card, 2)))
        return false;
    if (!is_date(number_at(id_card + 6, 4), number_at(id_card + 10, 2),
                 number_at(id_card + 12, 2)) ||
        number_at(id_card + 6, 8) > today)
        return false;
    return id_card[ID_CARD_LENGTH - 1] == check_digit(id_card);
}

static bool is_mobile(const char *mobile) {
    if (strlen(mobile) != MOBILE_LENGTH)
        return false;
    for (int i = 0; i < MOBILE_LENGTH; i++) {
        if (!is_digit(mobile[i]))
            return false;
    }
    return mobile[0] == '1' && mobile[1] >= '3';
}

enum triple_verdict triple_check(const struct triple *triple, int today) {
    bool latin_allowed = triple->id_card[0] == '9';
    if (!is_han_name(triple->name) && !(latin_allowed && is_latin_name(triple->name)))
        return TRIPLE_BAD_NAME;
    if (!is_id_card(triple->id_card, today))
        return TRIPLE_BAD_ID_CARD;
    if (!is_mobile(triple->mobile))
        return TRIPLE_BAD_MOBILE;
    return TRIPLE_SOUND;
}
