#include "http/caller.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/measure.h"
#include "http/problem.h"
#include "money/directory.h"
#include "money/period.h"
#include "runtime/text.h"

#define ANONYMOUS "anonymous"

static bool refuse(struct request *request, enum problem problem, const char *detail) {
    problem_answer(request, problem, detail, BILLED_NO);
    return false;
}

/* NULL: none was sent, or in a scheme that is not ours. */
static const char *key_of(const struct request *request) {
    static const char *const schemes[] = {"Bearer ", "APPCODE "};
    const char *value = request->authorization;
    if (value == NULL)
        return request->api_key;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t size = strlen(schemes[i]);
        if (strncasecmp(value, schemes[i], size) == 0)
            return value + size + strspn(value + size, " ");
    }
    return NULL;
}

/* An unknown client costs the same comparison as a known one. */
static const struct directory_client *find_client(const struct directory_snapshot *snapshot,
                                                  const char *key, int64_t now_ms) {
    static const struct client nobody;
    char id[CLIENT_ID_MOST + 1];
    struct client_key_hash hash;
    if (key == NULL || !client_key_read(key, id, &hash))
        return NULL;
    const struct directory_client *found = directory_find_client(snapshot, id);
    bool known = client_has_key(found != NULL ? &found->client : &nobody, &hash, now_ms);
    return known ? found : NULL;
}

static void take_anonymous(const struct service *service, const struct directory_snapshot *snapshot,
                           struct caller *caller) {
    *caller = (struct caller){.refresh = service->config->anonymous_refresh};
    snprintf(caller->account.id, sizeof caller->account.id, ANONYMOUS);
    caller->account.limits = BUDGET_NO_LIMITS;
    caller->account.meter = snapshot->anonymous;
}

static void take_client(const struct directory_client *found, struct caller *caller) {
    const struct client *client = &found->client;
    *caller = (struct caller){
        .refresh = client->refresh,
        .requests_per_second = client->requests_per_second,
        .burst = client->burst,
    };
    memcpy(caller->account.id, client->id, sizeof caller->account.id);
    caller->account.limits = client->limits;
    caller->account.meter = found->meter;
}

static bool identify(struct request *request, const struct service *service,
                     struct caller *caller) {
    const struct directory_snapshot *snapshot = directory_read(service->clients);
    if (service->config->auth == CONFIG_AUTH_OFF) {
        take_anonymous(service, snapshot, caller);
        measure_client(request, caller->account.meter->number);
        return true;
    }
    if (snapshot->version < 0)
        return refuse(request, PROBLEM_STORE_UNAVAILABLE,
                      "The clients have not been read from the store yet.");
    const struct directory_client *found =
        find_client(snapshot, key_of(request), clock_unix_ms(service->clock));
    if (found == NULL)
        return refuse(request, PROBLEM_UNAUTHENTICATED, NULL);
    measure_client(request, found->meter->number);
    if (found->client.disabled)
        return refuse(request, PROBLEM_CLIENT_DISABLED, NULL);
    take_client(found, caller);
    return true;
}

bool caller_identify(struct request *request, const struct service *service,
                     struct caller *caller) {
    request->access.question = true;
    if (!identify(request, service, caller))
        return false;
    memcpy(request->access.client, caller->account.id, sizeof request->access.client);
    return true;
}

bool caller_renew(const struct service *service, struct caller *caller, enum problem *problem) {
    if (service->config->auth == CONFIG_AUTH_OFF)
        return true;
    const struct directory_client *found =
        directory_find_client(directory_read(service->clients), caller->account.id);
    if (found == NULL || found->client.disabled) {
        *problem = found == NULL ? PROBLEM_UNAUTHENTICATED : PROBLEM_CLIENT_DISABLED;
        return false;
    }
    take_client(found, caller);
    return true;
}

/* --- its rate --- */

int64_t caller_take_turn(const struct service *service, struct caller *caller) {
    if (caller->requests_per_second == 0)
        return 0;
    struct meter *meter = caller->account.meter;
    caller->rate = meter_take(meter, caller->requests_per_second, caller->burst,
                              clock_monotonic_ms(service->clock) * 1000);
    if (caller->rate.allowed)
        return 0;
    if (caller->account.limits.shadow) {
        atomic_fetch_add_explicit(&meter->shadowed, 1, memory_order_relaxed);
        return 0;
    }
    return caller->rate.retry_ms > 0 ? caller->rate.retry_ms : 1;
}

struct budget_finding caller_turn_away(const struct service *service, const struct caller *caller) {
    atomic_fetch_add_explicit(&caller->account.meter->limited, 1, memory_order_relaxed);
    return (struct budget_finding){
        .limit = caller->burst,
        .used = caller->burst,
        .resets_at_ms = clock_unix_ms(service->clock) + caller->rate.retry_ms,
    };
}

bool caller_admit(struct request *request, const struct service *service, struct caller *caller) {
    if (!caller_identify(request, service, caller))
        return false;
    if (caller_take_turn(service, caller) == 0)
        return true;
    const struct budget_finding finding = caller_turn_away(service, caller);
    caller_tell_limit(request, caller, clock_unix_ms(service->clock));
    problem_answer_report(
        request, &(struct problem_report){.problem = PROBLEM_RATE_LIMITED, .finding = &finding});
    return false;
}

/* --- what is left --- */

struct bound {
    const char *name; /* NULL: there is none */
    int64_t quota;
    int64_t window_s;
    int64_t left;
    int64_t resets_s;
};

static int64_t seconds_up(int64_t ms) {
    return ms > 0 ? (ms + 999) / 1000 : 0;
}

static struct bound bound_of_rate(const struct caller *caller) {
    if (caller->requests_per_second == 0)
        return (struct bound){.name = NULL};
    int64_t per_second = caller->requests_per_second;
    return (struct bound){
        .name = "rate",
        .quota = caller->burst,
        .window_s = (caller->burst + per_second - 1) / per_second,
        .left = caller->rate.left,
        .resets_s = seconds_up(caller->rate.full_ms),
    };
}

/* What is not known yet is taken for unused. */
static struct bound bound_of_period(const char *name, int64_t quota, int64_t used,
                                    const struct period *period, int64_t now_ms) {
    int64_t left = used < 0 ? quota : quota - used;
    return (struct bound){
        .name = name,
        .quota = quota,
        .window_s = (period->end_ms - period->begin_ms) / 1000,
        .left = left > 0 ? left : 0,
        .resets_s = seconds_up(period->end_ms - now_ms),
    };
}

static struct bound bound_of_day(const struct caller *caller, int64_t now_ms) {
    if (caller->account.limits.day_calls < 0)
        return (struct bound){.name = NULL};
    const struct period day = period_day(now_ms);
    return bound_of_period("day", caller->account.limits.day_calls,
                           meter_day_used(caller->account.meter, now_ms), &day, now_ms);
}

static struct bound bound_of_month(const struct caller *caller, int64_t now_ms) {
    if (caller->account.limits.month_calls < 0)
        return (struct bound){.name = NULL};
    const struct period month = period_month(now_ms);
    return bound_of_period("month", caller->account.limits.month_calls,
                           meter_month_used(caller->account.meter, now_ms), &month, now_ms);
}

static bool has_bounds(const struct caller *caller) {
    const struct budget_limits *limits = &caller->account.limits;
    return caller->requests_per_second != 0 || limits->day_calls >= 0 || limits->month_calls >= 0;
}

/* The one of which the smallest share is left. */
static const struct bound *tightest(const struct bound *bounds, int count) {
    const struct bound *found = NULL;
    for (int i = 0; i < count; i++) {
        const struct bound *bound = &bounds[i];
        if (bound->name != NULL &&
            (found == NULL || bound->left * found->quota < found->left * bound->quota))
            found = bound;
    }
    return found;
}

/* A string with two parameters (RFC 8941). Not by printf, which takes longer than all the rest of a
 * hit's writing. */
static void write_item(struct text text, const char *name, const char *first, int64_t value,
                       const char *second, int64_t other) {
    text_add(&text, "\"");
    text_add(&text, name);
    text_add(&text, "\";");
    text_add(&text, first);
    text_add_number(&text, value);
    text_add(&text, ";");
    text_add(&text, second);
    text_add_number(&text, other);
}

void caller_tell_limit(struct request *request, const struct caller *caller, int64_t now_ms) {
    if (!has_bounds(caller))
        return;
    const struct bound bounds[] = {bound_of_rate(caller), bound_of_day(caller, now_ms),
                                   bound_of_month(caller, now_ms)};
    const struct bound *bound = tightest(bounds, sizeof bounds / sizeof bounds[0]);
    write_item(text_over(request->rate_policy, sizeof request->rate_policy), bound->name,
               "q=", bound->quota, "w=", bound->window_s);
    write_item(text_over(request->rate_limit, sizeof request->rate_limit), bound->name,
               "r=", bound->left, "t=", bound->resets_s);
}
