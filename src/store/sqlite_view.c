#include "store/sqlite_view.h"

#include "store/sqlite_statement.h"

#define CHECKPOINT_PAGES 1000 /* as SQLite's own */

/* Views that follow on each other could keep the log from ever being emptied: the writer seldom
 * meets a moment without one. Where it has grown to this, nobody holds one until it was. */
#define CROWDED_PAGES (2 * CHECKPOINT_PAGES)

/* Is all of it in the database? Then the next commit begins the log anew. */
static bool empty_log(sqlite3 *db, const char *name) {
    int pages = 0;
    int done = 0;
    int code = sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, &pages, &done);
    return code == SQLITE_OK && done == pages;
}

/* The count first: a view that ends now is not in the way. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages) {
    struct sqlite_commits *commits = arg;
    atomic_fetch_add_explicit(&commits->count, 1, memory_order_release);
    if (pages >= CHECKPOINT_PAGES && empty_log(db, name))
        pages = 0;
    atomic_store_explicit(&commits->log_pages, pages, memory_order_relaxed);
    return SQLITE_OK;
}

void sqlite_commits_watch(struct sqlite_commits *commits, sqlite3 *db) {
    atomic_init(&commits->count, 0);
    atomic_init(&commits->log_pages, 0);
    sqlite3_wal_hook(db, on_commit, commits);
}

bool sqlite_view_open(struct sqlite_view *view, sqlite3 *db, const struct sqlite_commits *commits) {
    view->db = db;
    view->commits = commits;
    return statement_prepare(db, "BEGIN", &view->begin) &&
           statement_prepare(db, "COMMIT", &view->end);
}

void sqlite_view_close(struct sqlite_view *view) {
    sqlite_view_end(view);
    sqlite3_finalize(view->begin);
    sqlite3_finalize(view->end);
}

/* A step that fails leaves look-ups to be transactions of their own, as they are without a view. */
static void run(sqlite3_stmt *statement) {
    sqlite3_step(statement);
    sqlite3_reset(statement);
}

static bool is_held(const struct sqlite_view *view) {
    return !sqlite3_get_autocommit(view->db);
}

void sqlite_view_end(struct sqlite_view *view) {
    if (is_held(view))
        run(view->end);
}

static void on_turn(uv_timer_t *turn) {
    sqlite_view_end(turn->data);
}

void sqlite_view_join(struct sqlite_view *view, uv_loop_t *loop) {
    uv_timer_init(loop, &view->turn);
    view->turn.data = view;
}

void sqlite_view_leave(struct sqlite_view *view, uv_close_cb gone) {
    uv_close((uv_handle_t *)&view->turn, gone);
}

/* A timer that is due at once comes in the loop's next turn, before the loop may sleep. */
void sqlite_view_look(struct sqlite_view *view) {
    unsigned count = atomic_load_explicit(&view->commits->count, memory_order_acquire);
    bool held = is_held(view);
    if (held && view->seen == count)
        return;
    if (held)
        run(view->end);
    if (atomic_load_explicit(&view->commits->log_pages, memory_order_relaxed) >= CROWDED_PAGES)
        return;
    view->seen = count;
    run(view->begin);
    if (!uv_is_active((const uv_handle_t *)&view->turn))
        uv_timer_start(&view->turn, on_turn, 0, 0);
}
