#pragma once
/*
 * number_scene: what the tests of the scripts on a number's keys need: a redis-server in cluster
 * mode, a question about a number of its own, what lies under its keys, and who hears the notices.
 */
#include "script_rig.h"

#include <signal.h>

#define LEASE_MS 60000
#define SENDER   77

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct redis_server server;

struct scene {
    struct link_rig rig;
    struct rig_admit asked;
    struct rig_settle end;
    struct redis_key keys[REDIS_NUMBER_KEYS];
};

static inline int64_t now_ms(void) {
    return clock_unix_ms(&clock_system);
}

static inline int start_server(void **state) {
    (void)state;
    redis_server_run_cluster(&server);
    return 0;
}

static inline int remove_server(void **state) {
    (void)state;
    redis_server_remove(&server);
    return 0;
}

static inline int open_scene(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    script_rig_open(&scene->rig, &server);
    *state = scene;
    return 0;
}

static inline int close_scene(void **state) {
    struct scene *scene = *state;
    script_expect_ttls(&server);
    link_rig_close(&scene->rig);
    free(scene);
    return 0;
}

/* --- words --- */

/* A question about a number of its own, and the end of its call. */
static inline void prepare_at(struct scene *scene, int64_t reserved_at_ms) {
    struct digest triple = rig_digest();
    rig_prepare(&scene->asked, &triple, FRESHNESS_ANY);
    scene->asked.admit.id = ledger_id_make(reserved_at_ms);
    scene->asked.admit.lease_ms = LEASE_MS;
    scene->asked.admit.limit = (struct store_number_limit){3, SCRIPT_DAY_MS};
    rig_end(&scene->end, &scene->asked, rig_answer("01", now_ms() / 1000));
    redis_keys_of_number(&scene->asked.admit.number, &triple, "", scene->keys);
    redis_server_do(&server, "FLUSHALL");
}

static inline void prepare(struct scene *scene) {
    prepare_at(scene, now_ms());
}

static inline const char *key(const struct scene *scene, enum redis_number_key which) {
    return scene->keys[which].text;
}

static inline enum redis_decision admit_seen(struct scene *scene, struct script_said *said,
                                             const struct redis_seen *seen) {
    script_say(&scene->rig, said,
               redis_send_admit(scene->rig.link, script_replied, said, &scene->asked.admit, seen));
    assert_int_equal(said->type, REDIS_REPLY_ARRAY);
    return said->admitted.what;
}

static inline enum redis_decision admit(struct scene *scene, struct script_said *said) {
    static const struct redis_seen nothing;
    return admit_seen(scene, said, &nothing);
}

/* Says whether the answer was stored. */
static inline bool settle(struct scene *scene) {
    struct script_said said;
    script_say(&scene->rig, &said,
               redis_send_settle(scene->rig.link, script_replied, &said, &scene->end.settle,
                                 SCRIPT_DAY_MS, now_ms(), SENDER));
    assert_int_equal(said.type, REDIS_REPLY_INTEGER);
    assert_true(said.integer == 0 || said.integer == 1);
    return said.integer == 1;
}

static inline void withdraw(struct scene *scene) {
    struct script_said said;
    script_say(
        &scene->rig, &said,
        redis_send_withdraw(scene->rig.link, script_replied, &said, &scene->asked.admit, SENDER));
}

static inline void keep(struct scene *scene, const struct answer *answer, struct redis_seen *seen) {
    seen->size = answer_encode(answer, seen->bytes);
    redis_server_do(&server, "SET %s %b PX 100000", key(scene, REDIS_KEY_ANSWER), seen->bytes,
                    seen->size);
}

/* A call of the number's window. */
static inline struct ledger_id add_call(struct scene *scene, int64_t age_ms) {
    struct ledger_id id = ledger_id_make(now_ms() - age_ms);
    redis_server_do(&server, "ZADD %s %lld %b", key(scene, REDIS_KEY_WINDOW),
                    (long long)(now_ms() - age_ms), id.bytes, sizeof id.bytes);
    redis_server_do(&server, "PEXPIRE %s %lld", key(scene, REDIS_KEY_WINDOW),
                    (long long)SCRIPT_DAY_MS);
    return id;
}

static inline void lend(struct scene *scene, const struct ledger_id *id) {
    redis_server_do(&server, "SET %s %b PX 50000", key(scene, REDIS_KEY_LEASE), id->bytes,
                    sizeof id->bytes);
}

static inline void close_number(struct scene *scene, int64_t opens_ms) {
    redis_server_do(&server, "SET %s %lld PX %lld", key(scene, REDIS_KEY_CLOSED),
                    (long long)opens_ms, (long long)SCRIPT_DAY_MS);
}

static inline void own(struct scene *scene, const struct digest *triple, int64_t proven_at) {
    redis_server_do(&server, "SET %s %b%lld PX 100000", key(scene, REDIS_KEY_OWNER), triple->bytes,
                    (size_t)DIGEST_SIZE, (long long)proven_at);
}

static inline int calls_in_window(const struct scene *scene) {
    redisReply *reply = redis_server_ask(&server, "ZCARD %s", key(scene, REDIS_KEY_WINDOW));
    int count = (int)reply->integer;
    freeReplyObject(reply);
    return count;
}

static inline int64_t score_of(const struct scene *scene, const struct ledger_id *id) {
    return script_score(&server, key(scene, REDIS_KEY_WINDOW), id);
}

static inline bool is_lent_to(const struct scene *scene, const struct ledger_id *id) {
    redisReply *reply = redis_server_ask(&server, "GET %s", key(scene, REDIS_KEY_LEASE));
    bool is = reply->type == REDIS_REPLY_STRING && reply->len == sizeof id->bytes &&
              memcmp(reply->str, id->bytes, sizeof id->bytes) == 0;
    freeReplyObject(reply);
    return is;
}

/* When the number opens, Unix ms; 0: it is not closed. */
static inline int64_t closed_until(const struct scene *scene) {
    redisReply *reply = redis_server_ask(&server, "GET %s", key(scene, REDIS_KEY_CLOSED));
    int64_t opens_ms = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return opens_ms;
}

/* --- notices --- */

struct listener {
    struct link_rig rig;
    struct redis_notice notices[4];
    int count;
    bool marked;
};

static inline void on_notice(struct link_rig *rig) {
    struct listener *listener = (struct listener *)rig;
    listener->marked = strcmp(rig->message, "mark") == 0;
    if (listener->marked)
        return;
    assert_true(listener->count < (int)COUNT(listener->notices));
    assert_true(redis_notice_decode((const uint8_t *)rig->message, rig->message_size,
                                    &listener->notices[listener->count++]));
}

static inline struct listener *start_listening(void) {
    struct listener *listener = calloc(1, sizeof *listener);
    script_rig_listen(&listener->rig, &server);
    listener->rig.on_message = on_notice;
    return listener;
}

/* How many were said since the last time: a mark behind them shows that there are no more. */
static inline int hear(struct listener *listener) {
    listener->marked = false;
    redis_server_do(&server, "PUBLISH %s mark", REDIS_NOTICE_CHANNEL);
    link_rig_wait(&listener->rig, listener->marked);
    int count = listener->count;
    listener->count = 0;
    return count;
}

static inline void stop_listening(struct listener *listener) {
    link_rig_close(&listener->rig);
    free(listener);
}

/* One notice, about the scene's call. */
static inline const struct redis_notice *
hear_one(struct listener *listener, const struct scene *scene, enum redis_notice_kind kind) {
    const struct redis_notice *notice = &listener->notices[0];
    assert_int_equal(hear(listener), 1);
    assert_int_equal(notice->kind, kind);
    assert_int_equal(notice->sender, SENDER);
    assert_memory_equal(&notice->call, &scene->asked.admit.id, sizeof notice->call);
    assert_true(digest_equal(&notice->triple, &scene->asked.admit.triple));
    return notice;
}
