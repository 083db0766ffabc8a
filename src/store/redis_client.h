#pragma once
/*
 * redis_client: a worker's part of the shared store, as its pieces see it.
 *
 * The pieces, each on the client's own thread:
 *   redis_admission   askers, till they lead, are answered, or are turned away
 *   redis_delivery    the end of one call, written to both slots
 *   redis_settlement  the end of one call: journal first, then delivered
 *   redis_page        the ledger, read a page at a time
 *   redis_documents   documents and the audit
 *   redis_counters    what was used, and hits
 *   redis_forget      answers that are to be forgotten, everywhere
 *   redis_courier     what could not be delivered when it happened, and reservations nobody ended
 * redis.c puts them together. What all clients of the process share is redis_store. Private to this
 * room.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "store/backend.h"
#include "store/journal.h"
#include "store/op_list.h"
#include "store/redis_link.h"
#include "store/redis_notice.h"
#include "store/redis_store.h"

#define REDIS_WAIT_BUCKETS   1024
#define REDIS_RECENT_NOTICES 64 /* a power of two */
#define REDIS_CLIENT_LINKS   3

/* A client's connections. The ledger's is the answers' own where they are one Redis. */
enum redis_client_link { REDIS_LINK_ANSWERS, REDIS_LINK_LEDGER, REDIS_LINK_NOTICES };

/* What a link's callbacks are given. */
struct redis_client_slot {
    struct redis_client *client;
    enum redis_client_link which;
};

struct redis_admission;
struct redis_page;

struct redis_client {
    struct store_client client;
    struct redis_client *next; /* in redis_store */
    struct redis_store *store;
    uv_loop_t *loop;
    void (*changed)(void *arg, const struct digest *triple);
    void *arg;
    void (*watch)(void *arg); /* NULL: nobody watches documents */
    void *watch_arg;
    uint32_t tag; /* the sender of its notices */

    struct redis_client_slot slots[REDIS_CLIENT_LINKS];
    struct redis_link *links[REDIS_CLIENT_LINKS]; /* NULL once the client is closing */
    bool link_up[REDIS_CLIENT_LINKS];
    bool tried; /* the first attempt to reach the store is over */

    struct journal_client *journal;
    uv_timer_t tick;
    uint64_t ticks;
    uv_async_t wake; /* the gate opened, or somebody poked */
    int parts;       /* of the loop: links, tick, wake; the client is freed when all are gone */
    int under_way;   /* its own work on the journal and the links that no operation stands for */
    bool closing;

    struct op_list held; /* what cannot go on now, till the gate opens; `mark` is the deadline */
    struct op_list finished; /* their `done` is still to be called */
    struct redis_admission *waiting[REDIS_WAIT_BUCKETS];
    size_t waiting_count;
    struct redis_page *page; /* the one being read */
    struct op_list pages;    /* behind it */

    /* The triples of the last notices, so that a find that was under way meanwhile looks again. */
    struct digest recent[REDIS_RECENT_NOTICES];
    uint64_t notices;

    int64_t courier_at; /* no courier before; monotonic ms */
};

/* Are all its connections up? */
bool redis_client_is_up(const struct redis_client *client);

/* May it be admitted now? */
bool redis_client_may_admit(const struct redis_client *client);

/* For what cannot go on now: kept till the gate opens, if that is to be soon, else ended away. */
void redis_client_hold(struct redis_client *client, struct store_op *op);

/* Calls `done` on a later turn of the loop. */
void redis_client_finish_later(struct redis_client *client, struct store_op *op);

/* What is remembered of the triple may not be what is kept any more; NULL: of any. Nor is what a
 * find that is under way will bring. */
void redis_client_note_changed(struct redis_client *client, const struct digest *triple);

/* One piece of its own work more, or less, that must end before the client can go. */
void redis_client_begin_work(struct redis_client *client);
void redis_client_end_work(struct redis_client *client);
