/*
 * What store.h promises of reading the ledger, for every kind of store. Words: the kind, "sqlite"
 * (the default), "redis" or "cluster".
 */
#include "store_kind.h"

#include "runtime/log.h"

#define MINUTE_MS INT64_C(60000)
#define BUCKET_MS (10 * MINUTE_MS) /* what the shared store keeps together */
#define DAY_MS    INT64_C(86400000)
#define YEAR_MS   (365 * DAY_MS)
#define ROWS_MOST 4000

/* All rows of a span, as read page by page. */
struct book {
    struct store_row rows[ROWS_MOST];
    int count;
    int pages;
};

struct rig_page {
    struct store_page page;
    int done;
};

/* Empty for every test. */
static int open_rig(void **state) {
    struct rig *rig = malloc(sizeof *rig);
    store_kind_fresh(&kind);
    store_kind_open(&kind, rig, &clock_system);
    *state = rig;
    return 0;
}

static int close_rig(void **state) {
    rig_close(*state);
    free(*state);
    return 0;
}

/* --- writing and reading --- */

static int64_t now_ms(void) {
    return clock_unix_ms(&clock_system);
}

/* Where a bucket begins, some days ago. */
static int64_t days_ago(int days) {
    return (now_ms() - days * DAY_MS) / BUCKET_MS * BUCKET_MS;
}

static void submit_at(struct rig *rig, int client, struct rig_admit *asked, int64_t unix_ms) {
    struct digest triple = rig_digest();
    rig_prepare(asked, &triple, FRESHNESS_ANY);
    asked->admit.id = ledger_id_make(unix_ms);
    strcpy(asked->admit.account.package, "five-thousand");
    rig_submit(rig, client, asked);
}

static void reserve_at(struct rig *rig, struct rig_admit *asked, int64_t unix_ms) {
    submit_at(rig, 0, asked, unix_ms);
    rig_expect(rig, asked, STORE_LEAD);
}

static void on_page(struct store_op *op) {
    ((struct rig_page *)op)->done++;
}

static void submit_page(struct rig *rig, int client, struct rig_page *asked, int64_t from_ms,
                        int64_t to_ms) {
    struct ledger_id after = asked->page.after;
    memset(asked, 0xee, sizeof *asked);
    asked->done = 0;
    asked->page.op.done = on_page;
    asked->page.from_ms = from_ms;
    asked->page.to_ms = to_ms;
    asked->page.after = after;
    store_read_page(rig->clients[client].client, &asked->page);
    assert_int_equal(asked->done, 0);
}

static void expect_page(struct rig *rig, struct rig_page *asked, enum store_outcome outcome) {
    rig_wait(rig, &asked->done, 1);
    assert_int_equal(asked->done, 1);
    assert_int_equal(asked->page.outcome, outcome);
    assert_true(asked->page.count >= 0 && asked->page.count <= STORE_PAGE_MOST);
    assert_true(asked->page.count == 0 || asked->page.rows_owned);
}

static void add_page(struct book *book, const struct rig_page *asked) {
    assert_true(book->count + asked->page.count <= ROWS_MOST);
    book->pages++;
    for (int i = 0; i < asked->page.count; i++)
        book->rows[book->count++] = asked->page.rows_owned[i];
}

/* To be freed. */
static struct book *read_all(struct rig *rig, int64_t from_ms, int64_t to_ms) {
    struct book *book = calloc(1, sizeof *book);
    struct rig_page asked = {.done = 0};
    do {
        submit_page(rig, 1, &asked, from_ms, to_ms);
        expect_page(rig, &asked, STORE_DONE);
        add_page(book, &asked);
        if (asked.page.more)
            assert_true(asked.page.count > 0);
        if (asked.page.count > 0)
            asked.page.after = book->rows[book->count - 1].id;
        free(asked.page.rows_owned);
    } while (asked.page.more);
    return book;
}

static int by_id(const void *a, const void *b) {
    return ledger_id_compare(&((const struct rig_admit *)a)->admit.id,
                             &((const struct rig_admit *)b)->admit.id);
}

/* Exactly those that were asked, in their order. Sorts `asked`. */
static void assert_holds(const struct book *book, struct rig_admit *asked, int count) {
    qsort(asked, (size_t)count, sizeof *asked, by_id);
    assert_int_equal(book->count, count);
    for (int i = 0; i < count; i++)
        assert_memory_equal(&book->rows[i].id, &asked[i].admit.id, sizeof asked[i].admit.id);
}

static void assert_count(struct rig *rig, int64_t from_ms, int64_t to_ms, int count) {
    struct book *book = read_all(rig, from_ms, to_ms);
    assert_int_equal(book->count, count);
    free(book);
}

/* --- what is promised --- */

static void nothing_is_read_where_nothing_is(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    int64_t now = now_ms();
    assert_count(rig, now - DAY_MS, now + DAY_MS, 0);
    reserve_at(rig, &asked, now);
    assert_count(rig, now - DAY_MS, now, 0);
    assert_count(rig, now, now, 0);
    assert_count(rig, now + 1, now - 1, 0);
    assert_count(rig, -DAY_MS, 0, 0);
    assert_count(rig, now, now + 1, 1);
}

static void assert_same_outcome(const struct ledger_outcome *a, const struct ledger_outcome *b) {
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->billed, b->billed);
    assert_int_equal(a->http_status, b->http_status);
    assert_string_equal(a->status, b->status);
    assert_string_equal(a->trace_id, b->trace_id);
    assert_int_equal(a->latency_ms, b->latency_ms);
    assert_int_equal(a->settled_at_ms, b->settled_at_ms);
}

static void a_row_tells_all_that_is_known_of_its_call(void **state) {
    struct rig *rig = *state;
    int64_t begin = days_ago(0);
    const struct ledger_outcome outcomes[] = {
        {.state = LEDGER_RESERVED, .billed = BILLED_UNKNOWN},
        {.state = LEDGER_SETTLED,
         .billed = BILLED_YES,
         .http_status = 200,
         .status = "01",
         .trace_id = "1234567890123_abcdef01",
         .latency_ms = 321,
         .settled_at_ms = begin + 400},
        {.state = LEDGER_SETTLED,
         .billed = BILLED_NO,
         .http_status = 200,
         .status = "203",
         .trace_id = "t",
         .latency_ms = 1,
         .settled_at_ms = begin + 401},
        {.state = LEDGER_RELEASED,
         .billed = BILLED_NO,
         .http_status = 403,
         .latency_ms = 12,
         .settled_at_ms = begin + 402},
        {.state = LEDGER_UNKNOWN,
         .billed = BILLED_UNKNOWN,
         .latency_ms = 3000,
         .settled_at_ms = begin + 3000},
    };
    enum { ROWS = sizeof outcomes / sizeof outcomes[0] };
    struct rig_admit asked[ROWS];
    int64_t before = now_ms();
    for (int i = 0; i < ROWS; i++) {
        struct rig_settle end;
        reserve_at(rig, &asked[i], begin + i);
        if (outcomes[i].state == LEDGER_RESERVED)
            continue;
        rig_end_failed(&end, &asked[i], FAILURE_UPSTREAM_TIMEOUT);
        end.settle.ledger = outcomes[i];
        rig_settle(rig, 0, &end, STORE_DONE);
    }
    struct book *book = read_all(rig, begin, begin + ROWS);
    assert_holds(book, asked, ROWS);
    for (int i = 0; i < ROWS; i++) {
        const struct store_row *row = &book->rows[i];
        if (kind.shared)
            assert_int_equal(row->reserved_at_ms, begin + i);
        else
            assert_true(row->reserved_at_ms >= before && row->reserved_at_ms <= now_ms());
        assert_memory_equal(row->number, asked[i].admit.number.bytes, sizeof row->number);
        assert_string_equal(row->account.client_id, "tester");
        assert_string_equal(row->account.credential, "main");
        assert_string_equal(row->account.package, "five-thousand");
        assert_int_equal(row->ended, outcomes[i].state != LEDGER_RESERVED);
        assert_same_outcome(&row->outcome, &outcomes[i]);
    }
    free(book);
}

/* What the embedded store does when it opens, and the shared one when nobody ended it in time. */
static void a_reservation_given_up_is_unknown_and_has_not_ended(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    int64_t begin = days_ago(0);
    reserve_at(rig, &asked, begin);
    if (kind.shared) {
        static const char give_up[] = "local row = redis.call('HGET', KEYS[1], ARGV[1])\n"
                                      "return redis.call('HSET', KEYS[1], ARGV[1], 'U' .. "
                                      "string.sub(row, 2))\n";
        redis_server_do(&kind.redis, "EVAL %s 1 {ledger}rows:%lld %b", give_up,
                        (long long)(begin / BUCKET_MS), asked.admit.id.bytes,
                        sizeof asked.admit.id.bytes);
    } else {
        rig_close(rig);
        store_kind_open(&kind, rig, &clock_system);
    }
    struct book *book = read_all(rig, begin, begin + 1);
    assert_holds(book, &asked, 1);
    assert_false(book->rows[0].ended);
    assert_same_outcome(&book->rows[0].outcome, &(struct ledger_outcome){.state = LEDGER_UNKNOWN,
                                                                         .billed = BILLED_UNKNOWN});
    free(book);
}

/* More than a page within a few milliseconds, then one now and then, a day without any between. */
static int64_t time_of_row(int64_t begin, int i) {
    return i < 300 ? begin + i % 7 : begin + DAY_MS + (i - 300) * 7 * MINUTE_MS;
}

static void all_rows_are_read_page_by_page(void **state) {
    enum { ROWS = 700 };
    struct rig *rig = *state;
    struct rig_admit *asked = calloc(ROWS, sizeof *asked);
    int64_t begin = days_ago(6);
    for (int i = 0; i < ROWS; i++)
        submit_at(rig, i % RIG_CLIENTS, &asked[i], time_of_row(begin, i));
    for (int i = 0; i < ROWS; i++)
        rig_expect(rig, &asked[i], STORE_LEAD);
    struct book *book = read_all(rig, begin, begin + 6 * DAY_MS);
    assert_holds(book, asked, ROWS);
    assert_true(book->pages >= 3 && book->pages <= 4);
    free(book);

    /* A part of them, from within the full bucket. */
    book = read_all(rig, begin + 3, begin + DAY_MS + 1);
    int first = 0;
    while (ledger_id_time_ms(&asked[first].admit.id) < begin + 3)
        first++;
    assert_holds(book, asked + first, 301 - first);
    free(book);
    free(asked);
}

static void a_page_that_is_just_full_loses_nothing(void **state) {
    enum { ROWS = STORE_PAGE_MOST + 1 };
    struct rig *rig = *state;
    struct rig_admit *asked = calloc(ROWS, sizeof *asked);
    int64_t begin = days_ago(1);
    for (int i = 0; i < ROWS; i++)
        submit_at(rig, 0, &asked[i], i < STORE_PAGE_MOST ? begin + i : begin + 3 * BUCKET_MS);
    for (int i = 0; i < ROWS; i++)
        rig_expect(rig, &asked[i], STORE_LEAD);
    struct book *book = read_all(rig, begin, begin + DAY_MS);
    assert_holds(book, asked, ROWS);
    free(book);
    book = read_all(rig, begin, begin + BUCKET_MS);
    assert_holds(book, asked, STORE_PAGE_MOST);
    free(book);
    free(asked);
}

/* The shared store hands out a hash that large in pieces. */
static void a_crowded_ten_minutes_are_read_in_order(void **state) {
    enum { ROWS = 3000 };
    struct rig *rig = *state;
    struct rig_admit *asked = calloc(ROWS, sizeof *asked);
    int64_t begin = days_ago(1);
    for (int i = 0; i < ROWS; i++)
        submit_at(rig, i % RIG_CLIENTS, &asked[i], begin + randombytes_uniform(BUCKET_MS));
    for (int i = 0; i < ROWS; i++)
        rig_expect(rig, &asked[i], STORE_LEAD);
    struct book *book = read_all(rig, begin, begin + BUCKET_MS);
    assert_holds(book, asked, ROWS);
    free(book);
    free(asked);
}

static void from_is_inside_and_to_is_outside(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked[4];
    const int64_t begins[] = {days_ago(1), days_ago(1) + 4 * BUCKET_MS + 1234};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        int64_t begin = begins[i];
        for (int at = 0; at < 4; at++)
            reserve_at(rig, &asked[at], begin - 1 + at);
        struct book *book = read_all(rig, begin, begin + 2);
        assert_holds(book, asked + 1, 2);
        free(book);
        assert_count(rig, begin - 1, begin, 1);
        assert_count(rig, begin, begin, 0);
        assert_count(rig, begin - 1, begin + 3, 4);
    }
}

static void a_page_begins_behind_the_id_it_is_given(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked[3];
    int64_t begin = days_ago(1);
    for (int i = 0; i < 3; i++)
        reserve_at(rig, &asked[i], begin + i * 2 * BUCKET_MS);
    struct rig_page page = {.page.after = asked[1].admit.id};
    submit_page(rig, 0, &page, begin, begin + DAY_MS);
    expect_page(rig, &page, STORE_DONE);
    assert_int_equal(page.page.count, 1);
    assert_memory_equal(&page.page.rows_owned[0].id, &asked[2].admit.id, sizeof page.page.after);
    free(page.page.rows_owned);

    /* One before the beginning takes nothing away, the last one all. */
    page.page.after = asked[0].admit.id;
    submit_page(rig, 0, &page, begin + 1, begin + DAY_MS);
    expect_page(rig, &page, STORE_DONE);
    assert_int_equal(page.page.count, 2);
    free(page.page.rows_owned);
    page.page.after = asked[2].admit.id;
    submit_page(rig, 0, &page, begin, begin + DAY_MS);
    expect_page(rig, &page, STORE_DONE);
    assert_int_equal(page.page.count, 0);
    assert_false(page.page.more);
    free(page.page.rows_owned);
}

static void a_row_is_found_wherever_it_lies_in_a_year(void **state) {
    enum { ROWS = 40 };
    struct rig *rig = *state;
    struct rig_admit asked[ROWS];
    int64_t begin = days_ago(365);
    assert_count(rig, begin, begin + YEAR_MS, 0);
    /* Somewhere in each of so many days, with other numbers of empty hours between every time. */
    for (int i = 0; i < ROWS; i++) {
        int64_t at = begin + i * (YEAR_MS / ROWS) + randombytes_uniform(YEAR_MS / ROWS);
        reserve_at(rig, &asked[i], at);
        assert_count(rig, at, at + 1, 1);
    }
    struct book *book = read_all(rig, begin, begin + YEAR_MS);
    assert_holds(book, asked, ROWS);
    free(book);
}

static void pages_asked_for_together_are_all_read(void **state) {
    enum { PAGES = 8 };
    struct rig *rig = *state;
    struct rig_admit asked[3];
    struct rig_page pages[PAGES];
    int64_t begin = days_ago(2);
    for (int i = 0; i < 3; i++)
        reserve_at(rig, &asked[i], begin + i * 5 * BUCKET_MS);
    memset(pages, 0, sizeof pages);
    for (int i = 0; i < PAGES; i++)
        submit_page(rig, 0, &pages[i], begin, i % 2 ? begin : begin + DAY_MS);
    for (int i = 0; i < PAGES; i++) {
        expect_page(rig, &pages[i], STORE_DONE);
        assert_int_equal(pages[i].page.count, i % 2 ? 0 : 3);
        assert_false(pages[i].page.more);
        free(pages[i].page.rows_owned);
    }
}

static void a_page_asked_for_at_the_start_waits_for_the_store(void **state) {
    (void)state;
    struct rig rig;
    struct rig_page page = {.done = 0};
    store_kind_fresh(&kind);
    const struct store_settings settings = store_kind_settings(&kind);
    rig_begin(&rig, &settings, &clock_system);
    submit_page(&rig, 0, &page, days_ago(1), now_ms());
    expect_page(&rig, &page, STORE_DONE);
    assert_int_equal(page.page.count, 0);
    rig_close(&rig);
}

static void what_is_no_row_does_not_hide_the_others(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked[2];
    int64_t begin = days_ago(1);
    if (!kind.shared)
        return;
    for (int i = 0; i < 2; i++)
        reserve_at(rig, &asked[i], begin + 2 * i);
    struct ledger_id id = ledger_id_make(begin + 1);
    redis_server_do(&kind.redis, "HSET {ledger}rows:%lld %b nonsense short nonsense",
                    (long long)(begin / BUCKET_MS), id.bytes, sizeof id.bytes);
    struct book *book = read_all(rig, begin, begin + DAY_MS);
    assert_holds(book, asked, 2);
    free(book);
}

static void assert_away(struct rig *rig, struct rig_page *asked) {
    expect_page(rig, asked, STORE_AWAY);
    assert_null(asked->page.rows_owned);
    assert_int_equal(asked->page.count, 0);
    assert_false(asked->page.more);
}

static void a_page_is_away_without_the_server(void **state) {
    struct rig *rig = *state;
    struct rig_admit asked;
    struct rig_page pages[3];
    int64_t begin = days_ago(1);
    if (!kind.shared)
        return;
    reserve_at(rig, &asked, begin);
    memset(pages, 0, sizeof pages);
    for (int i = 0; i < 3; i++)
        submit_page(rig, 0, &pages[i], begin, begin + DAY_MS);
    redis_server_kill(&kind.redis);
    for (int i = 0; i < 3; i++)
        assert_away(rig, &pages[i]);
    memset(pages, 0, sizeof pages);
    submit_page(rig, 0, &pages[0], begin, begin + DAY_MS);
    assert_away(rig, &pages[0]);

    redis_server_start(&kind.redis);
    rig_wait_until_ready(rig);
    submit_page(rig, 0, &pages[0], begin, begin + DAY_MS);
    expect_page(rig, &pages[0], STORE_DONE);
    free(pages[0].page.rows_owned);
}

int main(int argc, char **argv) {
    if (sodium_init() < 0)
        return 1;
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    store_kind_init(&kind, argc > 1 ? argv[1] : "sqlite");
#define RIGGED(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIGGED(nothing_is_read_where_nothing_is),
        RIGGED(a_row_tells_all_that_is_known_of_its_call),
        RIGGED(a_reservation_given_up_is_unknown_and_has_not_ended),
        RIGGED(all_rows_are_read_page_by_page),
        RIGGED(a_page_that_is_just_full_loses_nothing),
        RIGGED(a_crowded_ten_minutes_are_read_in_order),
        RIGGED(from_is_inside_and_to_is_outside),
        RIGGED(a_page_begins_behind_the_id_it_is_given),
        RIGGED(a_row_is_found_wherever_it_lies_in_a_year),
        RIGGED(pages_asked_for_together_are_all_read),
        cmocka_unit_test(a_page_asked_for_at_the_start_waits_for_the_store),
        RIGGED(what_is_no_row_does_not_hide_the_others),
        RIGGED(a_page_is_away_without_the_server),
    };
    return cmocka_run_group_tests(tests, start_kind, stop_kind);
}
