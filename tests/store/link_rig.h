#pragma once
/*
 * link_rig: a redis_link on a loop of its own, which counts what it is told, and calls that count
 * their callbacks. Driven by the test's thread; waiting has a deadline.
 */
#include "redis_server.h"

#include <sodium.h>

#include "store/redis_link.h"

#define LINK_RIG_TIMEOUT_MS 1000

struct link_rig {
    uv_loop_t loop;
    struct redis_url url;
    struct redis_link_settings settings;
    struct redis_link *link;
    int64_t turned_ms;  /* when the loop turned last */
    int64_t longest_ms; /* between two turns: how long this machine kept the test waiting */
    int ups;
    int downs;
    int gone;
    int messages;
    char message[256]; /* the last one, and a zero */
    size_t message_size;
    char reason[512]; /* the last one */
    struct redis_server_facts facts;
    void (*on_up)(struct link_rig *rig);
    void (*on_down)(struct link_rig *rig);
    void (*on_message)(struct link_rig *rig);
};

static inline void link_rig_up(void *arg, const struct redis_server_facts *facts) {
    struct link_rig *rig = arg;
    assert_true(redis_link_is_up(rig->link));
    rig->facts = *facts;
    rig->ups++;
    if (rig->on_up != NULL)
        rig->on_up(rig);
}

static inline void link_rig_down(void *arg, const char *reason) {
    struct link_rig *rig = arg;
    assert_false(redis_link_is_up(rig->link));
    snprintf(rig->reason, sizeof rig->reason, "%s", reason);
    rig->downs++;
    if (rig->on_down != NULL)
        rig->on_down(rig);
}

static inline void link_rig_message(void *arg, const char *bytes, size_t size) {
    struct link_rig *rig = arg;
    assert_true(size < sizeof rig->message);
    memcpy(rig->message, bytes, size);
    rig->message[size] = '\0';
    rig->message_size = size;
    rig->messages++;
    if (rig->on_message != NULL)
        rig->on_message(rig);
}

static inline void link_rig_gone(void *arg) {
    ((struct link_rig *)arg)->gone++;
}

static inline void link_rig_turn(struct link_rig *rig) {
    int64_t now_ms = redis_server_now_ms();
    if (rig->turned_ms != 0 && now_ms - rig->turned_ms > rig->longest_ms)
        rig->longest_ms = now_ms - rig->turned_ms;
    rig->turned_ms = now_ms;
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    usleep(100);
}

/* Turns the loop until it is so; fails the test at the deadline. */
#define link_rig_wait(rig, condition)                                                              \
    do {                                                                                           \
        int64_t deadline_ = redis_server_now_ms() + REDIS_SERVER_DEADLINE_MS;                      \
        (rig)->turned_ms = 0;                                                                      \
        while (!(condition)) {                                                                     \
            if (redis_server_now_ms() > deadline_)                                                 \
                fail_msg("in vain: %s; %d up, %d down: %s", #condition, (rig)->ups, (rig)->downs,  \
                         (rig)->reason);                                                           \
            link_rig_turn(rig);                                                                    \
        }                                                                                          \
    } while (0)

/* Settings that a test may change before link_rig_open. */
static inline void link_rig_prepare(struct link_rig *rig, const struct redis_server *server) {
    memset(rig, 0, sizeof *rig);
    rig->url.transport = REDIS_TCP;
    rig->url.address_count = 1;
    strcpy(rig->url.addresses[0].host, "127.0.0.1");
    rig->url.addresses[0].port = server != NULL ? server->port : 1;
    rig->settings = (struct redis_link_settings){
        .url = &rig->url,
        .timeout_ms = LINK_RIG_TIMEOUT_MS,
        .up = link_rig_up,
        .down = link_rig_down,
        .message = link_rig_message,
        .arg = rig,
    };
    assert_int_equal(uv_loop_init(&rig->loop), 0);
}

static inline void link_rig_open(struct link_rig *rig) {
    rig->link = redis_link_new(&rig->loop, &rig->settings);
    assert_non_null(rig->link);
    assert_false(redis_link_is_up(rig->link));
}

static inline void link_rig_run(struct link_rig *rig, const struct redis_server *server) {
    link_rig_prepare(rig, server);
    link_rig_open(rig);
    link_rig_wait(rig, rig->ups == 1);
}

/* Nothing of the link may be left on the loop. */
static inline void link_rig_end(struct link_rig *rig) {
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(rig->gone, 1);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static inline void link_rig_close(struct link_rig *rig) {
    int ups = rig->ups;
    int downs = rig->downs;
    redis_link_free(rig->link, link_rig_gone);
    assert_int_equal(rig->gone, 0);
    link_rig_end(rig);
    assert_int_equal(rig->ups, ups);
    assert_int_equal(rig->downs, downs);
}

/* --- one command --- */

struct link_call {
    int done;
    bool unanswered;
    int type;
    long long integer;
    char text[1024];
    int64_t sent_ms;
    int64_t took_ms;
    void (*then)(struct link_call *call);
    struct link_rig *rig;
};

static inline void link_call_replied(void *arg, const redisReply *reply) {
    struct link_call *call = arg;
    call->took_ms = redis_server_now_ms() - call->sent_ms;
    call->done++;
    call->unanswered = reply == NULL;
    if (reply != NULL) {
        call->type = reply->type;
        call->integer = reply->integer;
        snprintf(call->text, sizeof call->text, "%s", reply->str != NULL ? reply->str : "");
    }
    if (call->then != NULL)
        call->then(call);
}

static inline void link_call_prepare(struct link_rig *rig, struct link_call *call) {
    memset(call, 0, sizeof *call);
    call->rig = rig;
    call->sent_ms = redis_server_now_ms();
}

/* Up to three words; false when the link takes none. */
static inline bool link_call_again(struct link_call *call, const char *first, const char *second,
                                   const char *third) {
    const char *const argv[] = {first, second, third};
    size_t sizes[3] = {0};
    int argc = 0;
    for (; argc < 3 && argv[argc] != NULL; argc++)
        sizes[argc] = strlen(argv[argc]);
    int done = call->done;
    bool sent = redis_link_send(call->rig->link, link_call_replied, call, argc, argv, sizes);
    assert_int_equal(call->done, done);
    return sent;
}

static inline bool link_call_try(struct link_rig *rig, struct link_call *call, const char *first,
                                 const char *second, const char *third) {
    link_call_prepare(rig, call);
    return link_call_again(call, first, second, third);
}

#define link_call(rig, call, first, second, third)                                                 \
    assert_true(link_call_try((rig), (call), (first), (second), (third)))

static inline void link_call_expect(struct link_call *call, int type, const char *text) {
    link_rig_wait(call->rig, call->done > 0);
    assert_int_equal(call->done, 1);
    assert_false(call->unanswered);
    assert_int_equal(call->type, type);
    if (text != NULL)
        assert_string_equal(call->text, text);
}

/* The link works: a reply comes, and is this command's. */
static inline void link_rig_expect_echo(struct link_rig *rig, const char *text) {
    struct link_call call;
    link_call(rig, &call, "ECHO", text, NULL);
    link_call_expect(&call, REDIS_REPLY_STRING, text);
}
