#include "store/redis_forget.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"
#include "store/redis_keys.h"
#include "store/redis_records.h"

#define CURSOR_SIZE 24 /* of a scan's place as text */

struct forgetting {
    struct redis_client *client;
    struct store_forget *forget;
    struct journal_forget journal;
    char cursor[CURSOR_SIZE];
    int pending; /* answers of this piece that are being forgotten */
    bool failed;
};

static void end(struct forgetting *forgetting, enum store_outcome outcome) {
    struct store_forget *forget = forgetting->forget;
    free(forgetting);
    forget->outcome = outcome;
    forget->op.done(&forget->op);
}

/* Each forgetting has an id of its own, so that a process that hears it often heeds it once. */
static struct redis_notice notice_of(const struct forgetting *forgetting) {
    const struct store_forget *forget = forgetting->forget;
    struct redis_client *client = forgetting->client;
    return (struct redis_notice){
        .kind = forget->whole_number ? REDIS_NOTICE_FORGOTTEN_NUMBER : REDIS_NOTICE_FORGOTTEN,
        .sender = client->tag,
        .call = ledger_id_make(clock_unix_ms(client->store->clock)),
        .triple = forget->whole_number ? forget->number : forget->triple,
    };
}

static void on_last(void *arg, const redisReply *reply) {
    struct forgetting *forgetting = arg;
    bool done = reply && reply->type == REDIS_REPLY_INTEGER;
    if (done)
        forgetting->forget->answers += reply->integer;
    end(forgetting, done ? STORE_DONE : STORE_AWAY);
}

/* The answer, or where those of a number are gone already its owner; and everybody is told. */
static void forget_last(struct forgetting *forgetting) {
    const struct store_forget *forget = forgetting->forget;
    const struct redis_notice notice = notice_of(forgetting);
    if (!redis_send_forget(forgetting->client->links[REDIS_LINK_ANSWERS], on_last, forgetting,
                           &forget->number, forget->whole_number ? NULL : &forget->triple, &notice))
        end(forgetting, STORE_AWAY);
}

/* --- all of a number --- */

static void on_keys(void *arg, const redisReply *reply);

static void scan(struct forgetting *forgetting) {
    if (!redis_send_scan(forgetting->client->links[REDIS_LINK_ANSWERS], on_keys, forgetting,
                         &forgetting->forget->number, forgetting->cursor))
        end(forgetting, STORE_AWAY);
}

static void one_less(struct forgetting *forgetting) {
    if (--forgetting->pending > 0)
        return;
    if (forgetting->failed)
        end(forgetting, STORE_AWAY);
    else if (strcmp(forgetting->cursor, "0") == 0)
        forget_last(forgetting);
    else
        scan(forgetting);
}

static void on_forgotten(void *arg, const redisReply *reply) {
    struct forgetting *forgetting = arg;
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        forgetting->forget->answers += reply->integer;
    else
        forgetting->failed = true;
    one_less(forgetting);
}

static void forget_key(struct forgetting *forgetting, const redisReply *key) {
    struct digest triple;
    if (key->type != REDIS_REPLY_STRING || !redis_triple_of_key(key->str, key->len, &triple))
        return;
    if (redis_send_forget(forgetting->client->links[REDIS_LINK_ANSWERS], on_forgotten, forgetting,
                          &forgetting->forget->number, &triple, NULL))
        forgetting->pending++;
    else
        forgetting->failed = true;
}

static void on_keys(void *arg, const redisReply *reply) {
    struct forgetting *forgetting = arg;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len >= CURSOR_SIZE ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        end(forgetting, STORE_AWAY);
        return;
    }
    memcpy(forgetting->cursor, reply->element[0]->str, reply->element[0]->len + 1);
    forgetting->pending = 1;
    for (size_t i = 0; i < reply->element[1]->elements; i++)
        forget_key(forgetting, reply->element[1]->element[i]);
    one_less(forgetting);
}

/* --- the journal --- */

static void on_journal(struct store_op *op) {
    struct forgetting *forgetting =
        (struct forgetting *)((char *)op - offsetof(struct forgetting, journal.op));
    if (!forgetting->journal.written)
        end(forgetting, STORE_AWAY);
    else if (forgetting->forget->whole_number)
        scan(forgetting);
    else
        forget_last(forgetting);
}

void redis_forget_answers(struct redis_client *client, struct store_forget *forget) {
    struct forgetting *forgetting = calloc(1, sizeof *forgetting);
    if (!forgetting) {
        forget->outcome = STORE_AWAY;
        redis_client_finish_later(client, &forget->op);
        return;
    }
    *forgetting = (struct forgetting){
        .client = client,
        .forget = forget,
        .journal = {.op.done = on_journal,
                    .whole_number = forget->whole_number,
                    .digest = forget->whole_number ? forget->number : forget->triple},
        .cursor = "0",
    };
    journal_forget(client->journal, &forgetting->journal);
}

/* --- hearing of it --- */

struct heard {
    struct redis_client *client;
    struct journal_forget journal;
};

static void on_heeded(struct store_op *op) {
    struct heard *heard = (struct heard *)((char *)op - offsetof(struct heard, journal.op));
    struct redis_client *client = heard->client;
    if (!heard->journal.written)
        log_error("the journal cannot be written: what was to be forgotten stays in it for an "
                  "hour, or until it is delivered");
    free(heard);
    redis_client_end_work(client);
}

/* Also in the process that forgot: a call that ended meanwhile may have written its answer. */
static void heed(struct redis_client *client, const struct redis_notice *notice) {
    if (!redis_store_claim_forgetting(client->store, &notice->call))
        return;
    struct heard *heard = calloc(1, sizeof *heard);
    if (!heard) {
        log_error("no memory to make the journal forget answers");
        return;
    }
    heard->client = client;
    heard->journal.op.done = on_heeded;
    heard->journal.whole_number = notice->kind == REDIS_NOTICE_FORGOTTEN_NUMBER;
    heard->journal.digest = notice->triple;
    redis_client_begin_work(client);
    journal_forget(client->journal, &heard->journal);
}

/* Memories know no numbers. */
void redis_forget_notice(struct redis_client *client, const struct redis_notice *notice) {
    bool whole_number = notice->kind == REDIS_NOTICE_FORGOTTEN_NUMBER;
    heed(client, notice);
    redis_client_note_changed(client, whole_number ? NULL : &notice->triple);
}
