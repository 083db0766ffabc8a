/*
 * A journal that cannot be written, because another program has it locked or the disk is full:
 * nothing is said to be written that is not, nothing is lost, everyone is told.
 */
#include "journal_scene.h"

#include <signal.h>
#include <sys/resource.h>

/* A file that cannot be written */

static void expect_away(struct journal_rig *rig, const char *phrase) {
    struct complaint complaint = {""};
    assert_false(journal_ready(rig->journal, &complaint));
    expect_phrase(&complaint, "the journal cannot be written");
    expect_phrase(&complaint, phrase);
}

struct trouble {
    sqlite3 *other;
    struct rlimit former;
    void (*on_excess)(int);
};

static void lock_file(const struct scene *scene, struct trouble *trouble) {
    trouble->other = open_beside(scene);
    execute(trouble->other, "BEGIN EXCLUSIVE");
}

static void unlock_file(const struct trouble *trouble) {
    execute(trouble->other, "COMMIT");
    sqlite3_close(trouble->other);
}

/* No file may grow: as when the disk is full, but for the error's name. */
static void fill_disk(const struct scene *scene, struct trouble *trouble) {
    char wal[320];
    struct stat status;
    snprintf(wal, sizeof wal, "%s-wal", scene->path);
    assert_int_equal(stat(wal, &status), 0);
    getrlimit(RLIMIT_FSIZE, &trouble->former);
    trouble->on_excess = signal(SIGXFSZ, SIG_IGN);
    struct rlimit tight = {(rlim_t)status.st_size, trouble->former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
}

static void empty_disk(const struct trouble *trouble) {
    setrlimit(RLIMIT_FSIZE, &trouble->former);
    signal(SIGXFSZ, trouble->on_excess);
}

/* Calls 0 and 1 are intended, 2 ended. */
static void begin_calls(struct scene *scene, struct jcall calls[4]) {
    open_scene(scene);
    for (int i = 0; i < 4; i++)
        jrig_prepare(&calls[i], START_MS + i);
    for (int i = 0; i < 3; i++)
        assert_true(jrig_intend(&scene->rig, 0, &calls[i]));
    assert_true(jrig_end(&scene->rig, 0, &calls[2]));
}

static void expect_kept(struct scene *scene, struct jcall calls[4], const char *phrase) {
    struct journal_rig *rig = &scene->rig;
    for (int i = 0; i < 2; i++) {
        assert_false(jrig_end(rig, 0, &calls[i]));
        assert_false(calls[i].outcome.repeated);
        assert_int_equal(calls[i].ended, 1);
    }
    assert_false(jrig_intend(rig, 1, &calls[3]));
    assert_int_equal(jrig_redeliver(rig, 1, 0), -1);
    expect_away(rig, phrase);

    /* The callers' structs may be used for something else by now. */
    struct store_settle settles[2] = {calls[0].settle, calls[1].settle};
    memset(&calls[0].settle, 0xff, sizeof calls[0].settle);
    memset(&calls[1].settle, 0xff, sizeof calls[1].settle);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_true(fetch.read);
    assert_int_equal(fetch.count, 3);
    assert_int_equal(fetch.calls_owned[0].line, 3);
    for (int i = 0; i < 2; i++) {
        const struct journal_call *call = &fetch.calls_owned[i + 1];
        assert_true(call->line >= JOURNAL_MEMORY_LINES + i);
        assert_true(call->ended);
        assert_same_call(&call->settle, &settles[i]);
        assert_same_answer(&call->settle.answer, &settles[i].answer);
    }
    int64_t last = fetch.calls_owned[2].line;
    int64_t first = fetch.calls_owned[1].line;
    free(fetch.calls_owned);
    fetch = jrig_fetch(rig, 0, first);
    assert_int_equal(fetch.count, 1);
    assert_int_equal(fetch.calls_owned[0].line, last);
    free(fetch.calls_owned);
    /* What is only in memory can be marked there; the file's mark is lost. */
    journal_mark_delivered(rig->clients[0].client, &settles[0].id);
    journal_mark_delivered(rig->clients[0].client, &calls[2].settle.id);
    assert_int_equal(jrig_count(rig, 0), 2);
    calls[0].settle = settles[0];
    calls[1].settle = settles[1];
}

static void expect_restored(struct scene *scene, struct jcall calls[4]) {
    struct journal_rig *rig = &scene->rig;
    struct complaint complaint;
    struct journal_delivered last;
    /* Before anything new is intended, what waited is written. */
    assert_true(jrig_intend(rig, 1, &calls[3]));
    assert_true(journal_ready(rig->journal, &complaint));
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 2);
    assert_same_call(&fetch.calls_owned[0].settle, &calls[1].settle);
    assert_same_answer(&fetch.calls_owned[0].settle.answer, &calls[1].settle.answer);
    assert_int_equal(fetch.calls_owned[0].line, 2);
    assert_int_equal(fetch.calls_owned[1].line, 3);
    free(fetch.calls_owned);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last.id, &calls[0].settle.id, sizeof last.id);
    jrig_close(rig);
    expect(scene,
           "SELECT group_concat(state || delivered) FROM (SELECT * FROM calls ORDER BY line)",
           "settled1,settled0,settled0,reserved0");
    expect(scene, "PRAGMA integrity_check", "ok");
}

static void a_locked_file_loses_nothing(void **state) {
    struct scene *scene = *state;
    static struct jcall calls[4];
    struct trouble trouble;
    begin_calls(scene, calls);
    lock_file(scene, &trouble);
    expect_kept(scene, calls, "locked");
    unlock_file(&trouble);
    expect_restored(scene, calls);
}

static void a_full_disk_loses_nothing(void **state) {
    struct scene *scene = *state;
    static struct jcall calls[4];
    struct trouble trouble;
    begin_calls(scene, calls);
    fill_disk(scene, &trouble);
    expect_kept(scene, calls, "I/O");
    empty_disk(&trouble);
    expect_restored(scene, calls);
}

static void of_two_outcomes_that_waited_the_first_counts(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall first;
    struct jcall second;
    struct trouble trouble;
    open_scene(scene);
    jrig_prepare(&first, START_MS);
    jrig_prepare_failed(&second, START_MS);
    second.settle.id = first.settle.id;
    assert_true(jrig_intend(rig, 0, &first));
    lock_file(scene, &trouble);
    assert_false(jrig_end(rig, 0, &first));
    assert_false(jrig_end(rig, 0, &second));
    unlock_file(&trouble);
    assert_true(jrig_end(rig, 0, &second));
    assert_true(second.outcome.repeated);
    assert_int_equal(jrig_count(rig, 0), 1);
    jrig_close(rig);
    expect(scene, "SELECT group_concat(state) FROM calls", "settled");
}

static void a_transaction_that_needs_no_room_does_not_prove_a_disk_with_room(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall ended;
    struct jcall refused;
    struct trouble trouble;
    struct complaint complaint;
    open_scene(scene);
    jrig_prepare(&ended, START_MS);
    jrig_prepare(&refused, START_MS);
    assert_true(jrig_end(rig, 0, &ended));
    fill_disk(scene, &trouble);
    assert_false(jrig_intend(rig, 0, &refused));
    assert_int_equal(jrig_count(rig, 0), 1);
    expect_away(rig, "I/O");
    empty_disk(&trouble);
    assert_int_equal(jrig_count(rig, 0), 1);
    assert_true(journal_ready(rig->journal, &complaint));
    jrig_close(rig);
    expect(scene, "SELECT count(*) FROM calls", "1");
}

static void what_could_not_be_written_is_tried_again_unasked(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall call;
    struct trouble trouble;
    struct complaint complaint;
    jrig_open(rig, scene->path, &clock_system);
    jrig_prepare(&call, START_MS);
    lock_file(scene, &trouble);
    assert_false(jrig_end(rig, 0, &call));
    unlock_file(&trouble);
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    while (!journal_ready(rig->journal, &complaint)) {
        assert_true(clock_monotonic_ms(&clock_system) < deadline);
        usleep(1000);
    }
    expect(scene, "SELECT state FROM calls", "settled");
    jrig_close(rig);
}

static void closing_writes_what_waits(void **state) {
    struct scene *scene = *state;
    struct jcall calls[2];
    struct trouble trouble;
    open_scene(scene);
    for (int i = 0; i < 2; i++)
        jrig_prepare(&calls[i], START_MS);
    assert_true(jrig_end(&scene->rig, 0, &calls[0]));
    lock_file(scene, &trouble);
    assert_false(jrig_end(&scene->rig, 0, &calls[1]));
    unlock_file(&trouble);
    journal_mark_delivered(scene->rig.clients[0].client, &calls[0].settle.id);
    jrig_close(&scene->rig);
    expect(scene, "SELECT group_concat(state || delivered) FROM calls", "settled1,settled0");
}

int main(void) {
    if (!scene_prepare())
        return 1;
    const struct CMUnitTest tests[] = {
        SCENE(a_locked_file_loses_nothing),
        SCENE(a_full_disk_loses_nothing),
        SCENE(of_two_outcomes_that_waited_the_first_counts),
        SCENE(a_transaction_that_needs_no_room_does_not_prove_a_disk_with_room),
        SCENE(what_could_not_be_written_is_tried_again_unasked),
        SCENE(closing_writes_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
