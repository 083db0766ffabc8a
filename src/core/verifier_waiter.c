#include "core/verifier_own.h"

#include <stdlib.h>

/* They are large, and libuv takes a turn to let go of their timers. */
#define SPARES_MOST 256

static void on_waiter_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void free_waiter(struct waiter *waiter) {
    uv_close((uv_handle_t *)&waiter->deadline, on_waiter_closed);
}

static void keep_spare(struct waiter *waiter) {
    struct verifier *verifier = waiter->verifier;
    waiter->next = verifier->spare;
    verifier->spare = waiter;
    verifier->spares++;
}

void waiter_free_spares(struct verifier *verifier) {
    while (verifier->spare != NULL) {
        struct waiter *waiter = verifier->spare;
        verifier->spare = waiter->next;
        free_waiter(waiter);
    }
    verifier->spares = 0;
}

void waiter_free_when_done(struct waiter *waiter) {
    if (waiter->asker != NULL || waiter->finding)
        return;
    waiter->verifier->waiters--;
    if (waiter->timed)
        uv_timer_stop(&waiter->deadline);
    if (waiter->verifier->spares < SPARES_MOST)
        keep_spare(waiter);
    else
        free_waiter(waiter);
}

static void leave_flight(struct waiter *waiter) {
    struct flight *flight = waiter->flight;
    if (flight == NULL)
        return;
    struct waiter **link = &flight->first;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (waiter->next == NULL)
        flight->end = link;
    if (flight->leader == waiter)
        flight->leader = NULL;
    waiter->flight = NULL;
}

void waiter_answer(struct waiter *waiter, struct verdict *verdict) {
    struct asker *asker = waiter->asker;
    waiter->asker = NULL;
    leave_flight(waiter);
    verdict_count(verdict, asker->client.meter, waiter->verifier->parts.metrics);
    if (waiter->at_once != NULL) {
        *waiter->at_once = *verdict;
        return;
    }
    asker->answered(asker, verdict);
    waiter_free_when_done(waiter);
}

/* An expired answer that was right not long ago serves better than none (stale_if_error). A caller
 * that asked for something newer gets the failure. */
void waiter_fail(struct waiter *waiter, struct waiter_end end) {
    struct verdict verdict = {.failure = end.failure,
                              .billed = end.billed,
                              .collapsed = end.collapsed,
                              .retry_after_s = end.retry_after_s,
                              .finding = waiter->refusal};
    if (waiter->has_stale && end.failure != FAILURE_NOT_CACHED) {
        verdict_of_kept(&verdict, &waiter->stale, SOURCE_STALE);
        verdict.billed = end.billed;
    }
    waiter_answer(waiter, &verdict);
}

enum billed waiter_billed(const struct waiter *waiter, enum billed billed) {
    return waiter->flight != NULL && waiter->flight->leader == waiter ? billed : BILLED_NO;
}

/* What is known of its flight when it cannot wait any longer. */
static struct waiter_end end_of_patience(const struct waiter *waiter) {
    const struct flight *flight = waiter->flight;
    struct waiter_end end = {.failure = FAILURE_UPSTREAM_TIMEOUT, .billed = BILLED_NO};
    if (flight == NULL)
        return end;
    enum billed now = flight->stage == FLIGHT_CALLING || flight->stage == FLIGHT_SETTLING
                          ? BILLED_UNKNOWN
                          : BILLED_NO;
    if (flight->stage == FLIGHT_PARKED)
        end.failure = FAILURE_STORE_UNAVAILABLE;
    else if (flight->stage == FLIGHT_RESTING)
        end.failure = flight->failure;
    end.billed = waiter_billed(waiter, now == BILLED_NO ? flight->spent : now);
    return end;
}

static void on_deadline(uv_timer_t *timer) {
    struct waiter *waiter = timer->data;
    struct flight *flight = waiter->flight;
    if (waiter->asker == NULL)
        return;
    if (flight == NULL || !flight_give_what_it_has(waiter))
        waiter_fail(waiter, end_of_patience(waiter));
    if (flight != NULL)
        flight_was_left(flight);
}

void waiter_start_deadline(struct waiter *waiter) {
    waiter->timed = true;
    uv_timer_start(&waiter->deadline, on_deadline, (uint64_t)waiter->asker->wait_ms, 0);
}

int64_t waiter_patience_ms(const struct waiter *waiter) {
    return waiter->timed ? (int64_t)uv_timer_get_due_in(&waiter->deadline) : waiter->asker->wait_ms;
}

void waiter_consider_stale(struct waiter *waiter, const struct answer *answer) {
    const struct freshness_wish *wish = &waiter->asker->wish;
    int64_t now = verifier_now_s(waiter->verifier);
    int64_t grace = waiter->verifier->parts.config->stale_if_error_ms / 1000;
    enum result_kind kind = result_of(answer->status);
    if (kind != RESULT_MATCH && kind != RESULT_MISMATCH)
        return;
    if (wish->no_cache || (wish->max_age >= 0 && now - answer->checked_at > wish->max_age))
        return;
    if (now >= answer->expires_at + grace)
        return;
    waiter->has_stale = true;
    waiter->stale = *answer;
}

static struct waiter *allocate(struct verifier *verifier) {
    struct waiter *waiter = verifier->spare;
    if (waiter != NULL) {
        verifier->spare = waiter->next;
        verifier->spares--;
        return waiter;
    }
    waiter = malloc(sizeof *waiter);
    if (waiter == NULL)
        return NULL;
    uv_timer_init(verifier->parts.loop, &waiter->deadline);
    waiter->deadline.data = waiter;
    waiter->verifier = verifier;
    return waiter;
}

struct waiter *waiter_new(struct verifier *verifier, struct asker *asker,
                          const struct digest *digest) {
    struct waiter *waiter = allocate(verifier);
    if (waiter == NULL)
        return NULL;
    waiter->asker = asker;
    waiter->flight = NULL;
    waiter->next = NULL;
    waiter->at_once = NULL;
    waiter->timed = false;
    waiter->finding = false;
    waiter->looked = false;
    waiter->digest = *digest;
    waiter->forward = FORWARD_MISS;
    waiter->refusal = (struct budget_finding){.bound = BUDGET_FITS};
    waiter->has_stale = false;
    verifier->waiters++;
    return waiter;
}
