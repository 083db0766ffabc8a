#pragma once
/*
 * journal_scene: a directory, a journal and a clock of each test's own, and ways to look at the
 * file from beside.
 */
#include "journal_rig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "runtime/log.h"

#define START_S  1800000000 /* where the clock that stands still begins */
#define START_MS (START_S * 1000ll)

/* Every test has a directory and a file of its own. */
struct scene {
    struct journal_rig rig;
    struct rig_clock clock;
    char folder[256];
    char path[300];
};

static inline int setup(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    rig_make_folder(scene->folder);
    snprintf(scene->path, sizeof scene->path, "%s/journal.db", scene->folder);
    rig_clock_init(&scene->clock, START_S);
    *state = scene;
    return 0;
}

static inline int teardown(void **state) {
    struct scene *scene = *state;
    rig_remove_folder(scene->folder);
    free(scene);
    return 0;
}

static inline void open_scene(struct scene *scene) {
    jrig_open(&scene->rig, scene->path, &scene->clock.clock);
}

/* Beside the journal, as any program could. */
static inline sqlite3 *open_beside(const struct scene *scene) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(scene->path, &db), SQLITE_OK);
    return db;
}

static inline void execute(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static inline void expect(const struct scene *scene, const char *sql, const char *wanted) {
    sqlite3 *db = open_beside(scene);
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const unsigned char *value = sqlite3_column_text(statement, 0);
    assert_string_equal(value ? (const char *)value : "(null)", wanted);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static inline void expect_phrase(const struct complaint *complaint, const char *phrase) {
    if (!strstr(complaint->text, phrase))
        fail_msg("\"%s\" does not say \"%s\"", complaint->text, phrase);
}

static inline void expect_refusal(const char *path, const char *phrase) {
    struct complaint complaint = {""};
    assert_null(journal_open(path, JOURNAL_KEEP_MS, &clock_system, &complaint));
    expect_phrase(&complaint, "journal.path: ");
    expect_phrase(&complaint, phrase);
}

/* What journal_read tells. */
struct reading {
    struct journal_call calls[8];
    int count;
    int most;
};

static inline bool on_read(void *arg, const struct journal_call *call) {
    struct reading *reading = arg;
    if (reading->count < 8)
        reading->calls[reading->count] = *call;
    return ++reading->count != reading->most;
}

static inline void read_file(const char *path, struct reading *reading) {
    struct complaint complaint = {""};
    memset(reading, 0, sizeof *reading);
    if (!journal_read(path, on_read, reading, &complaint))
        fail_msg("journal_read: %s", complaint.text);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Warnings and errors are part of what is provoked here. */
static inline bool scene_prepare(void) {
    if (sodium_init() < 0)
        return false;
    log_init(LOG_ERROR, LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
    return true;
}
