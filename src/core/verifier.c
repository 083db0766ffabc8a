#include "core/verifier_own.h"

#include <stdlib.h>

#include "runtime/container.h"

int64_t verifier_now_s(const struct verifier *verifier) {
    return clock_unix_ms(verifier->parts.clock) / 1000;
}

/* --- what needs nobody --- */

bool verifier_is_virtual(const struct verifier *verifier, const struct triple *triple) {
    return triple_mobile_has_prefix(
        triple, (const char *const *)verifier->parts.config->virtual_operators_prefixes);
}

/* What can be answered without asking anybody. */
static bool check_locally(const struct verifier *verifier, const struct triple *triple,
                          int64_t now_s, struct verdict *verdict) {
    static const enum result_kind kinds[] = {
        [TRIPLE_BAD_NAME] = RESULT_INVALID_NAME,
        [TRIPLE_BAD_ID_CARD] = RESULT_INVALID_ID_CARD,
        [TRIPLE_BAD_MOBILE] = RESULT_INVALID_MOBILE,
    };
    enum triple_verdict found = triple_check(triple, triple_today(now_s));
    if (found != TRIPLE_SOUND) {
        verdict_of_our_own(verdict, SOURCE_LOCAL, kinds[found], now_s);
        return true;
    }
    if (verifier->parts.config->virtual_operators_action == CONFIG_VIRTUAL_REJECT &&
        verifier_is_virtual(verifier, triple)) {
        verdict_of_our_own(verdict, SOURCE_LOCAL, RESULT_ABNORMAL, now_s);
        verdict->answer.virtual_operator = true;
        return true;
    }
    return false;
}

/* --- one asker --- */

static void go_upstream(struct waiter *waiter) {
    struct verifier *verifier = waiter->verifier;
    if (waiter->asker->wish.only_if_cached) {
        waiter_fail(waiter, (struct waiter_end){.failure = FAILURE_NOT_CACHED});
        return;
    }
    struct flight *flight = flight_find(&verifier->flights, &waiter->digest);
    if (flight != NULL) {
        flight_join(flight, waiter);
        return;
    }
    enum failure failure = flight_reason_not_to(verifier);
    if (failure == FAILURE_NONE && !flight_open(waiter))
        failure = FAILURE_OVERLOADED;
    if (failure != FAILURE_NONE)
        waiter_fail(waiter, (struct waiter_end){.failure = failure});
}

/* An answer was found that does not do: say why it is not served, and keep it in case nothing
 * better comes. */
static void note_refused(struct waiter *waiter, const struct answer *answer) {
    bool expired = verifier_now_s(waiter->verifier) >= answer->expires_at;
    waiter->forward = expired ? FORWARD_STALE : FORWARD_REQUEST;
    waiter_consider_stale(waiter, answer);
}

static void take_found(struct waiter *waiter) {
    struct verifier *verifier = waiter->verifier;
    const struct store_find *find = &waiter->find;
    struct verdict verdict;
    if (find->outcome == STORE_AWAY) {
        metrics_count(verifier->parts.metrics, METRIC_STORE_AWAY);
        waiter_fail(waiter, (struct waiter_end){.failure = FAILURE_STORE_UNAVAILABLE});
        return;
    }
    if (find->outcome == STORE_HIT) {
        memory_put(verifier->parts.memory, &waiter->digest, &find->answer);
        if (verdict_judge_kept(&verdict, &find->answer, &waiter->asker->wish,
                               verifier_now_s(verifier))) {
            waiter_answer(waiter, &verdict);
            return;
        }
        note_refused(waiter, &find->answer);
    }
    go_upstream(waiter);
}

static void on_found(struct store_op *op) {
    struct waiter *waiter = container_of(op, struct waiter, find.op);
    waiter->finding = false;
    if (waiter->asker == NULL)
        waiter_free_when_done(waiter);
    else
        take_found(waiter);
}

/* Whoever asks what the store was just asked in vain need not ask it again. */
static bool join_at_once(struct waiter *waiter) {
    if (waiter->asker->wish.only_if_cached)
        return false;
    struct flight *flight = flight_find(&waiter->verifier->flights, &waiter->digest);
    if (flight == NULL || !flight->nothing_kept)
        return false;
    flight_join(flight, waiter);
    return true;
}

/* A caller that wants a new answer has no use for a kept one. */
static void look_in_store(struct waiter *waiter) {
    if (waiter->asker->wish.no_cache) {
        waiter->forward = FORWARD_REQUEST;
        go_upstream(waiter);
        return;
    }
    if (join_at_once(waiter))
        return;
    waiter->looked = true;
    waiter->find.op.done = on_found;
    waiter->find.triple = waiter->digest;
    waiter->find.number = digest_number(waiter->verifier->parts.key, &waiter->asker->triple);
    waiter->find.outcome = store_find(waiter->verifier->parts.store, &waiter->find);
    if (waiter->find.outcome == STORE_PENDING)
        waiter->finding = true;
    else
        take_found(waiter);
}

/* What is of the future was remembered before the clock was set back; the store knows better. */
#define AHEAD_S 60

static bool serve_from_memory(const struct verifier *verifier, const struct asker *asker,
                              int64_t now_s, struct verdict *verdict) {
    struct answer *answer = &verdict->answer;
    return !asker->wish.no_cache && memory_get(verifier->parts.memory, &asker->digest, answer) &&
           answer->checked_at <= now_s + AHEAD_S &&
           verdict_judge_kept(verdict, answer, &asker->wish, now_s);
}

bool verifier_ask(struct verifier *verifier, struct asker *asker, struct verdict *verdict) {
    int64_t now_s = verifier_now_s(verifier);
    asker->digest = (struct digest){{0}};
    if (check_locally(verifier, &asker->triple, now_s, verdict)) {
        verdict_count(verdict, asker->client.meter, verifier->parts.metrics);
        return true;
    }
    asker->digest = digest_triple(verifier->parts.key, &asker->triple);
    if (serve_from_memory(verifier, asker, now_s, verdict)) {
        verdict_count(verdict, asker->client.meter, verifier->parts.metrics);
        return true;
    }
    struct waiter *waiter = waiter_new(verifier, asker, &asker->digest);
    if (waiter == NULL) {
        *verdict = (struct verdict){.failure = FAILURE_OVERLOADED};
        verdict_count(verdict, asker->client.meter, verifier->parts.metrics);
        return true;
    }
    waiter->at_once = verdict;
    look_in_store(waiter);
    waiter->at_once = NULL;
    if (waiter->asker == NULL) {
        waiter_free_when_done(waiter);
        return true;
    }
    waiter_start_deadline(waiter);
    return false;
}

struct verifier *verifier_new(const struct verifier_parts *parts) {
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL)
        return NULL;
    verifier->parts = *parts;
    uv_idle_init(parts->loop, &verifier->turn);
    return verifier;
}

static void on_turn_closed(uv_handle_t *turn) {
    free(container_of((uv_idle_t *)turn, struct verifier, turn));
}

void verifier_free(struct verifier *verifier) {
    if (verifier == NULL)
        return;
    waiter_free_spares(verifier);
    uv_close((uv_handle_t *)&verifier->turn, on_turn_closed);
}

void verifier_set_config(struct verifier *verifier, const struct config *config) {
    verifier->parts.config = config;
}

void verifier_drain(struct verifier *verifier) {
    verifier->draining = true;
}

bool verifier_is_idle(const struct verifier *verifier) {
    return verifier->waiters == 0 && verifier->flights.count == 0 && verifier->landing == NULL &&
           verifier->closing == 0;
}

size_t verifier_waiters(const struct verifier *verifier) {
    return verifier->waiters;
}

size_t verifier_leases(const struct verifier *verifier) {
    return verifier->leases;
}
