#include "store/redis_link.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "runtime/text.h"
#include "store/redis_dial.h"
#include "store/redis_login.h"
#include "store/redis_sentinel.h"
#include "store/redis_tls.h"
#include "store/redis_wire.h"

#define PENDING_MOST 65536
#define NEVER        INT64_MAX

/* The delay before the n-th attempt is drawn from 40 to 100 % of 50 ms, 100 ms, … 1 s. */
#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS  1000
#define STEADY_MS      5000 /* up for this long, it begins anew */

/*
 *   WAITING ──> FINDING (only with sentinels) ──> CONNECTING ──> LOGGING_IN ──> UP
 *      ^                                                                        │
 *      └───────────────────── drop(), from every state ─────────────────────────┘
 */
enum link_state {
    LINK_WAITING,
    LINK_FINDING,
    LINK_CONNECTING,
    LINK_LOGGING_IN,
    LINK_UP,
    LINK_GONE
};

/* A command that was sent. What a script may need to be sent again is kept behind it, in one piece:
 * the arguments' places, their sizes, their bytes. */
struct pending {
    struct pending *next;
    redis_replied *replied;
    void *arg;
    int64_t due_ms;
    int script; /* -1: no script, or it was sent again already */
    int argc;
    const char **argv;
    size_t *sizes;
    char keys[16]; /* their number, which is an argument */
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_link_settings settings;
    enum link_state state;

    uv_timer_t timer;
    int64_t timer_ms; /* when it will run; NEVER: it stands still */
    int64_t retry_ms;
    int64_t up_since_ms;
    int failures; /* since it was up for a while */

    struct redis_tls *tls;
    struct redis_sentinel sentinel;
    struct redis_dial dial;
    struct redis_login login;
    struct redis_wire *wire;
    uint64_t heard; /* replies */

    struct pending *first; /* in the order of the replies */
    struct pending *last;
    int count;
    int resent; /* of them, whose deadlines are not in that order */

    void (*gone)(void *arg);
    char (*shas)[REDIS_SHA_SIZE];
};

/* --- one timer for all deadlines. It is started again only when it has run, or runs too late. ---
 */

static void on_timer(uv_timer_t *timer);

static int64_t oldest_due_ms(const struct redis_link *link) {
    if (link->first == NULL)
        return NEVER;
    int64_t due_ms = link->first->due_ms;
    if (link->resent > 0) {
        for (const struct pending *pending = link->first; pending; pending = pending->next) {
            if (pending->due_ms < due_ms)
                due_ms = pending->due_ms;
        }
    }
    return due_ms;
}

static int64_t due_ms_of(const struct redis_link *link) {
    switch (link->state) {
    case LINK_WAITING:
        return link->retry_ms;
    case LINK_FINDING:
        return redis_sentinel_due_ms(&link->sentinel);
    case LINK_CONNECTING:
        return link->dial.due_ms;
    case LINK_LOGGING_IN:
        return link->login.due_ms;
    case LINK_UP:
        return oldest_due_ms(link);
    case LINK_GONE:
        break;
    }
    return NEVER;
}

static void arm(struct redis_link *link) {
    int64_t due_ms = due_ms_of(link);
    if (due_ms >= link->timer_ms)
        return;
    int64_t now_ms = redis_dial_now_ms();
    link->timer_ms = due_ms;
    uv_timer_start(&link->timer, on_timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

/* --- commands that wait for their reply --- */

static void push(struct redis_link *link, struct pending *pending) {
    pending->next = NULL;
    if (link->last != NULL)
        link->last->next = pending;
    else
        link->first = pending;
    link->last = pending;
    link->count++;
}

static struct pending *pop(struct redis_link *link) {
    struct pending *pending = link->first;
    if (pending == NULL)
        return NULL;
    link->first = pending->next;
    if (link->first == NULL)
        link->last = NULL;
    link->count--;
    return pending;
}

static void call_back(struct pending *pending, const redisReply *reply) {
    redis_replied *replied = pending->replied;
    void *arg = pending->arg;
    free(pending);
    replied(arg, reply);
}

/* --- going down --- */

static int64_t retry_delay_ms(struct redis_link *link) {
    uint32_t most = RETRY_FIRST_MS;
    for (int i = 0; i < link->failures && most < RETRY_LAST_MS; i++)
        most *= 2;
    if (most > RETRY_LAST_MS)
        most = RETRY_LAST_MS;
    else
        link->failures++;
    uint32_t least = most * 2 / 5;
    return least + randombytes_uniform(most - least + 1);
}

static void let_go(struct redis_link *link) {
    redis_sentinel_stop(&link->sentinel);
    redis_dial_stop(&link->dial);
    redis_wire_close(link->wire);
    link->wire = NULL;
}

/* Whoever is called back may send (and is refused), drop (and nothing happens) or free the link. */
static void call_all_back(struct redis_link *link) {
    struct pending *pending;
    link->resent = 0;
    while ((pending = pop(link)))
        call_back(pending, NULL);
}

/* The one way down, from every state. */
static void drop(struct redis_link *link, const char *why) {
    if (link->state == LINK_WAITING || link->state == LINK_GONE)
        return;
    /* `why` may lie in what is let go. */
    char reason[REDIS_REASON_SIZE];
    struct text text = text_over(reason, sizeof reason);
    text_add(&text, why);
    int64_t now_ms = redis_dial_now_ms();
    if (link->state == LINK_UP && now_ms - link->up_since_ms >= STEADY_MS)
        link->failures = 0;
    link->state = LINK_WAITING;
    link->retry_ms = now_ms + retry_delay_ms(link);
    let_go(link);
    call_all_back(link);
    if (link->state == LINK_GONE)
        return;
    link->settings.down(link->settings.arg, reason);
    arm(link);
}

/* --- what comes over the wire --- */

static void come_up(struct redis_link *link) {
    link->state = LINK_UP;
    link->up_since_ms = redis_dial_now_ms();
    link->settings.up(link->settings.arg, &link->login.facts);
}

static void hear_login(struct redis_link *link, const redisReply *reply) {
    char reason[REDIS_REASON_SIZE];
    switch (redis_login_take(&link->login, reply, reason)) {
    case REDIS_LOGIN_GOES_ON:
        arm(link);
        break;
    case REDIS_LOGIN_DONE:
        come_up(link);
        break;
    case REDIS_LOGIN_REFUSED:
        drop(link, reason);
        break;
    }
}

static void hear_message(struct redis_link *link, const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    const redisReply *kind = reply->element[0];
    const redisReply *bytes = reply->element[2];
    if (kind->type == REDIS_REPLY_STRING && strcmp(kind->str, "message") == 0 &&
        bytes->type == REDIS_REPLY_STRING)
        link->settings.message(link->settings.arg, bytes->str, bytes->len);
}

/* The script did not run, so sending it again is safe. It keeps its deadline. */
static bool send_whole(struct redis_link *link, struct pending *pending) {
    pending->argv[0] = "EVAL";
    pending->argv[1] = link->settings.scripts[pending->script].text;
    pending->sizes[0] = 4;
    pending->sizes[1] = strlen(pending->argv[1]);
    if (!redis_wire_send(link->wire, pending->argc, pending->argv, pending->sizes))
        return false;
    pending->script = -1;
    link->resent++;
    push(link, pending);
    return true;
}

static void hear_reply(struct redis_link *link, const redisReply *reply) {
    struct pending *pending = pop(link);
    if (pending == NULL) {
        drop(link, "it replied to nothing that was asked");
        return;
    }
    if (pending->script >= 0 && redis_reply_says(reply, "NOSCRIPT") && send_whole(link, pending))
        return;
    if (pending->argc > 0 && pending->script < 0)
        link->resent--;
    call_back(pending, reply);
    if (!redis_reply_is_farewell(reply))
        return;
    char reason[REDIS_REASON_SIZE];
    redis_reply_text(reply, reason, sizeof reason);
    drop(link, reason);
}

static void on_replied(void *arg, const redisReply *reply) {
    struct redis_link *link = arg;
    link->heard++;
    if (link->state == LINK_LOGGING_IN)
        hear_login(link, reply);
    else if (link->settings.channel != NULL)
        hear_message(link, reply);
    else
        hear_reply(link, reply);
}

static void on_lost(void *arg, const char *reason) {
    struct redis_link *link = arg;
    link->wire = NULL;
    drop(link, reason);
}

static const struct redis_wire_events wire_events = {NULL, on_replied, on_lost};

/* --- coming up --- */

static void on_connected(void *arg, struct redis_wire *wire) {
    struct redis_link *link = arg;
    link->wire = wire;
    link->state = LINK_LOGGING_IN;
    redis_wire_hand_over(wire, &wire_events, link);
    if (redis_login_begin(&link->login, &link->settings, wire, link->shas))
        arm(link);
    else
        drop(link, "no memory to log in");
}

static void on_failed(void *arg, const char *reason) {
    drop(arg, reason);
}

static void on_master_found(void *arg, const struct redis_address *master) {
    struct redis_link *link = arg;
    link->state = LINK_CONNECTING;
    redis_dial_host(&link->dial, master->host, master->port, NULL);
    arm(link);
}

static const struct redis_dial_events dial_events = {on_connected, on_failed};
static const struct redis_sentinel_events sentinel_events = {on_master_found, on_failed};

static bool prepare_tls(struct redis_link *link) {
    if (link->settings.url->transport != REDIS_TLS || link->tls != NULL)
        return true;
    char reason[REDIS_REASON_SIZE];
    struct text text = text_over(reason, sizeof reason);
    link->tls = redis_tls_new(link->settings.ca_file, &text);
    if (link->tls != NULL)
        return true;
    drop(link, reason);
    return false;
}

static void begin(struct redis_link *link) {
    const struct redis_url *url = link->settings.url;
    link->state = url->transport == REDIS_SENTINEL ? LINK_FINDING : LINK_CONNECTING;
    if (!prepare_tls(link))
        return;
    if (url->transport == REDIS_SENTINEL)
        redis_sentinel_ask(&link->sentinel);
    else if (url->transport == REDIS_UNIX)
        redis_dial_path(&link->dial, url->path);
    else
        redis_dial_host(&link->dial, url->addresses[0].host, url->addresses[0].port, link->tls);
}

/* The loop may have stood still, with the reply in the socket since long ago. */
static void give_last_chance(struct redis_link *link) {
    uint64_t heard;
    do {
        heard = link->heard;
        redis_wire_read(link->wire);
        if (link->wire == NULL || due_ms_of(link) > redis_dial_now_ms())
            return;
    } while (link->heard != heard);
    char reason[64];
    struct text text = text_over(reason, sizeof reason);
    text_addf(&text, "no reply within %lld ms", (long long)link->settings.timeout_ms);
    drop(link, reason);
}

static void on_timer(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    link->timer_ms = NEVER;
    if (due_ms_of(link) <= redis_dial_now_ms()) {
        switch (link->state) {
        case LINK_WAITING:
            begin(link);
            break;
        case LINK_FINDING:
            redis_sentinel_late(&link->sentinel);
            break;
        case LINK_CONNECTING:
            redis_dial_late(&link->dial);
            break;
        case LINK_LOGGING_IN:
        case LINK_UP:
            give_last_chance(link);
            break;
        case LINK_GONE:
            break;
        }
    }
    arm(link);
}

/* --- the public part --- */

bool redis_link_supported(const struct redis_url *url, struct complaint *complaint) {
    if (url->transport != REDIS_TLS || redis_tls_is_built_in())
        return true;
    return complain(complaint, "store.url: rediss:// needs hiredis with TLS, which this sanyao was "
                               "built without: use Debian 13's packages, or a TLS proxy on this "
                               "machine");
}

struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_link_settings *settings) {
    struct redis_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->shas = calloc((size_t)settings->script_count + 1, sizeof *link->shas);
    if (link->shas == NULL) {
        free(link);
        return NULL;
    }
    link->loop = loop;
    link->settings = *settings;
    link->timer_ms = NEVER;
    redis_dial_init(&link->dial, loop, settings->timeout_ms, &dial_events, link);
    redis_sentinel_init(&link->sentinel, loop, settings->url, settings->timeout_ms,
                        &sentinel_events, link);
    uv_timer_init(loop, &link->timer);
    link->timer.data = link;
    /* The first attempt waits for the timer, so that no callback comes before this returns. */
    link->state = LINK_WAITING;
    arm(link);
    return link;
}

static void on_timer_closed(uv_handle_t *handle) {
    struct redis_link *link = handle->data;
    void (*gone)(void *) = link->gone;
    void *arg = link->settings.arg;
    redis_tls_free(link->tls);
    free(link->shas);
    free(link);
    if (gone != NULL)
        gone(arg);
}

void redis_link_free(struct redis_link *link, void (*gone)(void *arg)) {
    link->gone = gone;
    link->state = LINK_GONE;
    let_go(link);
    call_all_back(link);
    uv_close((uv_handle_t *)&link->timer, on_timer_closed);
}

bool redis_link_is_up(const struct redis_link *link) {
    return link->state == LINK_UP;
}

void redis_link_drop(struct redis_link *link, const char *reason) {
    drop(link, reason);
}

static bool takes_commands(const struct redis_link *link) {
    return link->state == LINK_UP && link->settings.channel == NULL && link->count < PENDING_MOST;
}

static void wait_for_reply(struct redis_link *link, struct pending *pending, redis_replied *replied,
                           void *arg) {
    pending->replied = replied;
    pending->arg = arg;
    pending->due_ms = redis_dial_now_ms() + link->settings.timeout_ms;
    push(link, pending);
    if (link->timer_ms == NEVER)
        arm(link);
}

bool redis_link_send(struct redis_link *link, redis_replied *replied, void *arg, int argc,
                     const char *const *argv, const size_t *sizes) {
    struct pending *pending = takes_commands(link) ? malloc(sizeof *pending) : NULL;
    if (pending == NULL)
        return false;
    *pending = (struct pending){.script = -1};
    if (!redis_wire_send(link->wire, argc, argv, sizes)) {
        free(pending);
        return false;
    }
    wait_for_reply(link, pending, replied, arg);
    return true;
}

/* EVALSHA, its digest and the number of keys, then the caller's arguments, copied. */
static struct pending *copy_call(struct redis_link *link, int script, int keys, int argc,
                                 const char *const *argv, const size_t *sizes) {
    size_t count = (size_t)argc + 3;
    size_t room = sizeof(struct pending) + count * (sizeof *argv + sizeof *sizes);
    for (int i = 0; i < argc; i++)
        room += sizes[i];
    struct pending *pending = malloc(room);
    if (pending == NULL)
        return NULL;
    *pending = (struct pending){.script = script, .argc = argc + 3};
    pending->argv = (const char **)(pending + 1);
    pending->sizes = (size_t *)(pending->argv + count);
    struct text number = text_over(pending->keys, sizeof pending->keys);
    text_add_number(&number, keys);
    pending->argv[0] = "EVALSHA";
    pending->sizes[0] = 7;
    pending->argv[1] = link->shas[script];
    pending->sizes[1] = REDIS_SHA_SIZE - 1;
    pending->argv[2] = pending->keys;
    pending->sizes[2] = number.size;
    char *bytes = (char *)(pending->sizes + count);
    for (int i = 0; i < argc; i++) {
        memcpy(bytes, argv[i], sizes[i]);
        pending->argv[i + 3] = bytes;
        pending->sizes[i + 3] = sizes[i];
        bytes += sizes[i];
    }
    return pending;
}

bool redis_link_eval(struct redis_link *link, redis_replied *replied, void *arg, int script,
                     int keys, int argc, const char *const *argv, const size_t *sizes) {
    struct pending *pending =
        takes_commands(link) ? copy_call(link, script, keys, argc, argv, sizes) : NULL;
    if (pending == NULL)
        return false;
    if (!redis_wire_send(link->wire, pending->argc, pending->argv, pending->sizes)) {
        free(pending);
        return false;
    }
    wait_for_reply(link, pending, replied, arg);
    return true;
}
