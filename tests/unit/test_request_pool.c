/* The memory of requests: wiped when it is given back, and used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "http/request.h"

static void assert_zero(const void *bytes, size_t size) {
    assert_true(sodium_is_zero(bytes, size));
}

static void what_is_given_back_is_wiped_and_used_again(void **state) {
    (void)state;
    enum { SIZE = 3000 };
    struct request_pool pool = {.spare = NULL};
    struct request *request = request_pool_take(&pool);
    assert_non_null(request);
    char *work = request_pool_work(request, SIZE);
    assert_non_null(work);
    memset(work, 'x', SIZE);
    snprintf(request->id, sizeof request->id, "an id");
    snprintf(request->cache_control, sizeof request->cache_control, "no-cache");
    snprintf(request->prefer, sizeof request->prefer, "wait=1");
    request_pool_give(&pool, request);

    struct request *again = request_pool_take(&pool);
    assert_ptr_equal(again, request);
    assert_int_equal(again->work_size, 0);
    assert_zero(again->id, sizeof again->id);
    assert_zero(again->cache_control, sizeof again->cache_control);
    assert_zero(again->prefer, sizeof again->prefer);
    assert_ptr_equal(request_pool_work(again, SIZE - 1), work);
    assert_zero(work, SIZE);
    request_pool_give(&pool, again);
    request_pool_free(&pool);
}

static void more_work_than_before_has_room_of_its_own(void **state) {
    (void)state;
    struct request_pool pool = {.spare = NULL};
    struct request *request = request_pool_take(&pool);
    memset(request_pool_work(request, 100), 'x', 100);
    request_pool_give(&pool, request);
    request = request_pool_take(&pool);
    char *work = request_pool_work(request, 5000);
    assert_non_null(work);
    assert_zero(work, 5000);
    request_pool_give(&pool, request);
    request_pool_free(&pool);
}

static void a_crowd_of_requests_is_let_go_of(void **state) {
    (void)state;
    enum { MANY = 1000 };
    struct request_pool pool = {.spare = NULL};
    struct request *requests[MANY];
    for (int i = 0; i < MANY; i++)
        requests[i] = request_pool_take(&pool);
    for (int i = 0; i < MANY; i++)
        request_pool_give(&pool, requests[i]);
    assert_in_range(pool.spares, 1, MANY / 2);
    request_pool_free(&pool);
    assert_null(pool.spare);
}

static int compare(const void *a, const void *b) {
    return strcmp(a, b);
}

static void no_two_ids_are_alike(void **state) {
    (void)state;
    enum { MANY = 2000 };
    static char ids[MANY][REQUEST_ID_SIZE];
    struct request_id_pool pool = {0};
    for (int i = 0; i < MANY; i++) {
        request_id_make(&pool, ids[i]);
        assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
        assert_int_equal(strlen(ids[i]), 32);
    }
    qsort(ids, MANY, sizeof ids[0], compare);
    for (int i = 1; i < MANY; i++)
        assert_string_not_equal(ids[i], ids[i - 1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_back_is_wiped_and_used_again),
        cmocka_unit_test(more_work_than_before_has_room_of_its_own),
        cmocka_unit_test(a_crowd_of_requests_is_let_go_of),
        cmocka_unit_test(no_two_ids_are_alike),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
