/* Ledger rows as text: what is written is read again, and nothing else is. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/redis_row.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct redis_row ordinary = {
    .letter = 's',
    .reserved_at_ms = INT64_C(1795536000123),
    .number = {0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff},
    .account = {"shop", "key-1", "gold"},
    .outcome = {LEDGER_SETTLED, BILLED_YES, 200, "01", "20201208001535_9a45ph", 87,
                INT64_C(1795536000210)},
};

#define BEGIN "\t1795536000123\t00010203fcfdfeff\tshop\tkey-1\tgold"
#define END   "\t1795536000210\t1\t200\t01\t87\t20201208001535_9a45ph"

/* As the scripts put it together. */
static size_t encode(const struct redis_row *row, bool ended, char text[2 * REDIS_ROW_SIZE]) {
    text[0] = row->letter;
    size_t size = 1 + redis_row_encode_begin(row, text + 1);
    if (ended)
        size += redis_row_encode_end(&row->outcome, text + size);
    assert_true(size < REDIS_ROW_SIZE);
    assert_int_equal(strlen(text), size);
    return size;
}

static void assert_same(const struct redis_row *a, const struct redis_row *b) {
    assert_int_equal(a->letter, b->letter);
    assert_int_equal(a->reserved_at_ms, b->reserved_at_ms);
    assert_memory_equal(a->number, b->number, sizeof a->number);
    assert_string_equal(a->account.client_id, b->account.client_id);
    assert_string_equal(a->account.credential, b->account.credential);
    assert_string_equal(a->account.package, b->account.package);
    assert_int_equal(a->outcome.state, b->outcome.state);
    assert_int_equal(a->outcome.billed, b->outcome.billed);
    assert_int_equal(a->outcome.http_status, b->outcome.http_status);
    assert_string_equal(a->outcome.status, b->outcome.status);
    assert_string_equal(a->outcome.trace_id, b->outcome.trace_id);
    assert_int_equal(a->outcome.latency_ms, b->outcome.latency_ms);
    assert_int_equal(a->outcome.settled_at_ms, b->outcome.settled_at_ms);
}

static void assert_round_trip(const struct redis_row *row, bool ended) {
    char text[2 * REDIS_ROW_SIZE];
    struct redis_row again;
    size_t size = encode(row, ended, text);
    if (!redis_row_decode(text, size, &again))
        fail_msg("not read: %s", text);
    assert_same(row, &again);
}

static void a_row_has_its_form(void **state) {
    (void)state;
    char text[REDIS_ROW_SIZE];
    assert_int_equal(redis_row_encode_begin(&ordinary, text), strlen(BEGIN));
    assert_string_equal(text, BEGIN);
    assert_int_equal(redis_row_encode_end(&ordinary.outcome, text), strlen(END));
    assert_string_equal(text, END);
}

static void every_state_has_its_letter(void **state) {
    (void)state;
    static const struct {
        enum ledger_state state;
        char letter;
    } cases[] = {{LEDGER_RESERVED, 'R'},
                 {LEDGER_SETTLED, 's'},
                 {LEDGER_RELEASED, 'r'},
                 {LEDGER_UNKNOWN, 'u'}};
    assert_int_equal(COUNT(cases), LEDGER_STATES);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(redis_row_letter(cases[i].state), cases[i].letter);
}

static void ended_rows_are_read_again(void **state) {
    (void)state;
    static const enum ledger_state states[] = {LEDGER_SETTLED, LEDGER_RELEASED, LEDGER_UNKNOWN};
    for (size_t i = 0; i < COUNT(states); i++) {
        for (int billed = BILLED_NO; billed <= BILLED_UNKNOWN; billed++) {
            struct redis_row row = ordinary;
            row.outcome.state = states[i];
            row.outcome.billed = (enum billed)billed;
            row.letter = redis_row_letter(states[i]);
            assert_round_trip(&row, true);
        }
    }
}

static void billed_is_one_character(void **state) {
    (void)state;
    static const char letters[] = {[BILLED_NO] = '0', [BILLED_YES] = '1', [BILLED_UNKNOWN] = '?'};
    for (int billed = BILLED_NO; billed <= BILLED_UNKNOWN; billed++) {
        struct ledger_outcome outcome = {.billed = (enum billed)billed, .settled_at_ms = 5};
        char text[REDIS_ROW_SIZE];
        redis_row_encode_end(&outcome, text);
        assert_memory_equal(text, "\t5\t", 3);
        assert_int_equal(text[3], letters[billed]);
        assert_string_equal(text + 4, "\t0\t\t0\t");
    }
}

static void rows_without_an_end_are_read_again(void **state) {
    (void)state;
    struct redis_row row = ordinary;
    row.outcome = (struct ledger_outcome){.state = LEDGER_RESERVED, .billed = BILLED_UNKNOWN};
    row.letter = 'R';
    assert_round_trip(&row, false);
    row.outcome.state = LEDGER_UNKNOWN;
    row.letter = 'U';
    assert_round_trip(&row, false);
}

static void the_least_and_the_most_are_read_again(void **state) {
    (void)state;
    struct redis_row least = {.letter = 'r', .outcome.state = LEDGER_RELEASED};
    assert_round_trip(&least, true);

    struct redis_row most = {.letter = 'u', .outcome.state = LEDGER_UNKNOWN};
    most.reserved_at_ms = INT64_MIN;
    most.outcome.settled_at_ms = INT64_MIN;
    most.outcome.latency_ms = INT64_MAX;
    most.outcome.http_status = INT_MIN;
    memset(most.number, 0xff, sizeof most.number);
    memset(most.account.client_id, 'a', sizeof most.account.client_id - 1);
    memset(most.account.credential, 'b', sizeof most.account.credential - 1);
    memset(most.account.package, 'c', sizeof most.account.package - 1);
    memset(most.outcome.status, '9', sizeof most.outcome.status - 1);
    memset(most.outcome.trace_id, 'd', sizeof most.outcome.trace_id - 1);
    assert_round_trip(&most, true);
}

static void control_characters_become_question_marks(void **state) {
    (void)state;
    struct redis_row row = ordinary;
    struct redis_row again;
    char text[2 * REDIS_ROW_SIZE];
    strcpy(row.account.client_id, "a\tb\nc\r\x01\x1f\x7f");
    strcpy(row.account.package, "\t");
    strcpy(row.outcome.status, "\t1");
    strcpy(row.outcome.trace_id, "\xe4\xb8\xad\t");
    assert_true(redis_row_decode(text, encode(&row, true, text), &again));
    assert_string_equal(again.account.client_id, "a?b?c????");
    assert_string_equal(again.account.credential, "key-1");
    assert_string_equal(again.account.package, "?");
    assert_string_equal(again.outcome.status, "?1");
    assert_string_equal(again.outcome.trace_id, "\xe4\xb8\xad?");
}

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char *const refused[] = {
    "",
    "\t",
    "s",
    "R",
    /* letters */
    "x" BEGIN,
    "S" BEGIN END,
    BEGIN,
    "RR" BEGIN,
    "ss" BEGIN END,
    /* halves */
    "R" BEGIN END,
    "U" BEGIN END,
    "s" BEGIN,
    "r" BEGIN,
    "u" BEGIN,
    "R" BEGIN "\t",
    "s" BEGIN END "\t",
    "s" BEGIN END END,
    "s" BEGIN BEGIN,
    /* the first half */
    "R\t1795536000123\t00010203fcfdfeff\tshop\tkey-1",
    "R\t\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t-\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t-0\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t01\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t+1\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t 1\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t1x\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t9223372036854775808\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t-9223372036854775809\t00010203fcfdfeff\tshop\tkey-1\tgold",
    "R\t1\t00010203fcfdfef\tshop\tkey-1\tgold",
    "R\t1\t00010203fcfdfeff0\tshop\tkey-1\tgold",
    "R\t1\t00010203FCFDFEFF\tshop\tkey-1\tgold",
    "R\t1\t00010203fcfdfe:f\tshop\tkey-1\tgold",
    "R\t1\t00010203fcfdfeff\tsh\nop\tkey-1\tgold",
    "R\t1\t00010203fcfdfeff\t" A63 "a\tkey-1\tgold",
    "R\t1\t00010203fcfdfeff\tshop\t" A63 "a\tgold",
    "R\t1\t00010203fcfdfeff\tshop\tkey-1\t" A63 "a",
    /* the second */
    "s" BEGIN "\t1\t2\t200\t01\t87\tx",
    "s" BEGIN "\t1\t\t200\t01\t87\tx",
    "s" BEGIN "\t1\t10\t200\t01\t87\tx",
    "s" BEGIN "\tx\t1\t200\t01\t87\tx",
    "s" BEGIN "\t1\t1\t2147483648\t01\t87\tx",
    "s" BEGIN "\t1\t1\t-2147483649\t01\t87\tx",
    "s" BEGIN "\t1\t1\t\t01\t87\tx",
    "s" BEGIN "\t1\t1\t200\t1234567890123456\t87\tx",
    "s" BEGIN "\t1\t1\t200\t01\t\tx",
    "s" BEGIN "\t1\t1\t200\t01\t8.7\tx",
    "s" BEGIN "\t1\t1\t200\t01\t87\t" A63 "a",
    "s" BEGIN "\t1\t1\t200\t01\t87\t\x7f",
};

static bool decodes(const char *text, size_t size) {
    /* Exactly as large as the text, so that reading one byte too many is seen. */
    char *copy = malloc(size > 0 ? size : 1);
    struct redis_row row;
    memcpy(copy, text, size);
    bool good = redis_row_decode(copy, size, &row);
    free(copy);
    return good;
}

static void what_is_no_row_is_refused(void **state) {
    (void)state;
    assert_true(decodes("s" BEGIN END, strlen("s" BEGIN END)));
    assert_true(decodes("R" BEGIN, strlen("R" BEGIN)));
    for (size_t i = 0; i < COUNT(refused); i++) {
        if (decodes(refused[i], strlen(refused[i])))
            fail_msg("taken for a row: %s", refused[i]);
    }
    /* with the zero behind it */
    assert_false(decodes("R" BEGIN, sizeof("R" BEGIN)));
}

/* Cut anywhere but within the last field, a row is none. */
static void truncated_rows_are_refused(void **state) {
    (void)state;
    static const char text[] = "s" BEGIN END;
    size_t last = (size_t)(strrchr(text, '\t') - text);
    for (size_t size = 0; size <= last; size++)
        assert_false(decodes(text, size));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_has_its_form),
        cmocka_unit_test(every_state_has_its_letter),
        cmocka_unit_test(ended_rows_are_read_again),
        cmocka_unit_test(billed_is_one_character),
        cmocka_unit_test(rows_without_an_end_are_read_again),
        cmocka_unit_test(the_least_and_the_most_are_read_again),
        cmocka_unit_test(control_characters_become_question_marks),
        cmocka_unit_test(what_is_no_row_is_refused),
        cmocka_unit_test(truncated_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
