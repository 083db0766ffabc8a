/* Canonical form, local checks, masks and the search for a person's values. All data is made up. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/triple.h"

#define TODAY        20261124
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char sound_id[] = "11010519491231002X";
static const char permanent_id[] = "932682198501010017";
static const char sound_mobile[] = "13800138000";

static bool set(struct triple *triple, enum triple_field field, const char *text) {
    return triple_set(triple, field, text, strlen(text));
}

struct canonical_case {
    const char *what;
    const char *given;
    const char *canonical;
};

/* Also that canonical form is its own. */
static void expect_canonical(enum triple_field field, const struct canonical_case *cases,
                             size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct triple triple;
        memset(&triple, 0, sizeof triple);
        char *out = field == TRIPLE_NAME      ? triple.name
                    : field == TRIPLE_ID_CARD ? triple.id_card
                                              : triple.mobile;
        for (int again = 0; again < 2; again++) {
            const char *text = again ? cases[i].canonical : cases[i].given;
            if (!set(&triple, field, text) || strcmp(out, cases[i].canonical) != 0)
                fail_msg("%s (%s time)", cases[i].what, again ? "second" : "first");
        }
    }
}

static void names_become_canonical(void **state) {
    (void)state;
    static const struct canonical_case cases[] = {
        {"plain", "张三", "张三"},
        {"empty", "", ""},
        {"only space", " \t\u3000 ", ""},
        {"ASCII space around", " 张三\r\n", "张三"},
        {"every Unicode space around",
         "\xc2\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006张三\u2007\u2008\u2009"
         "\u200a"
         "\u2028\u2029\u202f\u205f\u3000",
         "张三"},
        {"vertical tab and form feed around", "\v\f张三\f\v", "张三"},
        {"byte order mark before", "\ufeff张三", "张三"},
        {"zero-width around", "\u200b\u2060张三\u200d\u200c", "张三"},
        {"space and zero-width mixed", " \u200b \ufeff张三\u200e \u200f", "张三"},
        {"soft hyphen behind", "张三\u00ad", "张三"},
        {"space inside stays", "张 三", "张 三"},
        {"ideographic space inside becomes ASCII", "ZHANG\u3000SAN", "ZHANG SAN"},
        {"zero-width inside stays", "张\u200b三", "张\u200b三"},
        {"control inside stays", "张\x01三", "张\x01三"},
        {"full-width letters", "ＺＨＡＮＧ　ｓａｎ", "ZHANG san"},
        {"full-width digits", "张３", "张3"},
        {"full-width apostrophe, hyphen and comma", "O＇NEIL－LI，A", "O'NEIL-LI,A"},
        {"interpunct", "买买提·艾力", "买买提·艾力"},
        {"U+2022", "买买提\u2022艾力", "买买提·艾力"},
        {"U+2027", "买买提\u2027艾力", "买买提·艾力"},
        {"U+2219", "买买提\u2219艾力", "买买提·艾力"},
        {"U+22C5", "买买提\u22c5艾力", "买买提·艾力"},
        {"U+25CF", "买买提\u25cf艾力", "买买提·艾力"},
        {"U+30FB", "买买提\u30fb艾力", "买买提·艾力"},
        {"U+FF65", "买买提\uff65艾力", "买买提·艾力"},
        {"U+FF0E", "买买提\uff0e艾力", "买买提·艾力"},
        {"U+FE52", "买买提\ufe52艾力", "买买提·艾力"},
        {"U+0387, by NFC", "买买提\u0387艾力", "买买提·艾力"},
        {"ASCII stop between Han", "买买提.艾力", "买买提·艾力"},
        {"ideographic stop between Han", "买买提。艾力", "买买提·艾力"},
        {"two stops between Han", "买.买.提", "买·买·提"},
        {"stops between rare Han", "\U00020bb7.\U00020bb8", "\U00020bb7·\U00020bb8"},
        {"stop between compatibility ideographs", "\uf900.\uf900", "\u8c48·\u8c48"},
        {"ASCII stop between Latin stays", "J.R. SMITH", "J.R. SMITH"},
        {"stop between Han and Latin stays", "张.A", "张.A"},
        {"stop at the end stays", "张三.", "张三."},
        {"stop at the beginning stays", "。张三", "。张三"},
        {"two stops in a row stay", "张..三", "张..三"},
        {"compatibility ideograph changed by NFC", "\uf900三", "\u8c48三"},
        {"compatibility supplement changed by NFC", "\U0002f800三", "\u4e3d三"},
        {"compatibility ideograph that is a unified one stays", "\ufa0e三", "\ufa0e三"},
        {"combining mark composed", "JOSE\u0301", "JOS\u00c9"},
        {"full-width letter with a mark composed", "\uff25\u0301a", "\u00c9a"},
        {"marks put in order", "a\u0323\u0302b", "\u1eadb"},
        {"marks in the other order", "a\u0302\u0323b", "\u1eadb"},
        {"Han with a mark stays", "张\u0301三", "张\u0301三"},
        {"half-width katakana stays, for NFC is not NFKC", "\uff71\uff72", "\uff71\uff72"},
        {"private use stays", "\ue000三", "\ue000三"},
        {"planes 15 and 16 stay", "\U000f0000\U00100000", "\U000f0000\U00100000"},
        {"x stays in a name", "Max", "Max"},
    };
    expect_canonical(TRIPLE_NAME, cases, COUNT(cases));
}

static void id_cards_become_canonical(void **state) {
    (void)state;
    static const struct canonical_case cases[] = {
        {"plain", "11010519491231002X", "11010519491231002X"},
        {"lower-case x", "11010519491231002x", "11010519491231002X"},
        {"full-width", "１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"},
        {"full-width lower-case", "11010519491231002ｘ", "11010519491231002X"},
        {"white space and marks around", "\ufeff 11010519491231002X\u00a0", "11010519491231002X"},
        {"space inside stays", "110105 19491231002X", "110105 19491231002X"},
        {"interpunct stand-in is no matter here", "1\u20222", "1\u20222"},
        {"Roman numeral ten stays", "11010519491231002\u2169", "11010519491231002\u2169"},
    };
    expect_canonical(TRIPLE_ID_CARD, cases, COUNT(cases));
}

static void mobiles_become_canonical(void **state) {
    (void)state;
    static const struct canonical_case cases[] = {
        {"plain", "13800138000", "13800138000"},
        {"full-width", "１３８００１３８０００", "13800138000"},
        {"spaces", " 138 0013 8000 ", "13800138000"},
        {"hyphens", "138-0013-8000", "13800138000"},
        {"tabs and line ends", "138\t0013\r\n8000", "13800138000"},
        {"no-break, narrow and ideographic spaces", "138\u00a00013\u202f80\u300000", "13800138000"},
        {"Unicode dashes",
         "1\u20103\u20118\u20120\u20130\u20141\u20153\u22128\ufe580\ufe630\uff0d0", "13800138000"},
        {"direction marks of an address book", "\u202d13800138000\u202c", "13800138000"},
        {"zero-width inside", "138\u200b0013\ufeff8000", "13800138000"},
        {"soft hyphen", "138\u00ad00138000", "13800138000"},
        {"+86", "+8613800138000", "13800138000"},
        {"+86 and space", "+86 138 0013 8000", "13800138000"},
        {"+86 and hyphen", "+86-138-0013-8000", "13800138000"},
        {"plus apart", "+ 86 13800138000", "13800138000"},
        {"full-width +86", "＋８６１３８００１３８０００", "13800138000"},
        {"0086", "008613800138000", "13800138000"},
        {"0086 with spaces", "00 86 138 0013 8000", "13800138000"},
        {"prefix twice", "+86 +86 13800138000", "13800138000"},
        {"one prefix behind the other", "+86 0086 13800138000", "13800138000"},
        {"86 alone is no prefix", "8613800138000", "8613800138000"},
        {"86 inside stays", "13800138600", "13800138600"},
        {"another country's prefix stays", "+85291234567", "+85291234567"},
        {"prefix alone", "+86", ""},
        {"parentheses stay", "(+86)13800138000", "(+86)13800138000"},
        {"Arabic-Indic digits stay", "\u0661\u0663", "\u0661\u0663"},
    };
    expect_canonical(TRIPLE_MOBILE, cases, COUNT(cases));
}

static void malformed_fields_are_refused_and_left_empty(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *text;
        size_t size;
    } cases[] = {
        {"lone continuation byte", "\x80", 1}, {"cut sequence", "\xe5\xbc", 2},
        {"overlong slash", "\xc0\xaf", 2},     {"overlong three bytes", "\xe0\x80\xaf", 3},
        {"surrogate", "\xed\xa0\x80", 3},      {"beyond U+10FFFF", "\xf4\x90\x80\x80", 4},
        {"GBK", "\xd5\xc5\xc8\xfd", 4},        {"zero byte", "a\0b", 3},
        {"zero byte at the end", "ab", 3},
    };
    for (enum triple_field field = TRIPLE_NAME; field <= TRIPLE_MOBILE; field++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct triple triple;
            memset(&triple, 'z', sizeof triple);
            if (triple_set(&triple, field, cases[i].text, cases[i].size))
                fail_msg("%s was accepted", cases[i].what);
            const char *out = field == TRIPLE_NAME      ? triple.name
                              : field == TRIPLE_ID_CARD ? triple.id_card
                                                        : triple.mobile;
            assert_string_equal(out, "");
        }
    }
}

static void length_counts_before_canonical_form(void **state) {
    (void)state;
    struct triple triple;
    char text[TRIPLE_FIELD_MAX + 1];
    memset(text, ' ', sizeof text);
    text[0] = 'a';
    assert_true(triple_set(&triple, TRIPLE_NAME, text, TRIPLE_FIELD_MAX));
    assert_string_equal(triple.name, "a");
    assert_false(triple_set(&triple, TRIPLE_NAME, text, TRIPLE_FIELD_MAX + 1));
    assert_string_equal(triple.name, "");
}

static void text_need_not_be_terminated(void **state) {
    (void)state;
    struct triple triple;
    assert_true(triple_set(&triple, TRIPLE_MOBILE, "13800138000999", 11));
    assert_string_equal(triple.mobile, "13800138000");
}

/* U+1D160 becomes three code points of four bytes: the most that NFC makes of anything. */
static void the_longest_growth_by_nfc_fits(void **state) {
    (void)state;
    struct triple triple;
    char text[TRIPLE_FIELD_MAX];
    for (size_t i = 0; i < sizeof text; i += 4)
        memcpy(text + i, "\U0001d160", 4);
    assert_true(triple_set(&triple, TRIPLE_NAME, text, sizeof text));
    assert_int_equal(strlen(triple.name), sizeof text * 3);
}

static enum triple_verdict verdict(const char *name, const char *id_card, const char *mobile) {
    struct triple triple;
    assert_true(set(&triple, TRIPLE_NAME, name));
    assert_true(set(&triple, TRIPLE_ID_CARD, id_card));
    assert_true(set(&triple, TRIPLE_MOBILE, mobile));
    return triple_check(&triple, TODAY);
}

#define TEN "一二三四五六七八九十"
#define L32 "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"

static void names_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *name;
        bool sound;
    } cases[] = {
        {"two", "张三", true},
        {"one", "张", false},
        {"none", "", false},
        {"thirty", TEN TEN TEN, true},
        {"thirty-one", TEN TEN TEN "一", false},
        {"thirty with interpuncts", TEN "·一二三四五六七八九·" TEN "", false},
        {"thirty, one an interpunct", TEN TEN "·一二三四五六七八九", true},
        {"thirty-one, one an interpunct", TEN TEN "·" TEN, false},
        {"trimmed to one", " 张 ", false},
        {"interpunct inside", "买买提·艾力", true},
        {"stand-in inside", "买买提•艾力", true},
        {"several interpuncts", "阿·卜·杜", true},
        {"interpunct first", "·张三", false},
        {"interpunct last", "张三·", false},
        {"two interpuncts in a row", "张··三", false},
        {"only an interpunct", "·", false},
        {"only interpuncts", "···", false},
        {"space inside", "张 三", false},
        {"zero-width inside", "张\u200b三", false},
        {"control inside", "张\n三", false},
        {"digit", "张3", false},
        {"full-width digit", "张３", false},
        {"Latin", "ZHANG SAN", false},
        {"Han and Latin", "张San", false},
        {"kana", "たろう", false},
        {"Hangul", "김철수", false},
        {"iteration mark", "张々", false},
        {"radical", "\u2f00\u2f01", false},
        {"combining mark on Han", "张\u0301三", false},
        {"variation selector", "张\U000e0100三", false},
        {"emoji", "张\U0001f600", false},
        {"replacement character", "张\ufffd", false},
        {"U+3007", "张〇", true},
        {"extension A", "\u3400三", true},
        {"last of extension A", "\u4dbf三", true},
        {"hexagram beside it", "\u4dc0三", false},
        {"last of the basic block", "\u9fff三", true},
        {"Yi beside it", "\ua000三", false},
        {"extension B", "\U00020000\U0002a6df", true},
        {"extension C", "\U0002a700三", true},
        {"extension D", "\U0002b740三", true},
        {"extension E", "\U0002b820三", true},
        {"extension F", "\U0002ceb0三", true},
        {"extension G", "\U00030000三", true},
        {"extension H", "\U00031350三", true},
        {"extension I", "\U0002ebf0三", true},
        {"extension J", "\U000323b0三", true},
        {"thirty beyond the basic plane",
         "\U00020000\U00020001\U00020002\U00020003\U00020004\U00020005\U00020006\U00020007"
         "\U00020008\U00020009\U0002000a\U0002000b\U0002000c\U0002000d\U0002000e\U0002000f"
         "\U00020010\U00020011\U00020012\U00020013\U00020014\U00020015\U00020016\U00020017"
         "\U00020018\U00020019\U0002001a\U0002001b\U0002001c\U0002001d",
         true},
        {"compatibility ideograph", "\uf900三", true},
        {"private use", "\ue000\uf8ff", true},
        {"private use of plane 15", "\U000f0000三", true},
        {"private use of plane 16", "\U0010fffd三", true},
        {"noncharacter of plane 15", "\U000fffff三", false},
        {"surrogates' neighbour", "\ud7ff三", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum triple_verdict wanted = cases[i].sound ? TRIPLE_SOUND : TRIPLE_BAD_NAME;
        if (verdict(cases[i].name, sound_id, sound_mobile) != wanted)
            fail_msg("%s", cases[i].what);
        if (cases[i].sound && verdict(cases[i].name, permanent_id, sound_mobile) != TRIPLE_SOUND)
            fail_msg("%s, with a permanent residence card", cases[i].what);
    }
}

static void latin_names_need_a_permanent_residence_card(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *name;
        bool sound;
    } cases[] = {
        {"plain", "SMITH JOHN", true},
        {"small letters", "John Smith", true},
        {"apostrophe, hyphen, stop, comma", "O'NEIL-LI, J.R.", true},
        {"apostrophe first", "'t Hooft", true},
        {"two", "LI", true},
        {"one", "U", false},
        {"sixty-four", L32 L32, true},
        {"sixty-five", L32 L32 "A", false},
        {"letters with marks", "JOSÉ GARCÍA", true},
        {"combining mark composed", "JOSE\u0301", true},
        {"combining mark without a composed form", "Q\u0301A", false},
        {"Vietnamese", "NGUYỄN", true},
        {"full-width", "ＳＭＩＴＨ　ＪＯＨＮ", true},
        {"no letter", "'-., '", false},
        {"digit", "SMITH 2", false},
        {"underscore", "SMITH_J", false},
        {"quote", "SMITH \"J\"", false},
        {"no-break space inside", "SMITH\u00a0JOHN", false},
        {"multiplication sign", "A×B", false},
        {"Cyrillic", "ИВАН", false},
        {"interpunct", "SMITH·JOHN", false},
        {"Latin and Han", "SMITH 张", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum triple_verdict wanted = cases[i].sound ? TRIPLE_SOUND : TRIPLE_BAD_NAME;
        if (verdict(cases[i].name, permanent_id, sound_mobile) != wanted)
            fail_msg("%s", cases[i].what);
        if (verdict(cases[i].name, sound_id, sound_mobile) != TRIPLE_BAD_NAME)
            fail_msg("%s, with a citizen's card", cases[i].what);
    }
}

static void id_cards_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *id_card;
        bool sound;
    } cases[] = {
        {"check digit X", "11010519491231002X", true},
        {"check digit x", "11010519491231002x", true},
        {"full-width", "１１０１０５１９４９１２３１００２Ｘ", true},
        {"published sample", "440308199901101512", true},
        {"published sample with X", "34052419800101001X", true},
        {"another with X", "11010219840406970X", true},
        {"Hong Kong resident's permit", "810000199408230021", true},
        {"Macau resident's permit", "820000199408230023", true},
        {"Taiwan resident's permit", "830000199201300022", true},
        {"Taiwan province", "710000199001010015", true},
        {"permanent residence card", "932682198501010017", true},
        {"permanent residence card, impossible date", "932682198502300016", false},
        {"permanent residence card, wrong check digit", "932682198501010018", false},
        {"wrong check digit", "11010119900307551X", false},
        {"digit where X is right", "110105194912310020", false},
        {"unknown province 84", "840000199408230027", false},
        {"unknown province 16", "160000199001010012", false},
        {"unknown province 00", "000000199001010018", false},
        {"29 February 1900", "110105190002290017", false},
        {"29 February 2000", "110105200002290013", true},
        {"29 February 1996", "110105199602290011", true},
        {"29 February 2001", "110105200102290010", false},
        {"29 February 2024", "110105202402290011", true},
        {"31 January", "110105202401310017", true},
        {"31 April", "110105199004310019", false},
        {"month 13", "110105199013010018", false},
        {"month 0", "110105199000010019", false},
        {"day 0", "110105199001000015", false},
        {"day 32", "110105199001320019", false},
        {"year 0", "11010500000101001X", false},
        {"born today", "110105202611240010", true},
        {"born tomorrow", "110105202611250016", false},
        {"born next year", "110105202701010016", false},
        {"15 digits", "110105491231002", false},
        {"17 characters", "11010519491231002", false},
        {"19 characters", "11010519491231002X0", false},
        {"none", "", false},
        {"X inside", "1101051949123100XX", false},
        {"letter inside", "11010519491231O02X", false},
        {"minus sign inside", "110105-9491231002X", false},
        {"space inside", "110105 19491231002X", false},
        {"Cyrillic letter that looks like X", "11010519491231002Х", false},
        {"old card of foreigners, 3 letters and 12 digits", "ABC123456789012", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum triple_verdict wanted = cases[i].sound ? TRIPLE_SOUND : TRIPLE_BAD_ID_CARD;
        if (verdict("张三", cases[i].id_card, sound_mobile) != wanted)
            fail_msg("%s", cases[i].what);
    }
}

/* Every two digits in the place of the province, each with its right check digit. */
static void only_known_provinces_pass(void **state) {
    (void)state;
    static const char known[] =
        "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 "
        "52 53 54 61 62 63 64 65 71 81 82 83 90 91 92 93 94 95 96 97 98 99";
    static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    for (int code = 0; code < 100; code++) {
        char id_card[] = "00010119900101001?";
        int sum = 0;
        id_card[0] = (char)('0' + code / 10);
        id_card[1] = (char)('0' + code % 10);
        for (int i = 0; i < 17; i++)
            sum += (id_card[i] - '0') * weights[i];
        id_card[17] = "10X98765432"[sum % 11];
        char digits[] = {id_card[0], id_card[1], '\0'};
        bool sound = strstr(known, digits) != NULL;
        assert_int_equal(verdict("张三", id_card, sound_mobile),
                         sound ? TRIPLE_SOUND : TRIPLE_BAD_ID_CARD);
    }
}

/* One digit changed, or two neighbours exchanged, is always found. */
static void the_check_digit_finds_slips(void **state) {
    (void)state;
    static const char sound[] = "340524198001010036";
    char id_card[sizeof sound];
    assert_int_equal(verdict("张三", sound, sound_mobile), TRIPLE_SOUND);
    for (int i = 0; i < 18; i++) {
        for (char digit = '0'; digit <= '9'; digit++) {
            memcpy(id_card, sound, sizeof sound);
            id_card[i] = digit;
            if (digit != sound[i])
                assert_int_not_equal(verdict("张三", id_card, sound_mobile), TRIPLE_SOUND);
        }
        memcpy(id_card, sound, sizeof sound);
        if (i > 0 && sound[i] != sound[i - 1]) {
            id_card[i] = sound[i - 1];
            id_card[i - 1] = sound[i];
            assert_int_not_equal(verdict("张三", id_card, sound_mobile), TRIPLE_SOUND);
        }
    }
}

static void mobiles_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *mobile;
        bool sound;
    } cases[] = {
        {"plain", "13800138000", true},
        {"lowest", "13000000000", true},
        {"highest", "19999999999", true},
        {"unassigned prefix is not ours to refuse", "15400000000", true},
        {"virtual operator is sound", "17000000000", true},
        {"things' number of 11 digits", "14100000000", true},
        {"things' number of 13 digits", "1400000000000", false},
        {"10", "10000000000", false},
        {"11", "11000000000", false},
        {"12", "12000000000", false},
        {"does not begin with 1", "23800138000", false},
        {"ten digits", "1380013800", false},
        {"twelve digits", "138001380000", false},
        {"none", "", false},
        {"letter", "1380013800a", false},
        {"landline", "02088888888", false},
        {"86 without plus", "8613800138000", false},
        {"+86", "+86 138-0013-8000", true},
        {"another country", "+85291234567", false},
        {"Arabic-Indic digits",
         "\u0661\u0663\u0668\u0660\u0660\u0661\u0663\u0668\u0660\u0660\u0660", false},
        {"slash after the digits", "1380013800/", false},
        {"colon, the character after 9", "1380013800:", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum triple_verdict wanted = cases[i].sound ? TRIPLE_SOUND : TRIPLE_BAD_MOBILE;
        if (verdict("张三", sound_id, cases[i].mobile) != wanted)
            fail_msg("%s", cases[i].what);
    }
}

static void the_first_wrong_field_is_the_verdict(void **state) {
    (void)state;
    assert_int_equal(verdict("张", "1", "1"), TRIPLE_BAD_NAME);
    assert_int_equal(verdict("张三", "1", "1"), TRIPLE_BAD_ID_CARD);
    assert_int_equal(verdict("张三", sound_id, "1"), TRIPLE_BAD_MOBILE);
    /* The leading 9 alone allows a Latin name: the card is judged after it. */
    assert_int_equal(verdict("LI SI", "9", "1"), TRIPLE_BAD_ID_CARD);
}

static void today_is_chinas(void **state) {
    (void)state;
    assert_int_equal(triple_today(0), 19700101);
    assert_int_equal(triple_today(1795535999), 20261124);
    assert_int_equal(triple_today(1795536000), 20261125);
    assert_int_equal(triple_today(951753600 - 1), 20000228);
    assert_int_equal(triple_today(951753600), 20000229);
    assert_int_equal(triple_today(-28801), 19691231);
}

static void prefixes_are_found(void **state) {
    (void)state;
    static const char *const none[] = {NULL};
    static const char *const some[] = {"162", "165", "1700", NULL};
    struct triple triple;
    assert_true(set(&triple, TRIPLE_MOBILE, "17000000000"));
    assert_true(triple_mobile_has_prefix(&triple, some));
    assert_false(triple_mobile_has_prefix(&triple, none));
    assert_true(set(&triple, TRIPLE_MOBILE, "17010000000"));
    assert_false(triple_mobile_has_prefix(&triple, some));
    assert_true(set(&triple, TRIPLE_MOBILE, "16"));
    assert_false(triple_mobile_has_prefix(&triple, some));
}

static void echoes_are_masked_by_the_sellers_rule(void **state) {
    (void)state;
    static const struct {
        const char *name, *id_card, *mobile;
        struct triple_echo echo;
    } cases[] = {
        {"张三", "510101199001011111", "18600000000", {"张*", "51*****1111", "18*****000"}},
        {"买买提·艾力",
         "11010519491231002x",
         "+8613800138000",
         {"买*", "11*****002X", "13*****000"}},
        {"\U00020bb7三", "1234567", "123456", {"\U00020bb7*", "12*****4567", "12*****456"}},
        {"张", "123456", "12345", {"*", "*****", "*****"}},
        {"", "", "", {"*", "*****", "*****"}},
        {"ab", "一二三四五六七八", "一二三四五六七八", {"a*", "*****", "*****"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct triple triple;
        struct triple_echo echo;
        assert_true(set(&triple, TRIPLE_NAME, cases[i].name));
        assert_true(set(&triple, TRIPLE_ID_CARD, cases[i].id_card));
        assert_true(set(&triple, TRIPLE_MOBILE, cases[i].mobile));
        triple_mask(&triple, &echo);
        assert_string_equal(echo.name, cases[i].echo.name);
        assert_string_equal(echo.id_card, cases[i].echo.id_card);
        assert_string_equal(echo.mobile, cases[i].echo.mobile);
    }
}

static void values_are_found_in_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool found;
    } cases[] = {
        {"", false},
        {"实名认证通过", false},
        {"查询张三失败", true},
        {"张 三", true},
        {"三张", false},
        {"id 11010519491231002X is bad", true},
        {"11010519491231002x", true},
        {"110105 19491231 002X", true},
        {"11*****002X", false},
        {"mobile=13800138000&", true},
        {"+86-138-0013-8000", true},
        {"13*****000", false},
        {"1380013800", false},
        {"name=%E5%BC%A0%E4%B8%89", true},
        {"name=%e5%bc%a0%e4%b8%89", true},
        {"%31%33%38%30%30%31%33%38%30%30%30", true},
        {"100%", false},
        {"100%E", false},
        {"%00", false},
    };
    struct triple triple;
    assert_true(set(&triple, TRIPLE_NAME, "张三"));
    assert_true(set(&triple, TRIPLE_ID_CARD, sound_id));
    assert_true(set(&triple, TRIPLE_MOBILE, sound_mobile));
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (triple_appears_in(&triple, cases[i].text) != cases[i].found)
            fail_msg("text %zu", i);
    }
}

static void latin_names_are_found_in_any_case(void **state) {
    (void)state;
    struct triple triple;
    memset(&triple, 0, sizeof triple);
    assert_true(set(&triple, TRIPLE_NAME, "Li-Wong Mei"));
    assert_true(triple_appears_in(&triple, "hello LI WONG+MEI!"));
    assert_true(triple_appears_in(&triple, "li-wong%20mei"));
    assert_false(triple_appears_in(&triple, "li wong"));
}

/* What is compared of a text from some byte on: decoded, in small letters, without what may stand
 * between. */
static void read_telling(const char *text, char *telling) {
    for (; *text != '\0'; text++) {
        char hex[3] = {text[0] == '%' ? text[1] : '\0', text[0] == '%' ? text[2] : '\0', '\0'};
        int byte = (unsigned char)*text;
        if (isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1])) {
            byte = (int)strtol(hex, NULL, 16);
            text += 2;
        }
        if (byte == 0)
            break;
        if (strchr(" -+", byte) == NULL)
            *telling++ = (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
    }
    *telling = '\0';
}

static bool appears_plainly(const char *text, const char *value) {
    char wanted[256];
    char telling[1024];
    read_telling(value, wanted);
    for (; wanted[0] != '\0' && *text != '\0'; text++) {
        read_telling(text, telling);
        if (strncmp(telling, wanted, strlen(wanted)) == 0)
            return true;
    }
    return false;
}

static void values_are_found_wherever_the_plain_definition_finds_them(void **state) {
    (void)state;
    static const char *const names[] = {"张三", "Li-Wong Mei", " %41", "%", "A", "-a"};
    static const char *const pieces[] = {
        "张",        "三",       "li",  "WONG", "Wong", "mei", "%",   "%4",
        "%41",       "a",        "A",   "4",    "1",    "%31", " ",   "-",
        "+",         "%20",      "%2B", "%00",  "%4c",  "%E5", "%e5", "%bC%a0",
        "%E4%B8%89", "\xbc\xa0", "*",   "x",    "X",    "%58", "0",   "380013800"};
    struct triple triple;
    char id_card[] = "11x";
    char mobile[] = "1380013800";
    srand(20261128);
    for (int i = 0; i < 20000; i++) {
        char text[512] = "";
        for (int count = rand() % 14; count > 0; count--)
            strcat(text, pieces[(size_t)rand() % COUNT(pieces)]);
        memset(&triple, 0, sizeof triple);
        snprintf(triple.name, sizeof triple.name, "%s", names[(size_t)rand() % COUNT(names)]);
        snprintf(triple.id_card, sizeof triple.id_card, "%s", id_card);
        snprintf(triple.mobile, sizeof triple.mobile, "%s", mobile);
        bool expected = appears_plainly(text, triple.name) || appears_plainly(text, id_card) ||
                        appears_plainly(text, mobile);
        if (triple_appears_in(&triple, text) != expected)
            fail_msg("name %s, text %s", triple.name, text);
    }
}

static void nothing_is_found_of_an_empty_triple(void **state) {
    (void)state;
    struct triple triple;
    memset(&triple, 0, sizeof triple);
    assert_false(triple_appears_in(&triple, "any text"));
    assert_false(triple_appears_in(&triple, ""));
}

static void wiping_leaves_zeroes(void **state) {
    (void)state;
    static const struct triple zeroes;
    struct triple triple;
    memset(&triple, 'z', sizeof triple);
    triple_wipe(&triple);
    assert_memory_equal(&triple, &zeroes, sizeof triple);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_canonical),
        cmocka_unit_test(id_cards_become_canonical),
        cmocka_unit_test(mobiles_become_canonical),
        cmocka_unit_test(malformed_fields_are_refused_and_left_empty),
        cmocka_unit_test(length_counts_before_canonical_form),
        cmocka_unit_test(text_need_not_be_terminated),
        cmocka_unit_test(the_longest_growth_by_nfc_fits),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(latin_names_need_a_permanent_residence_card),
        cmocka_unit_test(id_cards_are_checked),
        cmocka_unit_test(only_known_provinces_pass),
        cmocka_unit_test(the_check_digit_finds_slips),
        cmocka_unit_test(mobiles_are_checked),
        cmocka_unit_test(the_first_wrong_field_is_the_verdict),
        cmocka_unit_test(today_is_chinas),
        cmocka_unit_test(prefixes_are_found),
        cmocka_unit_test(echoes_are_masked_by_the_sellers_rule),
        cmocka_unit_test(values_are_found_in_text),
        cmocka_unit_test(latin_names_are_found_in_any_case),
        cmocka_unit_test(values_are_found_wherever_the_plain_definition_finds_them),
        cmocka_unit_test(nothing_is_found_of_an_empty_triple),
        cmocka_unit_test(wiping_leaves_zeroes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
