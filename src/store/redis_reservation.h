#pragma once
/*
 * redis_reservation: the ledger row of an admitted call, and what it takes of what was bought: what
 * is sent to the script `reserve`, and what it said.
 *
 * No state; the link's thread. Private to this room.
 */
#include "store/redis_commands.h"

struct redis_reservation {
    const struct ledger_id *id;
    const struct digest *number;
    const struct ledger_account *account; /* without a plan all of it, else the client */
    const struct budget *budget;          /* NULL, or one without a plan: no money is looked at */
    int64_t lapse_ms;                     /* it is given up after this long */
};

/* What is given is copied. False, and `replied` is never called, when the link (which may be NULL)
 * does not take it. */
bool redis_send_reserve(struct redis_link *link, redis_replied *replied, void *arg,
                        const struct redis_reservation *reservation)
    __attribute__((warn_unused_result));

enum redis_reserving {
    REDIS_RESERVE_NONE, /* the reply is an error, or none of ours: nothing was written */
    REDIS_RESERVED,
    REDIS_RESERVE_THERE, /* the call had a row already */
    REDIS_RESERVE_OUTDATED,
    REDIS_RESERVE_REFUSED,
};

struct redis_reserved {
    enum redis_reserving what;
    int line;                      /* RESERVED: of the plan */
    struct budget_finding finding; /* RESERVED, REFUSED; but for when the bound resets */
    int64_t version;               /* OUTDATED: the store's */
    struct ledger_account account; /* THERE: of the row */
};

/* NULL is accepted, as none. */
struct redis_reserved redis_read_reserved(const redisReply *reply);
