/* Keys of clients: their form, their hash, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "money/client_key.h"

#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void ids_are_lower_case_letters_digits_and_hyphens(void **state) {
    (void)state;
    static const char *const good[] = {"a",      "0",  "shop",
                                       "shop-2", "a-", "a234567890123456789012345678901234567890"};
    static const char *const bad[] = {
        "",          "-a",  "A",
        "a_b",       "a b", "a.b",
        "anonymous", "店",  "a234567890123456789012345678901234567890a"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(client_id_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(client_id_is_valid(bad[i]));
}

static void a_made_key_is_read_back(void **state) {
    (void)state;
    static const char *const ids[] = {"s", "shop-2", "a234567890123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char text[CLIENT_KEY_TEXT_SIZE];
        char id[CLIENT_ID_MOST + 1];
        struct client_key_hash made;
        struct client_key_hash read;
        client_key_make(ids[i], text, &made);
        assert_int_equal(strlen(text), 3 + strlen(ids[i]) + 1 + 43);
        assert_memory_equal(text, "sy_", 3);
        assert_true(client_key_read(text, id, &read));
        assert_string_equal(id, ids[i]);
        assert_true(client_key_equal(&made, &read));
    }
}

/* sha256sum of the text, computed apart from this program. */
static void the_hash_is_that_of_the_whole_text(void **state) {
    (void)state;
    char id[CLIENT_ID_MOST + 1];
    char hex[2 * CLIENT_KEY_HASH_SIZE + 1];
    struct client_key_hash hash;
    assert_true(client_key_read("sy_shop_" SECRET, id, &hash));
    sodium_bin2hex(hex, sizeof hex, hash.bytes, sizeof hash.bytes);
    assert_string_equal(hex, "b23617058b83440e2d9e2bb606e73e5215d70dda62ed0b3b2ae573b12ae8f6fb");
}

static void no_two_keys_are_the_same(void **state) {
    (void)state;
    char text[2][CLIENT_KEY_TEXT_SIZE];
    struct client_key_hash hash[2];
    for (int i = 0; i < 2; i++)
        client_key_make("shop", text[i], &hash[i]);
    assert_string_not_equal(text[0], text[1]);
    assert_false(client_key_equal(&hash[0], &hash[1]));
}

static void what_has_not_the_form_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "sy_",
        "sy_shop",
        "sy_shop_",
        "sy_" SECRET,
        "sy__" SECRET,
        "sx_shop_" SECRET,
        "SY_shop_" SECRET,
        " sy_shop_" SECRET,
        "sy_shop_" SECRET "A",
        "sy_shop_" SECRET " ",
        "sy_shop_" SECRET "=",
        "sy_Shop_" SECRET,
        "sy_-shop_" SECRET,
        "sy_anonymous_" SECRET,
        "sy_sh_op_" SECRET,
        "sy_a234567890123456789012345678901234567890a_" SECRET,
        "sy_shop_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+", /* not the alphabet of addresses */
        "sy_shop_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", /* bits behind the last byte */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char id[CLIENT_ID_MOST + 1] = "as it was";
        struct client_key_hash hash;
        assert_false(client_key_read(bad[i], id, &hash));
        assert_string_equal(id, "as it was");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_lower_case_letters_digits_and_hyphens),
        cmocka_unit_test(a_made_key_is_read_back),
        cmocka_unit_test(the_hash_is_that_of_the_whole_text),
        cmocka_unit_test(no_two_keys_are_the_same),
        cmocka_unit_test(what_has_not_the_form_is_refused),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
