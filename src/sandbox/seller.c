#include "sandbox/seller.h"

#include <stddef.h>
#include <string.h>

enum { ID_CARD_LENGTH = 18, MOBILE_LENGTH = 11, NAME_CHARACTERS_MIN = 2, NAME_CHARACTERS_MAX = 64 };

static const struct {
    const char *status;
    const char *message;
} messages[] = {
    {"01", "实名认证通过"},  {"02", "实名认证不通过"},  {"202", "无法验证"},
    {"203", "异常情况"},     {"204", "姓名错误"},       {"205", "身份证号错误"},
    {"206", "电话号码错误"}, {"207", "不支持当前号段"},
};

static const struct {
    const char *last_digits; /* of the mobile number */
    const char *status;
} magic_numbers[] = {
    {"99001", "01"},  {"99002", "02"},  {"99202", "202"}, {"99203", "203"},
    {"99204", "204"}, {"99205", "205"}, {"99206", "206"}, {"99207", "207"},
};

static const struct {
    const char *last_characters; /* of the name */
    const char *status;
} magic_names[] = {
    {"不符", "02"},
    {"无记录", "202"},
};

static const char *const virtual_operators[] = {"162", "165", "167", "170", "171"};

static const struct {
    const char *name;
    const char *segments; /* three digits each */
} carriers[] = {
    {"移动",
     "134 135 136 137 138 139 147 150 151 152 157 158 159 172 178 182 183 184 187 188 195 197 198"},
    {"联通", "130 131 132 145 155 156 166 175 176 185 186 196"},
    {"电信", "133 149 153 173 174 177 180 181 189 190 191 193 199"},
};

static const struct {
    uint32_t first;
    uint32_t last;
} name_ranges[] = {
    {' ', ' '},       {'\'', '\''},       {',', '.'},          {'A', 'Z'},       {'a', 'z'},
    {0xb7, 0xb7},     {0x3007, 0x3007},   {0x3400, 0x4dbf},    {0x4e00, 0x9fff}, {0xe000, 0xf8ff},
    {0xf900, 0xfaff}, {0x20000, 0x323af}, {0xf0000, 0x10fffd},
};

static bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

static bool all_digits(const char *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(data[i])) {
            return false;
        }
    }
    return true;
}

static bool begins_with(struct text text, const char *prefix) {
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static bool ends_with(struct text text, const char *suffix) {
    size_t size = strlen(suffix);
    return text.size >= size && memcmp(text.data + text.size - size, suffix, size) == 0;
}

static bool belongs_in_name(uint32_t character) {
    for (size_t i = 0; i < sizeof name_ranges / sizeof *name_ranges; i++) {
        if (character >= name_ranges[i].first && character <= name_ranges[i].last) {
            return true;
        }
    }
    return false;
}

static bool name_is_sound(struct text name) {
    size_t characters = 0;
    for (size_t i = 0; i < name.size; characters++) {
        uint32_t character;
        size_t length = text_decode(name.data + i, name.size - i, &character);
        if (length == 0 || !belongs_in_name(character)) {
            return false;
        }
        i += length;
    }
    return characters >= NAME_CHARACTERS_MIN && characters <= NAME_CHARACTERS_MAX;
}

static int number_at(const char *digits, size_t count) {
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value * 10 + (digits[i] - '0');
    }
    return value;
}

static bool date_is_real(const char *digits) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = number_at(digits, 4);
    int month = number_at(digits + 4, 2);
    int day = number_at(digits + 6, 2);
    if (year < 1800 || month < 1 || month > 12) {
        return false;
    }
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int last = days[month - 1] + (month == 2 && leap ? 1 : 0);
    return day >= 1 && day <= last;
}

static bool id_card_is_sound(struct text id_card) {
    /* GB 11643-1999: ISO 7064 MOD 11-2 over the first seventeen digits. */
    static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    static const char check_digits[] = "10X98765432";
    if (id_card.size != ID_CARD_LENGTH || !all_digits(id_card.data, ID_CARD_LENGTH - 1)) {
        return false;
    }
    int sum = 0;
    for (size_t i = 0; i < ID_CARD_LENGTH - 1; i++) {
        sum += (id_card.data[i] - '0') * weights[i];
    }
    return id_card.data[ID_CARD_LENGTH - 1] == check_digits[sum % 11] &&
           date_is_real(id_card.data + 6);
}

static bool mobile_is_sound(struct text mobile) {
    return mobile.size == MOBILE_LENGTH && all_digits(mobile.data, MOBILE_LENGTH) &&
           mobile.data[0] == '1' && mobile.data[1] >= '3';
}

const char *seller_refuse(const struct seller_question *question) {
    if (!name_is_sound(question->name)) {
        return "204";
    }
    if (!id_card_is_sound(question->id_card)) {
        return "205";
    }
    if (!mobile_is_sound(question->mobile)) {
        return "206";
    }
    for (size_t i = 0; i < sizeof virtual_operators / sizeof *virtual_operators; i++) {
        if (begins_with(question->mobile, virtual_operators[i])) {
            return "203";
        }
    }
    return *seller_carrier(question->mobile) == '\0' ? "207" : NULL;
}

const char *seller_look_up(const struct seller_question *question) {
    for (size_t i = 0; i < sizeof magic_names / sizeof *magic_names; i++) {
        if (ends_with(question->name, magic_names[i].last_characters)) {
            return magic_names[i].status;
        }
    }
    for (size_t i = 0; i < sizeof magic_numbers / sizeof *magic_numbers; i++) {
        if (ends_with(question->mobile, magic_numbers[i].last_digits)) {
            return magic_numbers[i].status;
        }
    }
    return "01";
}

const char *seller_message(const char *status) {
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        if (strcmp(messages[i].status, status) == 0) {
            return messages[i].message;
        }
    }
    return "";
}

const char *seller_carrier(struct text mobile) {
    enum { SEGMENT = 3 };
    if (mobile.size < SEGMENT) {
        return "";
    }
    for (size_t i = 0; i < sizeof carriers / sizeof *carriers; i++) {
        for (const char *segment = carriers[i].segments;; segment += SEGMENT + 1) {
            if (memcmp(mobile.data, segment, SEGMENT) == 0) {
                return carriers[i].name;
            }
            if (segment[SEGMENT] == '\0') {
                break;
            }
        }
    }
    return "";
}

/* First `head` and last `tail` characters with five stars between; stars alone for what is not
 * ASCII. */
static void mask_number(struct text number, size_t head, size_t tail, char *to, size_t capacity) {
    bool printable = number.size > head + tail;
    for (size_t i = 0; printable && i < number.size; i++) {
        printable = number.data[i] > ' ' && number.data[i] < 0x7f;
    }
    if (!printable) {
        snprintf(to, capacity, "%s", number.size == 0 ? "" : "*****");
        return;
    }
    snprintf(to, capacity, "%.*s*****%.*s", (int)head, number.data, (int)tail,
             number.data + number.size - tail);
}

static void mask_name(struct text name, char *to, size_t capacity) {
    uint32_t character = 0;
    size_t length = name.size == 0 ? 0 : text_decode(name.data, name.size, &character);
    if (length == 0 || character < ' ') {
        snprintf(to, capacity, "%s", name.size == 0 ? "" : "*");
        return;
    }
    snprintf(to, capacity, "%.*s*", (int)length, name.data);
}

void seller_mask(const struct seller_question *question, struct seller_echo *echo) {
    mask_number(question->id_card, 2, 4, echo->id_card, sizeof echo->id_card);
    mask_number(question->mobile, 2, 3, echo->mobile, sizeof echo->mobile);
    mask_name(question->name, echo->name, sizeof echo->name);
}

void seller_print_magic(FILE *stream) {
    fputs("  status\n", stream);
    for (size_t i = 0; i < sizeof magic_numbers / sizeof *magic_numbers; i++) {
        const char *status = magic_numbers[i].status;
        fprintf(stream, "  %-6s mobile number ending in %s (%s)\n", status,
                magic_numbers[i].last_digits, seller_message(status));
    }
    for (size_t i = 0; i < sizeof magic_names / sizeof *magic_names; i++) {
        fprintf(stream, "  %-6s name ending in %s\n", magic_names[i].status,
                magic_names[i].last_characters);
    }
    fputs("  203    number of a virtual operator:", stream);
    for (size_t i = 0; i < sizeof virtual_operators / sizeof *virtual_operators; i++) {
        fprintf(stream, " %s", virtual_operators[i]);
    }
    fputs("\n"
          "  203    number checked too often within 24 hours (--number-limit)\n"
          "  204    malformed name; 205: malformed ID number; 206: malformed mobile number\n"
          "  207    number of no carrier\n"
          "  01     every other question\n",
          stream);
}
