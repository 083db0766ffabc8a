#pragma once
/*
 * redis_commands: the shared store's scripts as C functions: arguments written down, replies read.
 *
 * Each sends one command on the link; false, and `replied` is never called, when the link (which
 * may be NULL) does not take it. What is given is copied. No state; the link's thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "store/redis_link.h"
#include "store/redis_notice.h"
#include "store/redis_reply.h"
#include "store/store.h"

/* The kept answer that was looked at and does not do; size 0: none was. */
struct redis_seen {
    uint8_t bytes[ANSWER_ENCODED_MAX];
    size_t size;
};

bool redis_send_find(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct digest *number, const struct digest *triple)
    __attribute__((warn_unused_result));

bool redis_send_admit(struct redis_link *link, redis_replied *replied, void *arg,
                      const struct store_admit *admit, const struct redis_seen *seen)
    __attribute__((warn_unused_result));

enum redis_decision {
    REDIS_ADMISSION_NONE, /* the reply is an error, or none of ours: nothing was written */
    REDIS_ADMISSION_LEAD,
    REDIS_ADMISSION_NEXT, /* it may lead when the lease was passed to it */
    REDIS_ADMISSION_WAIT,
    REDIS_ADMISSION_KEPT,
    REDIS_ADMISSION_CLOSED,
    REDIS_ADMISSION_INFERRED,
};

struct redis_admitted {
    enum redis_decision what;
    struct ledger_id holder; /* WAIT */
    int64_t left_ms;         /* WAIT: of the lease. CLOSED: till the number opens */
    const char *kept;        /* KEPT: the encoded answer, in the reply */
    size_t kept_size;
    int64_t proven_at; /* INFERRED */
};

struct redis_admitted redis_read_admitted(const redisReply *reply);

/* A settlement's two halves, in either order. `now_ms` is Unix time by this process's clock,
 * `sender` as in the notice. */
bool redis_send_settle(struct redis_link *link, redis_replied *replied, void *arg,
                       const struct store_settle *settle, int64_t window_ms, int64_t now_ms,
                       uint32_t sender) __attribute__((warn_unused_result));
bool redis_send_book(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct store_settle *settle) __attribute__((warn_unused_result));

/* The lease of `admit->after`, which holds it, becomes the admitted call's: an integer, 1 when that
 * has it, 0 when there was none to pass. */
bool redis_send_pass(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct store_admit *admit, uint32_t sender)
    __attribute__((warn_unused_result));

/* A settlement that held its lease does so no longer: the followers are told as it says. */
bool redis_send_let_go(struct redis_link *link, redis_replied *replied, void *arg,
                       const struct store_settle *settle, uint32_t sender)
    __attribute__((warn_unused_result));

bool redis_send_withdraw(struct redis_link *link, redis_replied *replied, void *arg,
                         const struct store_admit *admit, uint32_t sender)
    __attribute__((warn_unused_result));

/* Asks for ids of reservations that nobody ended in time: an array of 16 bytes each. */
bool redis_send_lapsed(struct redis_link *link, redis_replied *replied, void *arg, int most)
    __attribute__((warn_unused_result));

/* Gives such a reservation up. */
bool redis_send_give_up(struct redis_link *link, redis_replied *replied, void *arg,
                        const struct ledger_id *id) __attribute__((warn_unused_result));

/* The call's row, and its place in its number's window: are they there? */
bool redis_send_find_row(struct redis_link *link, redis_replied *replied, void *arg,
                         const struct ledger_id *id) __attribute__((warn_unused_result));
bool redis_send_find_place(struct redis_link *link, redis_replied *replied, void *arg,
                           const struct ledger_id *id, const struct digest *number,
                           const char *window) __attribute__((warn_unused_result));

/* Is it the row of a call that has ended? */
bool redis_is_ended_row(const redisReply *reply);

/* Only to see that the server lives: one that does not answer is dropped by the link itself. */
bool redis_send_ping(struct redis_link *link, redis_replied *replied, void *arg)
    __attribute__((warn_unused_result));

/* The same, and what its clock says (redis_reply_time). */
bool redis_send_time(struct redis_link *link, redis_replied *replied, void *arg)
    __attribute__((warn_unused_result));

/* Writes something that nobody needs: does the server take writes? */
bool redis_send_probe(struct redis_link *link, redis_replied *replied, void *arg)
    __attribute__((warn_unused_result));

/* Did the command do what it should? False for an error and for no reply. */
bool redis_succeeded(const redisReply *reply);

/* The beginning of an error's text, for an operator; empty where there was no reply: then the link
 * knows more. */
void redis_trouble(const redisReply *reply, char text[REDIS_REASON_SIZE]);
