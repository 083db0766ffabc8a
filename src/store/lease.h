#pragma once
/*
 * lease: who makes the call for a question, till when, and who waits for it.
 *
 * A hash table by triple digest (a digest is already a uniform hash) with its entries also in the
 * order in which they end. It decides nothing and knows no clock. Entries are used again, so that
 * in steady state nothing is allocated. One thread. Private to this room.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/digest.h"
#include "money/ledger.h"
#include "store/op_list.h"

struct lease {
    struct digest triple;
    struct ledger_id holder; /* the call's id */
    int64_t ends_at;         /* monotonic milliseconds */
    uint64_t batch;          /* in which it was taken, or passed on; 0: neither */
    struct ledger_id before; /* all zero, or who had it before it was passed on, and till when */
    int64_t before_ends_at;
    struct op_list followers; /* admits, in the order in which they came */
    struct lease *earlier;
    struct lease *later; /* also links the spare ones */
};

struct lease_table {
    struct lease **slots;
    size_t size; /* a power of two */
    size_t count;
    struct lease *first; /* the one that ends first; NULL: no leases */
    struct lease *last;
    struct lease *spare;
};

/* False when memory is out. */
bool lease_table_init(struct lease_table *table) __attribute__((warn_unused_result));
void lease_table_free(struct lease_table *table);

/* NULL when there is none. */
struct lease *lease_find(const struct lease_table *table, const struct digest *triple);

/* There must be none for `triple`. NULL when memory is out. */
struct lease *lease_take(struct lease_table *table, const struct digest *triple,
                         const struct ledger_id *holder, int64_t ends_at, uint64_t batch);

/* Its holder is another call now, and it ends at another time; its followers stay. What it was is
 * kept as `before`, for lease_give_back. */
void lease_pass(struct lease_table *table, struct lease *lease, const struct ledger_id *holder,
                int64_t ends_at, uint64_t batch);

/* Was it passed on? Then it is as before again. False: nothing was done. */
bool lease_give_back(struct lease_table *table, struct lease *lease);

/* Its followers must have been taken out. The entry may not be touched afterwards. */
void lease_drop(struct lease_table *table, struct lease *lease);
