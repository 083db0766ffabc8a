#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "store/backend.h"

const char *const store_document_kind_name[STORE_DOCUMENT_KINDS] = {
    [STORE_CLIENT] = "client", [STORE_PACKAGE] = "package", [STORE_CREDENTIAL] = "credential",
    [STORE_ALERT] = "alert",   [STORE_REPORT] = "report",
};

bool store_document_kind_read(const char *name, enum store_document_kind *kind) {
    for (int i = 0; i < STORE_DOCUMENT_KINDS; i++) {
        if (strcmp(name, store_document_kind_name[i]) != 0)
            continue;
        *kind = (enum store_document_kind)i;
        return true;
    }
    return false;
}

static const struct store_backend *const backends[] = {&store_sqlite_backend, &store_redis_backend};

static const struct store_backend *backend_of(const char *url) {
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        if (strncmp(url, backends[i]->scheme, strlen(backends[i]->scheme)) == 0)
            return backends[i];
    }
    return NULL;
}

struct store *store_open(const struct store_settings *settings, const struct clock *clock,
                         struct complaint *complaint) {
    const struct store_backend *backend = backend_of(settings->url);
    if (!backend) {
        /* Not the address itself: it may hold a password. */
        complain(complaint, "store.url names no kind of store that this program knows: write "
                            "sqlite:PATH or redis://HOST:PORT/0");
        return NULL;
    }
    struct store *store = backend->open(settings, clock, complaint);
    if (store)
        store->backend = backend;
    return store;
}

void store_close(struct store *store) {
    store->backend->close(store);
}

struct store_client *store_attach(struct store *store, uv_loop_t *loop,
                                  void (*changed)(void *arg, const struct digest *triple),
                                  void *arg, struct complaint *complaint) {
    struct store_client *client = store->backend->attach(store, loop, changed, arg, complaint);
    if (client)
        client->backend = store->backend;
    return client;
}

void store_detach(struct store_client *client) {
    client->backend->detach(client);
}

/* --- how long it takes --- */

/* Those who wait for another one's call are none of the store's. */
#define OP_FOLLOW STORE_OPS

const char *const store_op_name[] = {
    [STORE_OP_FIND] = "find",
    [STORE_OP_ADMIT] = "admit",
    [STORE_OP_SETTLE] = "settle",
    [STORE_OP_PAGE] = "page",
    [STORE_OP_READ_DOCUMENTS] = "read_documents",
    [STORE_OP_WRITE_DOCUMENT] = "write_document",
    [STORE_OP_READ_AUDIT] = "read_audit",
    [STORE_OP_READ_COUNTERS] = "read_counters",
    [STORE_OP_ADD_COUNTERS] = "add_counters",
    [STORE_OP_FORGET] = "forget",
    [OP_FOLLOW] = "follow",
};

const int store_op_names = (int)(sizeof store_op_name / sizeof store_op_name[0]);

_Static_assert(sizeof store_op_name / sizeof store_op_name[0] <= METRICS_STORE_OPS,
               "there is a histogram for each");

void store_measure(struct store_client *client, struct metrics_row *row) {
    client->metrics = row;
}

static void observe(const struct store_op *op) {
    bool follows = op->kind == STORE_OP_ADMIT && ((const struct store_admit *)op)->collapsed;
    metrics_observe_store(op->client->metrics, follows ? OP_FOLLOW : op->kind,
                          metrics_now_ns() - op->began_ns);
}

static void on_done(struct store_op *op) {
    op->done = op->told;
    observe(op);
    op->done(op);
}

/* --- operations --- */

static void begin(struct store_op *op, struct store_client *client, enum store_op_kind kind) {
    op->client = client;
    op->kind = (int)kind;
    op->next = NULL;
    op->changed = false;
    if (client->metrics == NULL)
        return;
    op->told = op->done;
    op->done = on_done;
    op->began_ns = metrics_now_ns();
}

enum store_outcome store_find(struct store_client *client, struct store_find *find) {
    begin(&find->op, client, STORE_OP_FIND);
    enum store_outcome outcome = client->backend->find(client, find);
    if (outcome != STORE_PENDING && client->metrics != NULL) {
        find->op.done = find->op.told;
        observe(&find->op);
    }
    return outcome;
}

void store_admit(struct store_client *client, struct store_admit *admit) {
    begin(&admit->op, client, STORE_OP_ADMIT);
    client->backend->admit(client, admit);
}

void store_settle(struct store_client *client, struct store_settle *settle) {
    begin(&settle->op, client, STORE_OP_SETTLE);
    client->backend->settle(client, settle);
}

void store_read_page(struct store_client *client, struct store_page *page) {
    begin(&page->op, client, STORE_OP_PAGE);
    page->rows_owned = NULL;
    page->count = 0;
    page->more = false;
    client->backend->read_page(client, page);
}

void store_read_documents(struct store_client *client, struct store_read_documents *read) {
    begin(&read->op, client, STORE_OP_READ_DOCUMENTS);
    read->documents_owned = NULL;
    read->count = 0;
    read->version = 0;
    client->backend->read_documents(client, read);
}

void store_documents_free(struct store_document *documents, int count) {
    for (int i = 0; i < count; i++)
        free(documents[i].body_owned);
    free(documents);
}

void store_write_document(struct store_client *client, struct store_write_document *write) {
    begin(&write->op, client, STORE_OP_WRITE_DOCUMENT);
    write->version = 0;
    client->backend->write_document(client, write);
}

void store_watch_documents(struct store_client *client, void (*call)(void *arg), void *arg) {
    client->backend->watch_documents(client, call, arg);
}

void store_read_audit(struct store_client *client, struct store_read_audit *read) {
    begin(&read->op, client, STORE_OP_READ_AUDIT);
    read->lines_owned = NULL;
    read->count = 0;
    client->backend->read_audit(client, read);
}

void store_audit_free(struct store_audit_line *lines, int count) {
    for (int i = 0; i < count; i++)
        free(lines[i].body_owned);
    free(lines);
}

void store_read_counters(struct store_client *client, struct store_read_counters *read) {
    begin(&read->op, client, STORE_OP_READ_COUNTERS);
    read->counters_owned = NULL;
    read->count = 0;
    client->backend->read_counters(client, read);
}

void store_add_counters(struct store_client *client, struct store_add_counters *add) {
    begin(&add->op, client, STORE_OP_ADD_COUNTERS);
    client->backend->add_counters(client, add);
}

void store_forget(struct store_client *client, struct store_forget *forget) {
    begin(&forget->op, client, STORE_OP_FORGET);
    forget->answers = 0;
    client->backend->forget(client, forget);
}

struct ledger_id store_page_begin(const struct store_page *page) {
    struct ledger_id begin = ledger_id_bound(page->from_ms);
    return ledger_id_compare(&page->after, &begin) > 0 ? page->after : begin;
}

void store_page_turn_away(struct store_page *page) {
    free(page->rows_owned);
    page->rows_owned = NULL;
    page->count = 0;
    page->more = false;
    page->outcome = STORE_AWAY;
}

void store_stop_following(struct store_client *client) {
    if (client->backend->stop_following)
        client->backend->stop_following(client);
}

bool store_ready(struct store *store, struct complaint *complaint) {
    return store->backend->ready(store, complaint);
}

int64_t store_undelivered(struct store *store) {
    return store->backend->undelivered(store);
}

void store_poke(struct store *store) {
    store->backend->poke(store);
}
