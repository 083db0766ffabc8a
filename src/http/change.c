#include "http/change.h"

#include <stdlib.h>

#include "http/admin.h"
#include "http/body.h"
#include "money/audit.h"
#include "runtime/log.h"

static void on_written(struct store_op *op);

static const char *kind_name(const struct change *change) {
    return change->audit_kind != NULL ? change->audit_kind : store_document_kind_name[change->kind];
}

static void free_step(struct change *change) {
    free(change->body_owned);
    free(change->audit_owned);
    cJSON_Delete(change->before_owned);
    cJSON_Delete(change->after_owned);
    change->body_owned = NULL;
    change->audit_owned = NULL;
    change->before_owned = NULL;
    change->after_owned = NULL;
}

static void end(struct change *change) {
    free_step(change);
    body_free(change->wish_owned);
    change->wish_owned = NULL;
    admin_waited(change->service);
}

static void finish(struct change *change, bool changed) {
    end(change);
    change->written(change, changed);
}

static void fail(struct change *change, enum problem problem, const char *detail) {
    if (change->optional) {
        log_warn("not written down", LOG_TEXT("kind", kind_name(change)), LOG_TEXT("why", detail));
        finish(change, false);
        return;
    }
    end(change);
    admin_refuse(change->request, problem, detail);
}

static char *make_audit(const struct change *change) {
    const struct audit_entry entry = {
        .at_ms = clock_unix_ms(change->service->clock),
        .token = change->request->token,
        .action = change->action,
        .kind = kind_name(change),
        .id = change->id,
        .before = change->before_owned,
        .after = change->after_owned,
    };
    return audit_encode(&entry);
}

static void write_step(struct change *change, int64_t expected) {
    bool document = change->id[0] != '\0';
    change->audit_owned = change->action != NULL ? make_audit(change) : NULL;
    if ((document && change->body_owned == NULL) ||
        (change->action != NULL && change->audit_owned == NULL)) {
        fail(change, PROBLEM_OVERLOADED, "There is no memory for it.");
        return;
    }
    change->write.op.done = on_written;
    change->write.kind = change->kind;
    change->write.id = document ? change->id : NULL;
    change->write.body = change->body_owned;
    change->write.expected = expected;
    change->write.audit = change->audit_owned;
    store_write_document(change->service->store_client, &change->write);
}

static void take_step(struct change *change) {
    const struct store_document *document =
        change->id[0] != '\0'
            ? directory_document(change->service->directory, change->kind, change->id)
            : NULL;
    int64_t version = document != NULL ? document->version : 0;
    switch (change->apply(change, document)) {
    case CHANGE_WRITE:
        write_step(change, version);
        return;
    case CHANGE_UNCHANGED:
        finish(change, false);
        return;
    case CHANGE_REFUSED:
        end(change);
        return;
    }
}

static void on_known_again(void *arg, bool read) {
    struct change *change = arg;
    free_step(change);
    if (read)
        take_step(change);
    else
        fail(change, PROBLEM_STORE_UNAVAILABLE, "What others wrote cannot be read now.");
}

/* Also where it could not be read: it was written, and a new key is told only once. What has no
 * document may have taken marks away, which is in force by then, too. */
static void on_in_force(void *arg, bool read) {
    struct change *change = arg;
    if (!read && change->write.id != NULL)
        directory_note_written(change->service->directory, &change->write);
    finish(change, true);
}

static void on_written(struct store_op *op) {
    struct change *change = (struct change *)op;
    struct directory *directory = change->service->directory;
    if (change->write.outcome == STORE_DONE) {
        directory_refresh(directory, on_in_force, change);
    } else if (change->write.outcome != STORE_CONFLICT) {
        fail(change, PROBLEM_STORE_UNAVAILABLE, "Nobody knows whether it was written.");
    } else if (change->again) {
        fail(change, PROBLEM_CONFLICT, "It was changed by somebody else meanwhile.");
    } else {
        change->again = true;
        directory_refresh(directory, on_known_again, change);
    }
}

void change_begin(struct change *change) {
    admin_wait(change->service);
    take_step(change);
}
