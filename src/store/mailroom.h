#pragma once
/*
 * mailroom: brings what the store thread finished to the loops of the clients that asked.
 *
 * The store thread posts; each mailbox is emptied on its own loop's thread. Finished operations
 * and notices of changed answers reach a client in the order in which they were posted. Private to
 * this room.
 */
#include <stddef.h>

#include <uv.h>

#include "store/backend.h"
#include "store/op_list.h"

struct mail_notice {
    struct digest triple;
    bool all;     /* of what is remembered nothing is sure */
    size_t after; /* how many operations lie before it */
};

struct mail_notices {
    struct mail_notice *items;
    size_t count;
    size_t room;
};

/* A client's; its struct begins with it. */
struct mailbox {
    struct store_client client;
    struct mailroom *room;
    struct mailbox *next;
    uv_async_t wake;
    void (*changed)(void *arg, const struct digest *triple);
    void *arg;
    void (*gone)(struct mailbox *box);
    struct op_list finished;
    size_t finished_count;
    struct mail_notices notices;
    struct mail_notices reading; /* being called out; the loop's own */
    bool touched;
    void (*watch)(void *arg); /* documents were written; NULL: nobody wants to know */
    void *watch_arg;
    bool written; /* it is still to be called */
};

struct mailroom {
    uv_mutex_t mutex; /* guards the list and all boxes but `reading` */
    struct mailbox *boxes;
};

bool mailroom_init(struct mailroom *room) __attribute__((warn_unused_result));
void mailroom_free(struct mailroom *room);

/* `changed` may be NULL. False when libuv refuses. On the loop's thread. */
bool mailroom_add(struct mailroom *room, struct mailbox *box, uv_loop_t *loop,
                  void (*changed)(void *arg, const struct digest *triple), void *arg)
    __attribute__((warn_unused_result));

/* On the loop's thread. */
void mailroom_watch(struct mailbox *box, void (*watch)(void *arg), void *arg);

/*
 * On the loop's thread; none of its operations may be under way. `gone` is called with the box on a
 * later turn of the loop, after which it may be freed.
 */
void mailroom_remove(struct mailbox *box, void (*gone)(struct mailbox *box));

/*
 * Empties the list: every operation goes to its client, and where it stored an answer, a notice to
 * all others; where it forgot some, to all; where it wrote a document, all watchers are called. An
 * operation without a client is a copy that nobody waits for: it is freed. When memory is out a
 * notice is lost, never an operation.
 */
void mailroom_post(struct mailroom *room, struct op_list *finished);
