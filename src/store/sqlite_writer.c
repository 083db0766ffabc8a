#include "store/sqlite_writer.h"

#include <stdlib.h>

#include "runtime/log.h"
#include "store/backend.h"
#include "store/sqlite_counters.h"
#include "store/sqlite_records.h"

#define SWEEP_STEP 200   /* a few milliseconds at most */
#define STEP_MS    10000 /* the clock was set, and has not only drifted */

static const struct batch_writer_kind writer_kind;

/* At the start nobody knows how the clock was when the answers came; later only a clock that was
 * set back leaves some in the future. */
static void look_at_clock(struct sqlite_writer *writer) {
    int64_t now = clock_unix_ms(writer->clock);
    int64_t offset = now - clock_monotonic_ms(writer->clock);
    bool set_back = !writer->looked || offset < writer->offset_ms - STEP_MS;
    if (set_back) {
        int64_t mended = books_mend_future(&writer->books, now / 1000);
        if (mended < 0)
            return;
        if (mended > 0)
            log_warn("kept answers are of the future: the clock was ahead, or is behind now; they "
                     "are taken for just checked",
                     LOG_NUMBER("answers", mended));
    }
    writer->looked = true;
    writer->offset_ms = offset;
}

bool sqlite_writer_open(struct sqlite_writer *writer, sqlite3 *db, const struct clock *clock,
                        struct complaint *complaint) {
    *writer = (struct sqlite_writer){.base.kind = &writer_kind, .clock = clock};
    writer->base.trouble = writer->books.trouble;
    if (!books_open(&writer->books, db, complaint))
        return false;
    int64_t recovered = counters_make(&writer->books) ? books_recover(&writer->books) : -1;
    if (recovered < 0) {
        complain(complaint, "store.url: cannot write the store: %s", writer->books.trouble);
        books_close(&writer->books);
        return false;
    }
    if (!lease_table_init(&writer->leases)) {
        complain(complaint, "store.url: out of memory");
        books_close(&writer->books);
        return false;
    }
    look_at_clock(writer);
    if (recovered > 0)
        log_warn("calls of a run that ended early have no outcome; they count as billed",
                 LOG_NUMBER("calls", recovered));
    return true;
}

void sqlite_writer_close(struct sqlite_writer *writer) {
    batch_writer_give_up(&writer->base);
    lease_table_free(&writer->leases);
    books_close(&writer->books);
}

static void finish_admit(struct sqlite_writer *writer, struct store_admit *admit,
                         enum store_outcome outcome) {
    admit->outcome = outcome;
    op_list_add(&writer->base.finished, &admit->op);
}

/* STORE_LEAD: nothing speaks against a call. A caller that insists on a new answer is not given an
 * inferred one. */
static enum store_outcome refuse(struct sqlite_writer *writer, struct store_admit *admit,
                                 bool infer, int64_t now) {
    admit->proven_at = infer ? books_proven_other(&writer->books, admit, now / 1000) : 0;
    if (admit->proven_at > 0)
        return STORE_INFERRED;
    admit->reopens_at_ms = books_closed_until(&writer->books, admit, now);
    if (admit->reopens_at_ms > 0)
        return STORE_CLOSED;
    writer->writing = admit->proven_at == 0 && admit->reopens_at_ms == 0;
    if (!writer->writing)
        return STORE_AWAY;
    enum store_outcome decided = counters_decide(&writer->books, admit, now);
    writer->writing = decided != STORE_AWAY;
    return decided;
}

static enum store_outcome decide(struct sqlite_writer *writer, struct store_admit *admit) {
    if (!writer->writing)
        return STORE_AWAY;
    enum store_outcome kept = books_find(&writer->books, &admit->triple, &admit->answer);
    writer->writing = kept != STORE_AWAY;
    int64_t now = clock_unix_ms(writer->clock);
    if (kept == STORE_HIT &&
        freshness_judge(&admit->answer, &admit->wish, now / 1000) != FRESHNESS_REFUSED)
        return STORE_ANSWERED;
    bool infer = admit->infer && !admit->wish.no_cache;
    enum store_outcome refused = writer->writing ? refuse(writer, admit, infer, now) : STORE_AWAY;
    if (refused != STORE_LEAD)
        return refused;
    int64_t ends_at = clock_monotonic_ms(writer->clock) + admit->lease_ms;
    if (!writer->writing ||
        !lease_take(&writer->leases, &admit->triple, &admit->id, ends_at, writer->batch))
        return STORE_AWAY;
    writer->writing = books_reserve(&writer->books, admit, now);
    return STORE_LEAD;
}

/* Neither what is kept nor whose number it is ends it. Who is refused leaves the lease as it is. */
static enum store_outcome decide_next(struct sqlite_writer *writer, struct store_admit *admit,
                                      struct lease *lease) {
    int64_t now = clock_unix_ms(writer->clock);
    enum store_outcome refused = writer->writing ? refuse(writer, admit, false, now) : STORE_AWAY;
    if (refused != STORE_LEAD)
        return refused;
    int64_t ends_at = clock_monotonic_ms(writer->clock) + admit->lease_ms;
    lease_pass(&writer->leases, lease, &admit->id, ends_at, writer->batch);
    writer->writing = books_reserve(&writer->books, admit, now);
    return STORE_LEAD;
}

static void admit_one(struct sqlite_writer *writer, struct store_admit *admit) {
    struct lease *lease = lease_find(&writer->leases, &admit->triple);
    if (lease && ledger_id_compare(&lease->holder, &admit->after) == 0) {
        admit->collapsed = false;
        finish_admit(writer, admit, decide_next(writer, admit, lease));
        return;
    }
    if (lease) {
        op_list_add(&lease->followers, &admit->op);
        return;
    }
    admit->collapsed = false;
    finish_admit(writer, admit, decide(writer, admit));
}

static void tell_followers(struct sqlite_writer *writer, struct lease *lease,
                           const struct store_settle *settle) {
    struct store_admit *admit;
    while ((admit = (struct store_admit *)op_list_take(&lease->followers))) {
        admit->collapsed = true;
        if (settle->answered)
            admit->answer = settle->answer;
        else
            admit->failure = settle->failure;
        finish_admit(writer, admit, settle->answered ? STORE_ANSWERED : STORE_FAILED);
    }
}

/* In their order: the first leads, unless an answer serves it by now. */
static void admit_anew(struct sqlite_writer *writer, struct lease *lease) {
    struct op_list waiting = lease->followers;
    struct store_op *op;
    lease_drop(&writer->leases, lease);
    while ((op = op_list_take(&waiting)))
        admit_one(writer, (struct store_admit *)op);
}

static void settle_one(struct sqlite_writer *writer, struct store_settle *settle) {
    if (writer->writing)
        writer->writing = books_settle(&writer->books, settle, &settle->op.changed);
    settle->outcome = STORE_DONE;
    op_list_add(&writer->base.finished, &settle->op);

    struct lease *lease = lease_find(&writer->leases, &settle->triple);
    if (settle->hold || !lease || ledger_id_compare(&lease->holder, &settle->id) != 0)
        return;
    if (settle->again && !settle->answered) {
        admit_anew(writer, lease);
        return;
    }
    tell_followers(writer, lease, settle);
    lease_drop(&writer->leases, lease);
}

static void end_leases(struct sqlite_writer *writer) {
    int64_t now = clock_monotonic_ms(writer->clock);
    struct lease *lease;
    while ((lease = writer->leases.first) && lease->ends_at <= now)
        admit_anew(writer, lease);
}

/* --- records --- */

static void finish(struct sqlite_writer *writer, struct store_op *op, enum store_outcome *outcome) {
    if (!writer->writing)
        *outcome = STORE_AWAY;
    op_list_add(&writer->base.finished, op);
}

static void write_one(struct sqlite_writer *writer, struct store_write_document *write) {
    if (writer->writing)
        writer->writing = records_write(&writer->books, write);
    finish(writer, &write->op, &write->outcome);
}

static void add_one(struct sqlite_writer *writer, struct store_add_counters *add) {
    if (writer->writing)
        writer->writing = records_add(&writer->books, add);
    finish(writer, &add->op, &add->outcome);
}

static void forget_one(struct sqlite_writer *writer, struct store_forget *forget) {
    if (writer->writing)
        writer->writing = records_forget(&writer->books, forget);
    finish(writer, &forget->op, &forget->outcome);
}

/* --- a batch --- */

static void do_one(struct sqlite_writer *writer, struct store_op *op) {
    switch ((enum store_op_kind)op->kind) {
    case STORE_OP_ADMIT:
        admit_one(writer, (struct store_admit *)op);
        return;
    case STORE_OP_WRITE_DOCUMENT:
        write_one(writer, (struct store_write_document *)op);
        return;
    case STORE_OP_ADD_COUNTERS:
        add_one(writer, (struct store_add_counters *)op);
        return;
    case STORE_OP_FORGET:
        forget_one(writer, (struct store_forget *)op);
        return;
    default:
        settle_one(writer, (struct store_settle *)op);
        return;
    }
}

/* What refused may have been written in the same batch: a call that took the last one, a document,
 * a row in the number's window. */
static void turn_admit_back(struct store_admit *admit) {
    switch (admit->outcome) {
    case STORE_LEAD:
    case STORE_CLOSED:
    case STORE_REFUSED:
    case STORE_OUTDATED:
        admit->outcome = STORE_AWAY;
        return;
    default:
        return;
    }
}

static void turn_forget_back(struct store_forget *forget) {
    forget->answers = 0;
    forget->outcome = STORE_AWAY;
}

/* What was done is not done after all. */
static void turn_back(struct store_op *op) {
    if (op->kind == STORE_OP_WRITE_DOCUMENT)
        ((struct store_write_document *)op)->outcome = STORE_AWAY;
    else if (op->kind == STORE_OP_ADD_COUNTERS)
        ((struct store_add_counters *)op)->outcome = STORE_AWAY;
    else if (op->kind == STORE_OP_FORGET)
        turn_forget_back((struct store_forget *)op);
    else
        turn_admit_back((struct store_admit *)op);
}

static void write_unwritten(struct sqlite_writer *writer) {
    for (struct store_op *op = writer->base.unwritten.first; op && writer->writing; op = op->next)
        writer->writing = books_settle(&writer->books, (struct store_settle *)op, &op->changed);
}

/* Where memory is out the caller's own struct is kept, and the caller waits until it is written. */
static void keep_unwritten(struct sqlite_writer *writer, struct store_settle *settle,
                           struct op_list *finished) {
    struct store_settle *copy = malloc(sizeof *copy);
    if (!copy) {
        op_list_add(&writer->base.unwritten, &settle->op);
        return;
    }
    *copy = *settle;
    copy->op.client = NULL;
    op_list_add(&writer->base.unwritten, &copy->op);
    settle->outcome = STORE_AWAY;
    op_list_add(finished, &settle->op);
}

/* Nothing of this batch was written: nobody leads, nothing is settled. */
static void take_back(struct sqlite_writer *writer) {
    struct op_list told = writer->base.finished;
    struct op_list finished = {0};
    struct store_op *op;
    while ((op = op_list_take(&told))) {
        op->changed = false;
        if (op->kind == STORE_OP_SETTLE) {
            keep_unwritten(writer, (struct store_settle *)op, &finished);
            continue;
        }
        turn_back(op);
        op_list_add(&finished, op);
    }
    writer->base.finished = finished;

    for (struct lease *lease = writer->leases.first, *later; lease; lease = later) {
        later = lease->later;
        if (lease->batch != writer->batch || lease_give_back(&writer->leases, lease))
            continue;
        while ((op = op_list_take(&lease->followers)))
            finish_admit(writer, (struct store_admit *)op, STORE_AWAY);
        lease_drop(&writer->leases, lease);
    }
}

/* The callers of what waited are told first: it happened first. */
static void deliver(struct sqlite_writer *writer) {
    struct op_list finished = writer->base.unwritten;
    writer->base.unwritten.first = NULL;
    op_list_append(&finished, &writer->base.finished);
    writer->base.finished = finished;
}

static void note_state(struct sqlite_writer *writer) {
    if (writer->base.away == !writer->writing)
        return;
    writer->base.away = !writer->writing;
    if (writer->base.away)
        log_error("the store cannot be written; nothing is spent until it can",
                  LOG_TEXT("reason", writer->books.trouble));
    else
        log_info("the store can be written again");
}

static void run(struct batch_writer *base, struct op_list *ops) {
    struct sqlite_writer *writer = (struct sqlite_writer *)base;
    writer->batch++;
    writer->writing = books_begin(&writer->books);
    if (writer->base.away && writer->writing)
        writer->writing = books_probe(&writer->books);
    write_unwritten(writer);

    struct store_op *op;
    while ((op = op_list_take(ops)))
        do_one(writer, op);
    /* After the settlements: one that came just in time wins over the lease's end. */
    end_leases(writer);

    if (writer->writing)
        writer->writing = books_commit(&writer->books);
    if (writer->writing) {
        deliver(writer);
    } else {
        books_rollback(&writer->books);
        take_back(writer);
    }
    note_state(writer);
}

/* When the next lease ends. */
static int64_t due(const struct batch_writer *base) {
    const struct sqlite_writer *writer = (const struct sqlite_writer *)base;
    return writer->leases.first ? writer->leases.first->ends_at : INT64_MAX;
}

static bool sweep(struct batch_writer *base) {
    struct sqlite_writer *writer = (struct sqlite_writer *)base;
    int64_t now = clock_unix_ms(writer->clock);
    look_at_clock(writer);
    return books_sweep(&writer->books, now, SWEEP_STEP) == SWEEP_STEP;
}

static const struct batch_writer_kind writer_kind = {
    .name = "store",
    .thread = "sanyao-store",
    .run = run,
    .due = due,
    .sweep = sweep,
};
