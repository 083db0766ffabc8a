#include "store/journal_writer.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"

#define SWEEP_STEP 200 /* a few milliseconds at most */
#define RAISE_MS   1000
#define RAISE_STEP 20000 /* the same, as they are only read */

/* An outcome that could not be written, with what it points at. */
struct kept_outcome {
    struct journal_outcome outcome;
    struct store_settle settle;
};

static const struct batch_writer_kind writer_kind;

static void publish_newest(struct journal_writer *writer) {
    uv_mutex_lock(&writer->mutex);
    writer->last = writer->newest;
    uv_mutex_unlock(&writer->mutex);
}

struct journal_mark journal_writer_last(struct journal_writer *writer) {
    uv_mutex_lock(&writer->mutex);
    struct journal_mark last = writer->last;
    uv_mutex_unlock(&writer->mutex);
    return last;
}

static bool recover(struct journal_writer *writer, struct complaint *complaint) {
    int64_t calls = journal_books_recover(&writer->books, clock_unix_ms(writer->clock));
    if (calls < 0 || !journal_books_newest(&writer->books, &writer->newest))
        return complain(complaint, "journal.path: cannot write the journal: %s",
                        writer->books.trouble);
    if (calls > 0)
        log_warn("calls of a run that ended early have no outcome; they count as billed",
                 LOG_NUMBER("calls", calls));
    return true;
}

bool journal_writer_open(struct journal_writer *writer, sqlite3 *db, int64_t keep_ms,
                         const struct clock *clock, struct complaint *complaint) {
    *writer = (struct journal_writer){.base.kind = &writer_kind,
                                      .clock = clock,
                                      .keep_ms = keep_ms,
                                      .memory_line = JOURNAL_MEMORY_LINES};
    writer->base.trouble = writer->books.trouble;
    if (!journal_books_open(&writer->books, db, complaint))
        return false;
    if (recover(writer, complaint)) {
        if (uv_mutex_init(&writer->mutex) == 0) {
            publish_newest(writer);
            return true;
        }
        complain(complaint, "journal.path: no resources for a mutex");
    }
    journal_books_close(&writer->books);
    return false;
}

void journal_writer_close(struct journal_writer *writer) {
    batch_writer_give_up(&writer->base);
    uv_mutex_destroy(&writer->mutex);
    journal_books_close(&writer->books);
}

static void write_outcome(struct journal_writer *writer, struct journal_outcome *outcome) {
    struct journal_books *books = &writer->books;
    bool unused;
    if (writer->writing)
        writer->writing = journal_books_end(books, outcome->settle, &outcome->repeated,
                                            &outcome->let_go, &writer->newest);
    if (writer->writing && outcome->delivered)
        writer->writing =
            journal_books_deliver(books, &outcome->settle->id, &writer->newest, &unused);
    outcome->written = true;
}

static void write_outcomes(struct journal_writer *writer, const struct op_list *ops) {
    for (struct store_op *op = ops->first; op; op = op->next) {
        if (op->kind == JOURNAL_OP_OUTCOME)
            write_outcome(writer, (struct journal_outcome *)op);
    }
}

static void write_intent(struct journal_writer *writer, struct journal_intent *intent) {
    if (writer->writing)
        writer->writing = journal_books_intend(&writer->books, intent->admit);
    intent->written = true;
}

static void write_mark(struct journal_writer *writer, struct journal_marking *marking) {
    if (writer->writing && !marking->written)
        writer->writing =
            journal_books_deliver(&writer->books, &marking->id, &writer->newest, &marking->written);
}

/* One of a call whose outcome is only written now is tried once more with the rest. */
static void write_marks(struct journal_writer *writer, const struct op_list *ops) {
    for (struct store_op *op = ops->first; op; op = op->next) {
        if (op->kind == JOURNAL_OP_MARK)
            write_mark(writer, (struct journal_marking *)op);
    }
}

static void take_marks_off(struct journal_writer *writer, struct journal_redeliver *redeliver) {
    redeliver->count = -1;
    if (writer->writing) {
        redeliver->count = journal_books_redeliver(&writer->books, redeliver->since_ms);
        writer->writing = redeliver->count >= 0;
    }
    if (writer->writing)
        writer->writing = journal_books_newest(&writer->books, &writer->newest);
}

struct journal_documents *journal_documents_copy(const struct store_document *documents,
                                                 int count) {
    size_t head = sizeof(struct journal_documents) + (size_t)count * sizeof *documents;
    size_t bodies = 0;
    for (int i = 0; i < count; i++)
        bodies += strlen(documents[i].body_owned) + 1;
    struct journal_documents *copy = malloc(head + bodies);
    if (!copy)
        return NULL;
    char *body = (char *)copy + head;
    copy->count = count;
    for (int i = 0; i < count; i++) {
        size_t size = strlen(documents[i].body_owned) + 1;
        copy->documents[i] = documents[i];
        copy->documents[i].body_owned = memcpy(body, documents[i].body_owned, size);
        body += size;
    }
    return copy;
}

static void write_documents(struct journal_writer *writer,
                            const struct journal_documents *documents) {
    for (int i = 0; i < documents->count && writer->writing; i++)
        writer->writing = journal_books_keep(&writer->books, &documents->documents[i]);
}

static void write_forget(struct journal_writer *writer, struct journal_forget *forget) {
    if (writer->writing)
        writer->writing =
            journal_books_forget_about(&writer->books, forget->whole_number, &forget->digest);
    forget->written = true;
}

static void write_rest(struct journal_writer *writer, const struct op_list *ops) {
    for (struct store_op *op = ops->first; op; op = op->next) {
        if (op->kind == JOURNAL_OP_INTENT)
            write_intent(writer, (struct journal_intent *)op);
        else if (op->kind == JOURNAL_OP_MARK)
            write_mark(writer, (struct journal_marking *)op);
        else if (op->kind == JOURNAL_OP_REDELIVER)
            take_marks_off(writer, (struct journal_redeliver *)op);
        else if (op->kind == JOURNAL_OP_DOCUMENTS)
            write_documents(writer, (const struct journal_documents *)op);
        else if (op->kind == JOURNAL_OP_FORGET)
            write_forget(writer, (struct journal_forget *)op);
    }
}

/* False where memory is out: then the caller's own struct is kept, and the caller waits until it is
 * written. */
static bool keep_outcome(struct journal_writer *writer, struct journal_outcome *outcome) {
    struct kept_outcome *copy = malloc(sizeof *copy);
    outcome->line = writer->memory_line++;
    if (!copy) {
        op_list_add(&writer->base.unwritten, &outcome->op);
        return false;
    }
    copy->outcome = *outcome;
    copy->settle = *outcome->settle;
    copy->outcome.settle = &copy->settle;
    copy->outcome.op.client = NULL;
    op_list_add(&writer->base.unwritten, &copy->outcome.op);
    outcome->written = false;
    outcome->repeated = false;
    outcome->let_go = false;
    return true;
}

/* Of what is on the disk the mark is lost, and set when it is delivered again. */
static void mark_kept(struct journal_writer *writer, const struct ledger_id *id) {
    for (struct store_op *op = writer->base.unwritten.first; op; op = op->next) {
        struct journal_outcome *outcome = (struct journal_outcome *)op;
        if (ledger_id_compare(&outcome->settle->id, id) == 0)
            outcome->delivered = true;
    }
}

/* What is kept here must not come back, either. Whose struct it is cannot be changed. */
static void forget_kept(struct journal_writer *writer, struct journal_forget *forget) {
    forget->written = false;
    for (struct store_op *op = writer->base.unwritten.first; op; op = op->next) {
        if (op->client)
            continue;
        struct store_settle *settle = &((struct kept_outcome *)op)->settle;
        const struct digest *about = forget->whole_number ? &settle->number : &settle->triple;
        if (digest_equal(about, &forget->digest))
            settle->answered = settle->keep = false;
    }
}

/* Nothing of this batch was written. */
static void take_back(struct journal_writer *writer, struct op_list *ops) {
    struct store_op *op;
    while ((op = op_list_take(ops))) {
        if (op->kind == JOURNAL_OP_OUTCOME && !keep_outcome(writer, (struct journal_outcome *)op))
            continue;
        if (op->kind == JOURNAL_OP_INTENT)
            ((struct journal_intent *)op)->written = false;
        else if (op->kind == JOURNAL_OP_MARK)
            mark_kept(writer, &((struct journal_marking *)op)->id);
        else if (op->kind == JOURNAL_OP_REDELIVER)
            ((struct journal_redeliver *)op)->count = -1;
        else if (op->kind == JOURNAL_OP_FORGET)
            forget_kept(writer, (struct journal_forget *)op);
        op_list_add(&writer->base.finished, op);
    }
    writer->newest = journal_writer_last(writer);
}

/* A caller of what waited is told first: it happened first. */
static void deliver(struct journal_writer *writer, struct op_list *ops) {
    op_list_append(&writer->base.finished, &writer->base.unwritten);
    op_list_append(&writer->base.finished, ops);
    publish_newest(writer);
}

static int fetch_kept(const struct journal_writer *writer, int64_t after,
                      struct journal_call *calls, int most) {
    int count = 0;
    for (struct store_op *op = writer->base.unwritten.first; op && count < most; op = op->next) {
        const struct journal_outcome *outcome = (const struct journal_outcome *)op;
        if (!outcome->delivered && outcome->line > after)
            calls[count++] = (struct journal_call){
                .line = outcome->line, .ended = true, .settle = *outcome->settle};
    }
    return count;
}

static void fetch(struct journal_writer *writer, struct journal_fetch *fetch) {
    struct journal_call *calls = malloc(JOURNAL_FETCH_MOST * sizeof *calls);
    int count =
        calls ? journal_books_undelivered(&writer->books, fetch->after, calls, JOURNAL_FETCH_MOST)
              : -1;
    fetch->read = count >= 0;
    if (count >= 0)
        count += fetch_kept(writer, fetch->after, calls + count, JOURNAL_FETCH_MOST - count);
    fetch->count = count > 0 ? count : 0;
    fetch->calls_owned = count > 0 ? calls : NULL;
    if (count <= 0)
        free(calls);
}

static void fetch_all(struct journal_writer *writer) {
    for (struct store_op *op = writer->base.finished.first; op; op = op->next) {
        if (op->kind == JOURNAL_OP_FETCH)
            fetch(writer, (struct journal_fetch *)op);
    }
}

static void note_state(struct journal_writer *writer) {
    if (writer->base.away == !writer->writing)
        return;
    writer->base.away = !writer->writing;
    if (writer->base.away)
        log_error("the journal cannot be written; nothing is spent until it can",
                  LOG_TEXT("reason", writer->books.trouble));
    else
        log_info("the journal can be written again");
}

static void raise_floors(struct journal_writer *writer) {
    int64_t now = clock_monotonic_ms(writer->clock);
    if (!writer->writing || now < writer->raise_at)
        return;
    writer->raise_at = now + RAISE_MS;
    writer->writing = journal_books_raise_floors(&writer->books, &writer->newest, RAISE_STEP);
}

static void run(struct batch_writer *base, struct op_list *ops) {
    struct journal_writer *writer = (struct journal_writer *)base;
    writer->writing = journal_books_begin(&writer->books);
    if (writer->base.away && writer->writing)
        writer->writing = journal_books_probe(&writer->books);
    raise_floors(writer);
    write_marks(writer, ops);
    write_outcomes(writer, &writer->base.unwritten);
    write_outcomes(writer, ops);
    write_rest(writer, ops);

    if (writer->writing)
        writer->writing = journal_books_finish_marks(&writer->books, &writer->newest);
    if (writer->writing)
        writer->writing = journal_books_commit(&writer->books);
    if (writer->writing) {
        deliver(writer, ops);
    } else {
        journal_books_rollback(&writer->books);
        take_back(writer, ops);
    }
    note_state(writer);
    fetch_all(writer);
}

static int64_t due(const struct batch_writer *base) {
    (void)base;
    return INT64_MAX;
}

static bool sweep(struct batch_writer *base) {
    struct journal_writer *writer = (struct journal_writer *)base;
    int64_t now = clock_unix_ms(writer->clock);
    bool more;
    bool forgotten =
        journal_books_forget(&writer->books, now - JOURNAL_ANSWER_MS, SWEEP_STEP, &more);
    int deleted =
        journal_books_sweep(&writer->books, now - writer->keep_ms, writer->newest.line, SWEEP_STEP);
    return (forgotten && more) || deleted == SWEEP_STEP;
}

static const struct batch_writer_kind writer_kind = {
    .name = "journal",
    .thread = "sanyao-journal",
    .run = run,
    .due = due,
    .sweep = sweep,
};
