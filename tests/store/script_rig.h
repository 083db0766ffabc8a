#pragma once
/*
 * script_rig: the shared store's commands, sent over a link to a real redis-server in cluster mode,
 * what they said, and what they left behind there.
 */
#include "link_rig.h"
#include "store_rig.h"

#include "store/redis_commands.h"
#include "store/redis_keys.h"
#include "store/redis_reservation.h"
#include "store/redis_row.h"
#include "store/redis_scripts.h"

#define SCRIPT_IDS_MOST 16

/* What a busy machine may take for one step of a test: times that Redis counts are exact to this.
 */
#define SCRIPT_SLACK_MS 20000
#define SCRIPT_HOUR_MS  INT64_C(3600000)
#define SCRIPT_DAY_MS   (24 * SCRIPT_HOUR_MS)

struct script_said {
    int done;
    int type;
    long long integer;
    char bytes[ANSWER_ENCODED_MAX];
    size_t size;
    struct redis_admitted admitted; /* `kept`: in `bytes` */
    struct redis_reserved reserved;
    struct ledger_id ids[SCRIPT_IDS_MOST];
    int id_count;
    bool ended_row;
};

static inline void script_take_bytes(struct script_said *said, const char *bytes, size_t size) {
    assert_true(size <= sizeof said->bytes);
    memcpy(said->bytes, bytes, size);
    said->size = size;
}

static inline void script_take_ids(struct script_said *said, const redisReply *reply) {
    assert_true(reply->elements <= SCRIPT_IDS_MOST);
    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING || reply->element[i]->len != 16)
            continue;
        memcpy(said->ids[said->id_count++].bytes, reply->element[i]->str, 16);
    }
}

static inline void script_replied(void *arg, const redisReply *reply) {
    struct script_said *said = arg;
    said->done++;
    if (reply == NULL)
        return;
    said->type = reply->type;
    said->integer = reply->integer;
    said->ended_row = redis_is_ended_row(reply);
    if (reply->str != NULL)
        script_take_bytes(said, reply->str, reply->len);
    said->admitted = redis_read_admitted(reply);
    said->reserved = redis_read_reserved(reply);
    if (said->admitted.kept != NULL)
        script_take_bytes(said, said->admitted.kept, said->admitted.kept_size);
    if (reply->type == REDIS_REPLY_ARRAY)
        script_take_ids(said, reply);
}

/* Sends by the expression `sent`, which gives `said` to script_replied, and waits. */
#define script_say(rig, said, sent)                                                                \
    do {                                                                                           \
        memset((said), 0, sizeof *(said));                                                         \
        assert_true(sent);                                                                         \
        assert_int_equal((said)->done, 0);                                                         \
        link_rig_wait((rig), (said)->done > 0);                                                    \
        assert_int_equal((said)->done, 1);                                                         \
        if ((said)->type == REDIS_REPLY_ERROR)                                                     \
            fail_msg("%s", (said)->bytes);                                                         \
    } while (0)

/* The same of what the server must refuse, with these words. */
#define script_say_refused(rig, said, sent, words)                                                 \
    do {                                                                                           \
        memset((said), 0, sizeof *(said));                                                         \
        assert_true(sent);                                                                         \
        link_rig_wait((rig), (said)->done > 0);                                                    \
        assert_int_equal((said)->type, REDIS_REPLY_ERROR);                                         \
        assert_int_equal((said)->admitted.what, REDIS_ADMISSION_NONE);                             \
        if (strstr((said)->bytes, (words)) == NULL)                                                \
            fail_msg("%s", (said)->bytes);                                                         \
    } while (0)

/* The link that sends, on an empty server. */
static inline void script_rig_open(struct link_rig *rig, const struct redis_server *server) {
    redis_server_do(server, "FLUSHALL");
    link_rig_prepare(rig, server);
    rig->settings.scripts = redis_scripts;
    rig->settings.script_count = REDIS_SCRIPTS;
    rig->settings.timeout_ms = 5000;
    link_rig_open(rig);
    link_rig_wait(rig, rig->ups == 1);
}

/* The link that hears the notices. */
static inline void script_rig_listen(struct link_rig *rig, const struct redis_server *server) {
    link_rig_prepare(rig, server);
    rig->settings.channel = REDIS_NOTICE_CHANNEL;
    rig->settings.timeout_ms = 5000;
    link_rig_open(rig);
    link_rig_wait(rig, rig->ups == 1);
}

/* --- what is there --- */

/* How long the key has still to live is `ms`, but for the slack; 0: there is no such key. */
static inline void script_expect_ttl(const struct redis_server *server, const char *key,
                                     int64_t ms) {
    redisReply *reply = redis_server_ask(server, "PTTL %s", key);
    long long left = reply->integer;
    freeReplyObject(reply);
    if (ms == 0)
        assert_int_equal(left, -2);
    else if (left > ms || left < ms - SCRIPT_SLACK_MS || left < 0)
        fail_msg("%s: %lld ms, and not %lld", key, left, (long long)ms);
}

static inline bool script_exists(const struct redis_server *server, const char *key) {
    redisReply *reply = redis_server_ask(server, "EXISTS %s", key);
    bool exists = reply->integer == 1;
    freeReplyObject(reply);
    return exists;
}

/* The call's score in a sorted set; -1: it is not in it. */
static inline int64_t script_score(const struct redis_server *server, const char *key,
                                   const struct ledger_id *id) {
    redisReply *reply = redis_server_ask(server, "ZSCORE %s %b", key, id->bytes, sizeof id->bytes);
    int64_t score = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : -1;
    freeReplyObject(reply);
    return score;
}

static inline void script_expect_near(int64_t ms, int64_t wanted_ms) {
    if (ms > wanted_ms + SCRIPT_SLACK_MS || ms < wanted_ms - SCRIPT_SLACK_MS)
        fail_msg("%lld, and not %lld", (long long)ms, (long long)wanted_ms);
}

/* All that is there under keys of the pattern, but for what only time changes, and counts of
 * nothing. To be freed. */
static inline char *script_snapshot_of(const struct redis_server *server, const char *pattern) {
    static const char machine[] =
        "local lines = {}\n"
        "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do\n"
        "  local type, values = redis.call('TYPE', key).ok, {}\n"
        "  if type == 'string' then values = {redis.call('GET', key)}\n"
        "  elseif type == 'zset' then values = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')\n"
        "  elseif type == 'hash' then\n"
        "    for _, field in ipairs(redis.call('HKEYS', key)) do\n"
        "      local value = redis.call('HGET', key, field)\n"
        "      if value ~= '0' then values[#values + 1] = field .. '=' .. value end\n"
        "    end\n"
        "    table.sort(values)\n"
        "  end\n"
        "  lines[#lines + 1] = key .. ' ' .. table.concat(values, ' ')\n"
        "end\n"
        "table.sort(lines)\n"
        "local hex = string.gsub(table.concat(lines, '\\n'), '[^%w%p%s]', function(byte)\n"
        "  return string.format('<%02x>', string.byte(byte))\n"
        "end)\n"
        "return hex\n";
    redisReply *reply = redis_server_ask(server, "EVAL %s 0 %s", machine, pattern);
    if (reply->type != REDIS_REPLY_STRING)
        fail_msg("%s", reply->str);
    char *text = strdup(reply->str);
    freeReplyObject(reply);
    return text;
}

static inline char *script_snapshot(const struct redis_server *server) {
    return script_snapshot_of(server, "*");
}

/* Everything but the ledger ends by itself, and in a time that makes sense. */
static inline void script_expect_ttls(const struct redis_server *server) {
    redisReply *keys = redis_server_ask(server, "KEYS *");
    for (size_t i = 0; i < keys->elements; i++) {
        const char *key = keys->element[i]->str;
        redisReply *left = redis_server_ask(server, "PTTL %s", key);
        bool money = strncmp(key, "{ledger}", 8) == 0;
        if (money
                ? left->integer != -1
                : left->integer != -2 && (left->integer < 0 || left->integer > 31 * SCRIPT_DAY_MS))
            fail_msg("%s ends in %lld ms", key, left->integer);
        freeReplyObject(left);
    }
    freeReplyObject(keys);
}
