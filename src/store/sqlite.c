/*
 * sqlite: the embedded store. One file, one thread that writes it (sqlite_thread), and for each
 * client a connection that reads it on the client's own thread, in a few microseconds.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "store/backend.h"
#include "store/mailroom.h"
#include "store/sqlite_books.h"
#include "store/sqlite_file.h"
#include "store/sqlite_records.h"
#include "store/sqlite_thread.h"
#include "store/sqlite_view.h"
#include "store/sqlite_writer.h"

#define SCHEME "sqlite:"

extern const char store_schema_1_sql[];
extern const char store_schema_2_sql[];
extern const char store_schema_3_sql[];
extern const char store_schema_4_sql[];

static const char *const schema_steps[BOOKS_SCHEMA + 1] = {
    [1] = store_schema_1_sql,
    [2] = store_schema_2_sql,
    [3] = store_schema_3_sql,
    [4] = store_schema_4_sql,
};

static const struct sqlite_kind store_file = {
    .name = "sanyao store",
    .setting = "store.url",
    .application_id = 0x53595354, /* "SYST" */
    .newest = BOOKS_SCHEMA,
    .steps = schema_steps,
};

struct sqlite_store {
    struct store store;
    struct sqlite_file file;
    struct sqlite_commits commits;
    struct sqlite_writer writer;
    struct mailroom room;
    struct sqlite_thread thread;
};

struct sqlite_client {
    struct mailbox box;
    struct sqlite_store *store;
    sqlite3 *db;
    struct sqlite_view view;
    sqlite3_stmt *find;
    sqlite3_stmt *page;
    struct records_reader records;
    int handles; /* that libuv has yet to let go of */
};

/* What was built before it is taken down again when a step fails. */
static bool start(struct sqlite_store *store, const char *path, const struct clock *clock,
                  struct complaint *complaint) {
    if (!*path)
        return complain(complaint, "store.url: \"" SCHEME "\" needs a path behind it");
    if (!sqlite_file_open(&store->file, &store_file, path, complaint))
        return false;
    sqlite_commits_watch(&store->commits, store->file.db);
    if (sqlite_writer_open(&store->writer, store->file.db, clock, complaint)) {
        if (!mailroom_init(&store->room)) {
            complain(complaint, "store: no resources for a mutex");
        } else {
            if (sqlite_thread_start(&store->thread, &store->writer.base, &store->room, clock,
                                    complaint))
                return true;
            mailroom_free(&store->room);
        }
        sqlite_writer_close(&store->writer);
    }
    sqlite_file_close(&store->file);
    return false;
}

static struct store *sqlite_open(const struct store_settings *settings, const struct clock *clock,
                                 struct complaint *complaint) {
    const char *path = settings->url + strlen(SCHEME);
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (!store) {
        complain(complaint, "store: out of memory");
        return NULL;
    }
    if (start(store, path, clock, complaint))
        return &store->store;
    free(store);
    return NULL;
}

static void sqlite_close(struct store *base) {
    struct sqlite_store *store = (struct sqlite_store *)base;
    sqlite_thread_stop(&store->thread);
    mailroom_free(&store->room);
    sqlite_writer_close(&store->writer);
    sqlite_file_close(&store->file);
    free(store);
}

static bool sqlite_ready(struct store *base, struct complaint *complaint) {
    return sqlite_thread_ready(&((struct sqlite_store *)base)->thread, complaint);
}

static int64_t sqlite_undelivered(struct store *base) {
    return sqlite_thread_unwritten(&((struct sqlite_store *)base)->thread);
}

static void sqlite_poke(struct store *base) {
    sqlite_thread_poke(&((struct sqlite_store *)base)->thread);
}

static void close_reader(struct sqlite_client *client) {
    sqlite_view_close(&client->view);
    sqlite3_finalize(client->find);
    sqlite3_finalize(client->page);
    records_reader_close(&client->records);
    sqlite3_close(client->db);
}

static bool open_reader(struct sqlite_client *client, struct complaint *complaint) {
    client->db = sqlite_file_reader(&client->store->file, complaint);
    if (!client->db)
        return false;
    client->find = books_prepare_find(client->db);
    client->page = client->find ? books_prepare_page(client->db) : NULL;
    if (client->page && records_reader_open(&client->records, client->db) &&
        sqlite_view_open(&client->view, client->db, &client->store->commits))
        return true;
    complain(complaint, "store: cannot read the store: %s", sqlite3_errmsg(client->db));
    close_reader(client);
    return false;
}

static struct store_client *sqlite_attach(struct store *base, uv_loop_t *loop,
                                          void (*changed)(void *arg, const struct digest *triple),
                                          void *arg, struct complaint *complaint) {
    struct sqlite_client *client = calloc(1, sizeof *client);
    if (!client) {
        complain(complaint, "store: out of memory");
        return NULL;
    }
    client->store = (struct sqlite_store *)base;
    if (open_reader(client, complaint)) {
        if (mailroom_add(&client->store->room, &client->box, loop, changed, arg)) {
            sqlite_view_join(&client->view, loop);
            return &client->box.client;
        }
        complain(complaint, "store: no resources for a wake-up across threads");
        close_reader(client);
    }
    free(client);
    return NULL;
}

static void let_go(struct sqlite_client *client) {
    if (--client->handles == 0)
        free(client);
}

static void on_gone(struct mailbox *box) {
    let_go((struct sqlite_client *)box);
}

static void on_view_gone(uv_handle_t *turn) {
    struct sqlite_view *view = turn->data;
    let_go((struct sqlite_client *)((char *)view - offsetof(struct sqlite_client, view)));
}

static void sqlite_detach(struct store_client *base) {
    struct sqlite_client *client = (struct sqlite_client *)base;
    close_reader(client);
    client->handles = 2;
    sqlite_view_leave(&client->view, on_view_gone);
    mailroom_remove(&client->box, on_gone);
}

static enum store_outcome sqlite_find(struct store_client *base, struct store_find *find) {
    struct sqlite_client *client = (struct sqlite_client *)base;
    sqlite_view_look(&client->view);
    find->outcome = books_find_with(client->find, &find->triple, &find->answer);
    return find->outcome;
}

static void sqlite_admit(struct store_client *base, struct store_admit *admit) {
    sqlite_thread_submit(&((struct sqlite_client *)base)->store->thread, &admit->op);
}

static void sqlite_settle(struct store_client *base, struct store_settle *settle) {
    sqlite_thread_submit(&((struct sqlite_client *)base)->store->thread, &settle->op);
}

/* What was read at once is told through the client's own mailbox, so that `done` comes on a later
 * turn. */
static void tell_later(struct sqlite_client *client, struct store_op *op) {
    struct op_list finished = {NULL, NULL};
    op_list_add(&finished, op);
    mailroom_post(&client->store->room, &finished);
}

static void sqlite_read_page(struct store_client *base, struct store_page *page) {
    struct sqlite_client *client = (struct sqlite_client *)base;
    sqlite_view_end(&client->view);
    books_page_with(client->page, page);
    tell_later(client, &page->op);
}

static void sqlite_read_documents(struct store_client *base, struct store_read_documents *read) {
    struct sqlite_client *client = (struct sqlite_client *)base;
    sqlite_view_end(&client->view);
    records_read_documents(&client->records, read);
    tell_later(client, &read->op);
}

static void sqlite_read_audit(struct store_client *base, struct store_read_audit *read) {
    struct sqlite_client *client = (struct sqlite_client *)base;
    sqlite_view_end(&client->view);
    records_read_audit(&client->records, read);
    tell_later(client, &read->op);
}

static void sqlite_read_counters(struct store_client *base, struct store_read_counters *read) {
    struct sqlite_client *client = (struct sqlite_client *)base;
    sqlite_view_end(&client->view);
    records_read_counters(&client->records, read);
    tell_later(client, &read->op);
}

static void sqlite_write_document(struct store_client *base, struct store_write_document *write) {
    sqlite_thread_submit(&((struct sqlite_client *)base)->store->thread, &write->op);
}

static void sqlite_add_counters(struct store_client *base, struct store_add_counters *add) {
    sqlite_thread_submit(&((struct sqlite_client *)base)->store->thread, &add->op);
}

static void sqlite_forget(struct store_client *base, struct store_forget *forget) {
    sqlite_thread_submit(&((struct sqlite_client *)base)->store->thread, &forget->op);
}

static void sqlite_watch_documents(struct store_client *base, void (*call)(void *arg), void *arg) {
    mailroom_watch(&((struct sqlite_client *)base)->box, call, arg);
}

const struct store_backend store_sqlite_backend = {
    .scheme = SCHEME,
    .open = sqlite_open,
    .close = sqlite_close,
    .ready = sqlite_ready,
    .poke = sqlite_poke,
    .undelivered = sqlite_undelivered,
    .attach = sqlite_attach,
    .detach = sqlite_detach,
    .find = sqlite_find,
    .admit = sqlite_admit,
    .settle = sqlite_settle,
    .read_page = sqlite_read_page,
    .read_documents = sqlite_read_documents,
    .write_document = sqlite_write_document,
    .watch_documents = sqlite_watch_documents,
    .read_audit = sqlite_read_audit,
    .read_counters = sqlite_read_counters,
    .add_counters = sqlite_add_counters,
    .forget = sqlite_forget,
};
