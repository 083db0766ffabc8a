#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/lease.h"

/* Few different beginnings, so that many fall on the same places of a table. */
static struct digest digest_of(unsigned n) {
    struct digest digest = {{0}};
    digest.bytes[0] = (uint8_t)(n * 7 % 31);
    memcpy(digest.bytes + 8, &n, sizeof n);
    return digest;
}

static struct lease *take(struct lease_table *table, unsigned n, int64_t ends_at) {
    struct digest digest = digest_of(n);
    struct ledger_id id = {{(uint8_t)n}};
    return lease_take(table, &digest, &id, ends_at, 1);
}

static struct lease *find(const struct lease_table *table, unsigned n) {
    struct digest digest = digest_of(n);
    return lease_find(table, &digest);
}

static void expect_order(const struct lease_table *table) {
    size_t count = 0;
    const struct lease *earlier = NULL;
    for (const struct lease *lease = table->first; lease; lease = lease->later) {
        assert_ptr_equal(lease->earlier, earlier);
        if (earlier)
            assert_true(earlier->ends_at <= lease->ends_at);
        earlier = lease;
        count++;
    }
    assert_ptr_equal(table->last, earlier);
    assert_int_equal(table->count, count);
}

static void the_first_to_end_is_first(void **state) {
    (void)state;
    static const int64_t ends[] = {50, 10, 70, 10, 60, 5, 70};
    struct lease_table table;
    assert_true(lease_table_init(&table));
    for (unsigned n = 0; n < sizeof ends / sizeof ends[0]; n++)
        assert_non_null(take(&table, n, ends[n]));
    expect_order(&table);
    assert_int_equal(table.first->ends_at, 5);
    lease_drop(&table, table.first);
    /* Of two that end together, the one taken first. */
    assert_ptr_equal(table.first, find(&table, 1));
    lease_table_free(&table);
}

static void a_new_lease_has_no_followers(void **state) {
    (void)state;
    struct lease_table table;
    assert_true(lease_table_init(&table));
    struct store_op op = {0};
    op_list_add(&take(&table, 1, 1)->followers, &op);
    assert_ptr_equal(op_list_take(&find(&table, 1)->followers), &op);
    lease_drop(&table, find(&table, 1));
    assert_null(take(&table, 2, 1)->followers.first);
    lease_table_free(&table);
}

static void it_agrees_with_a_plain_table(void **state) {
    (void)state;
    enum { KEYS = 400 };
    bool held[KEYS] = {false};
    unsigned seed = 11;
    struct lease_table table;
    assert_true(lease_table_init(&table));
    for (int step = 0; step < 20000; step++) {
        unsigned n = (unsigned)rand_r(&seed) % KEYS;
        struct lease *lease = find(&table, n);
        assert_int_equal(lease != NULL, held[n]);
        if (lease) {
            assert_int_equal(lease->holder.bytes[0], (uint8_t)n);
            lease_drop(&table, lease);
        } else {
            assert_non_null(take(&table, n, rand_r(&seed) % 1000));
        }
        held[n] = !held[n];
        if (step % 100 == 0)
            expect_order(&table);
    }
    lease_table_free(&table);
}

static void expect_holder(const struct lease *lease, uint8_t holder, int64_t ends_at) {
    assert_int_equal(lease->holder.bytes[0], holder);
    assert_int_equal(lease->ends_at, ends_at);
}

static void a_lease_is_passed_on_and_given_back(void **state) {
    (void)state;
    static const int64_t ends[] = {50, 10, 70, 30};
    const struct ledger_id next = {{99}};
    struct lease_table table;
    struct store_op op = {0};
    assert_true(lease_table_init(&table));
    for (unsigned n = 0; n < sizeof ends / sizeof ends[0]; n++)
        assert_non_null(take(&table, n + 1, ends[n]));
    struct lease *lease = find(&table, 2);
    assert_false(lease_give_back(&table, lease));
    op_list_add(&lease->followers, &op);
    lease_pass(&table, lease, &next, 60, 2);
    expect_order(&table);
    expect_holder(lease, 99, 60);
    assert_int_equal(lease->batch, 2);
    assert_ptr_equal(table.first, find(&table, 4));
    assert_ptr_equal(table.last, find(&table, 3));

    assert_true(lease_give_back(&table, lease));
    expect_order(&table);
    expect_holder(lease, 2, 10);
    assert_ptr_equal(table.first, lease);
    assert_int_not_equal(lease->batch, 2);
    assert_false(lease_give_back(&table, lease));
    assert_ptr_equal(op_list_take(&lease->followers), &op);

    lease_pass(&table, lease, &next, 100, 3);
    expect_order(&table);
    assert_ptr_equal(table.last, lease);
    lease_table_free(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_to_end_is_first),
        cmocka_unit_test(a_new_lease_has_no_followers),
        cmocka_unit_test(a_lease_is_passed_on_and_given_back),
        cmocka_unit_test(it_agrees_with_a_plain_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
