#include "store/lease.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

bool lease_table_init(struct lease_table *table) {
    *table = (struct lease_table){.size = FIRST_SIZE};
    table->slots = calloc(table->size, sizeof(struct lease *));
    return table->slots != NULL;
}

static void free_chain(struct lease *lease) {
    while (lease) {
        struct lease *later = lease->later;
        free(lease);
        lease = later;
    }
}

void lease_table_free(struct lease_table *table) {
    free_chain(table->first);
    free_chain(table->spare);
    free(table->slots);
}

static size_t home(const struct lease_table *table, const struct digest *triple) {
    uint64_t hash;
    memcpy(&hash, triple->bytes, sizeof hash);
    return (size_t)hash & (table->size - 1);
}

/* The slot that holds the triple's lease, or the empty one where it would go. */
static size_t seek(const struct lease_table *table, const struct digest *triple) {
    size_t slot = home(table, triple);
    while (table->slots[slot] && !digest_equal(&table->slots[slot]->triple, triple))
        slot = (slot + 1) & (table->size - 1);
    return slot;
}

struct lease *lease_find(const struct lease_table *table, const struct digest *triple) {
    return table->slots[seek(table, triple)];
}

static bool grow(struct lease_table *table) {
    struct lease **slots = calloc(table->size * 2, sizeof(struct lease *));
    if (!slots)
        return false;
    free(table->slots);
    table->slots = slots;
    table->size *= 2;
    for (struct lease *lease = table->first; lease; lease = lease->later)
        table->slots[seek(table, &lease->triple)] = lease;
    return true;
}

static struct lease *obtain(struct lease_table *table) {
    struct lease *lease = table->spare;
    if (!lease)
        return malloc(sizeof *lease);
    table->spare = lease->later;
    return lease;
}

/* From the back: with one length for all, the newest lease is the last to end. */
static void enter_order(struct lease_table *table, struct lease *lease) {
    struct lease *earlier = table->last;
    while (earlier && earlier->ends_at > lease->ends_at)
        earlier = earlier->earlier;
    lease->earlier = earlier;
    lease->later = earlier ? earlier->later : table->first;
    *(lease->earlier ? &lease->earlier->later : &table->first) = lease;
    *(lease->later ? &lease->later->earlier : &table->last) = lease;
}

static void leave_order(struct lease_table *table, struct lease *lease) {
    *(lease->earlier ? &lease->earlier->later : &table->first) = lease->later;
    *(lease->later ? &lease->later->earlier : &table->last) = lease->earlier;
}

struct lease *lease_take(struct lease_table *table, const struct digest *triple,
                         const struct ledger_id *holder, int64_t ends_at, uint64_t batch) {
    if (table->count * 2 >= table->size && !grow(table))
        return NULL;
    struct lease *lease = obtain(table);
    if (!lease)
        return NULL;
    *lease =
        (struct lease){.triple = *triple, .holder = *holder, .ends_at = ends_at, .batch = batch};
    table->slots[seek(table, triple)] = lease;
    table->count++;
    enter_order(table, lease);
    return lease;
}

static void move(struct lease_table *table, struct lease *lease, const struct ledger_id *holder,
                 int64_t ends_at) {
    lease->holder = *holder;
    lease->ends_at = ends_at;
    leave_order(table, lease);
    enter_order(table, lease);
}

void lease_pass(struct lease_table *table, struct lease *lease, const struct ledger_id *holder,
                int64_t ends_at, uint64_t batch) {
    lease->before = lease->holder;
    lease->before_ends_at = lease->ends_at;
    lease->batch = batch;
    move(table, lease, holder, ends_at);
}

bool lease_give_back(struct lease_table *table, struct lease *lease) {
    static const struct ledger_id none = {{0}};
    const struct ledger_id before = lease->before;
    if (ledger_id_compare(&before, &none) == 0)
        return false;
    lease->before = none;
    lease->batch = 0;
    move(table, lease, &before, lease->before_ends_at);
    return true;
}

/* Closes the gap, so that searching may go on stopping at the first empty slot. */
static void vacate(struct lease_table *table, size_t gap) {
    size_t mask = table->size - 1;
    for (size_t slot = (gap + 1) & mask; table->slots[slot]; slot = (slot + 1) & mask) {
        size_t wanted = home(table, &table->slots[slot]->triple);
        if (((slot - wanted) & mask) < ((slot - gap) & mask))
            continue;
        table->slots[gap] = table->slots[slot];
        gap = slot;
    }
    table->slots[gap] = NULL;
}

void lease_drop(struct lease_table *table, struct lease *lease) {
    vacate(table, seek(table, &lease->triple));
    table->count--;
    leave_order(table, lease);
    lease->later = table->spare;
    table->spare = lease;
}
