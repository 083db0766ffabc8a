#pragma once
/*
 * verifier_own: the inside of the verifier. Private to its own files.
 *
 *   verifier.c         a question on its way to a kept answer, or to a flight
 *   verifier_waiter.c  an asker whose answer was not at hand, and what it is told
 *   verifier_flight.c  a flight's calls: admitted, made, settled, followed by another
 *
 * One thread, that of its worker.
 */
#include <uv.h>

#include "core/flight.h"
#include "core/verifier.h"

struct verifier {
    struct verifier_parts parts;
    struct flight_table flights;
    struct flight *parked;  /* the first of those */
    struct flight *landing; /* the same: they are over, and their askers are still being told */
    uv_idle_t turn;         /* runs while any lands */
    struct waiter *spare;   /* waiters to be used again, the first of them */
    size_t spares;
    size_t waiters;
    size_t leases;  /* flights that lead */
    size_t closing; /* flights that have ended, but for their timer */
    bool draining;
};

/* An asker whose answer was not at hand. It lives until its store operation and its timer are done,
 * which may be after the asker was answered. */
struct waiter {
    struct verifier *verifier;
    struct asker *asker; /* NULL once answered */
    struct flight *flight;
    struct waiter *next; /* in the flight, or among the spare ones */
    struct verdict
        *at_once; /* while verifier_ask runs: where a verdict goes instead of `answered` */
    uv_timer_t deadline;
    bool timed; /* is `deadline` running? */
    bool finding;
    bool looked; /* has the store been asked? */
    struct store_find find;
    struct digest digest;
    enum forward forward;
    struct budget_finding refusal; /* why money was refused */
    bool has_stale; /* `stale` is an expired answer that may serve when upstream cannot */
    struct answer stale;
};

int64_t verifier_now_s(const struct verifier *verifier);
bool verifier_is_virtual(const struct verifier *verifier, const struct triple *triple);

/* --- verifier_waiter.c --- */

/* NULL: no memory. */
struct waiter *waiter_new(struct verifier *verifier, struct asker *asker,
                          const struct digest *digest);
/* It must have been answered; where something of it is under way, it goes when that is done. */
void waiter_free_when_done(struct waiter *waiter);
/* Lets go of the spare ones. */
void waiter_free_spares(struct verifier *verifier);
/* From now on its asker waits as long as it said. */
void waiter_start_deadline(struct waiter *waiter);
/* How long from now it still will. */
int64_t waiter_patience_ms(const struct waiter *waiter);

void waiter_answer(struct waiter *waiter, struct verdict *verdict);

struct waiter_end {
    enum failure failure;
    enum billed billed; /* as far as it was this waiter's call */
    bool collapsed;
    int64_t retry_after_s; /* 0: nobody knows */
};

/* An expired answer that may serve instead does. */
void waiter_fail(struct waiter *waiter, struct waiter_end end);
/* Keeps the expired answer in case nothing better comes. */
void waiter_consider_stale(struct waiter *waiter, const struct answer *answer);
/* Only the asker whose question was admitted may be told that its question was, or may be, paid. */
enum billed waiter_billed(const struct waiter *waiter, enum billed billed);

/* --- verifier_flight.c --- */

/* For the waiter's question; it is the first who waits. False: no memory. */
bool flight_open(struct waiter *waiter) __attribute__((warn_unused_result));
void flight_join(struct flight *flight, struct waiter *waiter);
/* The answer that is being told, or the one its flight has in case nothing better comes. False:
 * there is none. */
bool flight_give_what_it_has(struct waiter *waiter) __attribute__((warn_unused_result));
/* Somebody has left it. */
void flight_was_left(struct flight *flight);
/* Why a question may not open a flight now, or FAILURE_NONE. */
enum failure flight_reason_not_to(const struct verifier *verifier);
