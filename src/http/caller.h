#pragma once
/*
 * caller: who asks: known by its key, and within its rate.
 *
 * A key comes as Authorization: Bearer, as X-API-Key, or, for callers that were made for the
 * seller, as Authorization: APPCODE. With `auth` off everybody is `anonymous`, without limits. One
 * thread.
 */
#include <stdbool.h>

#include "core/verifier.h"
#include "http/problem.h"
#include "http/request.h"
#include "http/service.h"
#include "money/meter.h"

struct caller {
    struct asker_client account;
    bool refresh;                /* may it force a new call? */
    int64_t requests_per_second; /* 0: any */
    int64_t burst;
    struct meter_rate rate; /* where there is one */
};

/* False: it was answered: no such key, a client that is disabled, or over its rate. */
bool caller_admit(struct request *request, const struct service *service, struct caller *caller)
    __attribute__((warn_unused_result));

/* The same but for its rate: for who asks many questions with one request, each of which takes a
 * turn. */
bool caller_identify(struct request *request, const struct service *service, struct caller *caller)
    __attribute__((warn_unused_result));

/* What has changed of it since. False with the problem: it may not ask any more. */
bool caller_renew(const struct service *service, struct caller *caller, enum problem *problem)
    __attribute__((warn_unused_result));

/* One turn in its rate. 0: taken; else nothing was, and in so many milliseconds there may be one.
 */
int64_t caller_take_turn(const struct service *service, struct caller *caller)
    __attribute__((warn_unused_result));

/* Counts one who was turned away since no turn was left; what is told of it. */
struct budget_finding caller_turn_away(const struct service *service, const struct caller *caller);

/* Has the reply bear what is left of the caller's tightest limit (RateLimit and RateLimit-Policy of
 * draft-ietf-httpapi-ratelimit-headers). Before the request is answered. */
void caller_tell_limit(struct request *request, const struct caller *caller, int64_t now_ms);
