/* What servers of several versions say, in the words that matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/redis_reply.h"

static const struct {
    const char *said;
    const char *words;
    bool farewell;
} errors[] = {
    {"READONLY You can't write against a read only replica.",
     "READONLY You can't write against a read only replica.", true},
    {"READONLY You can't write. script: f_00, on @user_script:1.", "READONLY You can't write",
     true},
    {"ERR Error running script (call to f_00): @user_script:1: @user_script: 1: -READONLY You "
     "can't write against a read only replica. ",
     "READONLY You can't write against a read only replica. ", true},
    {"ERR Error running script (call to f_00): @user_script:1: @user_script: 1: -OOM command not "
     "allowed when used memory > 'maxmemory'. ",
     "OOM command not allowed when used memory > 'maxmemory'. ", false},
    {"ERR Error running script (call to f_00): @user_script:1: no number",
     "ERR Error running script (call to f_00): @user_script:1: no number", false},
    {"ERR value: -READONLY ", "ERR value: -READONLY ", false},
};

static void errors_are_read_past_where_they_were_met(void **state) {
    (void)state;
    char text[REDIS_REASON_SIZE];
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        char said[256];
        strcpy(said, errors[i].said);
        const redisReply reply = {.type = REDIS_REPLY_ERROR, .str = said, .len = strlen(said)};
        redis_reply_text(&reply, text, sizeof text);
        assert_string_equal(text, errors[i].words);
        assert_true(redis_reply_is_farewell(&reply) == errors[i].farewell);
    }
}

static void an_answer_is_no_error(void **state) {
    (void)state;
    char said[] = "READONLY ";
    const redisReply reply = {.type = REDIS_REPLY_STRING, .str = said, .len = strlen(said)};
    assert_false(redis_reply_says(&reply, "READONLY "));
    assert_false(redis_reply_is_farewell(&reply));
}

static int64_t time_of(const char *seconds, const char *microseconds) {
    char texts[2][64];
    redisReply parts[2];
    redisReply *elements[2] = {&parts[0], &parts[1]};
    snprintf(texts[0], sizeof texts[0], "%s", seconds);
    snprintf(texts[1], sizeof texts[1], "%s", microseconds);
    for (int i = 0; i < 2; i++)
        parts[i] =
            (redisReply){.type = REDIS_REPLY_STRING, .str = texts[i], .len = strlen(texts[i])};
    const redisReply reply = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = elements};
    return redis_reply_time(&reply);
}

static void a_time_is_read_or_is_none(void **state) {
    (void)state;
    assert_int_equal(time_of("1800000000", "123456"), INT64_C(1800000000123));
    assert_int_equal(time_of("1800000000", "0"), INT64_C(1800000000000));
    assert_int_equal(time_of("0", "0"), 0);
    assert_int_equal(time_of("-5", "0"), 0);
    assert_int_equal(time_of("x", "0"), 0);
    assert_int_equal(time_of("99999999999999999999", "0"), 0);
    assert_int_equal(time_of("1800000000", "1000000"), 0);
    assert_int_equal(redis_reply_time(NULL), 0);
    char said[] = "NOPERM this user has no permissions";
    const redisReply error = {.type = REDIS_REPLY_ERROR, .str = said, .len = strlen(said)};
    assert_int_equal(redis_reply_time(&error), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_read_past_where_they_were_met),
        cmocka_unit_test(an_answer_is_no_error),
        cmocka_unit_test(a_time_is_read_or_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
