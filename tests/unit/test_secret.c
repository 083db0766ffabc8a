/* Secret files: what is taken, what is refused, and that no message holds any of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "runtime/secret.h"
#include "scratch.h"

static const struct {
    const char *content;
    const char *text;
} taken[] = {
    {"abc", "abc"},     {"abc\n", "abc"},     {"abc\r\n", "abc"}, {"abc\n\n", "abc\n"},
    {"abc\r", "abc\r"}, {" abc \n", " abc "}, {"\n\n", "\n"},
};

static void test_one_newline_is_taken_off(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        struct secret secret;
        struct complaint complaint;
        const char *path = scratch_text("secret", taken[i].content);
        assert_int_equal(secret_read(path, &secret, &complaint), SECRET_READ);
        assert_string_equal(secret.text, taken[i].text);
        secret_free(secret.text);
    }
}

static void assert_refused(const char *path, const char *reason) {
    struct secret secret;
    struct complaint complaint;
    assert_int_equal(secret_read(path, &secret, &complaint), SECRET_REFUSED);
    assert_null(secret.text);
    assert_non_null(strstr(complaint.text, path));
    assert_non_null(strstr(complaint.text, reason));
    assert_null(strstr(complaint.text, "hidden"));
}

static void test_refusals(void **state) {
    (void)state;
    assert_refused(scratch_text("secret", ""), "is empty");
    assert_refused(scratch_text("secret", "\n"), "is empty");
    assert_refused(scratch_text("secret", "\r\n"), "is empty");
    assert_refused(scratch_write("secret", "hidden\0key", 10, 0600), "NUL");
    assert_refused(scratch_directory, "not a regular file");
    assert_int_equal(mkfifo(scratch_path("pipe"), 0600), 0);
    assert_refused(scratch_path("pipe"), "not a regular file");
}

static void test_absent_is_told_apart(void **state) {
    (void)state;
    struct secret secret;
    struct complaint complaint;
    const char *path = scratch_path("nothing");
    assert_int_equal(secret_read(path, &secret, &complaint), SECRET_ABSENT);
    assert_non_null(strstr(complaint.text, "No such file"));
    scratch_text("file", "x");
    assert_int_equal(secret_read(scratch_path("file/below"), &secret, &complaint), SECRET_ABSENT);
}

static void test_size(void **state) {
    (void)state;
    char bytes[SECRET_SIZE_MAX + 2];
    struct secret secret;
    struct complaint complaint;
    memset(bytes, 'a', sizeof bytes);
    bytes[SECRET_SIZE_MAX] = '\n';
    const char *path = scratch_write("secret", bytes, SECRET_SIZE_MAX + 1, 0600);
    assert_int_equal(secret_read(path, &secret, &complaint), SECRET_READ);
    assert_int_equal(strlen(secret.text), SECRET_SIZE_MAX);
    secret_free(secret.text);

    memset(bytes, 'a', sizeof bytes);
    assert_refused(scratch_write("secret", bytes, SECRET_SIZE_MAX + 1, 0600), "longer than 4096");
    assert_refused(scratch_write("secret", bytes, sizeof bytes, 0600), "longer than 4096");
}

static void test_exposed(void **state) {
    (void)state;
    static const struct {
        mode_t mode;
        bool exposed;
    } cases[] = {{0600, false}, {0400, false}, {0440, false}, {0640, false},
                 {0644, true},  {0444, true},  {0620, true},  {0602, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct secret secret;
        struct complaint complaint;
        const char *path = scratch_path("secret");
        unlink(path);
        scratch_write("secret", "abc", 3, cases[i].mode);
        assert_int_equal(secret_read(path, &secret, &complaint), SECRET_READ);
        assert_int_equal(secret.exposed, cases[i].exposed);
        secret_free(secret.text);
    }
}

static void test_copy(void **state) {
    (void)state;
    char *copy = secret_copy("abc");
    assert_string_equal(copy, "abc");
    secret_free(copy);
    secret_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_one_newline_is_taken_off),
        TEST(test_refusals),
        TEST(test_absent_is_told_apart),
        TEST(test_size),
        TEST(test_exposed),
        TEST(test_copy),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
