#include "sandbox/world.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sandbox/census.h"
#include "sandbox/journal.h"
#include "sandbox/window.h"

enum { HANG_TICK_MS = 100, CHINA_OFFSET_S = 8 * 60 * 60 };

struct appcode {
    uint64_t received;
    uint64_t billed;
    long used; /* of its package */
};

struct world {
    const struct options *options;
    pthread_mutex_t lock;
    pthread_cond_t woken; /* stopping or released */

    struct settings settings;
    struct appcode appcodes[OPTIONS_APPCODES_MAX];
    struct behaviour *behaviours;
    unsigned behaviours_made;
    struct window *window;
    struct census *census;
    struct journal *journal;

    int64_t ahead_ms; /* of the true time */
    int64_t second_began_ms;
    long calls_in_second;
    uint64_t random_state;
    unsigned trace_number;
    unsigned hanging;
    unsigned releases;
    bool stopping;
};

static int64_t clock_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* splitmix64: good enough for identifiers and jitter. */
static uint64_t random_next(struct world *world) {
    uint64_t mixed = (world->random_state += UINT64_C(0x9e3779b97f4a7c15));
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

static void make_lock(struct world *world) {
    pthread_condattr_t attributes;
    pthread_mutex_init(&world->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&world->woken, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct world *world_new(const struct options *options) {
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        return NULL;
    }
    make_lock(world);
    world->options = options;
    world->settings = options->settings;
    world->window = window_new();
    world->census = census_new();
    world->journal = journal_new((size_t)options->log_size);
    if (getrandom(&world->random_state, sizeof world->random_state, 0) < 0) {
        world->random_state = (uint64_t)clock_ms(CLOCK_REALTIME);
    }
    if (world->window == NULL || world->census == NULL || world->journal == NULL) {
        world_free(world);
        return NULL;
    }
    return world;
}

void world_free(struct world *world) {
    if (world == NULL) {
        return;
    }
    behaviour_clear(&world->behaviours);
    window_free(world->window);
    census_free(world->census);
    journal_free(world->journal);
    pthread_cond_destroy(&world->woken);
    pthread_mutex_destroy(&world->lock);
    free(world);
}

/* Index of the call's AppCode; -1 when it is missing or unknown. */
static int find_appcode(const struct world *world, const struct call *call) {
    for (size_t i = 0; call->appcode != NULL && i < world->options->appcode_count; i++) {
        if (strcmp(world->options->appcodes[i].code, call->appcode) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool misses_parameter(const struct call *call) {
    for (enum call_parameter i = 0; i < CALL_PARAMETERS; i++) {
        if (call->parameters[i].data == NULL) {
            return true;
        }
    }
    return false;
}

static bool takes_method(const struct call *call) {
    return strcmp(call->method, "GET") == 0 ||
           (call->shape == CALL_SECOND && strcmp(call->method, "POST") == 0);
}

static bool throttles(struct world *world, int64_t now_ms) {
    if (world->settings.rate == 0) {
        return false;
    }
    if (now_ms - world->second_began_ms >= 1000) {
        world->second_began_ms = now_ms;
        world->calls_in_second = 0;
    }
    if (world->calls_in_second >= world->settings.rate) {
        return true;
    }
    world->calls_in_second++;
    return false;
}

static long package_of(const struct world *world, int appcode) {
    long own = world->options->appcodes[appcode].package;
    return own >= 0 ? own : world->settings.package;
}

static const struct gateway_refusal *gateway_refuses(struct world *world, const struct call *call,
                                                     int appcode, int64_t now_ms) {
    if (!call->path_is_right) {
        return gateway_find(GATEWAY_INVALID_PATH);
    }
    if (!takes_method(call)) {
        return gateway_find(GATEWAY_INVALID_METHOD);
    }
    if (appcode < 0) {
        return gateway_find(call->appcode == NULL ? GATEWAY_MISSING_APPCODE
                                                  : GATEWAY_INVALID_APPCODE);
    }
    if (misses_parameter(call)) {
        return gateway_find(GATEWAY_MISSING_PARAMETER);
    }
    if (throttles(world, now_ms)) {
        return gateway_find(world->settings.rate_http == 403 ? GATEWAY_THROTTLED_CLASSIC
                                                             : GATEWAY_THROTTLED);
    }
    long package = package_of(world, appcode);
    return package >= 0 && world->appcodes[appcode].used >= package
               ? gateway_find(GATEWAY_QUOTA_EXHAUSTED)
               : NULL;
}

static const char *seller_finds(struct world *world, const struct seller_question *question,
                                int64_t now_ms) {
    const char *status = seller_refuse(question);
    if (status != NULL) {
        return status;
    }
    long limit = world->settings.number_limit;
    if (limit > 0 && !window_admit(world->window, question->mobile, now_ms, limit)) {
        return "203";
    }
    return seller_look_up(question);
}

static void ask_seller(struct world *world, const struct call *call, int64_t now_ms,
                       struct plan *plan) {
    struct seller_question question = call_question(call);
    const char *status = seller_finds(world, &question, now_ms);
    if (plan->behaviour != NULL && plan->behaviour->status[0] != '\0') {
        status = plan->behaviour->status;
    }
    snprintf(plan->status, sizeof plan->status, "%s", status);
    plan->carrier = strcmp(status, "01") == 0 ? seller_carrier(question.mobile) : "";
    seller_mask(&question, &plan->echo);
}

/* The status of a raw reply, from its status line; 0 where it has none. */
static unsigned raw_http(const struct behaviour *behaviour) {
    static const char start[] = "HTTP/1.1 ";
    if (strncmp(behaviour->body, start, sizeof start - 1) != 0) {
        return 0;
    }
    unsigned long http = strtoul(behaviour->body + sizeof start - 1, NULL, 10);
    return http < 600 ? (unsigned)http : 0;
}

static unsigned http_of(const struct plan *plan) {
    const struct behaviour *behaviour = plan->behaviour;
    if (plan->refusal != NULL) {
        return plan->refusal->http;
    }
    if (behaviour == NULL) {
        return 200;
    }
    if (behaviour->raw) {
        return raw_http(behaviour);
    }
    if (behaviour->http != 0) {
        return (unsigned)behaviour->http;
    }
    bool nothing = behaviour->cut == CUT_REQUEST || behaviour->cut == CUT_RESET;
    return nothing ? 0 : behaviour->reply == REPLY_BUSINESS_FAILURE ? 450 : 200;
}

/* A reply that is cut off is billed like the one that it would have been: the seller did its work.
 */
static bool is_billed(const struct world *world, const struct plan *plan, unsigned http) {
    const struct behaviour *behaviour = plan->behaviour;
    if (behaviour != NULL && behaviour->billed >= 0) {
        return behaviour->billed != 0;
    }
    bool cut = behaviour != NULL && behaviour->cut != CUT_NOT;
    return plan->refusal == NULL && (http == 200 || cut) &&
           options_bills(world->options, plan->status);
}

static void name_call(struct world *world, int64_t unix_ms, struct plan *plan) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    time_t china = (time_t)(unix_ms / 1000) + CHINA_OFFSET_S;
    struct tm civil;
    char when[24];
    char mark[7] = "";
    uint64_t random = random_next(world);
    gmtime_r(&china, &civil);
    strftime(when, sizeof when, "%Y%m%d%H%M%S", &civil);
    for (size_t i = 0; i < sizeof mark - 1; i++, random /= 36) {
        mark[i] = digits[random % 36];
    }
    /* An odd multiplier visits every 32-bit number once before any comes again. */
    unsigned unique = ++world->trace_number * 0x9e3779b1U;
    snprintf(plan->trace_id, sizeof plan->trace_id, "%s_%s_%08x", when, mark, unique);

    uint64_t high = random_next(world);
    uint64_t low = random_next(world);
    snprintf(plan->request_id, sizeof plan->request_id, "%08X-%04X-4%03X-%04X-%012llX",
             (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
             (unsigned)(low >> 48 & 0x3fff) | 0x8000U,
             (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

static void plan_waiting(struct world *world, struct plan *plan) {
    const struct behaviour *behaviour = plan->behaviour;
    long latency = plan->refusal == NULL ? world->settings.latency_ms : 0;
    long jitter = plan->refusal == NULL ? world->settings.jitter_ms : 0;
    if (behaviour != NULL && behaviour->latency_ms >= 0) {
        latency = behaviour->latency_ms;
        jitter = behaviour->jitter_ms;
    }
    plan->hang = behaviour != NULL && behaviour->hang;
    plan->latency_ms = latency;
    if (jitter > 0) {
        plan->latency_ms += (long)(random_next(world) % (uint64_t)(jitter + 1));
    }
}

static void decide(struct world *world, const struct call *call, struct plan *plan,
                   struct journal_outcome *outcome) {
    int64_t now_ms = clock_ms(CLOCK_MONOTONIC) + world->ahead_ms;
    int appcode = find_appcode(world, call);
    outcome->unix_ms = clock_ms(CLOCK_REALTIME) + world->ahead_ms;
    plan->refusal = gateway_refuses(world, call, appcode, now_ms);
    if (plan->refusal == NULL) {
        plan->behaviour = behaviour_take(&world->behaviours, call_value(call, CALL_MOBILE),
                                         text_of(call->appcode));
    }
    if (plan->behaviour != NULL) {
        plan->refusal = plan->behaviour->gateway;
        behaviour_describe(plan->behaviour, outcome->behaviour, sizeof outcome->behaviour);
    }
    if (plan->refusal == NULL) {
        ask_seller(world, call, now_ms, plan);
    }
    name_call(world, outcome->unix_ms, plan);
    plan_waiting(world, plan);

    outcome->http = http_of(plan);
    outcome->refusal = plan->refusal;
    outcome->billed = is_billed(world, plan, outcome->http);
    plan->billed = outcome->billed;
    snprintf(outcome->status, sizeof outcome->status, "%s", plan->status);
    if (appcode >= 0) {
        world->appcodes[appcode].received++;
        world->appcodes[appcode].billed += outcome->billed ? 1 : 0;
        world->appcodes[appcode].used += outcome->billed ? 1 : 0;
    }
}

void world_arrive(struct world *world, struct call *call, struct plan *plan) {
    struct journal_outcome outcome = {0};
    *plan = (struct plan){.carrier = "", .shape = call->shape};
    pthread_mutex_lock(&world->lock);
    decide(world, call, plan, &outcome);
    census_arrive(world->census, call, &outcome);
    journal_add(world->journal, call, &outcome);
    pthread_mutex_unlock(&world->lock);
}

static bool hung_up(int socket) {
    struct pollfd watched = {.fd = socket, .events = POLLRDHUP};
    return poll(&watched, 1, 0) > 0;
}

static struct timespec in_ms(long ms) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* With the lock held. False when the caller hung up. */
static bool hang(struct world *world, int socket) {
    unsigned releases = world->releases;
    bool there = true;
    world->hanging++;
    while (there && !world->stopping && world->releases == releases) {
        struct timespec tick = in_ms(HANG_TICK_MS);
        pthread_cond_timedwait(&world->woken, &world->lock, &tick);
        there = !hung_up(socket);
    }
    world->hanging--;
    return there;
}

bool world_wait(struct world *world, const struct plan *plan, int socket) {
    if (!plan->hang && plan->latency_ms == 0) {
        return true;
    }
    bool there = true;
    pthread_mutex_lock(&world->lock);
    if (plan->hang) {
        there = hang(world, socket);
    }
    struct timespec until = in_ms(plan->latency_ms);
    while (there && !world->stopping &&
           pthread_cond_timedwait(&world->woken, &world->lock, &until) == 0) {
    }
    there = there && !world->stopping;
    pthread_mutex_unlock(&world->lock);
    return there;
}

void world_leave(struct world *world, struct plan *plan) {
    behaviour_unref(plan->behaviour);
    plan->behaviour = NULL;
    pthread_mutex_lock(&world->lock);
    census_leave(world->census);
    pthread_mutex_unlock(&world->lock);
}

void world_stop(struct world *world) {
    pthread_mutex_lock(&world->lock);
    world->stopping = true;
    pthread_cond_broadcast(&world->woken);
    pthread_mutex_unlock(&world->lock);
}

bool world_refuses_connection(struct world *world) {
    pthread_mutex_lock(&world->lock);
    bool refuses = behaviour_take_accept(&world->behaviours);
    if (refuses) {
        census_refuse(world->census);
    }
    pthread_mutex_unlock(&world->lock);
    return refuses;
}

uint64_t world_connect(struct world *world) {
    pthread_mutex_lock(&world->lock);
    uint64_t number = census_connect(world->census);
    pthread_mutex_unlock(&world->lock);
    return number;
}

void world_disconnect(struct world *world, bool had_calls) {
    pthread_mutex_lock(&world->lock);
    census_disconnect(world->census, had_calls);
    pthread_mutex_unlock(&world->lock);
}

static void add_appcode(const struct world *world, int index, cJSON *array) {
    const struct appcode *appcode = &world->appcodes[index];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "appCode", world->options->appcodes[index].code);
    cJSON_AddNumberToObject(json, "received", (double)appcode->received);
    cJSON_AddNumberToObject(json, "billed", (double)appcode->billed);
    cJSON_AddNumberToObject(json, "package", (double)package_of(world, index));
    cJSON_AddNumberToObject(json, "used", (double)appcode->used);
    cJSON_AddItemToArray(array, json);
}

cJSON *world_stats(struct world *world) {
    cJSON *json = cJSON_CreateObject();
    if (json == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&world->lock);
    census_add_json(world->census, json);
    cJSON_AddNumberToObject(json, "hanging", world->hanging);
    cJSON *appcodes = cJSON_AddArrayToObject(json, "byAppCode");
    for (int i = 0; i < (int)world->options->appcode_count; i++) {
        add_appcode(world, i, appcodes);
    }
    int64_t ahead = world->ahead_ms / 1000;
    cJSON_AddNumberToObject(json, "clockAheadSeconds", (double)ahead);
    pthread_mutex_unlock(&world->lock);
    return json;
}

cJSON *world_log(struct world *world, size_t limit) {
    cJSON *json = cJSON_CreateObject();
    if (json == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&world->lock);
    cJSON_AddItemToObject(json, "calls", journal_json(world->journal, limit));
    pthread_mutex_unlock(&world->lock);
    return json;
}

cJSON *world_calls(struct world *world, const struct seller_question *question) {
    cJSON *json = cJSON_CreateObject();
    pthread_mutex_lock(&world->lock);
    struct census_count count = census_of(world->census, question);
    pthread_mutex_unlock(&world->lock);
    cJSON_AddNumberToObject(json, "count", (double)count.received);
    cJSON_AddNumberToObject(json, "billed", (double)count.billed);
    cJSON_AddBoolToObject(json, "complete", count.complete);
    return json;
}

static cJSON *behaviour_json(const struct behaviour *behaviour) {
    char what[JOURNAL_BEHAVIOUR_SIZE];
    behaviour_describe(behaviour, what, sizeof what);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "number", behaviour->id);
    cJSON_AddStringToObject(json, "what", what);
    if (behaviour->remaining >= 0) {
        cJSON_AddNumberToObject(json, "callsLeft", (double)behaviour->remaining);
    }
    if (behaviour->only_mobile != NULL) {
        cJSON_AddStringToObject(json, "mobile", behaviour->only_mobile);
    }
    if (behaviour->only_appcode != NULL) {
        cJSON_AddStringToObject(json, "appCode", behaviour->only_appcode);
    }
    return json;
}

cJSON *world_behaviours(struct world *world) {
    cJSON *json = cJSON_CreateObject();
    cJSON *array = cJSON_AddArrayToObject(json, "behaviours");
    pthread_mutex_lock(&world->lock);
    for (const struct behaviour *at = world->behaviours; at != NULL; at = at->next) {
        cJSON_AddItemToArray(array, behaviour_json(at));
    }
    pthread_mutex_unlock(&world->lock);
    return json;
}

unsigned world_behave(struct world *world, struct behaviour *behaviour) {
    pthread_mutex_lock(&world->lock);
    unsigned id = ++world->behaviours_made;
    behaviour->id = id;
    behaviour_add(&world->behaviours, behaviour);
    pthread_mutex_unlock(&world->lock);
    return id;
}

bool world_set(struct world *world, const cJSON *json, struct reason *reason) {
    pthread_mutex_lock(&world->lock);
    bool set = settings_set_json(&world->settings, json, reason);
    pthread_mutex_unlock(&world->lock);
    return set;
}

cJSON *world_settings(struct world *world) {
    pthread_mutex_lock(&world->lock);
    cJSON *json = settings_json(&world->settings);
    pthread_mutex_unlock(&world->lock);
    return json;
}

int64_t world_advance(struct world *world, int64_t seconds) {
    pthread_mutex_lock(&world->lock);
    world->ahead_ms += seconds * 1000;
    int64_t ahead = world->ahead_ms / 1000;
    pthread_mutex_unlock(&world->lock);
    return ahead;
}

static unsigned release(struct world *world) {
    world->releases++;
    pthread_cond_broadcast(&world->woken);
    return world->hanging;
}

unsigned world_release(struct world *world) {
    pthread_mutex_lock(&world->lock);
    unsigned released = release(world);
    pthread_mutex_unlock(&world->lock);
    return released;
}

static void reset_behaviours(struct world *world) {
    behaviour_clear(&world->behaviours);
    release(world);
}

static void reset_counters(struct world *world) {
    census_clear(world->census);
    journal_clear(world->journal);
    for (size_t i = 0; i < OPTIONS_APPCODES_MAX; i++) {
        world->appcodes[i].received = 0;
        world->appcodes[i].billed = 0;
    }
}

static void reset_numbers(struct world *world) {
    window_clear(world->window);
}

static void reset_packages(struct world *world) {
    for (size_t i = 0; i < OPTIONS_APPCODES_MAX; i++) {
        world->appcodes[i].used = 0;
    }
}

static void reset_settings(struct world *world) {
    world->settings = world->options->settings;
}

/* Times from a future that was taken back would close windows for ever. */
static void reset_clock(struct world *world) {
    world->ahead_ms = 0;
    world->second_began_ms = 0;
    reset_numbers(world);
}

void world_reset(struct world *world, unsigned parts) {
    static void (*const resets[])(struct world *) = {
        reset_behaviours, reset_counters, reset_numbers,
        reset_packages,   reset_settings, reset_clock,
    };
    pthread_mutex_lock(&world->lock);
    for (unsigned i = 0; i < sizeof resets / sizeof *resets; i++) {
        if (parts & 1U << i) {
            resets[i](world);
        }
    }
    pthread_mutex_unlock(&world->lock);
}
