#include "core/verifier_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "money/billing.h"
#include "money/period.h"
#include "runtime/container.h"
#include "runtime/log.h"
#include "upstream/tally.h"

/* Beyond the longest call: connecting, the reply, and the settling of it. */
#define LEASE_SLACK_MS 10000

static void admit_flight(struct flight *flight);

/* --- beginning and end --- */

void flight_join(struct flight *flight, struct waiter *waiter) {
    *flight->end = waiter;
    flight->end = &waiter->next;
    waiter->flight = flight;
}

bool flight_open(struct waiter *waiter) {
    struct verifier *verifier = waiter->verifier;
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL)
        return false;
    flight->verifier = verifier;
    flight->triple_digest = waiter->digest;
    flight->triple = waiter->asker->triple;
    flight->number_digest = digest_number(verifier->parts.key, &flight->triple);
    flight->virtual_operator = verifier_is_virtual(verifier, &flight->triple);
    flight->nothing_kept = waiter->looked && waiter->find.outcome == STORE_MISS;
    flight->end = &flight->first;
    flight->of_provider.index = -1;
    flight->of_credential.index = -1;
    flight_insert(&verifier->flights, flight);
    flight_join(flight, waiter);
    admit_flight(flight);
    return true;
}

static void on_rest_closed(uv_handle_t *handle) {
    struct flight *flight = handle->data;
    flight->verifier->closing--;
    free(flight);
}

/* For the metrics: is it this flight that makes the call? */
static void note_lease(struct flight *flight, bool leads) {
    struct verifier *verifier = flight->verifier;
    if (leads && !flight->leads)
        verifier->leases++;
    else if (!leads && flight->leads)
        verifier->leases--;
    flight->leads = leads;
}

/* Whoever asks the same from now on has a flight of their own. */
static void close_flight(struct flight *flight) {
    note_lease(flight, false);
    flight_remove(&flight->verifier->flights, flight);
    triple_wipe(&flight->triple);
}

static void free_flight(struct flight *flight) {
    struct verifier *verifier = flight->verifier;
    if (!flight->timed) {
        free(flight);
        return;
    }
    verifier->closing++;
    uv_close((uv_handle_t *)&flight->rest, on_rest_closed);
}

static void end_flight(struct flight *flight) {
    close_flight(flight);
    free_flight(flight);
}

/* Serves each waiter that `visit` accepts; the others stay. The list changes under way. */
static void for_each_waiter(struct flight *flight, void (*visit)(struct waiter *waiter, void *arg),
                            void *arg) {
    for (struct waiter *waiter = flight->first; waiter != NULL;) {
        struct waiter *next = waiter->next;
        visit(waiter, arg);
        waiter = next;
    }
}

static void start_over(struct flight *flight) {
    flight->way = (struct way){0};
    flight->spent = BILLED_NO;
    flight->has_second_best = false;
    admit_flight(flight);
}

static void visit_with_failure(struct waiter *waiter, void *arg) {
    struct waiter_end end = *(const struct waiter_end *)arg;
    end.billed = waiter_billed(waiter, end.billed);
    waiter_fail(waiter, end);
}

/* Whoever came while the lease was being given up has still to be asked for. */
static void on_left(struct store_op *op) {
    struct flight *flight = container_of(op, struct flight, settle.op);
    flight->holds = false;
    note_lease(flight, false);
    if (flight->first == NULL) {
        end_flight(flight);
    } else if (flight->verifier->draining) {
        struct waiter_end end = {.failure = FAILURE_SHUTTING_DOWN};
        for_each_waiter(flight, visit_with_failure, &end);
        end_flight(flight);
    } else {
        start_over(flight);
    }
}

/* Everybody was told. A lease that is held would keep others waiting who wait for the same. */
static void leave(struct flight *flight) {
    if (!flight->holds) {
        end_flight(flight);
        return;
    }
    struct store_settle *settle = &flight->settle;
    flight->stage = FLIGHT_LEAVING;
    settle->hold = false;
    settle->again = !settle->answered;
    settle->op.done = on_left;
    store_settle(flight->verifier->parts.store, settle);
}

/* --- what all who wait are told --- */

static void give_answer(struct waiter *waiter, const struct flight_served *served) {
    bool leader = waiter->flight->leader == waiter;
    struct verdict verdict = {
        .billed = waiter_billed(waiter, served->billed),
        .source = SOURCE_UPSTREAM,
        .kind = result_of(served->answer->status),
        .forward = waiter->forward,
        .stored = served->led && served->kept && leader,
        .collapsed = !served->led || !leader,
        .kept = served->kept,
        .answer = *served->answer,
    };
    waiter_answer(waiter, &verdict);
}

/* So many are told in one turn of the loop: where a thousand wait, others' hits come between. */
#define TOLD_AT_ONCE 16

/* Is it done? */
static bool tell_some(struct flight *flight) {
    for (int i = 0; i < TOLD_AT_ONCE && flight->first != NULL; i++)
        give_answer(flight->first, &flight->served);
    bool done = flight->first == NULL;
    if (done)
        free_flight(flight);
    return done;
}

static void on_turn(uv_idle_t *turn) {
    struct verifier *verifier = turn->data;
    struct flight *flight = verifier->landing;
    struct flight *next = flight->next_aside;
    if (tell_some(flight))
        verifier->landing = next;
    if (verifier->landing == NULL)
        uv_idle_stop(turn);
}

static void wait_for_turn(struct flight *flight) {
    struct flight **end = &flight->verifier->landing;
    while (*end != NULL)
        end = &(*end)->next_aside;
    *end = flight;
    flight->next_aside = NULL;
    flight->verifier->turn.data = flight->verifier;
    uv_idle_start(&flight->verifier->turn, on_turn);
}

static void land(struct flight *flight, struct flight_served served) {
    close_flight(flight);
    flight->stage = FLIGHT_LANDING;
    flight->served = served;
    if (!tell_some(flight))
        wait_for_turn(flight);
}

static void give_second_best(struct waiter *waiter) {
    const struct flight *flight = waiter->flight;
    const struct flight_served served = {
        .answer = &flight->second_best, .billed = flight->spent, .led = true, .kept = true};
    give_answer(waiter, &served);
}

bool flight_give_what_it_has(struct waiter *waiter) {
    const struct flight *flight = waiter->flight;
    if (flight->stage == FLIGHT_LANDING) {
        give_answer(waiter, &flight->served);
        return true;
    }
    bool has = flight->has_second_best;
    if (has)
        give_second_best(waiter);
    return has;
}

static void visit_with_second_best(struct waiter *waiter, void *arg) {
    (void)arg;
    give_second_best(waiter);
}

static void visit_with_kept(struct waiter *waiter, void *arg) {
    struct verdict verdict;
    if (verdict_judge_kept(&verdict, arg, &waiter->asker->wish, verifier_now_s(waiter->verifier)))
        waiter_answer(waiter, &verdict);
}

static void visit_with_verdict(struct waiter *waiter, void *arg) {
    struct verdict verdict = *(const struct verdict *)arg;
    waiter_answer(waiter, &verdict);
}

/* Nothing more is tried. What was paid for on the way is better than a failure. */
static void fail_flight(struct flight *flight, struct waiter_end end) {
    if (end.billed == BILLED_NO)
        end.billed = flight->spent;
    if (flight->has_second_best)
        for_each_waiter(flight, visit_with_second_best, NULL);
    else
        for_each_waiter(flight, visit_with_failure, &end);
    leave(flight);
}

/* --- waiting for what is told to all: parked flights --- */

/* Whoever is left goes on asking. */
static void ask_again(struct flight *flight) {
    if (flight->first == NULL)
        leave(flight);
    else if (flight->verifier->draining)
        fail_flight(flight, (struct waiter_end){.failure = FAILURE_SHUTTING_DOWN});
    else
        admit_flight(flight);
}

static void park(struct flight *flight) {
    flight->stage = FLIGHT_PARKED;
    flight->leader = NULL;
    flight->next_aside = flight->verifier->parked;
    flight->verifier->parked = flight;
    directory_poke(directory_of(flight->verifier->parts.directory));
}

static void unpark(struct flight *flight) {
    struct flight **link = &flight->verifier->parked;
    while (*link != flight)
        link = &(*link)->next_aside;
    *link = flight->next_aside;
}

static void go_on(struct flight *flight, const struct directory_snapshot *snapshot) {
    unpark(flight);
    if (snapshot->version < 0 && !flight->verifier->draining)
        fail_flight(flight, (struct waiter_end){.failure = FAILURE_STORE_UNAVAILABLE});
    else
        ask_again(flight);
}

void verifier_directory_changed(struct verifier *verifier) {
    const struct directory_snapshot *snapshot = directory_read(verifier->parts.directory);
    struct flight *flight = verifier->parked;
    while (flight != NULL) {
        struct flight *next = flight->next_aside;
        go_on(flight, snapshot);
        flight = next;
    }
}

/* A flight that nobody waits for has no reason to go on, unless it has spent something. */
void flight_was_left(struct flight *flight) {
    if (flight->first != NULL)
        return;
    if (flight->stage == FLIGHT_PARKED) {
        unpark(flight);
        leave(flight);
    } else if (flight->stage == FLIGHT_RESTING) {
        uv_timer_stop(&flight->rest);
        leave(flight);
    }
}

/* --- whom to ask --- */

static struct way_offer offer_of(const struct verifier *verifier,
                                 const struct directory_snapshot *snapshot) {
    const struct config *config = verifier->parts.config;
    return (struct way_offer){.plan = snapshot->plan,
                              .providers = config->providers,
                              .provider_count = config->provider_count,
                              .breakers = verifier->parts.breakers};
}

static void leave_breakers(struct flight *flight, enum breaker_vote of_provider,
                           enum breaker_vote of_credential) {
    struct breaker_board *breakers = flight->verifier->parts.breakers;
    breaker_leave(breakers, &flight->of_provider, of_provider);
    breaker_leave(breakers, &flight->of_credential, of_credential);
}

/* Nobody can be asked: what has been seen of it in this flight says more than what is generally
 * so. */
static void fail_without_way(struct flight *flight, const struct directory_snapshot *snapshot,
                             const struct way_step *step) {
    struct waiter_end end = {.failure = flight->failure,
                             .retry_after_s = (step->wait_ms + 999) / 1000};
    if (end.failure == FAILURE_NONE)
        end.failure = step->barred != FAILURE_NONE ? step->barred : snapshot->no_plan;
    fail_flight(flight, end);
}

static void take_name(char *to, size_t size, const char *name) {
    snprintf(to, size, "%s", name != NULL ? name : "");
}

static void take_account(struct flight *flight, struct budget_plan *plan_owned) {
    const struct asker *asker = flight->first->asker;
    const struct asker_client *client = &asker->client;
    struct store_admit *admit = &flight->admit;
    admit->budget.plan = plan_owned;
    admit->budget.limits = client->limits;
    flight->meter = client->meter;
    take_name(flight->request_id, sizeof flight->request_id, asker->request_id);
    take_name(flight->trace_id, sizeof flight->trace_id, asker->trace_id);
    snprintf(admit->account.client_id, sizeof admit->account.client_id, "%s", client->id);
}

static void on_admitted(struct store_op *op);

/* The guide's has no name: so it was before there were others. */
static void take_window(struct store_admit *admit, const struct provider *provider) {
    snprintf(admit->window, sizeof admit->window, "%s", provider->guide ? "" : provider->id);
}

/* With the wish of whoever waits for the most, on the account of who came first. */
static void ask_store(struct flight *flight, struct budget_plan *plan_owned) {
    const struct config *config = flight->verifier->parts.config;
    struct store_admit *admit = &flight->admit;
    memset(admit, 0, sizeof *admit);
    flight->stage = FLIGHT_ADMITTING;
    flight->leader = flight->first;
    take_account(flight, plan_owned);
    flight->id = ledger_id_make(clock_unix_ms(flight->verifier->parts.clock));
    admit->op.done = on_admitted;
    admit->id = flight->id;
    if (flight->holds)
        admit->after = flight->settle.id;
    admit->triple = flight->triple_digest;
    admit->number = flight->number_digest;
    admit->wish = flight->first->asker->wish;
    for (const struct waiter *waiter = flight->first->next; waiter != NULL; waiter = waiter->next)
        admit->wish = freshness_strictest(&admit->wish, &waiter->asker->wish);
    admit->limit.max_calls = config->number_limit_max_calls;
    admit->limit.window_ms = config->number_limit_window_ms;
    admit->infer = config->inference;
    admit->lease_ms = config->upstream_timeout_ms + LEASE_SLACK_MS;
    take_window(admit, &config->providers[flight->way.provider]);
    store_admit(flight->verifier->parts.store, admit);
}

/* Asks the store who leads, for a call to whom the way leads. */
static void admit_flight(struct flight *flight) {
    const struct verifier *verifier = flight->verifier;
    const struct directory_snapshot *snapshot = directory_read(verifier->parts.directory);
    if (snapshot->version < 0) {
        park(flight);
        return;
    }
    const struct way_offer offer = offer_of(verifier, snapshot);
    struct way_step step;
    if (!way_find(&flight->way, &offer, &step)) {
        fail_without_way(flight, snapshot, &step);
        return;
    }
    flight->of_provider = step.pass;
    ask_store(flight, step.plan_owned);
}

/* --- a call has ended --- */

/* Empty: there is no such AppCode. */
static void fingerprint(const struct verifier *verifier, const char *credential,
                        char text[CREDENTIAL_FINGERPRINT_SIZE]) {
    const struct config *config = verifier->parts.config;
    text[0] = '\0';
    for (int i = 0; i < config->credential_count; i++) {
        if (strcmp(config->credentials[i].id, credential) != 0)
            continue;
        const struct digest digest =
            digest_secret(verifier->parts.key, config->credentials[i].appcode);
        digest_short(&digest, text);
    }
}

/* The AppCode may have been changed while the call was under way. */
static bool has_another_code(const struct flight *flight) {
    char now[CREDENTIAL_FINGERPRINT_SIZE];
    fingerprint(flight->verifier, flight->admit.account.credential, now);
    return now[0] != '\0' && strcmp(now, flight->appcode) != 0;
}

static void mark(const struct flight *flight, enum credential_mark mark) {
    struct directory_credential credential;
    snprintf(credential.id, sizeof credential.id, "%s", flight->admit.account.credential);
    snprintf(credential.appcode, sizeof credential.appcode, "%s", flight->appcode);
    directory_mark(directory_of(flight->verifier->parts.directory), &credential, mark);
}

/* What a call's end says of the provider and of the AppCode. */
static void judge_breakers(struct flight *flight, const struct upstream_outcome *outcome) {
    struct breaker_board *breakers = flight->verifier->parts.breakers;
    const struct config *config = flight->verifier->parts.config;
    const struct course *course = &flight->course;
    const char *credential = flight->admit.account.credential;
    leave_breakers(flight, course->of_provider, course->of_credential);
    if (course->mark != CREDENTIAL_GOOD) {
        breaker_open(breakers, BREAKER_CREDENTIAL, credential, config->upstream_refused_for_ms,
                     course->failure);
        mark(flight, course->mark);
    } else if (outcome->retry_after_ms > 0) {
        breaker_open(breakers, BREAKER_CREDENTIAL, credential, outcome->retry_after_ms,
                     FAILURE_UPSTREAM_UNAVAILABLE);
    }
}

/* An AppCode that was refused, and left alone for a while, is taken again. */
static void clear_lapsed_mark(const struct flight *flight) {
    const struct directory_snapshot *snapshot = directory_read(flight->verifier->parts.directory);
    for (int i = 0; i < snapshot->credential_count; i++) {
        const struct credential *credential = &snapshot->credentials[i];
        if (credential->mark != CREDENTIAL_GOOD &&
            strcmp(credential->id, flight->admit.account.credential) == 0)
            mark(flight, CREDENTIAL_GOOD);
    }
}

static void log_call(const struct flight *flight, const struct upstream_outcome *outcome) {
    static const char *const end_name[] = {"replied", "not sent", "timed out", "broken"};
    static const char *const billed_name[] = {"no", "yes", "unknown"};
    const struct ledger_outcome *ledger = &flight->settle.ledger;
    struct metrics_row *metrics = flight->verifier->parts.metrics;
    tally_call(metrics, flight->admit.account.credential, outcome, ledger->billed);
    if (flight->settle.answered && result_of(ledger->status) == RESULT_UNKNOWN) {
        metrics_count(metrics, METRIC_STATUS_UNKNOWN);
        novelty_note(flight->verifier->parts.novelty, ledger->status);
    }
    char id[LEDGER_ID_TEXT_SIZE];
    char digest[DIGEST_SHORT_SIZE];
    ledger_id_format(&flight->id, id);
    digest_short(&flight->triple_digest, digest);
    bool replied = outcome->end == UPSTREAM_REPLIED;
    /* A call that may have cost something has its line, however many there are. */
    LOG_LINE(flight->settle.answered ? LOG_INFO : LOG_WARN, ledger->billed != BILLED_NO,
             "upstream call", LOG_TEXT("call", id), LOG_TEXT("request_id", flight->request_id),
             LOG_TEXT("trace_id", flight->trace_id[0] != '\0' ? flight->trace_id : NULL),
             LOG_TEXT("client", flight->settle.account.client_id), LOG_TEXT("question", digest),
             LOG_TEXT("end", end_name[outcome->end]),
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

/* How long to rest before the next call: longer each time, and how much of it is left to chance, so
 * that those who failed together do not come back together. */
static int64_t rest_ms(const struct flight *flight) {
    int64_t most = flight->verifier->parts.config->upstream_retry_delay_ms << flight->way.again;
    return 1 + (int64_t)randombytes_uniform((uint32_t)most);
}

/* Will somebody still wait behind it? */
static bool is_worth_it(const struct flight *flight, int64_t ms) {
    for (const struct waiter *waiter = flight->first; waiter != NULL; waiter = waiter->next) {
        if (waiter_patience_ms(waiter) > ms)
            return true;
    }
    return false;
}

/* What this flight will do, of what may be done. */
static enum course_next choose_next(struct flight *flight) {
    const struct verifier *verifier = flight->verifier;
    const char *credential = flight->admit.account.credential;
    enum course_next next = flight->course.next;
    if (next == COURSE_END || flight->first == NULL || verifier->draining)
        return COURSE_END;
    const struct way_offer offer = offer_of(verifier, directory_read(verifier->parts.directory));
    flight->rest_ms = rest_ms(flight);
    /* A refusal without a mark was that of a code that has been replaced. */
    if (next == COURSE_OTHER_CREDENTIAL && flight->course.mark == CREDENTIAL_GOOD &&
        flight->way.again == 0)
        return COURSE_AGAIN;
    /* What one AppCode is throttled for is not the other's. */
    if (next == COURSE_AGAIN && flight->course.of_credential == BREAKER_BAD &&
        way_has_other(&flight->way, &offer, credential))
        return COURSE_OTHER_CREDENTIAL;
    if (next == COURSE_AGAIN && flight->way.again < verifier->parts.config->upstream_retries &&
        is_worth_it(flight, flight->rest_ms))
        return COURSE_AGAIN;
    if (next == COURSE_OTHER_CREDENTIAL && way_has_other(&flight->way, &offer, credential))
        return COURSE_OTHER_CREDENTIAL;
    if (way_has_other(&flight->way, &offer, NULL))
        return COURSE_OTHER_PROVIDER;
    return COURSE_END;
}

static void on_rested(uv_timer_t *timer) {
    ask_again(timer->data);
}

static void rest(struct flight *flight) {
    if (!flight->timed)
        uv_timer_init(flight->verifier->parts.loop, &flight->rest);
    flight->timed = true;
    flight->stage = FLIGHT_RESTING;
    flight->rest.data = flight;
    uv_timer_start(&flight->rest, on_rested, (uint64_t)flight->rest_ms, 0);
}

/* The lease is still ours. Whoever left while the row was written needs no other call. */
static void call_another(struct flight *flight) {
    flight->holds = true;
    if (flight->first == NULL) {
        leave(flight);
        return;
    }
    switch (flight->course.next) {
    case COURSE_AGAIN:
        flight->way.again++;
        rest(flight);
        return;
    case COURSE_OTHER_CREDENTIAL:
        way_avoid(&flight->way, flight->settle.account.credential);
        break;
    default:
        way_pass_on(&flight->way);
        break;
    }
    admit_flight(flight);
}

static void serve_answer(struct flight *flight) {
    const struct store_settle *settle = &flight->settle;
    const struct flight_served served = {
        .answer = &settle->answer,
        .billed = settle->ledger.billed == BILLED_NO ? flight->spent : settle->ledger.billed,
        .led = true,
        .kept = settle->keep};
    /* Also when the store is away: what was paid for is remembered here meanwhile. */
    if (settle->keep)
        memory_put(flight->verifier->parts.memory, &flight->triple_digest, &settle->answer);
    land(flight, served);
}

/* What a provider does not know, another may; meanwhile it is known that it does not. */
static void keep_second_best(struct flight *flight) {
    const struct store_settle *settle = &flight->settle;
    if (settle->ledger.billed == BILLED_YES)
        flight->spent = BILLED_YES;
    if (!settle->answered)
        return;
    flight->has_second_best = true;
    flight->second_best = settle->answer;
}

static void on_settled(struct store_op *op) {
    struct flight *flight = container_of(op, struct flight, settle.op);
    const struct store_settle *settle = &flight->settle;
    flight->holds = false;
    if (settle->outcome == STORE_AWAY)
        metrics_count(flight->verifier->parts.metrics, METRIC_STORE_AWAY);
    if (settle->hold && settle->outcome == STORE_DONE) {
        keep_second_best(flight);
        call_another(flight);
    } else if (settle->answered) {
        serve_answer(flight);
    } else {
        fail_flight(flight, (struct waiter_end){.failure = settle->failure,
                                                .billed = settle->ledger.billed});
    }
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
    memcpy(settle->window, flight->admit.window, sizeof settle->window);
    billing_judge(outcome, &settle->ledger);
    settle->ledger.settled_at_ms = clock_unix_ms(verifier->parts.clock);
    settle->failure = flight->course.failure;
    settle->answered = settle->failure == FAILURE_NONE;
    if (settle->answered) {
        settle->answer = outcome->reply.answer;
        date_answer(flight, settle);
    }
    flight->failure = settle->failure;
    flight->course.next = choose_next(flight);
    settle->hold = flight->course.next != COURSE_END;
    /* Followers find what was paid for on the way among what is kept. */
    settle->again = !settle->answered && flight->has_second_best;
    log_call(flight, outcome);
    flight->stage = FLIGHT_SETTLING;
    store_settle(verifier->parts.store, settle);
}

static void on_call_done(struct upstream_call *call, const struct upstream_outcome *outcome) {
    struct flight *flight = container_of(call, struct flight, call);
    flight->course = course_of(outcome, flight->verifier->parts.config->breaker_slow_call_ms);
    if (flight->course.mark != CREDENTIAL_GOOD && has_another_code(flight))
        flight->course.mark = CREDENTIAL_GOOD; /* it says nothing of the new one */
    judge_breakers(flight, outcome);
    if (flight->course.failure == FAILURE_NONE)
        clear_lapsed_mark(flight);
    settle_flight(flight, outcome);
}

/* That it could not be begun is no fault of upstream's. */
static void settle_unbegun(struct flight *flight) {
    const struct upstream_outcome outcome = {
        .end = UPSTREAM_NOT_SENT,
        .cause = flight->call.cause,
    };
    flight->course = (struct course){.failure = FAILURE_UPSTREAM_UNAVAILABLE, .next = COURSE_END};
    leave_breakers(flight, BREAKER_NONE, BREAKER_NONE);
    settle_flight(flight, &outcome);
}

static void call_upstream(struct flight *flight) {
    const char *credential = flight->admit.account.credential;
    int64_t wait_ms = 0;
    flight->stage = FLIGHT_CALLING;
    flight->holds = false;
    note_lease(flight, true);
    /* The plan had only AppCodes that may be used; another worker may have found out otherwise
     * since, but the call is admitted. */
    if (!breaker_enter(flight->verifier->parts.breakers, BREAKER_CREDENTIAL, credential,
                       &flight->of_credential, &wait_ms))
        flight->of_credential.index = -1;
    flight->call.done = on_call_done;
    flight->call.triple = flight->triple;
    fingerprint(flight->verifier, credential, flight->appcode);
    flight->call.credential = credential;
    /* As it was when the lease was taken, or a reload could let the call outlive it. */
    flight->call.timeout_ms = flight->admit.lease_ms - LEASE_SLACK_MS;
    if (upstream_start(flight->verifier->parts.upstream, &flight->call))
        return;
    triple_wipe(&flight->call.triple);
    settle_unbegun(flight);
}

/* --- what the store said --- */

/* An answer that came between our look and our admission: it serves whom it satisfies; the others
 * go on asking. */
static void serve_meanwhile(struct flight *flight) {
    struct verifier *verifier = flight->verifier;
    memory_put(verifier->parts.memory, &flight->triple_digest, &flight->admit.answer);
    for_each_waiter(flight, visit_with_kept, &flight->admit.answer);
    ask_again(flight);
}

/* Another worker's call ended with an answer: the same as our own, but not ours to write. */
static void serve_collapsed(struct flight *flight) {
    const struct answer *answer = &flight->admit.answer;
    bool keep = answer->expires_at > answer->checked_at &&
                (result_of(answer->status) != RESULT_ABNORMAL || answer->virtual_operator);
    const struct flight_served served = {
        .answer = answer, .billed = BILLED_NO, .led = false, .kept = keep};
    if (keep)
        memory_put(flight->verifier->parts.memory, &flight->triple_digest, answer);
    land(flight, served);
}

/* Retry-After must not be early by a fraction of a second. */
static void serve_closed(struct flight *flight) {
    struct verifier *verifier = flight->verifier;
    int64_t left_ms = flight->admit.reopens_at_ms - clock_unix_ms(verifier->parts.clock);
    struct verdict verdict;
    verdict_of_our_own(&verdict, SOURCE_GUARD, RESULT_ABNORMAL, verifier_now_s(verifier));
    verdict.answer.virtual_operator = flight->virtual_operator;
    verdict.retry_after_s = left_ms > 0 ? (left_ms + 999) / 1000 : 1;
    for_each_waiter(flight, visit_with_verdict, &verdict);
    leave(flight);
}

static void serve_inferred(struct flight *flight) {
    struct verdict verdict;
    verdict_of_our_own(&verdict, SOURCE_INFERRED, RESULT_MISMATCH,
                       verifier_now_s(flight->verifier));
    verdict.answer.checked_at = flight->admit.proven_at;
    for_each_waiter(flight, visit_with_verdict, &verdict);
    leave(flight);
}

static void visit_with_refusal(struct waiter *waiter, void *arg) {
    const struct store_admit *admit = arg;
    bool empty = admit->finding.bound == BUDGET_EXHAUSTED;
    if (!empty && strcmp(waiter->asker->client.id, admit->account.client_id) != 0)
        return;
    waiter->refusal = admit->finding;
    waiter_fail(waiter,
                (struct waiter_end){.failure = empty ? FAILURE_PACKAGE_EXHAUSTED
                                                     : FAILURE_CLIENT_QUOTA_EXHAUSTED,
                                    .billed = waiter_billed(waiter, waiter->flight->spent)});
}

/* One client's quota is not another's: who is left asks again, on the account of the next. Where
 * one provider's packages are used up, another's may not be. */
static void serve_refused(struct flight *flight) {
    const struct verifier *verifier = flight->verifier;
    const struct way_offer offer = offer_of(verifier, directory_read(verifier->parts.directory));
    bool empty = flight->admit.finding.bound == BUDGET_EXHAUSTED;
    if (empty && flight->first != NULL && way_has_other(&flight->way, &offer, NULL)) {
        way_pass_on(&flight->way);
        flight->failure = FAILURE_PACKAGE_EXHAUSTED;
    } else if (flight->has_second_best) {
        for_each_waiter(flight, visit_with_second_best, NULL);
    } else {
        for_each_waiter(flight, visit_with_refusal, &flight->admit);
    }
    ask_again(flight);
}

static void serve_outdated(struct flight *flight) {
    if (flight->first == NULL)
        leave(flight);
    else
        park(flight);
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
    if (admit->outcome == STORE_LEAD) {
        call_upstream(flight);
        return;
    }
    leave_breakers(flight, BREAKER_NONE, BREAKER_NONE);
    switch (admit->outcome) {
    case STORE_REFUSED:
        serve_refused(flight);
        return;
    case STORE_OUTDATED:
        serve_outdated(flight);
        return;
    case STORE_ANSWERED:
        flight->holds = false;
        note_lease(flight, false);
        if (admit->collapsed)
            serve_collapsed(flight);
        else
            serve_meanwhile(flight);
        return;
    case STORE_CLOSED:
        metrics_count(flight->verifier->parts.metrics, METRIC_NUMBER_CLOSED);
        serve_closed(flight);
        return;
    case STORE_INFERRED:
        serve_inferred(flight);
        return;
    case STORE_FAILED:
        flight->holds = false;
        fail_flight(flight, (struct waiter_end){.failure = admit->failure, .collapsed = true});
        return;
    default:
        metrics_count(flight->verifier->parts.metrics, METRIC_STORE_AWAY);
        fail_flight(flight, (struct waiter_end){.failure = FAILURE_STORE_UNAVAILABLE});
        return;
    }
}

enum failure flight_reason_not_to(const struct verifier *verifier) {
    const struct directory_snapshot *snapshot = directory_read(verifier->parts.directory);
    if (verifier->draining)
        return FAILURE_SHUTTING_DOWN;
    if (snapshot->version >= 0 && snapshot->plan->count == 0)
        return snapshot->no_plan;
    if (upstream_is_full(verifier->parts.upstream))
        return FAILURE_OVERLOADED;
    return FAILURE_NONE;
}
