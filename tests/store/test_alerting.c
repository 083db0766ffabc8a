/* Several who alert on one store: each crossing is told by one of them, and taken over by another
 * where that one is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <sodium.h>

#include "../unit/scratch.h"
#include "money/alert.h"
#include "money/alerting.h"
#include "runtime/log.h"

#define ALERTERS    3
#define DEADLINE_MS 20000

static int64_t ahead_ms; /* how far time was put forward */

static int64_t shifted_unix_ms(const struct clock *clock) {
    (void)clock;
    return clock_unix_ms(&clock_system) + ahead_ms;
}

static int64_t plain_monotonic_ms(const struct clock *clock) {
    (void)clock;
    return clock_monotonic_ms(&clock_system);
}

static const struct clock shifted_clock = {shifted_unix_ms, plain_monotonic_ms};

static int64_t board_ms; /* the breakers' own time */

static int64_t read_board_ms(const struct clock *clock) {
    (void)clock;
    return board_ms;
}

static const struct clock board_clock = {read_board_ms, read_board_ms};

struct alerter {
    struct store_client *store;
    struct directory *directory;
    struct alerting *alerting; /* NULL: it has ended */
    bool ended;
};

static uv_loop_t loop;
static struct store *store;
static struct config *config;
static struct metrics_row *metrics;
static struct breaker_board *board;
static struct alerter alerters[ALERTERS];

static void on_changed(void *arg, const struct digest *triple) {
    (void)arg;
    (void)triple;
}

static void on_ended(void *arg) {
    *(bool *)arg = true;
}

static void on_tick(uv_timer_t *timer) {
    (void)timer;
}

/* Turns the loop until it is so. */
static void wait_until(bool (*is_so)(void), const char *what) {
    uv_timer_t tick;
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 10, 10);
    int64_t end_ms = clock_monotonic_ms(&clock_system) + DEADLINE_MS;
    while (!is_so()) {
        if (clock_monotonic_ms(&clock_system) > end_ms)
            fail_msg("%s did not come true", what);
        uv_run(&loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* --- what there is --- */

static struct config *load_config(void) {
    const char *hook = scratch_text("hook", "http://127.0.0.1:9/hook\n");
    char webhooks[256];
    snprintf(webhooks, sizeof webhooks, "SANYAO_ALERTS_WEBHOOKS=ops=generic:%s", hook);
    char thresholds[] = "SANYAO_ALERTS_THRESHOLDS=100";
    char *environment[] = {webhooks, thresholds, NULL};
    struct complaint complaint = {""};
    struct config *loaded = config_load(NULL, environment, &complaint);
    if (loaded == NULL)
        fail_msg("%s", complaint.text);
    return loaded;
}

static void begin(int index) {
    struct complaint complaint = {""};
    struct alerter *alerter = &alerters[index];
    *alerter = (struct alerter){.store = store_attach(store, &loop, on_changed, NULL, &complaint)};
    const struct directory_parts directory_parts = {
        .loop = &loop, .clock = &shifted_clock, .store = alerter->store};
    alerter->directory = directory_new(&directory_parts, &complaint);
    assert_non_null(alerter->directory);
    const struct alerting_parts parts = {
        .loop = &loop,
        .clock = &shifted_clock,
        .store = alerter->store,
        .directory = alerter->directory,
        .breakers = board,
        .config = config,
        .metrics = &metrics[index],
        .instance = "test",
        .period_ms = 20,
        .first_retry_ms = 10,
        .most_retry_ms = 50,
    };
    alerter->alerting = alerting_new(&parts, &complaint);
    assert_non_null(alerter->alerting);
}

static struct alerter *ending;

static bool has_ended(void) {
    return ending->ended;
}

static void end_alerting(struct alerter *alerter) {
    ending = alerter;
    alerter->ended = false;
    alerting_end(alerter->alerting, on_ended, &alerter->ended);
    wait_until(has_ended, "the end of alerting");
    alerting_free(alerter->alerting);
    alerter->alerting = NULL;
}

static void end(struct alerter *alerter) {
    if (alerter->alerting != NULL)
        end_alerting(alerter);
    ending = alerter;
    alerter->ended = false;
    directory_end(alerter->directory, on_ended, &alerter->ended);
    wait_until(has_ended, "the end of a directory");
    directory_free(alerter->directory);
    store_detach(alerter->store);
}

#define PACKAGE                                                                                    \
    "{\"id\":\"p-1\",\"credential\":\"main\",\"calls\":10,\"priceCny\":3.00,"                      \
    "\"purchasedAt\":\"2026-11-01T00:00:00Z\",\"expiresAt\":null,\"removed\":false}"

struct put {
    struct store_write_document write; /* first */
    bool done;
};

static struct put put;

static void on_put(struct store_op *op) {
    ((struct put *)op)->done = true;
}

static bool is_put(void) {
    return put.done;
}

static void put_package(const char *body) {
    put = (struct put){
        .write = {.op.done = on_put, .kind = STORE_PACKAGE, .id = "p-1", .body = body}};
    store_write_document(alerters[0].store, &put.write);
    wait_until(is_put, "the package");
    assert_int_equal(put.write.outcome, STORE_DONE);
}

static struct breaker_board *make_board(void) {
    const struct breaker_settings settings = {
        .failures = 50, .least_calls = 10, .window_ms = 1000, .open_for_ms = 1000, .probes = 1};
    const struct breaker_name names[] = {{BREAKER_PROVIDER, "guide", false},
                                         {BREAKER_CREDENTIAL, "main", false}};
    struct breaker_board *made = breaker_board_new(&settings, &board_clock);
    assert_non_null(made);
    assert_true(breaker_board_set(made, &settings, names, 2));
    return made;
}

static int setup(void **state) {
    if (scratch_setup(state) != 0 || sodium_init() < 0)
        return -1;
    log_init(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    ahead_ms = 0;
    uv_loop_init(&loop);
    char url[256];
    snprintf(url, sizeof url, "sqlite:%s", scratch_path("store.db"));
    const struct store_settings settings = {.url = url, .number_window_ms = 1000};
    struct complaint complaint = {""};
    store = store_open(&settings, &clock_system, &complaint);
    config = load_config();
    metrics = metrics_new(ALERTERS);
    board = make_board();
    for (int i = 0; store != NULL && i < ALERTERS; i++)
        begin(i);
    return store != NULL ? 0 : -1;
}

static int teardown(void **state) {
    for (int i = 0; i < ALERTERS; i++)
        end(&alerters[i]);
    uv_run(&loop, UV_RUN_DEFAULT);
    int left = uv_loop_close(&loop);
    store_close(store);
    config_release(config);
    metrics_free(metrics);
    breaker_board_free(board);
    curl_global_cleanup();
    return scratch_teardown(state) != 0 ? -1 : left;
}

/* --- what must come of it --- */

static uint64_t fired_by(int index) {
    return metrics[index].counters[METRIC_ALERTS_FIRED];
}

static uint64_t sum(enum metric metric) {
    uint64_t total = 0;
    for (int i = 0; i < ALERTERS; i++)
        total += metrics[i].counters[metric];
    return total;
}

static bool current_of(const char *id, struct alert *alert) {
    const struct alerter *last = &alerters[ALERTERS - 1];
    const struct store_document *document = directory_document(last->directory, STORE_ALERT, id);
    return document != NULL && alert_decode(document->body_owned, alert);
}

static bool current(struct alert *alert) {
    return current_of("package/p-1/100", alert);
}

static bool was_tried_twice(void) {
    struct alert alert;
    return current(&alert) && alert.attempts >= 2;
}

static bool was_tried_again(void) {
    return sum(METRIC_ALERTS_NOT_DELIVERED) >= 5;
}

static void one_of_them_tells(void **state) {
    (void)state;
    put_package(PACKAGE);
    wait_until(was_tried_twice, "a second attempt");
    wait_until(was_tried_again, "a fifth attempt");
    assert_int_equal(sum(METRIC_ALERTS_FIRED), 1);
    assert_int_equal(sum(METRIC_ALERTS_DELIVERED), 0);
    struct alert alert;
    assert_true(current(&alert));
    assert_true(alert.firing && !alert.delivered);
    int who = fired_by(0) > 0 ? 0 : fired_by(1) > 0 ? 1 : 2;
    for (int i = 0; i < ALERTERS; i++) {
        if (i != who)
            assert_int_equal(metrics[i].counters[METRIC_ALERTS_NOT_DELIVERED], 0);
    }
}

static char first_holder[ALERT_HOLDER_SIZE];
static int64_t first_attempts;

static bool another_one_tries(void) {
    struct alert alert;
    return current(&alert) && strcmp(alert.holder, first_holder) != 0 &&
           alert.attempts > first_attempts;
}

static void another_one_takes_over(void **state) {
    (void)state;
    one_of_them_tells(state);
    for (int i = 0; i < ALERTERS; i++) {
        if (fired_by(i) > 0)
            end_alerting(&alerters[i]);
    }
    struct alert alert;
    assert_true(current(&alert));
    memcpy(first_holder, alert.holder, sizeof first_holder);
    first_attempts = alert.attempts;
    ahead_ms = INT64_C(3600) * 1000;
    wait_until(another_one_tries, "another one's attempt");
    assert_int_equal(sum(METRIC_ALERTS_FIRED), 1);
}

static bool is_resolved(void) {
    struct alert alert;
    return current(&alert) && !alert.firing;
}

static void nobody_goes_on_where_it_is_over(void **state) {
    (void)state;
    one_of_them_tells(state);
    put.write.expected = put.write.version;
    put.write.body = "{\"id\":\"p-1\",\"credential\":\"main\",\"calls\":10,\"priceCny\":3.00,"
                     "\"purchasedAt\":\"2026-11-01T00:00:00Z\",\"expiresAt\":null,"
                     "\"removed\":true}";
    put.done = false;
    store_write_document(alerters[0].store, &put.write);
    wait_until(is_put, "the removal");
    wait_until(is_resolved, "the end of the alert");
    ahead_ms = INT64_C(3600) * 1000;
    for (int i = 0; i < ALERTERS; i++)
        end_alerting(&alerters[i]);
    assert_int_equal(sum(METRIC_ALERTS_FIRED), 1);
}

#define BREAKER_ALERT "breaker/test/provider/guide"

static bool breaker_fires(void) {
    struct alert alert;
    return current_of(BREAKER_ALERT, &alert) && alert.firing;
}

static bool breaker_is_resolved(void) {
    struct alert alert;
    return current_of(BREAKER_ALERT, &alert) && !alert.firing;
}

static bool package_fires(void) {
    struct alert alert;
    return current(&alert) && alert.firing;
}

static void a_breaker_is_told_of(void **state) {
    (void)state;
    breaker_open(board, BREAKER_CREDENTIAL, "main", 500, FAILURE_UPSTREAM_UNAVAILABLE);
    breaker_open(board, BREAKER_PROVIDER, "guide", 500, FAILURE_UPSTREAM_UNAVAILABLE);
    wait_until(breaker_fires, "the breaker's alert");
    breaker_close(board, BREAKER_PROVIDER, "guide");
    board_ms += ALERT_CLOSED_MS - 1;
    put_package(PACKAGE);
    wait_until(package_fires, "a later look");
    assert_true(breaker_fires());
    board_ms += 1;
    wait_until(breaker_is_resolved, "the end of the breaker's alert");
    assert_int_equal(sum(METRIC_ALERTS_FIRED), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_of_them_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(another_one_takes_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_breaker_is_told_of, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_goes_on_where_it_is_over, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
