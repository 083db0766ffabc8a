/* Call ids: UUID version 7, in the order of their time, never twice. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "money/ledger.h"

#define TIME_MS INT64_C(1795536000123)

static void an_id_has_the_form_of_rfc_9562(void **state) {
    (void)state;
    char text[LEDGER_ID_TEXT_SIZE];
    for (int round = 0; round < 1000; round++) {
        struct ledger_id id = ledger_id_make(TIME_MS);
        ledger_id_format(&id, text);
        assert_int_equal(strlen(text), 36);
        for (int i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23)
                assert_int_equal(text[i], '-');
            else
                assert_true(isdigit((unsigned char)text[i]) || (text[i] >= 'a' && text[i] <= 'f'));
        }
        assert_int_equal(text[14], '7');
        assert_non_null(strchr("89ab", text[19]));
    }
}

/* The example of RFC 9562, appendix A.6: 0x017F22E279B0 is 2022-02-22T19:22:22Z. */
static void an_id_begins_with_its_time(void **state) {
    (void)state;
    char text[LEDGER_ID_TEXT_SIZE];
    struct ledger_id id = ledger_id_make(INT64_C(1645557742000));
    ledger_id_format(&id, text);
    assert_memory_equal(text, "017f22e2-79b0-7", 15);
}

static void an_id_tells_its_time(void **state) {
    (void)state;
    struct ledger_id id = ledger_id_make(TIME_MS);
    assert_int_equal(ledger_id_time_ms(&id), TIME_MS);
}

static void a_bound_lies_between_one_millisecond_and_the_next(void **state) {
    (void)state;
    const int64_t times[] = {1, TIME_MS, (INT64_C(1) << 48) - 1};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct ledger_id bound = ledger_id_bound(times[i]);
        for (int round = 0; round < 100; round++) {
            struct ledger_id before = ledger_id_make(times[i] - 1);
            struct ledger_id behind = ledger_id_make(times[i]);
            assert_true(ledger_id_compare(&before, &bound) < 0);
            assert_true(ledger_id_compare(&bound, &behind) < 0);
        }
    }
}

static void a_bound_that_no_id_can_have_is_before_or_behind_all(void **state) {
    (void)state;
    struct ledger_id first = ledger_id_make(0);
    struct ledger_id last = ledger_id_make((INT64_C(1) << 48) - 1);
    struct ledger_id before = ledger_id_bound(-1);
    struct ledger_id behind = ledger_id_bound(INT64_MAX);
    assert_true(ledger_id_compare(&before, &first) < 0);
    assert_true(ledger_id_compare(&last, &behind) < 0);
}

static void bytes_are_written_in_order(void **state) {
    (void)state;
    char text[LEDGER_ID_TEXT_SIZE];
    struct ledger_id id;
    for (uint8_t i = 0; i < 16; i++)
        id.bytes[i] = (uint8_t)(i * 17);
    ledger_id_format(&id, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
}

static void later_ids_sort_behind_earlier_ones(void **state) {
    (void)state;
    struct ledger_id last = ledger_id_make(TIME_MS);
    for (int64_t step = 1; step < INT64_C(1) << 40; step *= 2) {
        char earlier[LEDGER_ID_TEXT_SIZE], later[LEDGER_ID_TEXT_SIZE];
        struct ledger_id next = ledger_id_make(TIME_MS + step);
        assert_true(memcmp(last.bytes, next.bytes, sizeof last.bytes) < 0);
        ledger_id_format(&last, earlier);
        ledger_id_format(&next, later);
        assert_true(strcmp(earlier, later) < 0);
        last = next;
    }
}

static int compare(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct ledger_id));
}

static void ids_of_one_moment_differ(void **state) {
    (void)state;
    enum { IDS = 10000 };
    struct ledger_id *ids = calloc(IDS, sizeof *ids);
    assert_non_null(ids);
    for (int i = 0; i < IDS; i++)
        ids[i] = ledger_id_make(TIME_MS);
    qsort(ids, IDS, sizeof *ids, compare);
    for (int i = 1; i < IDS; i++)
        assert_int_not_equal(compare(&ids[i - 1], &ids[i]), 0);
    free(ids);
}

static void every_state_has_its_name(void **state) {
    (void)state;
    assert_string_equal(ledger_state_name[LEDGER_RESERVED], "reserved");
    assert_string_equal(ledger_state_name[LEDGER_SETTLED], "settled");
    assert_string_equal(ledger_state_name[LEDGER_RELEASED], "released");
    assert_string_equal(ledger_state_name[LEDGER_UNKNOWN], "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_the_form_of_rfc_9562),
        cmocka_unit_test(an_id_begins_with_its_time),
        cmocka_unit_test(an_id_tells_its_time),
        cmocka_unit_test(a_bound_lies_between_one_millisecond_and_the_next),
        cmocka_unit_test(a_bound_that_no_id_can_have_is_before_or_behind_all),
        cmocka_unit_test(bytes_are_written_in_order),
        cmocka_unit_test(later_ids_sort_behind_earlier_ones),
        cmocka_unit_test(ids_of_one_moment_differ),
        cmocka_unit_test(every_state_has_its_name),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
