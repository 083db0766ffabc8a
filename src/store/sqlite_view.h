#pragma once
/*
 * sqlite_view: what a client sees of the file: one reading transaction for all that is looked up in
 * one turn of its loop.
 *
 * To begin and to end one are two locks of the file, and cost more than looking. A view sees all
 * that was committed before the look-up: what the writer commits ends it, and another one is begun.
 * Private to this room.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include <sqlite3.h>
#include <uv.h>

/* What the writing connection committed; written on its thread, read by all. */
struct sqlite_commits {
    atomic_uint count;
    atomic_int log_pages; /* in the write-ahead log, after the last one */
};

/* From now on until `db` is closed. Also has SQLite empty the log now and then, as it does where
 * nobody watches. */
void sqlite_commits_watch(struct sqlite_commits *commits, sqlite3 *db);

/* A client's. Its loop's thread. */
struct sqlite_view {
    const struct sqlite_commits *commits;
    sqlite3 *db; /* borrowed */
    sqlite3_stmt *begin;
    sqlite3_stmt *end;
    unsigned seen; /* how many commits there were when it was begun */
    uv_timer_t turn;
};

/* False: the connection says why; to be closed all the same. */
bool sqlite_view_open(struct sqlite_view *view, sqlite3 *db, const struct sqlite_commits *commits)
    __attribute__((warn_unused_result));
/* Before the connection. */
void sqlite_view_close(struct sqlite_view *view);

/* After opening; from here `view` belongs to the loop, too, until `gone` was called with its timer,
 * on a later turn than leaving. */
void sqlite_view_join(struct sqlite_view *view, uv_loop_t *loop);
void sqlite_view_leave(struct sqlite_view *view, uv_close_cb gone);

/* Before every look-up that is to be part of the view. */
void sqlite_view_look(struct sqlite_view *view);

/* Before reading what is not. */
void sqlite_view_end(struct sqlite_view *view);
