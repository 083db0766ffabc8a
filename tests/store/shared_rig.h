#pragma once
/*
 * shared_rig: a shared store with its clients (store_rig) on a real redis-server of the test's own,
 * or on two, where money has its own; a journal in a folder; and eyes for what is in the servers.
 */
#include "script_rig.h"

#define SHARED_TIMEOUT_MS 200
#define SHARED_PATIENT_MS 5000

/* The promise for a store that says nothing is its time and 100 ms more. What is asserted leaves
 * room for a machine that is busy with other tests. */
#define SHARED_IN_TIME_MS (SHARED_TIMEOUT_MS + 1300)

struct shared {
    struct redis_server server;
    struct redis_server ledger; /* where money is apart */
    bool apart;
    char folder[256];
    char journal[300];
    char url[160];
    char ledger_url[160];
    struct store_settings settings;
    struct rig rig;
    bool open;
};

/* Runs the servers; the test may change the settings before shared_open. */
static inline struct shared *shared_start(bool apart) {
    struct shared *shared = calloc(1, sizeof *shared);
    assert_non_null(shared);
    shared->apart = apart;
    rig_make_folder(shared->folder);
    redis_server_run(&shared->server);
    snprintf(shared->url, sizeof shared->url, "redis+unix:%s", shared->server.socket);
    if (apart) {
        redis_server_run(&shared->ledger);
        snprintf(shared->ledger_url, sizeof shared->ledger_url, "redis+unix:%s",
                 shared->ledger.socket);
    }
    snprintf(shared->journal, sizeof shared->journal, "%s/journal.db", shared->folder);
    shared->settings = (struct store_settings){
        .url = shared->url,
        .ledger_url = shared->ledger_url,
        .journal_path = shared->journal,
        .journal_keep_ms = 30 * SCRIPT_DAY_MS,
        .timeout_ms = SHARED_TIMEOUT_MS,
        .number_window_ms = SCRIPT_DAY_MS,
    };
    return shared;
}

static inline void shared_open(struct shared *shared) {
    rig_open_with(&shared->rig, &shared->settings, &clock_system);
    shared->open = true;
}

/* The same without waiting till the store is there. */
static inline void shared_begin(struct shared *shared) {
    rig_begin(&shared->rig, &shared->settings, &clock_system);
    shared->open = true;
}

static inline void shared_close(struct shared *shared) {
    if (shared->open)
        rig_close(&shared->rig);
    shared->open = false;
}

static inline void shared_free(struct shared *shared) {
    if (shared->server.pid != 0)
        redis_server_thaw(&shared->server);
    if (shared->ledger.pid != 0)
        redis_server_thaw(&shared->ledger);
    shared_close(shared);
    redis_server_remove(&shared->server);
    if (shared->apart)
        redis_server_remove(&shared->ledger);
    rig_remove_folder(shared->folder);
    free(shared);
}

static inline void shared_turn(struct shared *shared) {
    for (int i = 0; i < RIG_CLIENTS; i++)
        uv_run(&shared->rig.clients[i].loop, UV_RUN_NOWAIT);
    usleep(100);
}

/* Turns all loops until it is so; fails the test at the deadline. */
#define shared_wait(shared, condition)                                                             \
    do {                                                                                           \
        int64_t deadline_ = redis_server_now_ms() + RIG_DEADLINE_MS;                               \
        while (!(condition)) {                                                                     \
            if (redis_server_now_ms() > deadline_)                                                 \
                fail_msg("in vain: %s", #condition);                                               \
            shared_turn(shared);                                                                   \
        }                                                                                          \
    } while (0)

/* --- questions whose number may be asked about once a day --- */

static inline void shared_prepare(struct rig_admit *asked, const struct digest *triple) {
    rig_prepare(asked, triple, FRESHNESS_ANY);
    asked->admit.limit = (struct store_number_limit){1, SCRIPT_DAY_MS};
}

/* Till it leads: on a busy machine a server may seem to be away for a moment. */
static inline void shared_lead(struct shared *shared, int client, struct rig_admit *asked,
                               const struct digest *triple) {
    int64_t deadline = redis_server_now_ms() + RIG_DEADLINE_MS;
    do {
        rig_wait_until_ready(&shared->rig);
        shared_prepare(asked, triple);
        rig_submit(&shared->rig, client, asked);
        rig_wait(&shared->rig, &asked->done, 1);
    } while (asked->admit.outcome == STORE_AWAY && redis_server_now_ms() < deadline);
    assert_int_equal(asked->admit.outcome, STORE_LEAD);
}

/* --- what is in the servers --- */

static inline const struct redis_server *shared_money(const struct shared *shared) {
    return shared->apart ? &shared->ledger : &shared->server;
}

/* The letter of the call's row; 0: it has none. */
static inline char shared_row(const struct shared *shared, const struct rig_admit *asked) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    char letter = 0;
    redis_keys_of_row(&asked->admit.id, keys);
    redisReply *reply =
        redis_server_ask(shared_money(shared), "HGET %s %b", keys[REDIS_KEY_ROWS].text,
                         asked->admit.id.bytes, sizeof asked->admit.id.bytes);
    if (reply->type == REDIS_REPLY_STRING)
        letter = reply->str[0];
    freeReplyObject(reply);
    return letter;
}

/* Does a call about this question hold the lease? */
static inline bool shared_is_lent(const struct shared *shared, const struct rig_admit *asked) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    redis_keys_of_number(&asked->admit.number, &asked->admit.triple, asked->admit.window, keys);
    return script_exists(&shared->server, keys[REDIS_KEY_LEASE].text);
}

/* When the call was made, as its number's window has it; -1: it does not count. */
static inline int64_t shared_counts(const struct shared *shared, const struct rig_admit *asked) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    redis_keys_of_number(&asked->admit.number, &asked->admit.triple, asked->admit.window, keys);
    return script_score(&shared->server, keys[REDIS_KEY_WINDOW].text, &asked->admit.id);
}

static inline bool shared_is_free(const struct shared *shared, const struct rig_admit *asked) {
    return !shared_is_lent(shared, asked) && shared_counts(shared, asked) == -1;
}

static inline long long shared_total(const struct shared *shared, const char *name) {
    redisReply *reply = redis_server_ask(shared_money(shared), "HGET {ledger}totals %s", name);
    long long count = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return count;
}

/* How often a server ran a command since CONFIG RESETSTAT, also within scripts. */
static inline long long shared_runs(const struct redis_server *server, const char *command) {
    char name[48];
    long long runs = 0;
    redisReply *reply = redis_server_ask(server, "INFO commandstats");
    snprintf(name, sizeof name, "cmdstat_%s:calls=", command);
    const char *found = strstr(reply->str, name);
    if (found)
        runs = strtoll(found + strlen(name), NULL, 10);
    freeReplyObject(reply);
    return runs;
}

/* Not ready, for a reason with these words in it? */
static inline bool shared_is_away(const struct shared *shared, const char *words) {
    struct complaint complaint = {""};
    return !store_ready(shared->rig.store, &complaint) && strstr(complaint.text, words) != NULL;
}
