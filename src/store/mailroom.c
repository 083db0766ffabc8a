#include "store/mailroom.h"

#include <stdlib.h>

bool mailroom_init(struct mailroom *room) {
    room->boxes = NULL;
    return uv_mutex_init(&room->mutex) == 0;
}

void mailroom_free(struct mailroom *room) {
    uv_mutex_destroy(&room->mutex);
}

static void call_notices(struct mailbox *box, size_t *called, size_t operations) {
    struct mail_notices *notices = &box->reading;
    while (*called < notices->count && notices->items[*called].after <= operations) {
        const struct mail_notice *notice = &notices->items[(*called)++];
        box->changed(box->arg, notice->all ? NULL : &notice->triple);
    }
}

static void empty(uv_async_t *wake) {
    struct mailbox *box = wake->data;
    uv_mutex_lock(&box->room->mutex);
    struct op_list finished = box->finished;
    struct mail_notices notices = box->notices;
    bool written = box->written;
    box->finished.first = NULL;
    box->finished_count = 0;
    box->written = false;
    box->notices = box->reading;
    box->reading = notices;
    uv_mutex_unlock(&box->room->mutex);

    size_t called = 0;
    size_t operations = 0;
    struct store_op *op;
    while ((op = op_list_take(&finished))) {
        call_notices(box, &called, operations++);
        op->done(op);
    }
    /* `done` may have detached the client. */
    if (!uv_is_closing((uv_handle_t *)wake)) {
        call_notices(box, &called, operations);
        if (written && box->watch)
            box->watch(box->watch_arg);
    }
    box->reading.count = 0;
}

bool mailroom_add(struct mailroom *room, struct mailbox *box, uv_loop_t *loop,
                  void (*changed)(void *arg, const struct digest *triple), void *arg) {
    box->room = room;
    box->changed = changed;
    box->arg = arg;
    box->wake.data = box;
    if (uv_async_init(loop, &box->wake, empty) != 0)
        return false;
    uv_mutex_lock(&room->mutex);
    box->next = room->boxes;
    room->boxes = box;
    uv_mutex_unlock(&room->mutex);
    return true;
}

void mailroom_watch(struct mailbox *box, void (*watch)(void *arg), void *arg) {
    uv_mutex_lock(&box->room->mutex);
    box->watch = watch;
    box->watch_arg = arg;
    uv_mutex_unlock(&box->room->mutex);
}

static void on_closed(uv_handle_t *handle) {
    struct mailbox *box = handle->data;
    free(box->notices.items);
    free(box->reading.items);
    box->gone(box);
}

void mailroom_remove(struct mailbox *box, void (*gone)(struct mailbox *box)) {
    struct mailroom *room = box->room;
    uv_mutex_lock(&room->mutex);
    struct mailbox **link = &room->boxes;
    while (*link != box)
        link = &(*link)->next;
    *link = box->next;
    uv_mutex_unlock(&room->mutex);
    box->gone = gone;
    uv_close((uv_handle_t *)&box->wake, on_closed);
}

static void add_notice(struct mailbox *box, const struct mail_notice *notice) {
    struct mail_notices *notices = &box->notices;
    if (notices->count == notices->room) {
        size_t room = notices->room ? notices->room * 2 : 64;
        struct mail_notice *items = realloc(notices->items, room * sizeof *items);
        if (!items)
            return;
        notices->items = items;
        notices->room = room;
    }
    notices->items[notices->count] = *notice;
    notices->items[notices->count++].after = box->finished_count;
    box->touched = true;
}

static void tell_others(struct mailroom *room, const struct store_settle *settle) {
    const struct mail_notice notice = {.triple = settle->triple};
    for (struct mailbox *box = room->boxes; box; box = box->next) {
        if (&box->client != settle->op.client && box->changed)
            add_notice(box, &notice);
    }
}

/* Answers were forgotten, which the caller's own client may remember, too. */
static void tell_all(struct mailroom *room) {
    static const struct mail_notice notice = {.all = true};
    for (struct mailbox *box = room->boxes; box; box = box->next) {
        if (box->changed)
            add_notice(box, &notice);
    }
}

static void tell_watchers(struct mailroom *room) {
    for (struct mailbox *box = room->boxes; box; box = box->next) {
        box->written = box->watch != NULL;
        box->touched = box->touched || box->written;
    }
}

static void tell(struct mailroom *room, const struct store_op *op) {
    if (op->kind == STORE_OP_FORGET)
        tell_all(room);
    else if (op->kind == STORE_OP_WRITE_DOCUMENT)
        tell_watchers(room);
    else
        tell_others(room, (const struct store_settle *)op);
}

static void hand_over(struct store_op *op) {
    struct mailbox *box = (struct mailbox *)op->client;
    if (!box) {
        free(op);
        return;
    }
    op_list_add(&box->finished, op);
    box->finished_count++;
    box->touched = true;
}

void mailroom_post(struct mailroom *room, struct op_list *finished) {
    /* Waking is inside, too: a client that was told everything may detach at once. */
    uv_mutex_lock(&room->mutex);
    struct store_op *op;
    while ((op = op_list_take(finished))) {
        if (op->changed)
            tell(room, op);
        hand_over(op);
    }
    for (struct mailbox *box = room->boxes; box; box = box->next) {
        if (box->touched)
            uv_async_send(&box->wake);
        box->touched = false;
    }
    uv_mutex_unlock(&room->mutex);
}
