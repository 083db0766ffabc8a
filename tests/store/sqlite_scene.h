#pragma once
/*
 * sqlite_scene: a directory, a file and a clock of each test's own for the embedded store, and ways
 * to look at the file from beside.
 */
#include "store_rig.h"

#include <sqlite3.h>

#define START_S 1800000000 /* where the clock that stands still begins */

/* Every test has a directory and a file of its own. */
struct scene {
    struct rig rig;
    struct rig_clock clock;
    char folder[256];
    char path[300];
    char url[320];
};

static inline int setup(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    rig_make_folder(scene->folder);
    snprintf(scene->path, sizeof scene->path, "%s/store.db", scene->folder);
    snprintf(scene->url, sizeof scene->url, "sqlite:%s", scene->path);
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
    rig_open(&scene->rig, scene->url, &scene->clock.clock);
}

/* Beside the store, as any program could. */
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

/* The first column of the first row, "(null)" for NULL, "(none)" when there is no row. */
static inline void ask(sqlite3 *db, const char *sql, const struct ledger_id *id, char text[64]) {
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (id)
        sqlite3_bind_blob(statement, 1, id->bytes, sizeof id->bytes, SQLITE_STATIC);
    strcpy(text, "(none)");
    if (sqlite3_step(statement) == SQLITE_ROW) {
        const unsigned char *value = sqlite3_column_text(statement, 0);
        snprintf(text, 64, "%s", value ? (const char *)value : "(null)");
    }
    sqlite3_finalize(statement);
}

static inline void expect(const struct scene *scene, const char *sql, const struct ledger_id *id,
                          const char *wanted) {
    char text[64];
    sqlite3 *db = open_beside(scene);
    ask(db, sql, id, text);
    sqlite3_close(db);
    assert_string_equal(text, wanted);
}

static inline void expect_state(const struct scene *scene, const struct ledger_id *id,
                                const char *wanted) {
    expect(scene, "SELECT state FROM ledger WHERE id = ?1", id, wanted);
}

static inline void expect_refusal(const char *url, const char *phrase) {
    struct complaint complaint = {""};
    assert_null(store_open(&(struct store_settings){.url = url}, &clock_system, &complaint));
    if (!strstr(complaint.text, phrase))
        fail_msg("\"%s\" does not say \"%s\"", complaint.text, phrase);
}
