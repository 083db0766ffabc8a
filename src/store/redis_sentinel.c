#include "store/redis_sentinel.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"

static void ask_next(struct redis_sentinel *sentinel);

static const struct redis_address *asked(const struct redis_sentinel *sentinel) {
    int count = sentinel->url->address_count;
    return &sentinel->url->addresses[(sentinel->next + count - 1) % count];
}

static void note_failure(struct redis_sentinel *sentinel, const char *why) {
    struct text reason = text_over(sentinel->reason, sizeof sentinel->reason);
    text_addf(&reason, "no sentinel says where the master %s is; %s:%d: %s",
              sentinel->url->master_name, asked(sentinel)->host, asked(sentinel)->port, why);
}

static void give_up_this_one(struct redis_sentinel *sentinel, const char *why) {
    redis_wire_close(sentinel->wire);
    sentinel->wire = NULL;
    note_failure(sentinel, why);
    ask_next(sentinel);
}

/* --- the conversation with one of them --- */

static bool say_question(struct redis_sentinel *sentinel) {
    const char *const question[] = {"SENTINEL", "get-master-addr-by-name",
                                    sentinel->url->master_name};
    return redis_wire_say(sentinel->wire, 3, question);
}

static bool say_login(struct redis_sentinel *sentinel) {
    const struct redis_url *url = sentinel->url;
    const char *const with_user[] = {"AUTH", url->user, url->password};
    const char *const without[] = {"AUTH", url->password};
    sentinel->logging_in = true;
    sentinel->logged_in = true;
    if (url->user[0] != '\0')
        return redis_wire_say(sentinel->wire, 3, with_user);
    return redis_wire_say(sentinel->wire, 2, without);
}

static bool read_address(const redisReply *reply, struct redis_address *address) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return false;
    const redisReply *host = reply->element[0];
    const redisReply *port = reply->element[1];
    if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING)
        return false;
    struct text text = text_over(address->host, sizeof address->host);
    text_add_bytes(&text, host->str, host->len);
    long number = strtol(port->str, NULL, 10);
    if (text.cut || number < 1 || number > 65535)
        return false;
    address->port = (int)number;
    return true;
}

static void on_replied(void *arg, const redisReply *reply) {
    struct redis_sentinel *sentinel = arg;
    struct redis_address address;
    char why[REDIS_REASON_SIZE];
    bool error = reply->type == REDIS_REPLY_ERROR;
    if (sentinel->logging_in && !error) {
        sentinel->logging_in = false;
        return;
    }
    if (redis_reply_says(reply, "NOAUTH ") && !sentinel->logged_in &&
        sentinel->url->password[0] != '\0') {
        if (!say_login(sentinel) || !say_question(sentinel))
            give_up_this_one(sentinel, "no memory to ask it");
        return;
    }
    if (read_address(reply, &address)) {
        redis_sentinel_stop(sentinel);
        sentinel->events->found(sentinel->arg, &address);
        return;
    }
    if (error)
        redis_reply_text_unquoted(reply, why, sizeof why);
    give_up_this_one(sentinel, error ? why : "does not know this name");
}

static void on_lost(void *arg, const char *reason) {
    struct redis_sentinel *sentinel = arg;
    sentinel->wire = NULL;
    give_up_this_one(sentinel, reason);
}

static const struct redis_wire_events wire_events = {NULL, on_replied, on_lost};

static void on_connected(void *arg, struct redis_wire *wire) {
    struct redis_sentinel *sentinel = arg;
    sentinel->wire = wire;
    sentinel->logging_in = false;
    sentinel->logged_in = false;
    sentinel->due_ms = redis_dial_now_ms() + sentinel->dial.timeout_ms;
    redis_wire_hand_over(wire, &wire_events, sentinel);
    if (!say_question(sentinel))
        give_up_this_one(sentinel, "no memory to ask it");
}

/* The dial's reason names the sentinel already. */
static void on_not_connected(void *arg, const char *reason) {
    struct redis_sentinel *sentinel = arg;
    struct text text = text_over(sentinel->reason, sizeof sentinel->reason);
    text_addf(&text, "no sentinel says where the master %s is; %s", sentinel->url->master_name,
              reason);
    ask_next(sentinel);
}

static const struct redis_dial_events dial_events = {on_connected, on_not_connected};

/* --- one after the other --- */

static void ask_next(struct redis_sentinel *sentinel) {
    if (sentinel->left == 0) {
        char reason[REDIS_REASON_SIZE];
        memcpy(reason, sentinel->reason, sizeof reason);
        redis_sentinel_stop(sentinel);
        sentinel->events->failed(sentinel->arg, reason);
        return;
    }
    sentinel->left--;
    sentinel->next = (sentinel->next + 1) % sentinel->url->address_count;
    redis_dial_host(&sentinel->dial, asked(sentinel)->host, asked(sentinel)->port, NULL);
}

void redis_sentinel_init(struct redis_sentinel *sentinel, uv_loop_t *loop,
                         const struct redis_url *url, int64_t timeout_ms,
                         const struct redis_sentinel_events *events, void *arg) {
    *sentinel = (struct redis_sentinel){.url = url, .events = events, .arg = arg};
    redis_dial_init(&sentinel->dial, loop, timeout_ms, &dial_events, sentinel);
}

void redis_sentinel_ask(struct redis_sentinel *sentinel) {
    sentinel->left = sentinel->url->address_count;
    ask_next(sentinel);
}

int64_t redis_sentinel_due_ms(const struct redis_sentinel *sentinel) {
    return sentinel->wire != NULL ? sentinel->due_ms : sentinel->dial.due_ms;
}

void redis_sentinel_late(struct redis_sentinel *sentinel) {
    if (sentinel->wire == NULL) {
        redis_dial_late(&sentinel->dial);
        return;
    }
    char why[64];
    struct text text = text_over(why, sizeof why);
    text_addf(&text, "no reply within %lld ms", (long long)sentinel->dial.timeout_ms);
    give_up_this_one(sentinel, why);
}

void redis_sentinel_stop(struct redis_sentinel *sentinel) {
    redis_dial_stop(&sentinel->dial);
    redis_wire_close(sentinel->wire);
    sentinel->wire = NULL;
}
