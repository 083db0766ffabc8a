#pragma once
/*
 * flight: who of this worker waits for which question's call.
 *
 * A flight is one question under way; the askers of that question hang on it. It owns the call, and
 * may make several, one after the other (core/course.h), under one lease: askers may leave, the
 * flight goes on to its call's end, so that a paid answer is kept. The table finds the flight of a
 * question. One thread.
 */
#include <stddef.h>

#include <uv.h>

#include "core/course.h"
#include "core/digest.h"
#include "core/way.h"
#include "store/store.h"
#include "upstream/breaker.h"
#include "upstream/call.h"

struct verifier;
struct waiter;

/* An answer for all who wait, whatever their wish: it came after they asked. */
struct flight_served {
    const struct answer *answer; /* in the flight */
    enum billed billed;
    bool led; /* by this flight; else it is that to another worker's call */
    bool kept;
};

enum flight_stage {
    FLIGHT_ADMITTING, /* asked the store who leads */
    FLIGHT_CALLING,   /* we lead: the call is under way */
    FLIGHT_SETTLING,  /* the call ended: its row and answer are being written */
    FLIGHT_RESTING,   /* waits a moment before it calls again */
    FLIGHT_PARKED,    /* waits for a newer snapshot of the directory */
    FLIGHT_LEAVING,   /* all are told; the lease is being given up */
    FLIGHT_LANDING,   /* it is over, and no longer in the table: all are being told its answer */
};

#define FLIGHT_REQUEST_SIZE 65
#define FLIGHT_TRACE_SIZE   33

struct flight {
    struct flight *next; /* in its bucket */
    struct verifier *verifier;
    enum flight_stage stage;
    struct triple triple; /* what is asked; wiped at the end */
    struct digest triple_digest;
    struct digest number_digest;
    char request_id[FLIGHT_REQUEST_SIZE]; /* whose question led its call, for the log */
    char trace_id[FLIGHT_TRACE_SIZE];     /* the same; empty: none */
    bool virtual_operator;                /* is the number of one? */
    bool nothing_kept;                    /* had the store nothing of it when it was opened? */
    struct waiter *first;                 /* who waits, in order of arrival */
    struct waiter **end;                  /* where the next one is hung on */
    struct waiter *leader;                /* whose question was admitted; NULL once it left */
    struct meter *meter;                  /* of the client on whose account it asks */
    struct flight *next_aside;            /* among the parked, or those that land */

    /* Of all its calls, one after the other. */
    struct way way;
    bool leads;           /* does it have the lease? */
    bool holds;           /* is the lease held by `settle`, whose call has ended? */
    enum billed spent;    /* by those that have ended */
    bool has_second_best; /* is there an answer in case nothing better comes? */
    struct answer second_best;
    enum failure failure; /* what is told of the last one, where there is no answer */
    struct breaker_pass of_provider;
    struct breaker_pass of_credential;
    uv_timer_t rest;
    int64_t rest_ms;
    bool timed;                  /* is `rest` to be closed? */
    struct flight_served served; /* while it lands */

    /* Of the one that is under way. */
    struct ledger_id id;
    struct store_admit admit;                  /* its plan is retained until it is done */
    struct upstream_call call;                 /* with its own copy of the question */
    char appcode[CREDENTIAL_FINGERPRINT_SIZE]; /* whose code it bears: a fingerprint */
    struct course course;                      /* what follows from how it ended */
    struct store_settle settle;
};

#define FLIGHT_BUCKETS 1024

struct flight_table {
    struct flight *buckets[FLIGHT_BUCKETS];
    size_t count;
};

/* NULL: nobody of this worker asks that. */
struct flight *flight_find(const struct flight_table *table, const struct digest *triple);
void flight_insert(struct flight_table *table, struct flight *flight);
void flight_remove(struct flight_table *table, struct flight *flight);
