/* Notices of the shared store's channel: their exact bytes, the way there and back, and what is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/redis_notice.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define HEAD_SIZE    40
#define NEXT_SIZE    24

static const struct redis_notice ordinary = {
    .stored = true,
    .kind = REDIS_NOTICE_ANSWERED,
    .sender = 0x01020304,
    .call = {{0x01, 0x9a, 0, 1, 2, 3, 0x70, 4, 0x80, 5, 6, 7, 8, 9, 10, 0xff}},
    .triple = {{0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0}},
    .answer = {.status = "01",
               .mobile_type = "联通",
               .trace_id = "1234567890123_abcdef01",
               .extra = "\"province\":\"x\"",
               .checked_at = 1795536000,
               .expires_at = 1795539600},
};

/* As the script sends it. */
static size_t encode(const struct redis_notice *notice, uint8_t bytes[1 + REDIS_NOTICE_SIZE]) {
    bytes[0] = notice->stored;
    size_t size = 1 + redis_notice_encode(notice, bytes + 1);
    assert_true(size <= REDIS_NOTICE_SIZE);
    return size;
}

static void assert_same(const struct redis_notice *a, const struct redis_notice *b) {
    assert_int_equal(a->stored, b->stored);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->sender, b->sender);
    assert_memory_equal(&a->call, &b->call, sizeof a->call);
    assert_memory_equal(&a->triple, &b->triple, sizeof a->triple);
    assert_int_equal(a->failure, b->failure);
    assert_memory_equal(&a->next, &b->next, sizeof a->next);
    assert_int_equal(a->lease_ms, b->lease_ms);
    assert_string_equal(a->answer.status, b->answer.status);
    assert_string_equal(a->answer.msg, b->answer.msg);
    assert_string_equal(a->answer.mobile_type, b->answer.mobile_type);
    assert_string_equal(a->answer.trace_id, b->answer.trace_id);
    assert_string_equal(a->answer.extra, b->answer.extra);
    assert_int_equal(a->answer.virtual_operator, b->answer.virtual_operator);
    assert_int_equal(a->answer.checked_at, b->answer.checked_at);
    assert_int_equal(a->answer.expires_at, b->answer.expires_at);
}

/* In memory that ends where the notice does, so that reading beyond is found. */
static bool decode(const uint8_t *bytes, size_t size, struct redis_notice *notice) {
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    bool decoded = redis_notice_decode(exact, size, notice);
    free(exact);
    return decoded;
}

static void assert_round_trip(const struct redis_notice *notice) {
    uint8_t bytes[1 + REDIS_NOTICE_SIZE];
    struct redis_notice again;
    assert_true(decode(bytes, encode(notice, bytes), &again));
    assert_same(notice, &again);
}

/* A notice without an answer. */
static struct redis_notice bare(enum redis_notice_kind kind, enum failure failure) {
    struct redis_notice notice = ordinary;
    memset(&notice.answer, 0, sizeof notice.answer);
    notice.stored = false;
    notice.kind = kind;
    notice.failure = failure;
    return notice;
}

static struct redis_notice passed(int64_t lease_ms) {
    struct redis_notice notice = bare(REDIS_NOTICE_PASSED, FAILURE_NONE);
    memset(notice.next.bytes, 0xab, sizeof notice.next.bytes);
    notice.lease_ms = lease_ms;
    return notice;
}

static void a_notice_has_its_form(void **state) {
    (void)state;
    uint8_t bytes[1 + REDIS_NOTICE_SIZE];
    struct redis_notice failed = bare(REDIS_NOTICE_FAILED, FAILURE_UPSTREAM_TIMEOUT);
    assert_int_equal(encode(&failed, bytes), HEAD_SIZE);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[1], 1);
    assert_int_equal(bytes[2], 1);
    assert_int_equal(bytes[3], 7);
    assert_memory_equal(bytes + 4, &failed.sender, 4);
    assert_memory_equal(bytes + 8, &failed.call, 16);
    assert_memory_equal(bytes + 24, &failed.triple, 16);

    uint8_t answer[ANSWER_ENCODED_MAX];
    size_t answer_size = answer_encode(&ordinary.answer, answer);
    assert_int_equal(encode(&ordinary, bytes), HEAD_SIZE + answer_size);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(bytes[2], 0);
    assert_memory_equal(bytes + HEAD_SIZE, answer, answer_size);

    static const uint8_t lease[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct redis_notice next = passed(0x0102030405060708);
    assert_int_equal(encode(&next, bytes), HEAD_SIZE + NEXT_SIZE);
    assert_int_equal(bytes[2], 7);
    assert_memory_equal(bytes + HEAD_SIZE, next.next.bytes, 16);
    assert_memory_equal(bytes + HEAD_SIZE + 16, lease, sizeof lease);
}

static void every_kind_goes_there_and_back(void **state) {
    (void)state;
    struct redis_notice notice = ordinary;
    assert_round_trip(&notice);
    notice.stored = false;
    notice.sender = UINT32_MAX;
    assert_round_trip(&notice);
    for (int failure = FAILURE_NONE; failure < FAILURES; failure++) {
        notice = bare(REDIS_NOTICE_FAILED, (enum failure)failure);
        assert_round_trip(&notice);
    }
    notice = bare(REDIS_NOTICE_WITHDRAWN, FAILURE_NONE);
    notice.sender = 0;
    assert_round_trip(&notice);
    notice = bare(REDIS_NOTICE_HELD, FAILURE_NONE);
    notice.stored = true;
    assert_round_trip(&notice);
    notice = passed(0x0102030405060708);
    assert_round_trip(&notice);
    notice = passed(0);
    assert_round_trip(&notice);
}

static void the_longest_answer_fits(void **state) {
    (void)state;
    struct redis_notice notice = ordinary;
    memset(notice.answer.status, '9', sizeof notice.answer.status - 1);
    memset(notice.answer.msg, 'm', sizeof notice.answer.msg - 1);
    memset(notice.answer.mobile_type, 't', sizeof notice.answer.mobile_type - 1);
    memset(notice.answer.trace_id, 'i', sizeof notice.answer.trace_id - 1);
    memset(notice.answer.extra, 'e', sizeof notice.answer.extra - 1);
    notice.answer.virtual_operator = true;
    notice.answer.checked_at = INT64_MIN;
    notice.answer.expires_at = INT64_MAX;
    assert_round_trip(&notice);
}

static void what_is_cut_short_is_refused(void **state) {
    (void)state;
    const struct redis_notice notices[] = {
        ordinary, bare(REDIS_NOTICE_FAILED, FAILURE_UPSTREAM_TIMEOUT),
        bare(REDIS_NOTICE_WITHDRAWN, FAILURE_NONE), passed(60000)};
    for (size_t i = 0; i < COUNT(notices); i++) {
        uint8_t bytes[1 + REDIS_NOTICE_SIZE];
        struct redis_notice read;
        size_t size = encode(&notices[i], bytes);
        for (size_t cut = 0; cut < size; cut++) {
            if (decode(bytes, cut, &read))
                fail_msg("read although only %zu of %zu bytes came", cut, size);
        }
    }
}

static void what_has_more_than_it_should_is_refused(void **state) {
    (void)state;
    uint8_t bytes[1 + REDIS_NOTICE_SIZE] = {0};
    struct redis_notice read;
    struct redis_notice failed = bare(REDIS_NOTICE_FAILED, FAILURE_UPSTREAM_TIMEOUT);
    assert_false(decode(bytes, encode(&failed, bytes) + 1, &read));
    memset(bytes, 0, sizeof bytes);
    assert_false(decode(bytes, encode(&ordinary, bytes) + 1, &read));
    struct redis_notice next = passed(60000);
    memset(bytes, 0, sizeof bytes);
    assert_false(decode(bytes, encode(&next, bytes) + 1, &read));
    next = passed(-1);
    assert_false(decode(bytes, encode(&next, bytes), &read));
}

static void what_is_not_known_is_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t most; /* that is known */
        uint8_t least;
    } cases[] = {
        {0, 1, 0},                      /* stored */
        {1, 1, 1},                      /* version */
        {2, REDIS_NOTICE_KINDS - 1, 0}, /* kind */
        {3, FAILURES - 1, 0},           /* failure */
    };
    struct redis_notice failed = bare(REDIS_NOTICE_FAILED, FAILURE_UPSTREAM_TIMEOUT);
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int value = 0; value < 256; value++) {
            uint8_t bytes[1 + REDIS_NOTICE_SIZE];
            struct redis_notice read;
            size_t size = encode(&failed, bytes);
            bytes[cases[i].at] = (uint8_t)value;
            bool known = value >= cases[i].least && value <= cases[i].most;
            /* Without what it says it has behind it it is none. */
            if (cases[i].at == 2 &&
                (value == REDIS_NOTICE_ANSWERED || value == REDIS_NOTICE_PASSED))
                known = false;
            if (decode(bytes, size, &read) != known)
                fail_msg("byte %zu is %d", cases[i].at, value);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notice_has_its_form),
        cmocka_unit_test(every_kind_goes_there_and_back),
        cmocka_unit_test(the_longest_answer_fits),
        cmocka_unit_test(what_is_cut_short_is_refused),
        cmocka_unit_test(what_has_more_than_it_should_is_refused),
        cmocka_unit_test(what_is_not_known_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
