#pragma once
/*
 * op_list: operations in a row, first in, first out, linked through the operations themselves, so
 * that queueing needs no memory. An operation is in one list at a time. Private to this room.
 */
#include "store/store.h"

struct op_list {
    struct store_op *first;
    struct store_op *last; /* only meaningful while there is a first */
};

static inline void op_list_add(struct op_list *list, struct store_op *op) {
    op->next = NULL;
    if (list->first)
        list->last->next = op;
    else
        list->first = op;
    list->last = op;
}

/* NULL when there is none. */
static inline struct store_op *op_list_take(struct op_list *list) {
    struct store_op *op = list->first;
    if (op)
        list->first = op->next;
    return op;
}

/* Moves all of `from` behind what is in `list`. */
static inline void op_list_append(struct op_list *list, struct op_list *from) {
    if (!from->first)
        return;
    if (list->first)
        list->last->next = from->first;
    else
        list->first = from->first;
    list->last = from->last;
    from->first = NULL;
}
