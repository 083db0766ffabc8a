/* What the embedded store makes of a clock that was set, while it ran or between two runs. */
#include "store_rig.h"

#include <fcntl.h>

#include <sqlite3.h>

#include "runtime/log.h"

#define START_S 1800000000 /* where the clock that stands still begins */

struct scene {
    struct rig rig;
    struct rig_clock clock;
    char folder[256];
    char path[300];
    char url[320];
};

static int setup(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    rig_make_folder(scene->folder);
    snprintf(scene->path, sizeof scene->path, "%s/store.db", scene->folder);
    snprintf(scene->url, sizeof scene->url, "sqlite:%s", scene->path);
    rig_clock_init(&scene->clock, START_S);
    *state = scene;
    return 0;
}

static int teardown(void **state) {
    struct scene *scene = *state;
    rig_remove_folder(scene->folder);
    free(scene);
    return 0;
}

static void open_scene(struct scene *scene) {
    rig_open(&scene->rig, scene->url, &scene->clock.clock);
}

/* One number, read beside the store as any program could. */
static int64_t ask(const struct scene *scene, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(scene->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

#define DAY_S (24 * 3600)

static void set_clock(struct scene *scene, int64_t by_s) {
    atomic_fetch_add(&scene->clock.unix_now_ms, by_s * 1000);
}

/* Somebody of a number, with the answer as it was; the number's window holds one call a day. */
static void call_slowly(struct scene *scene, const struct digest *triple, int64_t for_s) {
    struct rig_admit asked;
    struct rig_settle end;
    int64_t now_s = clock_unix_ms(&scene->clock.clock) / 1000;
    rig_prepare(&asked, triple, FRESHNESS_ANY);
    asked.admit.id = ledger_id_make(now_s * 1000);
    asked.admit.limit = (struct store_number_limit){1, DAY_S * 1000};
    rig_submit(&scene->rig, 0, &asked);
    rig_expect(&scene->rig, &asked, STORE_LEAD);
    set_clock(scene, for_s);
    rig_end(&end, &asked, rig_answer("01", now_s + for_s));
    rig_settle(&scene->rig, 0, &end, STORE_DONE);
}

static void call_once(struct scene *scene, const struct digest *triple) {
    call_slowly(scene, triple, 0);
}

static void expect_closed(struct scene *scene, const struct digest *triple, int64_t for_s) {
    struct rig_admit asked;
    rig_prepare(&asked, triple, FRESHNESS_ANY);
    asked.admit.wish.no_cache = true;
    asked.admit.limit = (struct store_number_limit){1, DAY_S * 1000};
    rig_submit(&scene->rig, 0, &asked);
    rig_expect(&scene->rig, &asked, STORE_CLOSED);
    assert_int_equal(asked.admit.reopens_at_ms - clock_unix_ms(&scene->clock.clock), for_s * 1000);
}

static void an_answer_of_the_future_is_taken_for_just_checked_at_the_start(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct answer answer;
    open_scene(scene);
    call_once(scene, &triple);
    rig_close(&scene->rig);
    set_clock(scene, -DAY_S);
    open_scene(scene);
    assert_int_equal(rig_find(&scene->rig, 0, &triple, &answer), STORE_HIT);
    assert_int_equal(answer.checked_at, START_S - DAY_S);
    assert_int_equal(answer.expires_at, START_S - DAY_S + 3600);
    assert_int_equal(ask(scene, "SELECT checked_at FROM answers"), 1799913600);
    assert_int_equal(ask(scene, "SELECT retain_until FROM answers"), 1799917200);
    assert_int_equal(ask(scene, "SELECT checked_at FROM owners"), 1799913600);
    assert_int_equal(ask(scene, "SELECT expires_at FROM owners"), 1799917200);
    /* No more calls than before, whichever time was right. */
    expect_closed(scene, &triple, 2 * DAY_S);
    rig_close(&scene->rig);
    /* Once more changes nothing. */
    open_scene(scene);
    assert_int_equal(rig_find(&scene->rig, 0, &triple, &answer), STORE_HIT);
    assert_int_equal(answer.checked_at, START_S - DAY_S);
    rig_close(&scene->rig);
}

/* By its id the slow call is not of the future; its answer is. */
static void so_is_one_whose_call_began_before(void **state) {
    struct scene *scene = *state;
    struct digest triples[3] = {rig_digest(), rig_digest(), rig_digest()};
    struct answer answer;
    open_scene(scene);
    call_once(scene, &triples[0]);
    set_clock(scene, 700);
    call_slowly(scene, &triples[1], 600);
    call_once(scene, &triples[2]);
    rig_close(&scene->rig);
    set_clock(scene, -600);
    open_scene(scene);
    assert_int_equal(rig_find(&scene->rig, 0, &triples[0], &answer), STORE_HIT);
    assert_int_equal(answer.checked_at, START_S);
    assert_int_equal(rig_find(&scene->rig, 0, &triples[1], &answer), STORE_HIT);
    assert_int_equal(answer.checked_at, START_S + 700);
    assert_int_equal(rig_find(&scene->rig, 0, &triples[2], &answer), STORE_HIT);
    assert_int_equal(answer.checked_at, START_S + 700);
    rig_close(&scene->rig);
}

static void an_answer_of_a_minute_ahead_stays_as_it_is(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct answer answer;
    open_scene(scene);
    call_once(scene, &triple);
    rig_close(&scene->rig);
    set_clock(scene, -60);
    open_scene(scene);
    assert_int_equal(rig_find(&scene->rig, 0, &triple, &answer), STORE_HIT);
    assert_int_equal(answer.checked_at, START_S);
    rig_close(&scene->rig);
}

static void a_clock_that_is_set_back_later_is_noticed(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct answer answer = {.checked_at = 0};
    open_scene(scene);
    call_once(scene, &triple);
    set_clock(scene, -DAY_S);
    store_poke(scene->rig.store);
    for (int tries = 0; answer.checked_at != START_S - DAY_S; tries++) {
        assert_in_range(tries, 0, 2000);
        rig_barrier(&scene->rig, 0);
        assert_int_equal(rig_find(&scene->rig, 0, &triple, &answer), STORE_HIT);
    }
    rig_close(&scene->rig);
}

static void a_clock_that_was_ahead_for_a_start_has_swept_nothing(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct answer answer;
    open_scene(scene);
    call_once(scene, &triple);
    rig_close(&scene->rig);
    set_clock(scene, DAY_S);
    open_scene(scene);
    store_poke(scene->rig.store);
    rig_barrier(&scene->rig, 0);
    rig_barrier(&scene->rig, 0);
    rig_close(&scene->rig);
    set_clock(scene, -DAY_S);
    open_scene(scene);
    assert_int_equal(rig_find(&scene->rig, 0, &triple, &answer), STORE_HIT);
    assert_int_equal(answer.checked_at, START_S);
    expect_closed(scene, &triple, DAY_S);
    rig_close(&scene->rig);
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    /* What is warned of is provoked here. */
    log_init(LOG_ERROR, LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCENE(an_answer_of_the_future_is_taken_for_just_checked_at_the_start),
        SCENE(so_is_one_whose_call_began_before),
        SCENE(an_answer_of_a_minute_ahead_stays_as_it_is),
        SCENE(a_clock_that_is_set_back_later_is_noticed),
        SCENE(a_clock_that_was_ahead_for_a_start_has_swept_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
