#include "store/redis_documents.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"
#include "store/redis_records.h"

#define PIECE 64 /* documents; a megabyte where all are as large as can be */

static struct redis_client *client_of(const struct store_op *op) {
    return (struct redis_client *)op->client;
}

/* --- reading --- */

struct reading {
    struct store_read_documents *read;
    int64_t since; /* the last version that was read */
};

static void ask(struct reading *reading);

static void end(struct reading *reading, enum store_outcome outcome) {
    struct store_read_documents *read = reading->read;
    free(reading);
    read->outcome = outcome;
    if (outcome == STORE_DONE) {
        journal_keep_documents(client_of(&read->op)->journal, read->documents_owned, read->count);
    } else {
        store_documents_free(read->documents_owned, read->count);
        read->documents_owned = NULL;
        read->count = 0;
    }
    read->op.done(&read->op);
}

/* "kind:id". */
static bool take_name(const char *name, struct store_document *document) {
    char kind[16] = "";
    const char *colon = strchr(name, ':');
    if (!colon || (size_t)(colon - name) >= sizeof kind || strlen(colon + 1) >= sizeof document->id)
        return false;
    memcpy(kind, name, (size_t)(colon - name));
    memcpy(document->id, colon + 1, strlen(colon + 1) + 1);
    return store_document_kind_read(kind, &document->kind);
}

/* "version body". False without memory; what this program does not know is passed over. */
static bool take_document(struct store_read_documents *read, const redisReply *name,
                          const redisReply *text) {
    struct store_document *document = &read->documents_owned[read->count];
    char *body = NULL;
    memset(document, 0, sizeof *document);
    if (name->type != REDIS_REPLY_STRING || text->type != REDIS_REPLY_STRING)
        return true;
    document->version = strtoll(text->str, &body, 10);
    if (*body != ' ' || !take_name(name->str, document)) {
        log_warn("a document in the store is of no kind that this sanyao knows",
                 LOG_NUMBER("version", document->version));
        return true;
    }
    document->body_owned = strdup(body + 1);
    read->count += document->body_owned != NULL;
    return document->body_owned != NULL;
}

/* Where there is nothing there is no array. */
static bool make_room(struct store_read_documents *read, size_t more) {
    if (more == 0)
        return true;
    size_t count = (size_t)read->count + more;
    struct store_document *grown =
        realloc(read->documents_owned, count * sizeof *read->documents_owned);
    if (grown)
        read->documents_owned = grown;
    return grown != NULL;
}

static bool is_piece(const redisReply *reply) {
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2 &&
           reply->elements % 2 == 0 && reply->element[0]->type == REDIS_REPLY_INTEGER &&
           reply->element[1]->type == REDIS_REPLY_INTEGER;
}

/* Where the next piece begins is what the last document says, also one that was passed over. */
static bool take_piece(struct reading *reading, const redisReply *reply) {
    struct store_read_documents *read = reading->read;
    if (!make_room(read, reply->elements / 2 - 1))
        return false;
    read->version = reply->element[0]->integer;
    for (size_t i = 2; i < reply->elements; i += 2) {
        const redisReply *text = reply->element[i + 1];
        if (!take_document(read, reply->element[i], text))
            return false;
        if (text->type == REDIS_REPLY_STRING)
            reading->since = strtoll(text->str, NULL, 10);
    }
    return true;
}

static void on_piece(void *arg, const redisReply *reply) {
    struct reading *reading = arg;
    int64_t since = reading->since;
    if (!is_piece(reply) || !take_piece(reading, reply))
        end(reading, STORE_AWAY);
    else if (reply->element[1]->integer == 1 && reading->since > since)
        ask(reading);
    else
        end(reading, STORE_DONE);
}

static void ask(struct reading *reading) {
    struct redis_client *client = client_of(&reading->read->op);
    if (!redis_send_read_documents(client->links[REDIS_LINK_LEDGER], on_piece, reading,
                                   reading->since, PIECE))
        end(reading, STORE_AWAY);
}

void redis_documents_read(struct redis_client *client, struct store_read_documents *read) {
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading) {
        *reading = (struct reading){.read = read, .since = read->since};
        if (redis_send_read_documents(client->links[REDIS_LINK_LEDGER], on_piece, reading,
                                      read->since, PIECE))
            return;
    }
    free(reading);
    read->outcome = STORE_AWAY;
    redis_client_finish_later(client, &read->op);
}

/* --- writing --- */

static void on_announced(void *arg, const redisReply *reply) {
    (void)arg; /* whoever misses it reads now and then without being told */
    (void)reply;
}

static void note_written(struct redis_client *client, const struct store_write_document *write) {
    struct store_document document = {.kind = write->kind, .version = write->version};
    size_t size = strlen(write->id);
    if (client->store->ledger_apart)
        (void)!redis_send_announcement(client->links[REDIS_LINK_ANSWERS], on_announced, NULL);
    if (size >= sizeof document.id)
        return;
    memcpy(document.id, write->id, size + 1);
    document.body_owned = strdup(write->body);
    if (document.body_owned)
        journal_keep_documents(client->journal, &document, 1);
    free(document.body_owned);
}

/* An error wrote nothing, but whether it was one of the script's own cannot be told from here. */
static void on_written(void *arg, const redisReply *reply) {
    struct store_write_document *write = arg;
    struct redis_written written = redis_read_written(reply);
    write->outcome = STORE_AWAY;
    if (written.understood) {
        write->outcome = written.written ? STORE_DONE : STORE_CONFLICT;
        write->version = written.version;
    }
    if (write->id && write->outcome == STORE_DONE)
        note_written(client_of(&write->op), write);
    write->op.done(&write->op);
}

void redis_documents_write(struct redis_client *client, struct store_write_document *write) {
    if (redis_send_write_document(client->links[REDIS_LINK_LEDGER], on_written, write, write,
                                  !client->store->ledger_apart))
        return;
    write->outcome = STORE_AWAY;
    redis_client_finish_later(client, &write->op);
}

/* --- the audit --- */

static bool take_lines(struct store_read_audit *read, const redisReply *reply) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_INTEGER)
        return false;
    if (reply->elements == 1)
        return true;
    read->lines_owned = calloc(reply->elements - 1, sizeof *read->lines_owned);
    if (!read->lines_owned)
        return false;
    for (size_t i = 1; i < reply->elements; i++) {
        struct store_audit_line *line = &read->lines_owned[read->count];
        if (reply->element[i]->type != REDIS_REPLY_STRING ||
            !(line->body_owned = strdup(reply->element[i]->str)))
            return false;
        line->line = reply->element[0]->integer + read->count++;
    }
    return true;
}

static void on_lines(void *arg, const redisReply *reply) {
    struct store_read_audit *read = arg;
    read->outcome = STORE_DONE;
    if (!take_lines(read, reply)) {
        store_audit_free(read->lines_owned, read->count);
        read->lines_owned = NULL;
        read->count = 0;
        read->outcome = STORE_AWAY;
    }
    read->op.done(&read->op);
}

void redis_documents_read_audit(struct redis_client *client, struct store_read_audit *read) {
    if (redis_send_read_audit(client->links[REDIS_LINK_LEDGER], on_lines, read, read))
        return;
    read->outcome = STORE_AWAY;
    redis_client_finish_later(client, &read->op);
}
