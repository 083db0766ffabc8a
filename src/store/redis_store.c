#include "store/redis_store.h"

#include <stdio.h>
#include <string.h>

#include "runtime/log.h"
#include "store/redis_client.h"

#define SWEEP_MS 1000

void redis_store_add(struct redis_store *store, struct redis_client *client) {
    uv_mutex_lock(&store->mutex);
    client->next = store->clients;
    store->clients = client;
    store->client_count++;
    uv_mutex_unlock(&store->mutex);
}

void redis_store_remove(struct redis_store *store, struct redis_client *client, bool up) {
    uv_mutex_lock(&store->mutex);
    struct redis_client **link = &store->clients;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    store->client_count--;
    store->up_count -= up;
    uv_mutex_unlock(&store->mutex);
}

void redis_store_wake_all(struct redis_store *store) {
    uv_mutex_lock(&store->mutex);
    for (struct redis_client *client = store->clients; client; client = client->next)
        uv_async_send(&client->wake);
    uv_mutex_unlock(&store->mutex);
}

/* --- is it there? --- */

static bool is_ready(const struct redis_store *store) {
    return store->client_count > 0 && store->up_count == store->client_count && !store->behind;
}

/* Its changes are logged, and not what fails meanwhile: an outage has two lines. */
static void note_state(struct redis_store *store) {
    bool ready = is_ready(store);
    if (ready && store->was_away)
        log_info("the store is back");
    if (ready)
        store->was_away = false;
}

static void note_trouble(struct redis_store *store, const char *reason) {
    if (!*reason)
        return;
    snprintf(store->reason, sizeof store->reason, "%s", reason);
    if (store->was_away)
        return;
    store->was_away = true;
    log_error("the store is away; nothing is spent until it is back",
              LOG_TEXT("reason", store->reason));
}

void redis_store_client_up(struct redis_store *store) {
    uv_mutex_lock(&store->mutex);
    store->up_count++;
    store->stuck = false;
    uv_mutex_unlock(&store->mutex);
}

void redis_store_client_down(struct redis_store *store, const char *reason) {
    uv_mutex_lock(&store->mutex);
    store->up_count--;
    note_trouble(store, reason);
    uv_mutex_unlock(&store->mutex);
}

void redis_store_failed(struct redis_store *store, const char *reason) {
    uv_mutex_lock(&store->mutex);
    note_trouble(store, reason);
    uv_mutex_unlock(&store->mutex);
}

bool redis_store_ready(struct redis_store *store, struct complaint *complaint) {
    uv_mutex_lock(&store->mutex);
    bool ready = is_ready(store);
    if (!ready)
        complain(complaint, "the store is away: %s",
                 store->was_away ? store->reason : "not connected yet");
    uv_mutex_unlock(&store->mutex);
    return ready && journal_ready(store->journal, complaint);
}

/* --- the gate --- */

bool redis_store_is_behind(struct redis_store *store) {
    uv_mutex_lock(&store->mutex);
    bool behind = store->behind;
    uv_mutex_unlock(&store->mutex);
    return behind;
}

bool redis_store_is_stuck(struct redis_store *store) {
    uv_mutex_lock(&store->mutex);
    bool stuck = store->stuck;
    uv_mutex_unlock(&store->mutex);
    return stuck;
}

void redis_store_fall_behind(struct redis_store *store, const char *reason) {
    uv_mutex_lock(&store->mutex);
    store->behind = true;
    store->behind_since++;
    if (reason) {
        store->stuck = true;
        note_trouble(store, reason);
    }
    uv_mutex_unlock(&store->mutex);
}

bool redis_store_begin_courier(struct redis_store *store, uint64_t *since) {
    uv_mutex_lock(&store->mutex);
    bool begun = store->behind && !store->couriering;
    if (begun)
        store->couriering = true;
    *since = store->behind_since;
    uv_mutex_unlock(&store->mutex);
    return begun;
}

bool redis_store_end_courier(struct redis_store *store, uint64_t since, bool all,
                             const char *reason) {
    uv_mutex_lock(&store->mutex);
    bool open = all && store->behind_since == since;
    store->couriering = false;
    store->stuck = !all;
    if (open)
        store->behind = false;
    if (!all)
        note_trouble(store, reason);
    note_state(store);
    uv_mutex_unlock(&store->mutex);
    return open;
}

void redis_store_leave_courier(struct redis_store *store) {
    uv_mutex_lock(&store->mutex);
    store->couriering = false;
    uv_mutex_unlock(&store->mutex);
}

bool redis_store_claim_sweep(struct redis_store *store, int64_t now_ms) {
    uv_mutex_lock(&store->mutex);
    bool due = now_ms >= store->sweep_at;
    if (due)
        store->sweep_at = now_ms + SWEEP_MS;
    uv_mutex_unlock(&store->mutex);
    return due;
}

bool redis_store_claim_forgetting(struct redis_store *store, const struct ledger_id *id) {
    uv_mutex_lock(&store->mutex);
    bool first = ledger_id_compare(&store->forgetting, id) != 0;
    store->forgetting = *id;
    uv_mutex_unlock(&store->mutex);
    return first;
}

/* --- how the servers are set up --- */

static void judge(const struct redis_store *store, bool ledger,
                  const struct redis_server_facts *facts) {
    const char *setting = ledger ? "store.ledger_url" : "store.url";
    bool money = ledger || !store->ledger_apart;
    log_info("connected to the store", LOG_TEXT("setting", setting),
             LOG_TEXT("version", facts->version), LOG_TEXT("policy", facts->policy),
             LOG_NUMBER("max_memory", facts->max_memory));
    if (!facts->version[0]) {
        log_info("this Redis does not let sanyao see how it is set up (INFO): look at its "
                 "persistence and eviction policy yourself",
                 LOG_TEXT("setting", setting));
        return;
    }
    if (money && !facts->persistent)
        log_warn("this Redis keeps nothing over a restart, and the ledger is in it: set "
                 "appendonly yes, or give money a Redis of its own (store.ledger_url)",
                 LOG_TEXT("setting", setting));
    else if (money && !facts->append_only)
        log_warn("this Redis saves snapshots only: a crash loses the ledger's last minutes, which "
                 "sanyao ledger rebuild restores; appendonly yes loses a second at most",
                 LOG_TEXT("setting", setting));
    if (money && facts->evicting_permanent)
        log_error("this Redis may drop the ledger when its memory is full: set maxmemory-policy "
                  "to volatile-lru, or give money a Redis of its own (store.ledger_url)",
                  LOG_TEXT("setting", setting), LOG_TEXT("policy", facts->policy));
    if (!ledger && strcmp(facts->policy, "volatile-ttl") == 0)
        log_warn("this Redis drops first what expires first, and those are the leases: a question "
                 "may be paid twice when its memory is full; set maxmemory-policy to volatile-lru",
                 LOG_TEXT("setting", setting), LOG_TEXT("policy", facts->policy));
    if (!store->ledger_apart && facts->max_memory > 0 && !facts->evicting)
        log_warn("a full cache will stop this Redis taking writes, and money with it: set "
                 "maxmemory-policy to volatile-lru, or give money a Redis of its own "
                 "(store.ledger_url)",
                 LOG_TEXT("setting", setting), LOG_TEXT("policy", facts->policy));
}

void redis_store_judge(struct redis_store *store, bool ledger,
                       const struct redis_server_facts *facts) {
    uv_mutex_lock(&store->mutex);
    bool told = store->facts_told[ledger];
    store->facts_told[ledger] = true;
    uv_mutex_unlock(&store->mutex);
    if (!told)
        judge(store, ledger, facts);
}
