/* Digests: fixed vectors, computed apart from this program, and what must differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/digest.h"

static struct digest_key key_of(uint8_t first) {
    struct digest_key key;
    uint8_t secret[DIGEST_KEY_SIZE];
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)(first + i);
    digest_key_init(&key, secret);
    return key;
}

static struct triple triple_of(const char *name, const char *id_card, const char *mobile) {
    struct triple triple;
    memset(&triple, 0, sizeof triple);
    assert_true(triple_set(&triple, TRIPLE_NAME, name, strlen(name)));
    assert_true(triple_set(&triple, TRIPLE_ID_CARD, id_card, strlen(id_card)));
    assert_true(triple_set(&triple, TRIPLE_MOBILE, mobile, strlen(mobile)));
    return triple;
}

static void assert_hex(const struct digest *digest, const char *hex) {
    char text[DIGEST_SIZE * 2 + 1];
    sodium_bin2hex(text, sizeof text, digest->bytes, DIGEST_SIZE);
    assert_string_equal(text, hex);
}

/* HMAC-SHA-256 of "<domain>\0" and each field with its zero; the first 16 bytes. */
static void digests_are_the_documented_ones(void **state) {
    (void)state;
    struct digest_key key = key_of(0);
    struct triple triple = triple_of("张三", "11010519491231002X", "13800138000");
    struct digest of_triple = digest_triple(&key, &triple);
    struct digest of_number = digest_number(&key, &triple);
    assert_hex(&of_triple, "b54390e7f10156279ab7baf00e7ba1cb");
    assert_hex(&of_number, "b778f8d8da11f1d88f9f4d2a97f5e5aa");
}

static void a_key_serves_any_number_of_digests(void **state) {
    (void)state;
    struct digest_key key = key_of(0);
    struct triple triple = triple_of("张三", "11010519491231002X", "13800138000");
    struct digest first = digest_triple(&key, &triple);
    struct digest number = digest_number(&key, &triple);
    struct digest again = digest_triple(&key, &triple);
    assert_true(digest_equal(&first, &again));
    assert_false(digest_equal(&first, &number));
}

static void spellings_of_one_person_are_one_question(void **state) {
    (void)state;
    struct digest_key key = key_of(7);
    struct triple plain = triple_of("买买提·艾力", "11010519491231002X", "13800138000");
    struct triple other =
        triple_of(" 买买提•艾力", "１１０１０５19491231002x", "+86 138-0013-8000");
    struct digest a = digest_triple(&key, &plain);
    struct digest b = digest_triple(&key, &other);
    assert_true(digest_equal(&a, &b));
    a = digest_number(&key, &plain);
    b = digest_number(&key, &other);
    assert_true(digest_equal(&a, &b));
}

static void whatever_differs_is_another_question(void **state) {
    (void)state;
    struct digest_key key = key_of(0);
    struct digest_key other_key = key_of(1);
    struct triple triple = triple_of("ab", "1", "2");
    const struct triple others[] = {
        triple_of("ac", "1", "2"), triple_of("ab", "2", "2"), triple_of("ab", "1", "3"),
        triple_of("a", "b1", "2"), triple_of("ab1", "", "2"), triple_of("ab", "12", ""),
    };
    struct digest digest = digest_triple(&key, &triple);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct digest other = digest_triple(&key, &others[i]);
        assert_false(digest_equal(&digest, &other));
    }
    struct digest under_other_key = digest_triple(&other_key, &triple);
    assert_false(digest_equal(&digest, &under_other_key));
}

static void a_number_digest_depends_on_the_number_only(void **state) {
    (void)state;
    struct digest_key key = key_of(0);
    struct triple one = triple_of("张三", "1", "13800138000");
    struct triple two = triple_of("李四", "2", "13800138000");
    struct triple three = triple_of("张三", "1", "13800138001");
    struct digest a = digest_number(&key, &one);
    struct digest b = digest_number(&key, &two);
    struct digest c = digest_number(&key, &three);
    assert_true(digest_equal(&a, &b));
    assert_false(digest_equal(&a, &c));
}

static void an_appcode_has_a_domain_of_its_own(void **state) {
    (void)state;
    struct digest_key key = key_of(0);
    struct digest digest = digest_secret(&key, "0123456789abcdef");
    struct digest other = digest_secret(&key, "0123456789abcdee");
    assert_hex(&digest, "499992ffba814a58506ee4277c4afafb");
    assert_false(digest_equal(&digest, &other));
}

static void the_short_form_is_the_beginning(void **state) {
    (void)state;
    struct digest digest;
    char text[DIGEST_SHORT_SIZE];
    for (uint8_t i = 0; i < DIGEST_SIZE; i++)
        digest.bytes[i] = (uint8_t)(0xf0 + i);
    digest_short(&digest, text);
    assert_string_equal(text, "f0f1f2f3f4f5f6f7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_documented_ones),
        cmocka_unit_test(a_key_serves_any_number_of_digests),
        cmocka_unit_test(spellings_of_one_person_are_one_question),
        cmocka_unit_test(whatever_differs_is_another_question),
        cmocka_unit_test(a_number_digest_depends_on_the_number_only),
        cmocka_unit_test(an_appcode_has_a_domain_of_its_own),
        cmocka_unit_test(the_short_form_is_the_beginning),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
