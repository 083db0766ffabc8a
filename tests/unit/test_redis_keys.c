/* Keys of the shared store: their exact text, and that the scripts' keys share a hash slot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "money/period.h"
#include "store/redis_keys.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void assert_key(const struct redis_key *key, const char *expected) {
    assert_string_equal(key->text, expected);
    assert_int_equal(key->size, strlen(expected));
}

static void keys_of_a_number_have_their_form(void **state) {
    (void)state;
    const struct digest number = {
        {0xfb, 0xff, 0xbf, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b}};
    const struct digest triple = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xff, 0xfe}};
    struct redis_key keys[REDIS_NUMBER_KEYS];
    char text[REDIS_TRIPLE_TEXT + 1];
    redis_keys_of_number(&number, &triple, "", keys);
    assert_key(&keys[REDIS_KEY_ANSWER], "{-_-_AwQFBgc}AAECAwQFBgcICQoLDA3__g");
    assert_key(&keys[REDIS_KEY_LEASE], "{-_-_AwQFBgc}lAAECAwQFBgcICQoLDA3__g");
    assert_key(&keys[REDIS_KEY_WINDOW], "{-_-_AwQFBgc}w");
    assert_key(&keys[REDIS_KEY_CLOSED], "{-_-_AwQFBgc}c");
    assert_key(&keys[REDIS_KEY_OWNER], "{-_-_AwQFBgc}o");
    assert_int_equal(keys[REDIS_KEY_ANSWER].size, 35);
    redis_keys_of_number(&number, &triple, "a-provider-s-own", keys);
    assert_key(&keys[REDIS_KEY_ANSWER], "{-_-_AwQFBgc}AAECAwQFBgcICQoLDA3__g");
    assert_key(&keys[REDIS_KEY_LEASE], "{-_-_AwQFBgc}lAAECAwQFBgcICQoLDA3__g");
    assert_key(&keys[REDIS_KEY_WINDOW], "{-_-_AwQFBgc}wa-provider-s-own");
    assert_key(&keys[REDIS_KEY_CLOSED], "{-_-_AwQFBgc}ca-provider-s-own");
    assert_key(&keys[REDIS_KEY_OWNER], "{-_-_AwQFBgc}o");
    redis_triple_text(&triple, text);
    assert_string_equal(text, "AAECAwQFBgcICQoLDA3__g");
}

/* Whatever the digests are: one tag, no brace but the tag's two, and no key that is another's. */
static void keys_of_a_number_share_its_hash_tag(void **state) {
    (void)state;
    for (int round = 0; round < 10000; round++) {
        struct digest number;
        struct digest triple;
        struct redis_key keys[REDIS_NUMBER_KEYS];
        randombytes_buf(&number, sizeof number);
        randombytes_buf(&triple, sizeof triple);
        redis_keys_of_number(&number, &triple, &"a-provider-s-own"[round % 17], keys);
        for (size_t i = 0; i < COUNT(keys); i++) {
            assert_int_equal(keys[i].size, strlen(keys[i].text));
            assert_memory_equal(keys[i].text, keys[0].text, 13);
            assert_int_equal(strcspn(keys[i].text, "{"), 0);
            assert_int_equal(strcspn(keys[i].text, "}"), 12);
            assert_null(strpbrk(keys[i].text + 13, "{}"));
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(keys[i].text, keys[j].text);
        }
    }
}

static void only_the_ledger_s_part_of_a_number_counts(void **state) {
    (void)state;
    struct digest number = {{1, 2, 3}};
    const struct digest triple = {{4}};
    struct redis_key one[REDIS_NUMBER_KEYS] = {0};
    struct redis_key other[REDIS_NUMBER_KEYS] = {0};
    redis_keys_of_number(&number, &triple, "", one);
    number.bytes[8] = 1;
    redis_keys_of_number(&number, &triple, "", other);
    assert_memory_equal(one, other, sizeof one);
    number.bytes[7] = 1;
    redis_keys_of_number(&number, &triple, "", other);
    assert_string_not_equal(one[0].text, other[0].text);
}

static void keys_of_a_row_have_their_form(void **state) {
    (void)state;
    static const struct {
        int64_t unix_ms;
        const char *rows;
    } cases[] = {
        {0, "{ledger}rows:0"},
        {599999, "{ledger}rows:0"},
        {600000, "{ledger}rows:1"},
        {INT64_C(1795536000123), "{ledger}rows:2992560"},
        {(INT64_C(1) << 48) - 1, "{ledger}rows:469124961"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ledger_id id = ledger_id_make(cases[i].unix_ms);
        struct redis_key keys[REDIS_LEDGER_KEYS];
        redis_keys_of_row(&id, keys);
        assert_key(&keys[REDIS_KEY_ROWS], cases[i].rows);
        assert_key(&keys[REDIS_KEY_OPEN], "{ledger}open");
        assert_key(&keys[REDIS_KEY_TOTALS], "{ledger}totals");
    }
}

static void counters_lie_by_the_day_and_month_of_the_call(void **state) {
    (void)state;
    /* One millisecond before midnight of the new year in China, and that midnight. */
    const int64_t midnight = INT64_C(1798732800000);
    static const struct {
        int64_t before_ms;
        const char *day;
        const char *month;
    } cases[] = {
        {1, "{ledger}used:day:2026-12-31", "{ledger}used:month:2026-12"},
        {0, "{ledger}used:day:2027-01-01", "{ledger}used:month:2027-01"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ledger_id id = ledger_id_make(midnight - cases[i].before_ms);
        struct redis_key keys[REDIS_LEDGER_KEYS];
        redis_keys_of_row(&id, keys);
        assert_key(&keys[REDIS_KEY_BY_PACKAGE], "{ledger}used:package");
        assert_key(&keys[REDIS_KEY_BY_DAY], cases[i].day);
        assert_key(&keys[REDIS_KEY_BY_MONTH], cases[i].month);
        assert_key(&keys[REDIS_KEY_OF_VERSION], "{ledger}version");
    }
}

static void scopes_and_documents_have_their_keys(void **state) {
    (void)state;
    static const struct {
        const char *scope;
        const char *key;
    } cases[] = {
        {"package", "{ledger}used:package"},
        {"day:2026-11-25", "{ledger}used:day:2026-11-25"},
        {"month:2026-11", "{ledger}used:month:2026-11"},
        {"hits:2026-11", "{ledger}hits:2026-11"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct redis_key key = redis_key_of_scope(cases[i].scope);
        assert_key(&key, cases[i].key);
    }
    struct redis_key keys[REDIS_DOCUMENT_KEYS];
    redis_keys_of_documents(keys);
    assert_key(&keys[REDIS_KEY_VERSION], "{ledger}version");
    assert_key(&keys[REDIS_KEY_DOCUMENTS], "{ledger}documents");
    assert_key(&keys[REDIS_KEY_CHANGES], "{ledger}changes");
    assert_key(&keys[REDIS_KEY_AUDIT], "{ledger}audit");
}

/* Of all of a number's keys, the answer's says its triple, and no other is taken for one. */
static void answers_are_found_by_their_keys(void **state) {
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct digest number;
        struct digest triple;
        struct digest read;
        struct redis_key keys[REDIS_NUMBER_KEYS];
        char pattern[REDIS_PATTERN_SIZE];
        randombytes_buf(&number, sizeof number);
        randombytes_buf(&triple, sizeof triple);
        redis_keys_of_number(&number, &triple, &"a-provider-s-own"[round % 17], keys);
        redis_pattern_of_number(&number, pattern);
        assert_int_equal(strlen(pattern), 14);
        assert_memory_equal(pattern, keys[0].text, 13);
        assert_int_equal(pattern[13], '*');
        for (int i = 0; i < REDIS_NUMBER_KEYS; i++)
            assert_int_equal(redis_triple_of_key(keys[i].text, keys[i].size, &read),
                             i == REDIS_KEY_ANSWER);
        assert_true(redis_triple_of_key(keys[0].text, keys[0].size, &read));
        assert_true(digest_equal(&read, &triple));
    }
    struct digest read;
    assert_false(redis_triple_of_key("{-_-_AwQFBgc}AAECAwQFBgcICQoLDA3__!", 35, &read));
    assert_false(redis_triple_of_key("", 0, &read));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_a_number_have_their_form),
        cmocka_unit_test(keys_of_a_number_share_its_hash_tag),
        cmocka_unit_test(only_the_ledger_s_part_of_a_number_counts),
        cmocka_unit_test(keys_of_a_row_have_their_form),
        cmocka_unit_test(counters_lie_by_the_day_and_month_of_the_call),
        cmocka_unit_test(scopes_and_documents_have_their_keys),
        cmocka_unit_test(answers_are_found_by_their_keys),
    };
    if (sodium_init() < 0)
        return 1;
    period_set_zone("Asia/Shanghai");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
