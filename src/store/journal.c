#include "store/journal.h"

#include <stdlib.h>

#include "store/journal_books.h"
#include "store/journal_writer.h"
#include "store/mailroom.h"
#include "store/sqlite_file.h"
#include "store/sqlite_thread.h"

#define READ_AT_ONCE 64

extern const char journal_schema_1_sql[];
extern const char journal_schema_2_sql[];
extern const char journal_schema_3_sql[];
extern const char journal_schema_4_sql[];

static const char *const schema_steps[JOURNAL_SCHEMA + 1] = {
    [1] = journal_schema_1_sql,
    [2] = journal_schema_2_sql,
    [3] = journal_schema_3_sql,
    [4] = journal_schema_4_sql,
};

static const struct sqlite_kind journal_file = {
    .name = "sanyao journal",
    .setting = "journal.path",
    .application_id = 0x53594a4c, /* "SYJL" */
    .newest = JOURNAL_SCHEMA,
    .oldest = 1, /* it has nearly the same lines, and no documents */
    .steps = schema_steps,
};

struct journal {
    struct sqlite_file file;
    struct journal_writer writer;
    struct mailroom room;
    struct sqlite_thread thread;
};

/* What is asked in one turn of the loop goes to the thread at once, at the turn's end: the later it
 * wakes, the more is in its batch. */
struct journal_client {
    struct mailbox box;
    struct journal *journal;
    struct op_list asked;
    bool pressing;
    uv_check_t after_poll;
    uv_idle_t asking; /* active: something was asked, so that the loop does not wait before that */
    int gone;         /* of what is being closed */
};

/* What was built before it is taken down again when a step fails. */
static bool start(struct journal *journal, const char *path, int64_t keep_ms,
                  const struct clock *clock, struct complaint *complaint) {
    if (!*path)
        return complain(complaint, "journal.path: a shared store needs a journal: write the path "
                                   "of a file on this machine's own disk");
    if (!sqlite_file_open(&journal->file, &journal_file, path, complaint))
        return false;
    if (journal_writer_open(&journal->writer, journal->file.db, keep_ms, clock, complaint)) {
        if (!mailroom_init(&journal->room)) {
            complain(complaint, "journal.path: no resources for a mutex");
        } else {
            if (sqlite_thread_start(&journal->thread, &journal->writer.base, &journal->room, clock,
                                    complaint))
                return true;
            mailroom_free(&journal->room);
        }
        journal_writer_close(&journal->writer);
    }
    sqlite_file_close(&journal->file);
    return false;
}

struct journal *journal_open(const char *path, int64_t keep_ms, const struct clock *clock,
                             struct complaint *complaint) {
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal) {
        complain(complaint, "journal.path: out of memory");
        return NULL;
    }
    if (start(journal, path, keep_ms, clock, complaint))
        return journal;
    free(journal);
    return NULL;
}

void journal_close(struct journal *journal) {
    sqlite_thread_stop(&journal->thread);
    mailroom_free(&journal->room);
    journal_writer_close(&journal->writer);
    sqlite_file_close(&journal->file);
    free(journal);
}

bool journal_ready(struct journal *journal, struct complaint *complaint) {
    return sqlite_thread_ready(&journal->thread, complaint);
}

int64_t journal_undelivered(struct journal *journal) {
    return journal_writer_last(&journal->writer).undelivered +
           sqlite_thread_unwritten(&journal->thread);
}

void journal_poke(struct journal *journal) {
    sqlite_thread_poke(&journal->thread);
}

bool journal_last_delivered(struct journal *journal, struct journal_delivered *last) {
    struct journal_mark mark = journal_writer_last(&journal->writer);
    *last = mark.last;
    return mark.line > 0;
}

static void hand_over(struct journal_client *client) {
    if (!client->asked.first)
        return;
    sqlite_thread_submit_all(&client->journal->thread, &client->asked, client->pressing);
    client->pressing = false;
    uv_idle_stop(&client->asking);
}

static void on_asking(uv_idle_t *handle) {
    hand_over(handle->data);
}

static void after_poll(uv_check_t *handle) {
    hand_over(handle->data);
}

/* None of these fails, and none keeps a loop going that has nothing to ask. */
static void watch_turns(struct journal_client *client, uv_loop_t *loop) {
    client->asking.data = client->after_poll.data = client;
    uv_idle_init(loop, &client->asking);
    uv_check_init(loop, &client->after_poll);
    uv_check_start(&client->after_poll, after_poll);
    uv_unref((uv_handle_t *)&client->after_poll);
}

struct journal_client *journal_attach(struct journal *journal, uv_loop_t *loop,
                                      struct complaint *complaint) {
    struct journal_client *client = calloc(1, sizeof *client);
    if (!client) {
        complain(complaint, "journal.path: out of memory");
        return NULL;
    }
    client->journal = journal;
    if (mailroom_add(&journal->room, &client->box, loop, NULL, NULL)) {
        watch_turns(client, loop);
        return client;
    }
    complain(complaint, "journal.path: no resources for a wake-up across threads");
    free(client);
    return NULL;
}

static void one_gone(struct journal_client *client) {
    if (++client->gone == 3)
        free(client);
}

static void on_gone(struct mailbox *box) {
    one_gone((struct journal_client *)box);
}

static void on_closed(uv_handle_t *handle) {
    one_gone(handle->data);
}

void journal_detach(struct journal_client *client) {
    hand_over(client);
    uv_close((uv_handle_t *)&client->asking, on_closed);
    uv_close((uv_handle_t *)&client->after_poll, on_closed);
    mailroom_remove(&client->box, on_gone);
}

/* `told`: whom to tell; NULL: nobody, and the operation is freed. */
static void submit(struct journal_client *client, struct store_op *op, enum journal_op_kind kind,
                   struct store_client *told) {
    op->client = told;
    op->kind = (int)kind;
    op->changed = false;
    client->pressing = client->pressing || kind != JOURNAL_OP_MARK;
    if (!client->asked.first)
        uv_idle_start(&client->asking, on_asking);
    op_list_add(&client->asked, op);
}

void journal_write_intent(struct journal_client *client, struct journal_intent *intent) {
    submit(client, &intent->op, JOURNAL_OP_INTENT, &client->box.client);
}

void journal_write_outcome(struct journal_client *client, struct journal_outcome *outcome) {
    outcome->repeated = false;
    outcome->let_go = false;
    outcome->delivered = false;
    submit(client, &outcome->op, JOURNAL_OP_OUTCOME, &client->box.client);
}

void journal_mark_delivered(struct journal_client *client, const struct ledger_id *id) {
    struct journal_marking *marking = malloc(sizeof *marking);
    if (!marking)
        return;
    marking->id = *id;
    marking->written = false;
    submit(client, &marking->op, JOURNAL_OP_MARK, NULL);
}

void journal_fetch_undelivered(struct journal_client *client, struct journal_fetch *fetch) {
    submit(client, &fetch->op, JOURNAL_OP_FETCH, &client->box.client);
}

void journal_mark_undelivered(struct journal_client *client, struct journal_redeliver *redeliver) {
    submit(client, &redeliver->op, JOURNAL_OP_REDELIVER, &client->box.client);
}

void journal_keep_documents(struct journal_client *client, const struct store_document *documents,
                            int count) {
    struct journal_documents *kept = count > 0 ? journal_documents_copy(documents, count) : NULL;
    if (kept)
        submit(client, &kept->op, JOURNAL_OP_DOCUMENTS, NULL);
}

void journal_forget(struct journal_client *client, struct journal_forget *forget) {
    submit(client, &forget->op, JOURNAL_OP_FORGET, &client->box.client);
}

/* In pieces: one long read would keep the writer's write-ahead log from being emptied. */
static bool read_all(sqlite3_stmt *all, struct journal_call *calls,
                     bool (*visit)(void *arg, const struct journal_call *call), void *arg) {
    int64_t after = 0;
    int count;
    while ((count = journal_books_read(all, after, calls, READ_AT_ONCE)) > 0) {
        for (int i = 0; i < count; i++) {
            if (!visit(arg, &calls[i]))
                return true;
        }
        after = calls[count - 1].line;
    }
    return count == 0;
}

bool journal_read(const char *path, bool (*visit)(void *arg, const struct journal_call *call),
                  void *arg, struct complaint *complaint) {
    sqlite3 *db = sqlite_file_look(&journal_file, path, complaint);
    if (!db)
        return false;
    struct journal_call *calls = malloc(READ_AT_ONCE * sizeof *calls);
    sqlite3_stmt *all = journal_books_prepare_all(db);
    bool done = calls && all && read_all(all, calls, visit, arg);
    if (!done)
        complain(complaint, "journal.path: cannot read %s: %s", path,
                 calls ? sqlite3_errmsg(db) : "out of memory");
    free(calls);
    sqlite3_finalize(all);
    sqlite3_close(db);
    return done;
}

bool journal_read_documents(const char *path,
                            bool (*visit)(void *arg, const struct store_document *document),
                            void *arg, struct complaint *complaint) {
    sqlite3 *db = sqlite_file_look(&journal_file, path, complaint);
    if (!db)
        return false;
    bool done = journal_books_read_documents(db, visit, arg);
    if (!done)
        complain(complaint, "journal.path: cannot read %s: %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return done;
}
