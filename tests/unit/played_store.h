#pragma once
/*
 * A store's documents and counters, played: it answers on the loop's next turn, or when the test
 * says so, and can be away, lose everything, or be written by somebody else in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "store/backend.h"

#define PIECES 64

struct played_counter {
    char scope[STORE_SCOPE_SIZE];
    struct store_counter counter;
};

struct played {
    struct store_client client; /* first */
    uv_async_t turn;            /* and no timer: behind one, the loop would wait once more */
    bool held;                  /* nothing is done until the test lets it */
    bool away;
    struct store_op *first;
    int64_t version;
    struct store_document documents[PIECES];
    int document_count;
    char *audit[PIECES];
    int audit_count;
    struct played_counter counters[PIECES];
    int counter_count;
    int reads;
    int writes;
    int adds;
    void (*before_write)(struct played *store); /* once */
    void (*notice)(void *arg);
    void *notice_arg;
};

static struct store_document *find_document(struct played *store, enum store_document_kind kind,
                                            const char *id) {
    for (int i = 0; i < store->document_count; i++) {
        struct store_document *document = &store->documents[i];
        if (document->kind == kind && strcmp(document->id, id) == 0)
            return document;
    }
    return NULL;
}

static void put(struct played *store, enum store_document_kind kind, const char *id,
                const char *body, int64_t version) {
    struct store_document *document = find_document(store, kind, id);
    if (document == NULL) {
        assert_true(store->document_count < PIECES);
        document = &store->documents[store->document_count++];
        snprintf(document->id, sizeof document->id, "%s", id);
        document->kind = kind;
    }
    free(document->body_owned);
    document->body_owned = strdup(body);
    document->version = version;
    if (version > store->version)
        store->version = version;
}

static struct played_counter *find_counter(struct played *store, const char *scope,
                                           const char *name) {
    for (int i = 0; i < store->counter_count; i++) {
        struct played_counter *counter = &store->counters[i];
        if (strcmp(counter->scope, scope) == 0 && strcmp(counter->counter.name, name) == 0)
            return counter;
    }
    return NULL;
}

static void count(struct played *store, const char *scope, const char *name, int64_t value) {
    struct played_counter *counter = find_counter(store, scope, name);
    if (counter == NULL) {
        assert_true(store->counter_count < PIECES);
        counter = &store->counters[store->counter_count++];
        snprintf(counter->scope, sizeof counter->scope, "%s", scope);
        snprintf(counter->counter.name, sizeof counter->counter.name, "%s", name);
    }
    counter->counter.value += value;
}

__attribute__((unused)) static int64_t counted(struct played *store, const char *scope,
                                               const char *name) {
    struct played_counter *counter = find_counter(store, scope, name);
    return counter != NULL ? counter->counter.value : 0;
}

static void lose_everything(struct played *store) {
    for (int i = 0; i < store->document_count; i++)
        free(store->documents[i].body_owned);
    memset(store->documents, 0, sizeof store->documents);
    store->document_count = 0;
    store->version = 0;
}

static void play_read(struct played *store, struct store_read_documents *read) {
    store->reads++;
    read->outcome = store->away ? STORE_AWAY : STORE_DONE;
    if (store->away)
        return;
    read->version = store->version;
    read->documents_owned = calloc(PIECES, sizeof *read->documents_owned);
    for (int i = 0; i < store->document_count; i++) {
        if (store->documents[i].version <= read->since)
            continue;
        struct store_document *document = &read->documents_owned[read->count++];
        *document = store->documents[i];
        document->body_owned = strdup(document->body_owned);
    }
}

static void play_restore(struct played *store, struct store_write_document *write) {
    const struct store_document *found = find_document(store, write->kind, write->id);
    write->outcome = STORE_CONFLICT;
    if (found != NULL && found->version >= write->expected)
        return;
    put(store, write->kind, write->id, write->body, write->expected);
    write->outcome = STORE_DONE;
}

static void play_write(struct played *store, struct store_write_document *write) {
    void (*before)(struct played * store) = store->before_write;
    store->before_write = NULL;
    if (before != NULL)
        before(store);
    store->writes++;
    write->outcome = STORE_AWAY;
    if (store->away)
        return;
    if (write->restore) {
        play_restore(store, write);
        return;
    }
    const struct store_document *found = find_document(store, write->kind, write->id);
    write->outcome = STORE_CONFLICT;
    write->version = found != NULL ? found->version : 0;
    if (write->version != write->expected)
        return;
    write->version = store->version + 1;
    put(store, write->kind, write->id, write->body, write->version);
    store->audit[store->audit_count++] = strdup(write->audit);
    write->outcome = STORE_DONE;
}

static void play_counters(struct played *store, struct store_read_counters *read) {
    read->outcome = store->away ? STORE_AWAY : STORE_DONE;
    if (store->away)
        return;
    read->counters_owned = calloc(PIECES, sizeof *read->counters_owned);
    for (int i = 0; i < store->counter_count; i++) {
        if (strcmp(store->counters[i].scope, read->scope) == 0)
            read->counters_owned[read->count++] = store->counters[i].counter;
    }
}

static void play_add(struct played *store, struct store_add_counters *add) {
    store->adds++;
    add->outcome = store->away ? STORE_AWAY : STORE_DONE;
    for (int i = 0; i < add->count && !store->away; i++)
        count(store, add->scope, add->counters[i].name, add->counters[i].value);
}

static void play(struct played *store, struct store_op *op) {
    if (op->kind == STORE_OP_READ_DOCUMENTS)
        play_read(store, (struct store_read_documents *)op);
    else if (op->kind == STORE_OP_WRITE_DOCUMENT)
        play_write(store, (struct store_write_document *)op);
    else if (op->kind == STORE_OP_READ_COUNTERS)
        play_counters(store, (struct store_read_counters *)op);
    else
        play_add(store, (struct store_add_counters *)op);
    op->done(op);
}

/* Those of this turn; what they begin is of the next. */
static void on_turn(uv_async_t *turn) {
    struct played *store = turn->data;
    if (store->held)
        return;
    struct store_op *op = store->first;
    store->first = NULL;
    while (op != NULL) {
        struct store_op *next = op->next;
        play(store, op);
        op = next;
    }
}

static void take_op(struct store_client *client, struct store_op *op) {
    struct played *store = (struct played *)client;
    struct store_op **last = &store->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = op;
    if (!store->held)
        uv_async_send(&store->turn);
}

static void take_read(struct store_client *client, struct store_read_documents *read) {
    take_op(client, &read->op);
}

static void take_write(struct store_client *client, struct store_write_document *write) {
    take_op(client, &write->op);
}

static void take_counters(struct store_client *client, struct store_read_counters *read) {
    take_op(client, &read->op);
}

static void take_add(struct store_client *client, struct store_add_counters *add) {
    take_op(client, &add->op);
}

static void watch(struct store_client *client, void (*call)(void *arg), void *arg) {
    struct played *store = (struct played *)client;
    store->notice = call;
    store->notice_arg = arg;
}

static const struct store_backend played_backend = {
    .read_documents = take_read,
    .write_document = take_write,
    .watch_documents = watch,
    .read_counters = take_counters,
    .add_counters = take_add,
};

__attribute__((unused)) static void hold(struct played *store) {
    store->held = true;
}

__attribute__((unused)) static void let_go(struct played *store) {
    store->held = false;
    uv_async_send(&store->turn);
}
