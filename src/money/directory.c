#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/directory_own.h"
#include "runtime/container.h"
#include "runtime/log.h"
#include "runtime/metrics.h"

#define POLL_MS  10000
#define LOOK_MS  5000
#define AGAIN_MS 500 /* while the store is away */

static void end_if_idle(struct directory *directory);

/* --- what is known --- */

int directory_place(const struct directory *directory, enum store_document_kind kind,
                    const char *id, bool *found) {
    int low = 0;
    int high = directory->document_count;
    *found = false;
    while (low < high) {
        int middle = (low + high) / 2;
        const struct store_document *document = &directory->documents[middle];
        int order =
            document->kind != kind ? (document->kind < kind ? -1 : 1) : strcmp(document->id, id);
        *found = *found || order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct store_document *directory_document(const struct directory *directory,
                                                enum store_document_kind kind, const char *id) {
    bool found = false;
    int place = directory_place(directory, kind, id, &found);
    return found ? &directory->documents[place] : NULL;
}

void directory_each(const struct directory *directory, enum store_document_kind kind,
                    void (*visit)(void *arg, const struct store_document *document), void *arg) {
    for (int i = 0; i < directory->document_count; i++) {
        if (directory->documents[i].kind == kind)
            visit(arg, &directory->documents[i]);
    }
}

static bool grow_documents(struct directory *directory, int more) {
    int room = directory->document_count + more;
    if (room <= directory->document_room)
        return true;
    room += room / 2;
    struct store_document *documents =
        realloc(directory->documents, (size_t)room * sizeof *directory->documents);
    if (documents == NULL)
        return false;
    directory->documents = documents;
    directory->document_room = room;
    return true;
}

/* Said when it arrives: whoever wrote it was another version of this program. */
static void judge_document(const struct store_document *document) {
    struct client client;
    struct package package;
    struct credential credential;
    bool good = true;
    if (document->kind == STORE_CLIENT)
        good = client_decode(document->body_owned, &client);
    else if (document->kind == STORE_PACKAGE)
        good = package_decode(document->body_owned, &package);
    else if (document->kind == STORE_CREDENTIAL)
        good = credential_decode(document->body_owned, &credential);
    if (!good)
        log_warn("a document of the store cannot be read: it is left out",
                 LOG_TEXT("kind", store_document_kind_name[document->kind]),
                 LOG_TEXT("id", document->id));
}

/* There is room. The body is taken. */
static void keep_document(struct directory *directory, struct store_document *document) {
    bool found = false;
    int place = directory_place(directory, document->kind, document->id, &found);
    struct store_document *kept = &directory->documents[place];
    judge_document(document);
    if (found) {
        free(kept->body_owned);
    } else {
        memmove(kept + 1, kept, (size_t)(directory->document_count - place) * sizeof *kept);
        directory->document_count++;
    }
    *kept = *document;
    document->body_owned = NULL;
}

/* --- what all see --- */

const struct directory_snapshot *directory_now(const struct directory *directory) {
    return directory->now;
}

/* Whoever leaves an AppCode alone for its mark learns of it before the calls that the new snapshot
 * brings. */
static void tell_marks(const struct directory *directory, const struct directory_snapshot *made) {
    for (int i = 0; directory->parts.marked != NULL && i < directory->credential_count; i++) {
        const struct directory_credential *credential = &directory->credentials[i];
        enum credential_mark mark = directory_mark_of(made, credential);
        if (mark != directory_mark_of(directory->now, credential))
            directory->parts.marked(directory->parts.arg, credential->id, mark);
    }
}

void directory_publish(struct directory *directory) {
    struct directory_snapshot *made = directory_snapshot_make(directory);
    directory->stale = made == NULL;
    if (made == NULL) {
        log_error("no memory for a new view of clients and packages");
        return;
    }
    tell_marks(directory, made);
    *directory_snapshot_next(directory->now) = directory->retired;
    directory->retired = directory->now;
    uv_mutex_lock(&directory->mutex);
    directory->now = made;
    uv_mutex_unlock(&directory->mutex);
    directory_tell(directory);
    uv_async_send(&directory->wake);
}

static void release_retired(struct directory *directory) {
    while (directory->retired != NULL) {
        struct directory_snapshot *snapshot = directory->retired;
        directory->retired = *directory_snapshot_next(snapshot);
        directory_snapshot_release(snapshot);
    }
}

void directory_set_credentials(struct directory *directory,
                               const struct directory_credential *credentials, int count,
                               int64_t refused_for_ms) {
    struct directory_credential *copy = calloc((size_t)count + 1, sizeof *copy);
    if (copy == NULL) {
        log_error("no memory for the credentials");
        return;
    }
    if (count > 0)
        memcpy(copy, credentials, (size_t)count * sizeof *copy);
    free(directory->credentials);
    directory->credentials = copy;
    directory->credential_count = count;
    directory->refused_for_ms = refused_for_ms;
    directory_publish(directory);
}

/* --- reading --- */

static void call_waiters(struct directory_waiter *waiters, bool read) {
    while (waiters != NULL) {
        struct directory_waiter *waiter = waiters;
        waiters = waiter->next;
        waiter->done(waiter->arg, read);
        free(waiter);
    }
}

static void on_poll(uv_timer_t *timer) {
    struct directory *directory = timer->data;
    directory->wanted = true;
    directory_go_on(directory);
}

/* Behind each read, so that nobody polls who has just read. */
static void wait_for_poll(struct directory *directory) {
    uint64_t poll_ms = directory->parts.poll_ms > 0 ? (uint64_t)directory->parts.poll_ms : POLL_MS;
    uint64_t ms = directory->away && poll_ms > AGAIN_MS ? AGAIN_MS : poll_ms;
    if (!directory->ending)
        uv_timer_start(&directory->poll, on_poll, ms, 0);
}

void directory_turned_away(struct directory *directory) {
    directory->away = true;
    wait_for_poll(directory);
    directory_tell(directory);
}

static void end_read(struct directory *directory, bool read) {
    struct directory_waiter *served = directory->served;
    bool tell = directory->tell;
    directory->served = NULL;
    directory->tell = false;
    directory->away = !read;
    wait_for_poll(directory);
    if (tell)
        directory_tell(directory);
    call_waiters(served, read);
}

static bool take_documents(struct directory *directory) {
    struct store_read_documents *read = &directory->read;
    bool changed = read->count > 0 || read->version != directory->version || directory->stale;
    if (!grow_documents(directory, read->count))
        return false;
    for (int i = 0; i < read->count; i++)
        keep_document(directory, &read->documents_owned[i]);
    directory->version = read->version;
    directory->whole = false;
    directory->restored = false;
    if (changed)
        directory_publish(directory);
    return true;
}

static bool has_lost(const struct directory *directory) {
    return directory->read.version < directory->version && !directory->restored;
}

static void on_read(struct store_op *op) {
    struct directory *directory = container_of(op, struct directory, read.op);
    struct store_read_documents *read = &directory->read;
    bool done = read->outcome == STORE_DONE;
    bool lost = done && has_lost(directory);
    done = done && !lost && take_documents(directory);
    store_documents_free(read->documents_owned, read->count);
    directory->busy = false;
    if (lost) {
        log_warn("the store has lost clients and packages: they are given back",
                 LOG_NUMBER("documents", directory->document_count));
        directory->restoring = 0;
    } else {
        end_read(directory, done);
    }
    directory_go_on(directory);
}

static void join_waiting(struct directory *directory) {
    struct directory_waiter **last = &directory->served;
    while (*last != NULL)
        last = &(*last)->next;
    *last = directory->waiting;
    directory->waiting = NULL;
    directory->tell = directory->tell || directory->tell_next;
    directory->tell_next = false;
}

static bool may_write(const struct directory *directory) {
    return !directory->away && directory->version >= 0;
}

/* Between two writings nobody is served: who asked for a refresh behind them is to see both. */
static void start_read(struct directory *directory) {
    bool between = directory->tasks != NULL && may_write(directory);
    if (!between) {
        join_waiting(directory);
        directory->wanted = false;
    }
    directory->must_read = false;
    directory->busy = true;
    directory->read = (struct store_read_documents){
        .op.done = on_read,
        .since = directory->whole || directory->version < 0 ? 0 : directory->version,
    };
    store_read_documents(directory->parts.store, &directory->read);
}

/* --- giving back --- */

static void on_given_back(struct store_op *op) {
    struct directory *directory = container_of(op, struct directory, write.op);
    directory->busy = false;
    if (directory->write.outcome == STORE_AWAY) {
        directory->restoring = -1;
        end_read(directory, false);
    }
    directory_go_on(directory);
}

/* One by one, then all is read: others may have written meanwhile. A document that the store has
 * in a newer version is a conflict, and none of ours. */
static void give_back(struct directory *directory) {
    if (directory->restoring == directory->document_count) {
        directory->restoring = -1;
        directory->restored = true;
        directory->whole = true;
        start_read(directory);
        return;
    }
    const struct store_document *document = &directory->documents[directory->restoring++];
    directory->write = (struct store_write_document){
        .op.done = on_given_back,
        .kind = document->kind,
        .id = document->id,
        .body = document->body_owned,
        .expected = document->version,
        .restore = true,
    };
    directory->busy = true;
    store_write_document(directory->parts.store, &directory->write);
}

/* --- what is next --- */

void directory_go_on(struct directory *directory) {
    if (directory->ending) {
        end_if_idle(directory);
        return;
    }
    if (directory->busy)
        return;
    if (directory->restoring >= 0) {
        give_back(directory);
        return;
    }
    bool started = !directory->must_read && may_write(directory) && directory_start_task(directory);
    if (!started && (directory->must_read || directory->wanted))
        start_read(directory);
}

void directory_refresh(struct directory *directory, void (*done)(void *arg, bool read), void *arg) {
    struct directory_waiter *waiter = NULL;
    if (done != NULL) {
        waiter = directory->ending ? NULL : calloc(1, sizeof *waiter);
        if (waiter == NULL) {
            done(arg, false);
            return;
        }
        *waiter = (struct directory_waiter){.done = done, .arg = arg};
        struct directory_waiter **last = &directory->waiting;
        while (*last != NULL)
            last = &(*last)->next;
        *last = waiter;
    }
    directory->wanted = true;
    directory_go_on(directory);
}

/* As if it had been read, but for what others may have written before it: the next read is of all.
 */
void directory_note_written(struct directory *directory, const struct store_write_document *write) {
    const struct store_document *known = directory_document(directory, write->kind, write->id);
    struct store_document document = {.kind = write->kind, .version = write->version};
    bool in_time = directory->version >= 0 && directory->restoring < 0;
    if (!in_time || (known != NULL && known->version >= write->version))
        return;
    snprintf(document.id, sizeof document.id, "%s", write->id);
    document.body_owned = strdup(write->body);
    if (document.body_owned == NULL || !grow_documents(directory, 1)) {
        free(document.body_owned);
        log_error("no memory for what was written; it is in force when it can be read");
        return;
    }
    keep_document(directory, &document);
    if (directory->version < write->version) {
        directory->version = write->version;
        directory->whole = true;
    }
    directory_publish(directory);
}

void directory_poke(struct directory *directory) {
    uv_mutex_lock(&directory->mutex);
    directory->poked = true;
    uv_async_send(&directory->wake);
    uv_mutex_unlock(&directory->mutex);
}

static void on_notice(void *arg) {
    directory_refresh(arg, NULL, NULL);
}

static void on_wake(uv_async_t *wake) {
    struct directory *directory = wake->data;
    uv_mutex_lock(&directory->mutex);
    struct directory_task *told = directory->told;
    bool poked = directory->poked;
    directory->told = NULL;
    directory->poked = false;
    uv_mutex_unlock(&directory->mutex);
    release_retired(directory);
    directory_add_tasks(directory, told);
    directory->wanted = directory->wanted || poked;
    directory->tell_next = directory->tell_next || poked;
    directory_go_on(directory);
}

static void on_look(uv_timer_t *timer) {
    directory_look(timer->data);
}

/* --- beginning and end --- */

static bool start_handles(struct directory *directory) {
    uv_loop_t *loop = directory->parts.loop;
    uint64_t look_ms = directory->parts.look_ms > 0 ? (uint64_t)directory->parts.look_ms : LOOK_MS;
    if (uv_async_init(loop, &directory->wake, on_wake) != 0)
        return false;
    uv_timer_init(loop, &directory->poll);
    uv_timer_init(loop, &directory->look_timer);
    directory->wake.data = directory;
    directory->poll.data = directory;
    directory->look_timer.data = directory;
    directory->handles = 3;
    uv_timer_start(&directory->look_timer, on_look, look_ms, look_ms);
    return true;
}

static bool start(struct directory *directory, struct complaint *complaint) {
    directory->anonymous = directory_meter_of(directory, "anonymous");
    if (directory->anonymous != NULL)
        atomic_store(&directory->anonymous->number, METRICS_CLIENT_ANONYMOUS);
    directory->now = directory->anonymous != NULL ? directory_snapshot_make(directory) : NULL;
    if (directory->now == NULL)
        complain(complaint, "no memory for clients and packages");
    else if (start_handles(directory))
        return true;
    else
        complain(complaint, "no resources for a wake-up across threads");
    return false;
}

struct directory *directory_new(const struct directory_parts *parts, struct complaint *complaint) {
    struct directory *directory = calloc(1, sizeof *directory);
    if (directory == NULL) {
        complain(complaint, "no memory for clients and packages");
        return NULL;
    }
    if (uv_mutex_init(&directory->mutex) != 0) {
        complain(complaint, "no resources for a mutex");
        free(directory);
        return NULL;
    }
    directory->parts = *parts;
    directory->version = -1;
    directory->restoring = -1;
    if (!start(directory, complaint)) {
        directory_free(directory);
        return NULL;
    }
    store_watch_documents(parts->store, on_notice, directory);
    directory_refresh(directory, NULL, NULL);
    directory_look(directory);
    return directory;
}

static void on_closed(uv_handle_t *handle) {
    struct directory *directory = handle->data;
    if (--directory->handles == 0)
        directory->ended(directory->ended_arg);
}

static void end_if_idle(struct directory *directory) {
    if (directory->busy || uv_is_closing((uv_handle_t *)&directory->wake) ||
        !directory_count_ends(directory))
        return;
    struct directory_waiter *served = directory->served;
    struct directory_waiter *waiting = directory->waiting;
    directory->served = NULL;
    directory->waiting = NULL;
    uv_close((uv_handle_t *)&directory->wake, on_closed);
    uv_close((uv_handle_t *)&directory->poll, on_closed);
    uv_close((uv_handle_t *)&directory->look_timer, on_closed);
    call_waiters(served, false);
    call_waiters(waiting, false);
}

void directory_end(struct directory *directory, void (*ended)(void *arg), void *arg) {
    directory->ending = true;
    directory->ended = ended;
    directory->ended_arg = arg;
    store_watch_documents(directory->parts.store, NULL, NULL);
    uv_timer_stop(&directory->poll);
    uv_timer_stop(&directory->look_timer);
    end_if_idle(directory);
}

void directory_free(struct directory *directory) {
    release_retired(directory);
    directory_snapshot_release(directory->now);
    directory_free_tasks(directory->tasks);
    directory_free_tasks(directory->told);
    for (int i = 0; i < directory->document_count; i++)
        free(directory->documents[i].body_owned);
    free(directory->documents);
    free(directory->credentials);
    free(directory->used);
    for (int i = 0; i < directory->meter_count; i++)
        free(directory->meters[i]);
    free(directory->meters);
    uv_mutex_destroy(&directory->mutex);
    free(directory);
}
