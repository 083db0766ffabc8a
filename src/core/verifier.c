#include "core/verifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flight.h"
#include "money/billing.h"
#include "money/period.h"
#include "runtime/container.h"
#include "runtime/log.h"

/* Beyond the longest call: connecting, the reply, and the settling of it. */
#define LEASE_SLACK_MS 10000

struct verifier {
    struct verifier_parts parts;
    struct flight_table flights;
    struct flight *parked; /* the first of those */
    size_t waiters;
    bool draining;
};

/* An asker whose answer was not at hand. It lives until its store operation and its timer are done,
 * which may be after the asker was answered. */
struct waiter {
    struct verifier *verifier;
    struct asker *asker; /* NULL once answered */
    struct flight *flight;
    struct waiter *next; /* in the flight */
    struct verdict
        *at_once; /* while verifier_ask runs: where a verdict goes instead of `answered` */
    uv_timer_t deadline;
    bool timed; /* is `deadline` running? Only then it must be closed */
    bool finding;
    struct store_find find;
    struct digest digest;
    enum forward forward;
    struct budget_finding refusal; /* why money was refused */
    bool has_stale; /* `stale` is an expired answer that may serve when upstream cannot */
    struct answer stale;
};

static int64_t now_s(const struct verifier *verifier) {
    return clock_unix_ms(verifier->parts.clock) / 1000;
}

/* --- what needs nobody --- */

static bool is_virtual_operator(const struct verifier *verifier, const struct triple *triple) {
    return triple_mobile_has_prefix(
        triple, (const char *const *)verifier->parts.config->virtual_operators_prefixes);
}

/* What can be answered without asking anybody. */
static bool check_locally(const struct verifier *verifier, const struct triple *triple,
                          struct verdict *verdict) {
    static const enum result_kind kinds[] = {
        [TRIPLE_BAD_NAME] = RESULT_INVALID_NAME,
        [TRIPLE_BAD_ID_CARD] = RESULT_INVALID_ID_CARD,
        [TRIPLE_BAD_MOBILE] = RESULT_INVALID_MOBILE,
    };
    enum triple_verdict found = triple_check(triple, triple_today(now_s(verifier)));
    if (found != TRIPLE_SOUND) {
        verdict_of_our_own(verdict, SOURCE_LOCAL, kinds[found], now_s(verifier));
        return true;
    }
    if (verifier->parts.config->virtual_operators_action == CONFIG_VIRTUAL_REJECT &&
        is_virtual_operator(verifier, triple)) {
        verdict_of_our_own(verdict, SOURCE_LOCAL, RESULT_ABNORMAL, now_s(verifier));
        verdict->answer.virtual_operator = true;
        return true;
    }
    return false;
}

/* --- waiters --- */

static void free_waiter(struct waiter *waiter) {
    waiter->verifier->waiters--;
    free(waiter);
}

static void on_waiter_closed(uv_handle_t *handle) {
    free_waiter(handle->data);
}

static void free_waiter_when_done(struct waiter *waiter) {
    if (waiter->asker != NULL || waiter->finding)
        return;
    if (waiter->timed)
        uv_close((uv_handle_t *)&waiter->deadline, on_waiter_closed);
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
    if (flight->leader == waiter)
        flight->leader = NULL;
    waiter->flight = NULL;
}

static void answer_waiter(struct waiter *waiter, struct verdict *verdict) {
    struct asker *asker = waiter->asker;
    waiter->asker = NULL;
    leave_flight(waiter);
    verdict_count(verdict, asker->client.meter, waiter->verifier->parts.metrics);
    if (waiter->at_once != NULL) {
        *waiter->at_once = *verdict;
        return;
    }
    asker->answered(asker, verdict);
    free_waiter_when_done(waiter);
}

/* An expired answer that was right not long ago serves better than none (stale_if_error). A caller
 * that asked for something newer gets the failure. */
static void fail_waiter(struct waiter *waiter, enum failure failure, enum billed billed,
                        bool collapsed) {
    struct verdict verdict = {
        .failure = failure, .billed = billed, .collapsed = collapsed, .finding = waiter->refusal};
    if (waiter->has_stale && failure != FAILURE_NOT_CACHED) {
        verdict_of_kept(&verdict, &waiter->stale, SOURCE_STALE);
        verdict.billed = billed;
    }
    answer_waiter(waiter, &verdict);
}

/* Only the asker whose question was admitted may be told that its question was, or may be, paid. */
static enum billed billed_for(const struct waiter *waiter, enum billed billed) {
    return waiter->flight != NULL && waiter->flight->leader == waiter ? billed : BILLED_NO;
}

static void end_if_empty(struct flight *flight);

/* A parked flight that nobody waits for has no reason to go on. */
static void fail_parked(struct waiter *waiter) {
    struct flight *flight = waiter->flight;
    fail_waiter(waiter, flight->parked_for, BILLED_NO, false);
    end_if_empty(flight);
}

static void on_deadline(uv_timer_t *timer) {
    struct waiter *waiter = timer->data;
    const struct flight *flight = waiter->flight;
    if (waiter->asker == NULL)
        return;
    if (flight != NULL && flight->stage == FLIGHT_PARKED) {
        fail_parked(waiter);
        return;
    }
    bool sent = flight != NULL && flight->stage != FLIGHT_ADMITTING;
    fail_waiter(waiter, FAILURE_UPSTREAM_TIMEOUT,
                billed_for(waiter, sent ? BILLED_UNKNOWN : BILLED_NO), false);
}

static void consider_stale(struct waiter *waiter, const struct answer *answer) {
    const struct freshness_wish *wish = &waiter->asker->wish;
    int64_t now = now_s(waiter->verifier);
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

static struct waiter *new_waiter(struct verifier *verifier, struct asker *asker,
                                 const struct digest *digest) {
    struct waiter *waiter = malloc(sizeof *waiter);
    if (waiter == NULL)
        return NULL;
    waiter->verifier = verifier;
    waiter->asker = asker;
    waiter->flight = NULL;
    waiter->next = NULL;
    waiter->at_once = NULL;
    waiter->timed = false;
    waiter->finding = false;
    waiter->digest = *digest;
    waiter->forward = FORWARD_MISS;
    waiter->refusal = (struct budget_finding){.bound = BUDGET_FITS};
    waiter->has_stale = false;
    verifier->waiters++;
    return waiter;
}

/* --- flights --- */

static void admit_flight(struct flight *flight);

/* Serves each waiter that `serve` accepts; the others stay. The list changes under way. */
static void for_each_waiter(struct flight *flight, void (*visit)(struct waiter *waiter, void *arg),
                            void *arg) {
    for (struct waiter *waiter = flight->first; waiter != NULL;) {
        struct waiter *next = waiter->next;
        visit(waiter, arg);
        waiter = next;
    }
}

static void end_flight(struct flight *flight) {
    flight_remove(&flight->verifier->flights, flight);
    triple_wipe(&flight->call.triple);
    free(flight);
}

struct ending {
    enum failure failure;
    enum billed billed;
    bool collapsed;
};

static void visit_with_failure(struct waiter *waiter, void *arg) {
    const struct ending *ending = arg;
    fail_waiter(waiter, ending->failure, billed_for(waiter, ending->billed), ending->collapsed);
}

static void fail_flight(struct flight *flight, struct ending ending) {
    for_each_waiter(flight, visit_with_failure, &ending);
    end_flight(flight);
}

/* A call's answer, ours or another worker's, serves all who waited for it, whatever their wish: it
 * came after they asked. */
static void visit_with_answer(struct waiter *waiter, void *arg) {
    const struct store_settle *settle = arg;
    const struct flight *flight = waiter->flight;
    bool led = flight->stage == FLIGHT_SETTLING;
    struct verdict verdict = {
        .billed = billed_for(waiter, settle->ledger.billed),
        .source = SOURCE_UPSTREAM,
        .kind = result_of(settle->answer.status),
        .forward = waiter->forward,
        .stored = led && settle->keep && flight->leader == waiter,
        .collapsed = !led || flight->leader != waiter,
        .kept = settle->keep,
        .answer = settle->answer,
    };
    answer_waiter(waiter, &verdict);
}

static void visit_with_kept(struct waiter *waiter, void *arg) {
    struct verdict verdict;
    if (verdict_judge_kept(&verdict, arg, &waiter->asker->wish, now_s(waiter->verifier)))
        answer_waiter(waiter, &verdict);
}

static void visit_with_verdict(struct waiter *waiter, void *arg) {
    struct verdict verdict = *(const struct verdict *)arg;
    answer_waiter(waiter, &verdict);
}

/* Which failure a caller is told for an end without an answer. */
static enum failure failure_of(const struct upstream_outcome *outcome) {
    static const enum failure by_class[REPLY_CLASSES] = {
        [REPLY_ANSWER] = FAILURE_NONE,
        [REPLY_CREDENTIAL_UNKNOWN] = FAILURE_UPSTREAM_REFUSED_CREDENTIAL,
        [REPLY_UNAUTHORIZED] = FAILURE_UPSTREAM_REFUSED_CREDENTIAL,
        [REPLY_ARREARS] = FAILURE_UPSTREAM_REFUSED_CREDENTIAL,
        [REPLY_QUOTA_EXHAUSTED] = FAILURE_PACKAGE_EXHAUSTED,
        [REPLY_QUOTA_EXPIRED] = FAILURE_PACKAGE_EXHAUSTED,
        [REPLY_THROTTLED] = FAILURE_UPSTREAM_UNAVAILABLE,
        [REPLY_WRONG_REQUEST] = FAILURE_UPSTREAM_UNAVAILABLE,
        [REPLY_GATEWAY_FAILED] = FAILURE_UPSTREAM_UNAVAILABLE,
        [REPLY_INVALID] = FAILURE_UPSTREAM_INVALID_REPLY,
    };
    static const enum failure by_end[] = {
        [UPSTREAM_NOT_SENT] = FAILURE_UPSTREAM_UNAVAILABLE,
        [UPSTREAM_TIMED_OUT] = FAILURE_UPSTREAM_TIMEOUT,
        [UPSTREAM_BROKEN] = FAILURE_UPSTREAM_UNAVAILABLE,
    };
    return outcome->end == UPSTREAM_REPLIED ? by_class[outcome->reply.class] : by_end[outcome->end];
}

/* --- parked flights --- */

static void park(struct flight *flight, enum failure failure) {
    flight->stage = FLIGHT_PARKED;
    flight->parked_for = failure;
    flight->leader = NULL;
    flight->next_parked = flight->verifier->parked;
    flight->verifier->parked = flight;
}

static void unpark(struct flight *flight) {
    struct flight **link = &flight->verifier->parked;
    while (*link != flight)
        link = &(*link)->next_parked;
    *link = flight->next_parked;
}

static void end_if_empty(struct flight *flight) {
    if (flight->first != NULL)
        return;
    unpark(flight);
    end_flight(flight);
}

static bool offers(const struct budget_plan *plan, const char *credential) {
    for (int i = 0; i < plan->count; i++) {
        if (strcmp(plan->lines[i].credential, credential) == 0)
            return true;
    }
    return false;
}

/* Until the mark on the credential that was refused has arrived, asking again would try it again.
 */
static bool must_stay_parked(const struct flight *flight,
                             const struct directory_snapshot *snapshot) {
    return flight->refused[0] != '\0' && offers(snapshot->plan, flight->refused);
}

static void go_on(struct flight *flight, const struct directory_snapshot *snapshot) {
    enum failure failure = FAILURE_NONE;
    unpark(flight);
    if (flight->verifier->draining)
        failure = FAILURE_SHUTTING_DOWN;
    else if (snapshot->version < 0)
        failure = FAILURE_STORE_UNAVAILABLE;
    else if (snapshot->plan->count == 0)
        failure = snapshot->no_plan;
    if (failure == FAILURE_NONE)
        admit_flight(flight);
    else
        fail_flight(flight, (struct ending){failure, BILLED_NO, false});
}

void verifier_directory_changed(struct verifier *verifier) {
    const struct directory_snapshot *snapshot = directory_read(verifier->parts.directory);
    struct flight *flight = verifier->parked;
    while (flight != NULL) {
        struct flight *next = flight->next_parked;
        if (snapshot->version < 0 || !must_stay_parked(flight, snapshot))
            go_on(flight, snapshot);
        flight = next;
    }
}

/* What a refusal of the gateway says about the credential. */
static enum credential_mark mark_of(const struct upstream_outcome *outcome) {
    static const enum credential_mark by_class[REPLY_CLASSES] = {
        [REPLY_CREDENTIAL_UNKNOWN] = CREDENTIAL_UNKNOWN,
        [REPLY_UNAUTHORIZED] = CREDENTIAL_UNAUTHORIZED,
        [REPLY_ARREARS] = CREDENTIAL_ARREARS,
        [REPLY_QUOTA_EXHAUSTED] = CREDENTIAL_EXHAUSTED,
        [REPLY_QUOTA_EXPIRED] = CREDENTIAL_EXPIRED,
    };
    return outcome->end == UPSTREAM_REPLIED ? by_class[outcome->reply.class] : CREDENTIAL_GOOD;
}

/* Nothing was billed, and nobody is told yet: another credential may do. */
static void try_next_credential(struct flight *flight) {
    struct verifier *verifier = flight->verifier;
    snprintf(flight->refused, sizeof flight->refused, "%s", flight->settle.account.credential);
    if (flight->first == NULL) {
        end_flight(flight);
        return;
    }
    park(flight, flight->settle.failure);
    if (!must_stay_parked(flight, directory_read(verifier->parts.directory)))
        directory_poke(directory_of(verifier->parts.directory));
}

static void on_settled(struct store_op *op) {
    struct flight *flight = container_of(op, struct flight, settle.op);
    struct verifier *verifier = flight->verifier;
    struct store_settle *settle = &flight->settle;
    if (settle->outcome == STORE_AWAY)
        metrics_count(verifier->parts.metrics, METRIC_STORE_AWAY);
    if (settle->again && settle->outcome == STORE_DONE) {
        try_next_credential(flight);
        return;
    }
    if (!settle->answered) {
        fail_flight(flight, (struct ending){settle->failure, settle->ledger.billed, false});
        return;
    }
    /* Also when the store is away: what was paid for is remembered here meanwhile. */
    if (settle->keep)
        memory_put(verifier->parts.memory, &flight->triple_digest, &settle->answer);
    for_each_waiter(flight, visit_with_answer, settle);
    end_flight(flight);
}

static void log_call(const struct flight *flight, const struct upstream_outcome *outcome) {
    static const enum metric by_state[LEDGER_STATES] = {
        [LEDGER_RESERVED] = METRIC_CALLS_UNKNOWN,
        [LEDGER_SETTLED] = METRIC_CALLS_SETTLED,
        [LEDGER_RELEASED] = METRIC_CALLS_RELEASED,
        [LEDGER_UNKNOWN] = METRIC_CALLS_UNKNOWN,
    };
    static const char *const end_name[] = {"replied", "not sent", "timed out", "broken"};
    static const char *const billed_name[] = {"no", "yes", "unknown"};
    const struct ledger_outcome *ledger = &flight->settle.ledger;
    struct metrics_row *metrics = flight->verifier->parts.metrics;
    metrics_count(metrics, by_state[ledger->state]);
    if (flight->settle.answered && result_of(ledger->status) == RESULT_UNKNOWN) {
        metrics_count(metrics, METRIC_STATUS_UNKNOWN);
        novelty_note(flight->verifier->parts.novelty, ledger->status);
    }
    char id[LEDGER_ID_TEXT_SIZE];
    char digest[DIGEST_SHORT_SIZE];
    ledger_id_format(&flight->id, id);
    digest_short(&flight->triple_digest, digest);
    bool replied = outcome->end == UPSTREAM_REPLIED;
    LOG_AT(flight->settle.answered ? LOG_INFO : LOG_WARN, "upstream call", LOG_TEXT("call", id),
           LOG_TEXT("question", digest), LOG_TEXT("end", end_name[outcome->end]),
           LOG_TEXT("reply", replied ? reply_class_name[outcome->reply.class] : "none"),
           LOG_TEXT("cause", outcome->cause), LOG_NUMBER("http_status", ledger->http_status),
           LOG_TEXT("status", ledger->status), LOG_TEXT("billed", billed_name[ledger->billed]),
           LOG_TEXT("state", ledger_state_name[ledger->state]),
           LOG_NUMBER("latency_ms", ledger->latency_ms));
}

/* What the answer becomes in the cache: how long it is fresh, and for how long it may still serve
 * when upstream cannot be asked. A 203 that is not a virtual operator's speaks of the number's
 * limit, not of the three elements, and is not kept. */
static void date_answer(const struct flight *flight, struct store_settle *settle) {
    const struct config *config = flight->verifier->parts.config;
    struct answer *answer = &settle->answer;
    enum result_kind kind = result_of(answer->status);
    int64_t ttl = config->cache_ttl_ms[kind] / 1000;
    bool lives_on = kind == RESULT_MATCH || kind == RESULT_MISMATCH;
    answer->virtual_operator = kind == RESULT_ABNORMAL && flight->virtual_operator;
    if (kind == RESULT_ABNORMAL && !flight->virtual_operator)
        settle->close_ms = config->number_limit_window_ms;
    answer->checked_at = settle->ledger.settled_at_ms / 1000;
    answer->expires_at = answer->checked_at + ttl;
    settle->own = config->inference;
    settle->keep = ttl > 0 && (kind != RESULT_ABNORMAL || answer->virtual_operator);
    settle->retain_until = answer->expires_at + (lives_on ? config->stale_if_error_ms / 1000 : 0);
}

static void settle_flight(struct flight *flight, const struct upstream_outcome *outcome) {
    struct verifier *verifier = flight->verifier;
    struct store_settle *settle = &flight->settle;
    memset(settle, 0, sizeof *settle);
    settle->op.done = on_settled;
    settle->id = flight->id;
    settle->triple = flight->triple_digest;
    settle->number = flight->number_digest;
    settle->account = flight->admit.account;
    billing_judge(outcome, &settle->ledger);
    settle->ledger.settled_at_ms = clock_unix_ms(verifier->parts.clock);
    settle->failure = failure_of(outcome);
    settle->answered = settle->failure == FAILURE_NONE;
    settle->again = mark_of(outcome) != CREDENTIAL_GOOD;
    if (settle->again)
        directory_mark(directory_of(verifier->parts.directory), settle->account.credential,
                       mark_of(outcome));
    if (settle->answered) {
        settle->answer = outcome->reply.answer;
        date_answer(flight, settle);
    }
    log_call(flight, outcome);
    flight->stage = FLIGHT_SETTLING;
    store_settle(verifier->parts.store, settle);
}

static void on_call_done(struct upstream_call *call, const struct upstream_outcome *outcome) {
    settle_flight(container_of(call, struct flight, call), outcome);
}

static void call_upstream(struct flight *flight) {
    flight->stage = FLIGHT_CALLING;
    flight->call.done = on_call_done;
    flight->call.credential = flight->admit.account.credential;
    /* As it was when the lease was taken, or a reload could let the call outlive it. */
    flight->call.timeout_ms = flight->admit.lease_ms - LEASE_SLACK_MS;
    if (upstream_start(flight->verifier->parts.upstream, &flight->call))
        return;
    const struct upstream_outcome outcome = {
        .end = UPSTREAM_NOT_SENT,
        .cause = flight->call.cause,
    };
    settle_flight(flight, &outcome);
}

/* An answer that came between our look and our admission: it serves whom it satisfies; the others
 * go on asking. */
static void serve_meanwhile(struct flight *flight) {
    struct verifier *verifier = flight->verifier;
    memory_put(verifier->parts.memory, &flight->triple_digest, &flight->admit.answer);
    for_each_waiter(flight, visit_with_kept, &flight->admit.answer);
    if (flight->first == NULL)
        end_flight(flight);
    else if (verifier->draining)
        fail_flight(flight, (struct ending){FAILURE_SHUTTING_DOWN, BILLED_NO, false});
    else
        admit_flight(flight);
}

/* Another worker's call ended with an answer: the same as our own, but not ours to write. */
static void serve_collapsed(struct flight *flight) {
    struct store_settle *settle = &flight->settle;
    memset(settle, 0, sizeof *settle);
    settle->answer = flight->admit.answer;
    settle->keep =
        settle->answer.expires_at > settle->answer.checked_at &&
        (result_of(settle->answer.status) != RESULT_ABNORMAL || settle->answer.virtual_operator);
    if (settle->keep)
        memory_put(flight->verifier->parts.memory, &flight->triple_digest, &settle->answer);
    for_each_waiter(flight, visit_with_answer, settle);
    end_flight(flight);
}

/* Retry-After must not be early by a fraction of a second. */
static void serve_closed(struct flight *flight) {
    struct verifier *verifier = flight->verifier;
    int64_t left_ms = flight->admit.reopens_at_ms - clock_unix_ms(verifier->parts.clock);
    struct verdict verdict;
    verdict_of_our_own(&verdict, SOURCE_GUARD, RESULT_ABNORMAL, now_s(verifier));
    verdict.answer.virtual_operator = flight->virtual_operator;
    verdict.retry_after_s = left_ms > 0 ? (left_ms + 999) / 1000 : 1;
    for_each_waiter(flight, visit_with_verdict, &verdict);
    end_flight(flight);
}

static void serve_inferred(struct flight *flight) {
    struct verdict verdict;
    verdict_of_our_own(&verdict, SOURCE_INFERRED, RESULT_MISMATCH, now_s(flight->verifier));
    verdict.answer.checked_at = flight->admit.proven_at;
    for_each_waiter(flight, visit_with_verdict, &verdict);
    end_flight(flight);
}

static void visit_with_refusal(struct waiter *waiter, void *arg) {
    const struct store_admit *admit = arg;
    bool empty = admit->finding.bound == BUDGET_EXHAUSTED;
    if (!empty && strcmp(waiter->asker->client.id, admit->account.client_id) != 0)
        return;
    waiter->refusal = admit->finding;
    fail_waiter(waiter, empty ? FAILURE_PACKAGE_EXHAUSTED : FAILURE_CLIENT_QUOTA_EXHAUSTED,
                BILLED_NO, false);
}

/* One client's quota is not another's: who is left asks again, on the account of the next. */
static void serve_refused(struct flight *flight) {
    for_each_waiter(flight, visit_with_refusal, &flight->admit);
    if (flight->first == NULL)
        end_flight(flight);
    else if (flight->verifier->draining)
        fail_flight(flight, (struct ending){FAILURE_SHUTTING_DOWN, BILLED_NO, false});
    else
        admit_flight(flight);
}

static void serve_outdated(struct flight *flight) {
    if (flight->first == NULL) {
        end_flight(flight);
        return;
    }
    park(flight, FAILURE_STORE_UNAVAILABLE);
    directory_poke(directory_of(flight->verifier->parts.directory));
}

/* What the store told of the client's counts, and what a limit in shadow would have refused. */
static void note_finding(const struct flight *flight) {
    const struct store_admit *admit = &flight->admit;
    const struct budget_finding *finding = &admit->finding;
    bool told = admit->outcome == STORE_LEAD || admit->outcome == STORE_REFUSED;
    if (!told || admit->budget.plan == NULL)
        return;
    int64_t at_ms = ledger_id_time_ms(&admit->id);
    const struct period day = period_day(at_ms);
    const struct period month = period_month(at_ms);
    meter_note_used(flight->meter, day.end_ms, finding->day_used, month.end_ms,
                    finding->month_used);
    if (admit->outcome == STORE_LEAD && finding->bound != BUDGET_FITS)
        atomic_fetch_add_explicit(&flight->meter->shadowed, 1, memory_order_relaxed);
}

static void on_admitted(struct store_op *op) {
    struct flight *flight = container_of(op, struct flight, admit.op);
    const struct store_admit *admit = &flight->admit;
    note_finding(flight);
    budget_plan_release(admit->budget.plan);
    switch (admit->outcome) {
    case STORE_LEAD:
        call_upstream(flight);
        return;
    case STORE_REFUSED:
        serve_refused(flight);
        return;
    case STORE_OUTDATED:
        serve_outdated(flight);
        return;
    case STORE_ANSWERED:
        if (admit->collapsed)
            serve_collapsed(flight);
        else
            serve_meanwhile(flight);
        return;
    case STORE_CLOSED:
        serve_closed(flight);
        return;
    case STORE_INFERRED:
        serve_inferred(flight);
        return;
    case STORE_FAILED:
        fail_flight(flight, (struct ending){admit->failure, BILLED_NO, true});
        return;
    default:
        metrics_count(flight->verifier->parts.metrics, METRIC_STORE_AWAY);
        fail_flight(flight, (struct ending){FAILURE_STORE_UNAVAILABLE, BILLED_NO, false});
        return;
    }
}

static void take_account(struct flight *flight, struct budget_plan *plan) {
    const struct asker_client *client = &flight->first->asker->client;
    struct store_admit *admit = &flight->admit;
    budget_plan_retain(plan);
    admit->budget.plan = plan;
    admit->budget.limits = client->limits;
    flight->meter = client->meter;
    snprintf(admit->account.client_id, sizeof admit->account.client_id, "%s", client->id);
}

/* Asks the store who leads, with the wish of whoever waits for the most, on the account of who came
 * first. */
static void admit_flight(struct flight *flight) {
    struct verifier *verifier = flight->verifier;
    struct store_admit *admit = &flight->admit;
    const struct directory_snapshot *snapshot = directory_read(verifier->parts.directory);
    if (snapshot->version < 0) {
        serve_outdated(flight);
        return;
    }
    memset(admit, 0, sizeof *admit);
    flight->stage = FLIGHT_ADMITTING;
    flight->refused[0] = '\0';
    flight->leader = flight->first;
    take_account(flight, snapshot->plan);
    flight->id = ledger_id_make(clock_unix_ms(verifier->parts.clock));
    admit->op.done = on_admitted;
    admit->id = flight->id;
    admit->triple = flight->triple_digest;
    admit->number = flight->number_digest;
    admit->wish = flight->first->asker->wish;
    for (const struct waiter *waiter = flight->first->next; waiter != NULL; waiter = waiter->next)
        admit->wish = freshness_strictest(&admit->wish, &waiter->asker->wish);
    admit->limit.max_calls = verifier->parts.config->number_limit_max_calls;
    admit->limit.window_ms = verifier->parts.config->number_limit_window_ms;
    admit->infer = verifier->parts.config->inference;
    admit->lease_ms = verifier->parts.config->upstream_timeout_ms + LEASE_SLACK_MS;
    store_admit(verifier->parts.store, admit);
}

static void join_flight(struct waiter *waiter, struct flight *flight) {
    struct waiter **end = &flight->first;
    while (*end != NULL)
        end = &(*end)->next;
    *end = waiter;
    waiter->flight = flight;
}

static struct flight *new_flight(struct waiter *waiter) {
    struct verifier *verifier = waiter->verifier;
    struct flight *flight = malloc(sizeof *flight);
    if (flight == NULL)
        return NULL;
    flight->verifier = verifier;
    flight->triple_digest = waiter->digest;
    flight->call.triple = waiter->asker->triple;
    flight->number_digest = digest_number(verifier->parts.key, &flight->call.triple);
    flight->virtual_operator = is_virtual_operator(verifier, &flight->call.triple);
    flight->first = NULL;
    flight->leader = NULL;
    flight_insert(&verifier->flights, flight);
    return flight;
}

/* --- one asker --- */

/* Why this question may not open a flight now, or FAILURE_NONE. */
static enum failure reason_not_to_ask(const struct verifier *verifier) {
    const struct directory_snapshot *snapshot = directory_read(verifier->parts.directory);
    if (verifier->draining)
        return FAILURE_SHUTTING_DOWN;
    if (snapshot->version >= 0 && snapshot->plan->count == 0)
        return snapshot->no_plan;
    if (upstream_is_full(verifier->parts.upstream))
        return FAILURE_OVERLOADED;
    return FAILURE_NONE;
}

static void go_upstream(struct waiter *waiter) {
    struct verifier *verifier = waiter->verifier;
    if (waiter->asker->wish.only_if_cached) {
        fail_waiter(waiter, FAILURE_NOT_CACHED, BILLED_NO, false);
        return;
    }
    struct flight *flight = flight_find(&verifier->flights, &waiter->digest);
    if (flight != NULL) {
        join_flight(waiter, flight);
        return;
    }
    enum failure failure = reason_not_to_ask(verifier);
    if (failure == FAILURE_NONE && (flight = new_flight(waiter)) == NULL)
        failure = FAILURE_OVERLOADED;
    if (failure != FAILURE_NONE) {
        fail_waiter(waiter, failure, BILLED_NO, false);
        return;
    }
    join_flight(waiter, flight);
    admit_flight(flight);
}

/* An answer was found that does not do: say why it is not served, and keep it in case nothing
 * better comes. */
static void note_refused(struct waiter *waiter, const struct answer *answer) {
    bool expired = now_s(waiter->verifier) >= answer->expires_at;
    waiter->forward = expired ? FORWARD_STALE : FORWARD_REQUEST;
    consider_stale(waiter, answer);
}

static void take_found(struct waiter *waiter) {
    struct verifier *verifier = waiter->verifier;
    const struct store_find *find = &waiter->find;
    struct verdict verdict;
    if (find->outcome == STORE_AWAY) {
        metrics_count(verifier->parts.metrics, METRIC_STORE_AWAY);
        fail_waiter(waiter, FAILURE_STORE_UNAVAILABLE, BILLED_NO, false);
        return;
    }
    if (find->outcome == STORE_HIT) {
        memory_put(verifier->parts.memory, &waiter->digest, &find->answer);
        if (verdict_judge_kept(&verdict, &find->answer, &waiter->asker->wish, now_s(verifier))) {
            answer_waiter(waiter, &verdict);
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
        free_waiter_when_done(waiter);
    else
        take_found(waiter);
}

/* A caller that wants a new answer has no use for a kept one. */
static void look_in_store(struct waiter *waiter) {
    if (waiter->asker->wish.no_cache) {
        waiter->forward = FORWARD_REQUEST;
        go_upstream(waiter);
        return;
    }
    waiter->find.op.done = on_found;
    waiter->find.triple = waiter->digest;
    waiter->find.number = digest_number(waiter->verifier->parts.key, &waiter->asker->triple);
    waiter->find.outcome = store_find(waiter->verifier->parts.store, &waiter->find);
    if (waiter->find.outcome == STORE_PENDING)
        waiter->finding = true;
    else
        take_found(waiter);
}

static void start_deadline(struct waiter *waiter) {
    waiter->timed = true;
    uv_timer_init(waiter->verifier->parts.loop, &waiter->deadline);
    waiter->deadline.data = waiter;
    uv_timer_start(&waiter->deadline, on_deadline, (uint64_t)waiter->asker->wait_ms, 0);
}

static bool serve_from_memory(const struct verifier *verifier, const struct asker *asker,
                              const struct digest *digest, struct verdict *verdict) {
    struct answer answer;
    return !asker->wish.no_cache && memory_get(verifier->parts.memory, digest, &answer) &&
           verdict_judge_kept(verdict, &answer, &asker->wish, now_s(verifier));
}

bool verifier_ask(struct verifier *verifier, struct asker *asker, struct verdict *verdict) {
    if (check_locally(verifier, &asker->triple, verdict)) {
        verdict_count(verdict, asker->client.meter, verifier->parts.metrics);
        return true;
    }
    struct digest digest = digest_triple(verifier->parts.key, &asker->triple);
    if (serve_from_memory(verifier, asker, &digest, verdict)) {
        verdict_count(verdict, asker->client.meter, verifier->parts.metrics);
        return true;
    }
    struct waiter *waiter = new_waiter(verifier, asker, &digest);
    if (waiter == NULL) {
        *verdict = (struct verdict){.failure = FAILURE_OVERLOADED};
        verdict_count(verdict, asker->client.meter, verifier->parts.metrics);
        return true;
    }
    waiter->at_once = verdict;
    look_in_store(waiter);
    waiter->at_once = NULL;
    if (waiter->asker == NULL) {
        free_waiter_when_done(waiter);
        return true;
    }
    start_deadline(waiter);
    return false;
}

struct verifier *verifier_new(const struct verifier_parts *parts) {
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier != NULL)
        verifier->parts = *parts;
    return verifier;
}

void verifier_free(struct verifier *verifier) {
    free(verifier);
}

void verifier_set_config(struct verifier *verifier, const struct config *config) {
    verifier->parts.config = config;
}

void verifier_drain(struct verifier *verifier) {
    verifier->draining = true;
}

bool verifier_is_idle(const struct verifier *verifier) {
    return verifier->waiters == 0 && verifier->flights.count == 0;
}
