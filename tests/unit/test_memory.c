#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>

#include "store/memory.h"

/* Spread like digests, and told apart by `n`. */
static struct digest digest_of(uint64_t n) {
    struct digest digest = {{0}};
    uint64_t mixed = (n + 1) * 0x9e3779b97f4a7c15u;
    mixed ^= mixed >> 29;
    memcpy(digest.bytes, &mixed, 8);
    memcpy(digest.bytes + 8, &n, 8);
    return digest;
}

/* Where `n` is even, one as they mostly are; else one with a trace id that takes more. */
static struct answer answer_of(int64_t n) {
    struct answer answer = {.checked_at = 1800000000 + n, .expires_at = 1802592000 + n};
    strcpy(answer.status, "01");
    strcpy(answer.mobile_type, "联通");
    strcpy(answer.trace_id,
           n % 2 == 0 ? "20201208001535_9a45ph_5e392391" : "1234567890123_abcdef01");
    return answer;
}

static void put(struct memory *memory, uint64_t n) {
    struct digest digest = digest_of(n);
    struct answer answer = answer_of((int64_t)n);
    memory_put(memory, &digest, &answer);
}

static bool has(struct memory *memory, uint64_t n) {
    struct digest digest = digest_of(n);
    struct answer answer;
    if (!memory_get(memory, &digest, &answer))
        return false;
    assert_int_equal(answer.checked_at, 1800000000 + (int64_t)n);
    return true;
}

static void what_was_put_is_got(void **state) {
    (void)state;
    struct memory *memory = memory_new(10);
    struct digest digest = digest_of(1);
    struct answer put_in = answer_of(1);
    struct answer got;
    strcpy(put_in.extra, "\"city\":\"\\u5317\\u4eac\"");
    put_in.virtual_operator = true;
    assert_false(memory_get(memory, &digest, &got));
    memory_put(memory, &digest, &put_in);
    assert_true(memory_get(memory, &digest, &got));
    assert_string_equal(got.status, put_in.status);
    assert_string_equal(got.mobile_type, put_in.mobile_type);
    assert_string_equal(got.trace_id, put_in.trace_id);
    assert_string_equal(got.extra, put_in.extra);
    assert_true(got.virtual_operator);
    assert_int_equal(got.expires_at, put_in.expires_at);
    assert_int_equal(memory_count(memory), 1);
    memory_free(memory);
}

static void the_longest_answer_fits(void **state) {
    (void)state;
    struct memory *memory = memory_new(1);
    struct digest digest = digest_of(1);
    struct answer longest = answer_of(1);
    struct answer got;
    memset(longest.msg, 'm', sizeof longest.msg - 1);
    memset(longest.trace_id, 't', sizeof longest.trace_id - 1);
    memset(longest.extra, 'e', sizeof longest.extra - 1);
    memory_put(memory, &digest, &longest);
    assert_true(memory_get(memory, &digest, &got));
    assert_string_equal(got.extra, longest.extra);
    memory_free(memory);
}

static void the_later_answer_replaces_the_former(void **state) {
    (void)state;
    struct memory *memory = memory_new(10);
    struct digest digest = digest_of(1);
    struct answer answer = answer_of(1);
    memory_put(memory, &digest, &answer);
    for (int64_t n = 2; n < 6; n++) {
        answer = answer_of(n);
        strcpy(answer.status, "02");
        memory_put(memory, &digest, &answer);
        assert_true(memory_get(memory, &digest, &answer));
        assert_string_equal(answer.status, "02");
        assert_string_equal(answer.trace_id, answer_of(n).trace_id);
        assert_int_equal(memory_count(memory), 1);
    }
    memory_free(memory);
}

static void what_is_dropped_is_gone(void **state) {
    (void)state;
    struct memory *memory = memory_new(10);
    struct digest digest = digest_of(1);
    memory_drop(memory, &digest);
    put(memory, 1);
    put(memory, 2);
    memory_drop(memory, &digest);
    memory_drop(memory, &digest);
    assert_false(has(memory, 1));
    assert_true(has(memory, 2));
    assert_int_equal(memory_count(memory), 1);
    memory_free(memory);
}

static void with_no_room_nothing_is_kept(void **state) {
    (void)state;
    struct memory *memory = memory_new(0);
    struct digest digest = digest_of(1);
    put(memory, 1);
    assert_false(has(memory, 1));
    memory_drop(memory, &digest);
    assert_int_equal(memory_count(memory), 0);
    memory_free(memory);
}

static void the_bound_holds(void **state) {
    (void)state;
    static const size_t bounds[] = {1, 2, 3, 51, 52, 64, 100, 1000};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        struct memory *memory = memory_new(bounds[i]);
        for (uint64_t n = 0; n < 3 * bounds[i]; n++) {
            put(memory, n);
            assert_true(has(memory, n));
            assert_int_equal(memory_count(memory), n < bounds[i] ? n + 1 : bounds[i]);
        }
        size_t kept = 0;
        for (uint64_t n = 0; n < 3 * bounds[i]; n++)
            kept += has(memory, n);
        assert_int_equal(kept, bounds[i]);
        memory_free(memory);
    }
}

static void what_was_put_last_stays(void **state) {
    (void)state;
    struct memory *memory = memory_new(100);
    for (uint64_t n = 0; n < 1000; n++)
        put(memory, n);
    for (uint64_t n = 900; n < 1000; n++)
        assert_true(has(memory, n));
    memory_free(memory);
}

static void what_is_used_stays(void **state) {
    (void)state;
    struct memory *memory = memory_new(100);
    for (uint64_t n = 0; n < 100; n++)
        put(memory, n);
    /* Ten that are asked for again and again, among ten thousand that are asked for once. */
    for (uint64_t n = 1000; n < 11000; n++) {
        for (uint64_t used = 0; used < 10; used++)
            assert_true(has(memory, used));
        put(memory, n);
    }
    assert_int_equal(memory_count(memory), 100);
    memory_free(memory);
}

/* Against a table that remembers everything, and with digests that begin alike. */
static void it_agrees_with_a_plain_table(void **state) {
    (void)state;
    enum { KEYS = 301 }; /* odd, so that each gets answers of either kind */
    bool kept[KEYS] = {false};
    size_t count = 0;
    struct memory *memory = memory_new(KEYS);
    struct digest digests[KEYS];
    unsigned seed = 7;
    for (uint64_t n = 0; n < KEYS; n++) {
        digests[n] = digest_of(n);
        if (n % 3 == 0)
            memset(digests[n].bytes, n % 2 ? 0xff : 0, 8);
    }
    for (int step = 0; step < 20000; step++) {
        int n = rand_r(&seed) % KEYS;
        struct answer answer = answer_of(n + KEYS * (rand_r(&seed) % 2));
        answer.checked_at = 1800000000 + n;
        if (rand_r(&seed) % 2) {
            memory_put(memory, &digests[n], &answer);
            count += !kept[n];
            kept[n] = true;
        } else {
            memory_drop(memory, &digests[n]);
            count -= kept[n];
            kept[n] = false;
        }
        int asked = rand_r(&seed) % KEYS;
        assert_int_equal(memory_get(memory, &digests[asked], &answer), kept[asked]);
        if (kept[asked])
            assert_int_equal(answer.checked_at, 1800000000 + asked);
        assert_int_equal(memory_count(memory), count);
    }
    memory_free(memory);
}

static void a_hundred_thousand_answers_take_less_than_7_megabytes(void **state) {
    (void)state;
    struct mallinfo2 before = mallinfo2();
    struct memory *memory = memory_new(100000);
    for (uint64_t n = 0; n < 100000; n++)
        put(memory, 2 * n);
    struct mallinfo2 after = mallinfo2();
    size_t used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    if (after.uordblks > 0) { /* a sanitizer's allocator does not tell */
        print_message("%zu bytes an answer\n", used / 100000);
        assert_true(used < 7u << 20);
    }
    assert_int_equal(memory_count(memory), 100000);
    memory_free(memory);
}

static void when_all_is_dropped_there_is_room_anew(void **state) {
    (void)state;
    struct memory *memory = memory_new(100);
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 150; i++)
            put(memory, i);
        assert_int_equal(memory_count(memory), 100);
        memory_drop_all(memory);
        assert_int_equal(memory_count(memory), 0);
        for (uint64_t i = 0; i < 150; i++)
            assert_false(has(memory, i));
    }
    memory_free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_got),
        cmocka_unit_test(the_longest_answer_fits),
        cmocka_unit_test(the_later_answer_replaces_the_former),
        cmocka_unit_test(what_is_dropped_is_gone),
        cmocka_unit_test(when_all_is_dropped_there_is_room_anew),
        cmocka_unit_test(with_no_room_nothing_is_kept),
        cmocka_unit_test(the_bound_holds),
        cmocka_unit_test(what_was_put_last_stays),
        cmocka_unit_test(what_is_used_stays),
        cmocka_unit_test(it_agrees_with_a_plain_table),
        cmocka_unit_test(a_hundred_thousand_answers_take_less_than_7_megabytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
