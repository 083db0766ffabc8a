#pragma once
/*
 * store_kind: the kinds of store that the contract's tests run against, each in a place of its own:
 * a SQLite file; a real redis-server; one in cluster mode, which refuses every script that touches
 * more than one hash slot.
 */
#include "redis_server.h"
#include "store_rig.h"

#include <signal.h>

#include <sqlite3.h>

#include "money/period.h"

#define STORE_KIND_WINDOW_MS INT64_C(86400000)

struct store_kind {
    bool shared;
    bool cluster;
    char folder[256];
    char url[320];
    char journal[300];
    struct redis_server redis;
    int opened; /* how many places were used */
};

/* `name`: "sqlite", "redis" or "cluster". */
static inline void store_kind_init(struct store_kind *kind, const char *name) {
    memset(kind, 0, sizeof *kind);
    kind->cluster = strcmp(name, "cluster") == 0;
    kind->shared = kind->cluster || strcmp(name, "redis") == 0;
    signal(SIGPIPE, SIG_IGN);
    /* As every command does, before there are threads: without a zone the C library reads its file
     * at each mktime, under a lock that ThreadSanitizer does not see. */
    period_set_zone("Asia/Shanghai");
}

/* An empty store for what follows. */
static inline void store_kind_fresh(struct store_kind *kind) {
    kind->opened++;
    snprintf(kind->journal, sizeof kind->journal, "%s/journal-%d.db", kind->folder, kind->opened);
    snprintf(kind->url, sizeof kind->url, "sqlite:%s/store-%d.db", kind->folder, kind->opened);
    if (!kind->shared)
        return;
    snprintf(kind->url, sizeof kind->url, "redis+unix:%s", kind->redis.socket);
    redis_server_do(&kind->redis, "FLUSHALL");
}

static inline void store_kind_start(struct store_kind *kind) {
    rig_make_folder(kind->folder);
    if (kind->cluster)
        redis_server_run_cluster(&kind->redis);
    else if (kind->shared)
        redis_server_run(&kind->redis);
    store_kind_fresh(kind);
}

static inline void store_kind_stop(struct store_kind *kind) {
    if (kind->shared)
        redis_server_remove(&kind->redis);
    rig_remove_folder(kind->folder);
}

/* Patient, since the machine may be busy: what is tested here is not how long it takes. */
static inline struct store_settings store_kind_settings(const struct store_kind *kind) {
    return (struct store_settings){
        .url = kind->url,
        .journal_path = kind->journal,
        .journal_keep_ms = 30 * STORE_KIND_WINDOW_MS,
        .timeout_ms = 5000,
        .number_window_ms = STORE_KIND_WINDOW_MS,
    };
}

static inline void store_kind_open(const struct store_kind *kind, struct rig *rig,
                                   const struct clock *clock) {
    const struct store_settings settings = store_kind_settings(kind);
    rig_open_with(rig, &settings, clock);
}

/* Moves everything that Redis dates by its own clock into the past. */
static inline void store_kind_pass(const struct store_kind *kind, int64_t ms) {
    static const char machine[] =
        "local ms = tonumber(ARGV[1])\n"
        "for _, key in ipairs(redis.call('KEYS', '{*')) do\n"
        "  local left = redis.call('PTTL', key)\n"
        "  if string.sub(key, 1, 8) == '{ledger}' then\n"
        "  elseif left >= 0 and left <= ms then\n"
        "    redis.call('DEL', key)\n"
        "  else\n"
        "    if redis.call('TYPE', key).ok == 'zset' then\n"
        "      for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do\n"
        "        redis.call('ZINCRBY', key, string.format('%.0f', -ms), id)\n"
        "      end\n"
        "    elseif #key < 35 and string.match(key, '}c') then\n"
        "      redis.call('SET', key, string.format('%.0f', redis.call('GET', key) - ms))\n"
        "    end\n"
        "    redis.call('PEXPIRE', key, string.format('%.0f', left - ms))\n"
        "  end\n"
        "end\n"
        "return 'ok'\n";
    if (kind->shared)
        redis_server_do(&kind->redis, "EVAL %s 0 %lld", machine, (long long)ms);
}

/* How many ledger rows there are. */
static inline int64_t store_kind_rows(const struct store_kind *kind) {
    if (kind->shared) {
        static const char count[] =
            "local rows = 0\n"
            "for _, key in ipairs(redis.call('KEYS', '{ledger}rows:*')) do\n"
            "  rows = rows + redis.call('HLEN', key)\n"
            "end\n"
            "return rows\n";
        redisReply *reply = redis_server_ask(&kind->redis, "EVAL %s 0", count);
        int64_t rows = reply->integer;
        freeReplyObject(reply);
        return rows;
    }
    sqlite3 *db = NULL;
    sqlite3_stmt *count = NULL;
    assert_int_equal(sqlite3_open(strchr(kind->url, ':') + 1, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM ledger", -1, &count, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(count), SQLITE_ROW);
    int64_t rows = sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    sqlite3_close(db);
    return rows;
}

/* Grows with everything that is written to a shared store. */
static inline int64_t store_kind_writes(const struct store_kind *kind) {
    if (!kind->shared)
        return 0;
    return redis_server_writes(&kind->redis);
}

/* The one that this program tests, for the set-up and the end of its group. */
static struct store_kind kind;

static inline int start_kind(void **state) {
    (void)state;
    store_kind_start(&kind);
    return 0;
}

static inline int stop_kind(void **state) {
    (void)state;
    store_kind_stop(&kind);
    return 0;
}
