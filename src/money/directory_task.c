#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/audit.h"
#include "money/directory_own.h"
#include "runtime/container.h"
#include "runtime/log.h"

#define CONFLICTS_MOST 5

/* --- the list --- */

static bool is_listed(const struct directory *directory, const struct directory_task *task) {
    for (const struct directory_task *other = directory->tasks; other != NULL;
         other = other->next) {
        if (other->mark == task->mark && strcmp(other->credential, task->credential) == 0)
            return true;
    }
    return false;
}

/* The same mark twice would find nothing to do the second time. */
void directory_add_tasks(struct directory *directory, struct directory_task *tasks) {
    struct directory_task **last = &directory->tasks;
    while (tasks != NULL) {
        struct directory_task *task = tasks;
        tasks = task->next;
        task->next = NULL;
        if (task->mark != CREDENTIAL_GOOD && is_listed(directory, task)) {
            free(task);
            continue;
        }
        while (*last != NULL)
            last = &(*last)->next;
        *last = task;
    }
}

void directory_free_tasks(struct directory_task *tasks) {
    while (tasks != NULL) {
        struct directory_task *next = tasks->next;
        free(tasks);
        tasks = next;
    }
}

/* Whoever has said so may wait for what comes of it, also where that is nothing. */
static void drop_first(struct directory *directory) {
    struct directory_task *task = directory->tasks;
    directory->tasks = task->next;
    free(task);
    directory_tell(directory);
}

/* --- writing a credential's document --- */

static void on_written(struct store_op *op) {
    struct directory *directory = container_of(op, struct directory, write.op);
    struct directory_task *task = directory->tasks;
    enum store_outcome outcome = directory->write.outcome;
    free(directory->body_owned);
    free(directory->audit_owned);
    directory->body_owned = NULL;
    directory->audit_owned = NULL;
    directory->busy = false;
    directory->tell_next = true;
    directory->must_read = outcome != STORE_AWAY;
    if (outcome == STORE_AWAY) {
        directory_turned_away(directory);
    } else if (outcome == STORE_DONE && task->mark != CREDENTIAL_GOOD) {
        drop_first(directory);
    } else if (outcome == STORE_CONFLICT && ++task->conflicts == CONFLICTS_MOST) {
        log_warn("a credential's mark cannot be written: it is changed by others all the time",
                 LOG_TEXT("credential", task->credential));
        drop_first(directory);
    }
    directory_go_on(directory);
}

static char *make_audit(const struct directory *directory, const char *action, const char *id,
                        const char *before, const char *after) {
    cJSON *was = before != NULL ? cJSON_Parse(before) : NULL;
    cJSON *is = cJSON_Parse(after);
    const struct audit_entry entry = {
        .at_ms = clock_unix_ms(directory->parts.clock),
        .token = DIRECTORY_ACTOR,
        .action = action,
        .kind = store_document_kind_name[STORE_CREDENTIAL],
        .id = id,
        .before = was,
        .after = is,
    };
    char *line = audit_encode(&entry);
    cJSON_Delete(was);
    cJSON_Delete(is);
    return line;
}

/* Is it what the document says already, but for when? One that is refused for days is tried again
 * and again, which is no news. */
static bool is_news(const struct store_document *document, const struct credential *credential) {
    struct credential found;
    return document == NULL || !credential_decode(document->body_owned, &found) ||
           found.mark != credential->mark || strcmp(found.appcode, credential->appcode) != 0;
}

/* False: no memory. */
static bool write_credential(struct directory *directory, const char *action,
                             const struct credential *credential) {
    const struct store_document *document =
        directory_document(directory, STORE_CREDENTIAL, credential->id);
    const char *before = document != NULL ? document->body_owned : NULL;
    bool news = is_news(document, credential);
    char *body = credential_encode(credential);
    char *audit =
        body != NULL && news ? make_audit(directory, action, credential->id, before, body) : NULL;
    if (body == NULL || (news && audit == NULL)) {
        free(body);
        return false;
    }
    directory->body_owned = body;
    directory->audit_owned = audit;
    directory->write = (struct store_write_document){
        .op.done = on_written,
        .kind = STORE_CREDENTIAL,
        /* The configured one or the document's own: both stay where they are until it is done. */
        .id = document != NULL ? document->id : directory_configured(directory, credential->id)->id,
        .body = body,
        .expected = document != NULL ? document->version : 0,
        .audit = audit,
    };
    directory->busy = true;
    store_write_document(directory->parts.store, &directory->write);
    return true;
}

/* --- marks --- */

static bool bears_mark(const struct directory *directory,
                       const struct directory_credential *credential) {
    const struct store_document *document =
        directory_document(directory, STORE_CREDENTIAL, credential->id);
    struct credential found;
    return document != NULL && credential_decode(document->body_owned, &found) &&
           found.mark != CREDENTIAL_GOOD && strcmp(found.appcode, credential->appcode) == 0 &&
           !directory_mark_lapsed(directory, &found);
}

/* By our books; -1: no package is registered. */
static int64_t left_of(const struct directory *directory, const char *credential) {
    const struct directory_snapshot *snapshot = directory->now;
    int64_t now_ms = clock_unix_ms(directory->parts.clock);
    int64_t left = 0;
    if (!directory_is_metered(snapshot))
        return -1;
    for (int i = 0; i < snapshot->package_count; i++) {
        const struct package *package = &snapshot->packages[i];
        bool expired = package->expires_at_ms != 0 && package->expires_at_ms <= now_ms;
        int64_t used = directory_used(directory, package->id);
        if (!package->removed && !expired && strcmp(package->credential, credential) == 0 &&
            used < package->calls)
            left += package->calls - used;
    }
    return left;
}

/* The credential that the first task would still mark; NULL: none. */
static const struct directory_credential *to_be_marked(const struct directory *directory) {
    const struct directory_credential *credential =
        directory_configured(directory, directory->tasks->credential);
    return credential != NULL && !bears_mark(directory, credential) ? credential : NULL;
}

static void write_mark(struct directory *directory, const struct directory_credential *configured) {
    struct credential credential = {
        .mark = directory->tasks->mark,
        .since_ms = clock_unix_ms(directory->parts.clock),
        .left = left_of(directory, configured->id),
    };
    snprintf(credential.id, sizeof credential.id, "%s", configured->id);
    snprintf(credential.appcode, sizeof credential.appcode, "%s", configured->appcode);
    log_warn("a credential is refused", LOG_TEXT("credential", credential.id),
             LOG_TEXT("mark", credential_mark_name[credential.mark]));
    if (!write_credential(directory, "mark", &credential))
        drop_first(directory);
}

static void on_left(struct store_op *op) {
    struct directory *directory = container_of(op, struct directory, task_read.op);
    struct store_read_counters *read = &directory->task_read;
    directory->busy = false;
    if (read->outcome == STORE_DONE)
        directory_keep_used(directory, read->counters_owned, read->count);
    else
        free(read->counters_owned);
    const struct directory_credential *credential =
        directory->ending ? NULL : to_be_marked(directory);
    if (credential != NULL)
        write_mark(directory, credential);
    directory_go_on(directory);
}

/* What is left is told exactly, so the counters are looked at once more before. */
static bool start_mark(struct directory *directory) {
    if (to_be_marked(directory) == NULL) {
        drop_first(directory);
        return false;
    }
    directory->task_read = (struct store_read_counters){.op.done = on_left, .scope = "package"};
    directory->busy = true;
    store_read_counters(directory->parts.store, &directory->task_read);
    return true;
}

static bool find_marked(const struct directory *directory, const char *id,
                        struct credential *credential) {
    for (int i = 0; i < directory->document_count; i++) {
        const struct store_document *document = &directory->documents[i];
        if (document->kind == STORE_CREDENTIAL &&
            (id[0] == '\0' || strcmp(document->id, id) == 0) &&
            credential_decode(document->body_owned, credential) &&
            strcmp(document->id, credential->id) == 0 && credential->mark != CREDENTIAL_GOOD)
            return true;
    }
    return false;
}

static bool start_clear(struct directory *directory) {
    const struct directory_task *task = directory->tasks;
    struct credential credential;
    if (find_marked(directory, task->credential, &credential) &&
        (!task->lapsed || directory_mark_lapsed(directory, &credential))) {
        credential.mark = CREDENTIAL_GOOD;
        credential.since_ms = clock_unix_ms(directory->parts.clock);
        credential.left = -1;
        if (write_credential(directory, "clear", &credential))
            return true;
    }
    drop_first(directory);
    return false;
}

bool directory_start_task(struct directory *directory) {
    while (directory->tasks != NULL) {
        bool started = directory->tasks->mark == CREDENTIAL_GOOD ? start_clear(directory)
                                                                 : start_mark(directory);
        if (started)
            return true;
    }
    return false;
}

static struct directory_task *new_task(const char *credential, enum credential_mark mark) {
    struct directory_task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        log_error("no memory to mark a credential", LOG_TEXT("credential", credential));
        return NULL;
    }
    task->mark = mark;
    snprintf(task->credential, sizeof task->credential, "%s", credential);
    return task;
}

void directory_mark(struct directory *directory, const char *credential,
                    enum credential_mark mark) {
    struct directory_task *task = new_task(credential, mark);
    if (task == NULL)
        return;
    task->lapsed = mark == CREDENTIAL_GOOD;
    uv_mutex_lock(&directory->mutex);
    struct directory_task **last = &directory->told;
    while (*last != NULL && ((*last)->mark != mark || strcmp((*last)->credential, credential) != 0))
        last = &(*last)->next;
    /* Of many calls that ended the same together one is enough. */
    if (*last == NULL) {
        *last = task;
        task = NULL;
    }
    uv_async_send(&directory->wake);
    uv_mutex_unlock(&directory->mutex);
    free(task);
}

void directory_clear_marks(struct directory *directory, const char *credential) {
    struct directory_task *task = new_task(credential != NULL ? credential : "", CREDENTIAL_GOOD);
    if (task == NULL)
        return;
    directory_add_tasks(directory, task);
    directory_go_on(directory);
}
