/*
 * redis: the shared store. One Redis for all replicas (or two: money may have its own), and for
 * each process a journal on its own disk. Each worker's client has its own connections; see
 * redis_client.h for the pieces and redis_store.h for what they share.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/backend.h"
#include "store/redis_admission.h"
#include "store/redis_client.h"
#include "store/redis_commands.h"
#include "store/redis_counters.h"
#include "store/redis_courier.h"
#include "store/redis_documents.h"
#include "store/redis_forget.h"
#include "store/redis_page.h"
#include "store/redis_scripts.h"
#include "store/redis_settlement.h"

#define TICK_LEAST_MS  10
#define TICK_MOST_MS   100
#define IDLE_PING_TICK 8 /* while nobody waits, only every so many ticks ask whether it lives */

/* --- opening --- */

static bool take_url(const char *text, const char *setting, struct redis_url *url,
                     struct complaint *complaint) {
    const char *wrong = redis_url_parse(text, url);
    if (wrong)
        return complain(complaint, "%s %s", setting, wrong);
    return redis_link_supported(url, complaint);
}

static bool take_settings(struct redis_store *store, const struct store_settings *settings,
                          struct complaint *complaint) {
    store->ledger_apart = settings->ledger_url && *settings->ledger_url;
    store->timeout_ms = settings->timeout_ms;
    store->number_window_ms = settings->number_window_ms;
    store->hear = settings->hear;
    if (settings->ca_file && *settings->ca_file &&
        !(store->ca_file_owned = strdup(settings->ca_file)))
        return complain(complaint, "store: out of memory");
    return take_url(settings->url, "store.url", &store->url, complaint) &&
           (!store->ledger_apart ||
            take_url(settings->ledger_url, "store.ledger_url", &store->ledger_url, complaint));
}

static void free_store(struct redis_store *store) {
    sodium_memzero(&store->url, sizeof store->url);
    sodium_memzero(&store->ledger_url, sizeof store->ledger_url);
    free(store->ca_file_owned);
    free(store);
}

static struct store *redis_open(const struct store_settings *settings, const struct clock *clock,
                                struct complaint *complaint) {
    struct redis_store *store = calloc(1, sizeof *store);
    if (!store) {
        complain(complaint, "store: out of memory");
        return NULL;
    }
    store->clock = clock;
    store->behind = true;
    if (take_settings(store, settings, complaint)) {
        store->journal =
            journal_open(settings->journal_path, settings->journal_keep_ms, clock, complaint);
        if (store->journal && uv_mutex_init(&store->mutex) == 0)
            return &store->store;
        if (store->journal) {
            complain(complaint, "store: no resources for a mutex");
            journal_close(store->journal);
        }
    }
    free_store(store);
    return NULL;
}

static void redis_close(struct store *base) {
    struct redis_store *store = (struct redis_store *)base;
    journal_close(store->journal);
    uv_mutex_destroy(&store->mutex);
    free_store(store);
}

static bool redis_ready(struct store *base, struct complaint *complaint) {
    return redis_store_ready((struct redis_store *)base, complaint);
}

static int64_t redis_undelivered(struct store *base) {
    return journal_undelivered(((struct redis_store *)base)->journal);
}

static void redis_poke(struct store *base) {
    struct redis_store *store = (struct redis_store *)base;
    journal_poke(store->journal);
    redis_store_wake_all(store);
}

/* --- what can go on now --- */

bool redis_client_is_up(const struct redis_client *client) {
    return client->link_up[REDIS_LINK_ANSWERS] && client->link_up[REDIS_LINK_LEDGER] &&
           client->link_up[REDIS_LINK_NOTICES];
}

static bool can_write_down(const struct redis_client *client) {
    struct complaint unused;
    return journal_ready(client->store->journal, &unused);
}

bool redis_client_may_admit(const struct redis_client *client) {
    return redis_client_is_up(client) && !redis_store_is_behind(client->store) &&
           can_write_down(client);
}

static void send_find(struct redis_client *client, struct store_find *find);

static void find(struct redis_client *client, struct store_op *op) {
    send_find(client, (struct store_find *)op);
}

static void admit(struct redis_client *client, struct store_op *op) {
    redis_admission_begin(client, (struct store_admit *)op);
}

static void read_page(struct redis_client *client, struct store_op *op) {
    redis_page_read(client, (struct store_page *)op);
}

static void read_documents(struct redis_client *client, struct store_op *op) {
    redis_documents_read(client, (struct store_read_documents *)op);
}

static void write_document(struct redis_client *client, struct store_op *op) {
    redis_documents_write(client, (struct store_write_document *)op);
}

static void read_audit(struct redis_client *client, struct store_op *op) {
    redis_documents_read_audit(client, (struct store_read_audit *)op);
}

static void read_counters(struct redis_client *client, struct store_op *op) {
    redis_counters_read(client, (struct store_read_counters *)op);
}

static void add_counters(struct redis_client *client, struct store_op *op) {
    redis_counters_add(client, (struct store_add_counters *)op);
}

static void forget(struct redis_client *client, struct store_op *op) {
    redis_forget_answers(client, (struct store_forget *)op);
}

/* What each kind of operation needs to go on. The gate also for forgetting: what this process has
 * not delivered yet would be kept right behind it. */
static const struct needs {
    bool gate;
    enum redis_client_link link; /* without the gate */
    void (*go_on)(struct redis_client *client, struct store_op *op);
    size_t outcome; /* where it lies */
} needs[] = {
    [STORE_OP_FIND] = {false, REDIS_LINK_ANSWERS, find, offsetof(struct store_find, outcome)},
    [STORE_OP_ADMIT] = {true, REDIS_LINK_ANSWERS, admit, offsetof(struct store_admit, outcome)},
    [STORE_OP_PAGE] = {false, REDIS_LINK_LEDGER, read_page, offsetof(struct store_page, outcome)},
    [STORE_OP_READ_DOCUMENTS] = {false, REDIS_LINK_LEDGER, read_documents,
                                 offsetof(struct store_read_documents, outcome)},
    [STORE_OP_WRITE_DOCUMENT] = {false, REDIS_LINK_LEDGER, write_document,
                                 offsetof(struct store_write_document, outcome)},
    [STORE_OP_READ_AUDIT] = {false, REDIS_LINK_LEDGER, read_audit,
                             offsetof(struct store_read_audit, outcome)},
    [STORE_OP_READ_COUNTERS] = {false, REDIS_LINK_LEDGER, read_counters,
                                offsetof(struct store_read_counters, outcome)},
    [STORE_OP_ADD_COUNTERS] = {false, REDIS_LINK_LEDGER, add_counters,
                               offsetof(struct store_add_counters, outcome)},
    [STORE_OP_FORGET] = {true, REDIS_LINK_ANSWERS, forget, offsetof(struct store_forget, outcome)},
};

static bool may_go_on(const struct redis_client *client, const struct store_op *op) {
    return needs[op->kind].gate ? redis_client_may_admit(client)
                                : client->link_up[needs[op->kind].link];
}

/* Soon: the first connections are being made, or what was undelivered is on its way. */
static bool is_worth_waiting(const struct redis_client *client) {
    return !client->tried || (redis_client_is_up(client) && can_write_down(client) &&
                              !redis_store_is_stuck(client->store));
}

/* What it gives out is empty still. */
static void turn_away(struct store_op *op) {
    enum store_outcome *outcome = (void *)((char *)op + needs[op->kind].outcome);
    *outcome = STORE_AWAY;
}

void redis_client_finish_later(struct redis_client *client, struct store_op *op) {
    op_list_add(&client->finished, op);
    uv_async_send(&client->wake);
}

void redis_client_hold(struct redis_client *client, struct store_op *op) {
    if (is_worth_waiting(client)) {
        op->mark = (uint64_t)(clock_monotonic_ms(client->store->clock) + client->store->timeout_ms);
        op_list_add(&client->held, op);
        return;
    }
    turn_away(op);
    redis_client_finish_later(client, op);
}

/* Those held up go on, or end, or wait on. */
static void look_at_held(struct redis_client *client, int64_t now_ms) {
    struct op_list held = client->held;
    struct store_op *op;
    client->held.first = NULL;
    while ((op = op_list_take(&held))) {
        if (may_go_on(client, op)) {
            needs[op->kind].go_on(client, op);
        } else if (is_worth_waiting(client) && (int64_t)op->mark > now_ms) {
            op_list_add(&client->held, op);
        } else {
            turn_away(op);
            op->done(op);
        }
    }
}

static void finish_all(struct redis_client *client) {
    struct op_list finished = client->finished;
    struct store_op *op;
    client->finished.first = NULL;
    while ((op = op_list_take(&finished)))
        op->done(op);
}

static void look_around(struct redis_client *client) {
    int64_t now_ms = clock_monotonic_ms(client->store->clock);
    redis_courier_start(client);
    look_at_held(client, now_ms);
    redis_admission_tick(client, now_ms);
}

static void on_wake(uv_async_t *wake) {
    struct redis_client *client = wake->data;
    client->courier_at = 0;
    finish_all(client);
    if (!client->closing)
        look_around(client);
}

static void on_ping(void *arg, const redisReply *reply) {
    (void)arg;
    (void)reply;
}

static void hear(const struct redis_store *store, int64_t unix_ms) {
    if (store->hear && unix_ms > 0)
        store->hear(unix_ms);
}

static void on_time(void *arg, const redisReply *reply) {
    const struct redis_client *client = arg;
    hear(client->store, redis_reply_time(reply));
}

/* A server that has stopped is only seen by asking it; the link drops it when it does not answer.
 * What the time is there is as good a question as any. */
static void ping(struct redis_client *client) {
    if (client->waiting_count == 0 && client->ticks % IDLE_PING_TICK != 0)
        return;
    (void)!redis_send_time(client->links[REDIS_LINK_ANSWERS], on_time, client);
    if (client->store->ledger_apart)
        (void)!redis_send_ping(client->links[REDIS_LINK_LEDGER], on_ping, NULL);
}

static void on_tick(uv_timer_t *tick) {
    struct redis_client *client = tick->data;
    client->ticks++;
    ping(client);
    look_around(client);
    redis_courier_sweep(client);
}

/* --- the connections --- */

static void note_link(struct redis_client *client, enum redis_client_link which, bool up) {
    client->link_up[which] = up;
    if (which == REDIS_LINK_ANSWERS && !client->store->ledger_apart)
        client->link_up[REDIS_LINK_LEDGER] = up;
}

void redis_client_note_changed(struct redis_client *client, const struct digest *triple) {
    if (triple)
        client->recent[client->notices++ % REDIS_RECENT_NOTICES] = *triple;
    else
        client->notices += REDIS_RECENT_NOTICES + 1;
    if (client->changed)
        client->changed(client->arg, triple);
}

static void tell_watcher(const struct redis_client *client) {
    if (client->watch)
        client->watch(client->watch_arg);
}

/* What this process could not deliver, or the server has lost, comes first. Notices may have been
 * missed: nothing remembered is sure to be the newest. */
static void on_up(void *arg, const struct redis_server_facts *facts) {
    struct redis_client_slot *slot = arg;
    struct redis_client *client = slot->client;
    note_link(client, slot->which, true);
    /* Before anything is delivered or judged by the time. */
    if (slot->which == REDIS_LINK_ANSWERS)
        hear(client->store, facts->unix_ms);
    if (slot->which == REDIS_LINK_NOTICES)
        redis_client_note_changed(client, NULL);
    else
        redis_store_judge(client->store, slot->which == REDIS_LINK_LEDGER, facts);
    if (!redis_client_is_up(client)) {
        look_around(client);
        return;
    }
    client->tried = true;
    client->courier_at = 0;
    redis_store_client_up(client->store);
    redis_store_fall_behind(client->store, NULL);
    look_around(client);
    redis_admission_ask_again(client);
    tell_watcher(client);
}

/* Without the server nobody can be told anything; without the notices alone, followers may wait for
 * them to be there again. */
static void on_down(void *arg, const char *reason) {
    struct redis_client_slot *slot = arg;
    struct redis_client *client = slot->client;
    bool was_up = redis_client_is_up(client);
    note_link(client, slot->which, false);
    client->tried = true;
    if (was_up)
        redis_store_client_down(client->store, reason);
    else
        redis_store_failed(client->store, reason);
    if (slot->which != REDIS_LINK_NOTICES) {
        redis_admission_give_up(client);
        if (client->link_up[REDIS_LINK_NOTICES])
            redis_link_drop(client->links[REDIS_LINK_NOTICES], reason);
    }
    look_around(client);
}

static void note_stored(struct redis_client *client, const struct redis_notice *notice) {
    client->recent[client->notices++ % REDIS_RECENT_NOTICES] = notice->triple;
    if (notice->stored && notice->sender != client->tag && client->changed)
        client->changed(client->arg, &notice->triple);
}

static void note_end(struct redis_client *client, const struct redis_notice *notice) {
    note_stored(client, notice);
    redis_admission_notice(client, notice);
}

static void on_message(void *arg, const char *bytes, size_t size) {
    struct redis_client *client = ((struct redis_client_slot *)arg)->client;
    struct redis_notice notice;
    if (!redis_notice_decode((const uint8_t *)bytes, size, &notice))
        return;
    switch (notice.kind) {
    case REDIS_NOTICE_DOCUMENTS:
        tell_watcher(client);
        return;
    case REDIS_NOTICE_FORGOTTEN:
    case REDIS_NOTICE_FORGOTTEN_NUMBER:
        redis_forget_notice(client, &notice);
        return;
    case REDIS_NOTICE_HELD:
        note_stored(client, &notice);
        return;
    case REDIS_NOTICE_PASSED:
        redis_admission_notice(client, &notice);
        return;
    default:
        note_end(client, &notice);
        return;
    }
}

/* --- attaching and detaching --- */

static void one_part_less(struct redis_client *client) {
    if (--client->parts == 0)
        free(client);
}

static void on_link_gone(void *arg) {
    one_part_less(((struct redis_client_slot *)arg)->client);
}

static void on_handle_closed(uv_handle_t *handle) {
    one_part_less(handle->data);
}

static void close_handle(void *handle) {
    uv_close(handle, on_handle_closed);
}

/* When nothing uses the journal and the wake-up any more. */
static void leave(struct redis_client *client) {
    journal_detach(client->journal);
    close_handle(&client->wake);
}

void redis_client_begin_work(struct redis_client *client) {
    client->under_way++;
}

void redis_client_end_work(struct redis_client *client) {
    client->under_way--;
    if (client->closing && client->under_way == 0)
        leave(client);
}

static bool open_link(struct redis_client *client, enum redis_client_link which,
                      const struct redis_url *url, const char *channel) {
    const struct redis_store *store = client->store;
    client->slots[which] = (struct redis_client_slot){client, which};
    const struct redis_link_settings settings = {
        .url = url,
        .ca_file = store->ca_file_owned,
        .timeout_ms = store->timeout_ms,
        .scripts = redis_scripts,
        .script_count = REDIS_SCRIPTS,
        .channel = channel,
        .up = on_up,
        .down = on_down,
        .message = on_message,
        .arg = &client->slots[which],
    };
    client->links[which] = redis_link_new(client->loop, &settings);
    if (client->links[which])
        client->parts++;
    return client->links[which] != NULL;
}

static bool open_links(struct redis_client *client) {
    struct redis_store *store = client->store;
    const struct redis_url *money = store->ledger_apart ? &store->ledger_url : &store->url;
    if (!open_link(client, REDIS_LINK_ANSWERS, &store->url, NULL) ||
        !open_link(client, REDIS_LINK_NOTICES, &store->url, REDIS_NOTICE_CHANNEL))
        return false;
    if (store->ledger_apart)
        return open_link(client, REDIS_LINK_LEDGER, money, NULL);
    client->links[REDIS_LINK_LEDGER] = client->links[REDIS_LINK_ANSWERS];
    return true;
}

static void close_links(struct redis_client *client) {
    if (!client->store->ledger_apart)
        client->links[REDIS_LINK_LEDGER] = NULL;
    for (int which = 0; which < REDIS_CLIENT_LINKS; which++) {
        struct redis_link *link = client->links[which];
        client->links[which] = NULL;
        client->link_up[which] = false;
        if (link)
            redis_link_free(link, on_link_gone);
    }
}

static void start_handles(struct redis_client *client) {
    int64_t period = client->store->timeout_ms / 4;
    if (period < TICK_LEAST_MS)
        period = TICK_LEAST_MS;
    if (period > TICK_MOST_MS)
        period = TICK_MOST_MS;
    client->tick.data = client;
    client->wake.data = client;
    uv_timer_init(client->loop, &client->tick);
    uv_timer_start(&client->tick, on_tick, (uint64_t)period, (uint64_t)period);
    client->parts += 2;
}

static void redis_detach(struct store_client *base) {
    struct redis_client *client = (struct redis_client *)base;
    bool was_up = redis_client_is_up(client);
    client->closing = true;
    redis_store_remove(client->store, client, was_up);
    redis_client_begin_work(client);
    close_links(client);
    close_handle(&client->tick);
    redis_client_end_work(client);
}

static struct store_client *redis_attach(struct store *base, uv_loop_t *loop,
                                         void (*changed)(void *arg, const struct digest *triple),
                                         void *arg, struct complaint *complaint) {
    struct redis_store *store = (struct redis_store *)base;
    struct redis_client *client = calloc(1, sizeof *client);
    if (!client) {
        complain(complaint, "store: out of memory");
        return NULL;
    }
    client->store = store;
    client->loop = loop;
    client->changed = changed;
    client->arg = arg;
    client->tag = 1 + randombytes_uniform(UINT32_MAX - 1);
    client->journal = journal_attach(store->journal, loop, complaint);
    if (!client->journal || uv_async_init(loop, &client->wake, on_wake) != 0) {
        complain(complaint, "store: no resources for a wake-up across threads");
        if (client->journal)
            journal_detach(client->journal);
        free(client);
        return NULL;
    }
    start_handles(client);
    redis_store_add(store, client);
    if (open_links(client))
        return &client->client;
    complain(complaint, "store: out of memory");
    redis_detach(&client->client);
    return NULL;
}

/* --- operations --- */

/* A notice may overtake a find's reply, which then holds what is no longer kept. */
static bool was_overtaken(const struct redis_client *client, const struct store_find *find) {
    uint64_t passed = client->notices - find->op.mark;
    if (passed > REDIS_RECENT_NOTICES)
        return true;
    for (uint64_t i = 1; i <= passed; i++) {
        if (digest_equal(&client->recent[(client->notices - i) % REDIS_RECENT_NOTICES],
                         &find->triple))
            return true;
    }
    return false;
}

static enum store_outcome read_found(const redisReply *reply, struct answer *answer) {
    if (reply->type == REDIS_REPLY_NIL)
        return STORE_MISS;
    if (reply->type != REDIS_REPLY_STRING)
        return STORE_AWAY;
    bool known = answer_decode((const uint8_t *)reply->str, (size_t)reply->len, answer);
    return known ? STORE_HIT : STORE_MISS;
}

static void on_found(void *arg, const redisReply *reply) {
    struct store_find *find = arg;
    struct redis_client *client = (struct redis_client *)find->op.client;
    if (reply && was_overtaken(client, find)) {
        send_find(client, find);
        return;
    }
    find->outcome = reply ? read_found(reply, &find->answer) : STORE_AWAY;
    find->op.done(&find->op);
}

static void send_find(struct redis_client *client, struct store_find *find) {
    find->op.mark = client->notices;
    if (redis_send_find(client->links[REDIS_LINK_ANSWERS], on_found, find, &find->number,
                        &find->triple))
        return;
    turn_away(&find->op);
    redis_client_finish_later(client, &find->op);
}

static enum store_outcome redis_find(struct store_client *base, struct store_find *find) {
    struct redis_client *client = (struct redis_client *)base;
    bool now = may_go_on(client, &find->op);
    if (!now && !is_worth_waiting(client)) {
        find->outcome = STORE_AWAY;
        return STORE_AWAY;
    }
    if (now)
        send_find(client, find);
    else
        redis_client_hold(client, &find->op);
    return STORE_PENDING;
}

static void redis_settle(struct store_client *base, struct store_settle *settle) {
    redis_settle_call((struct redis_client *)base, settle);
}

/* Now, or when it may. */
static void begin(struct store_client *base, struct store_op *op) {
    struct redis_client *client = (struct redis_client *)base;
    if (may_go_on(client, op))
        needs[op->kind].go_on(client, op);
    else
        redis_client_hold(client, op);
}

static void redis_admit(struct store_client *base, struct store_admit *asked) {
    begin(base, &asked->op);
}

static void redis_read_page(struct store_client *base, struct store_page *page) {
    begin(base, &page->op);
}

static void redis_read_documents(struct store_client *base, struct store_read_documents *asked) {
    begin(base, &asked->op);
}

static void redis_write_document(struct store_client *base, struct store_write_document *asked) {
    begin(base, &asked->op);
}

static void redis_read_audit(struct store_client *base, struct store_read_audit *asked) {
    begin(base, &asked->op);
}

static void redis_read_counters(struct store_client *base, struct store_read_counters *asked) {
    begin(base, &asked->op);
}

static void redis_add_counters(struct store_client *base, struct store_add_counters *asked) {
    begin(base, &asked->op);
}

static void redis_forget(struct store_client *base, struct store_forget *asked) {
    begin(base, &asked->op);
}

static void redis_watch_documents(struct store_client *base, void (*call)(void *arg), void *arg) {
    struct redis_client *client = (struct redis_client *)base;
    client->watch = call;
    client->watch_arg = arg;
}

static void redis_stop_following(struct store_client *base) {
    redis_admission_give_up((struct redis_client *)base);
}

const struct store_backend store_redis_backend = {
    .scheme = "redis",
    .open = redis_open,
    .close = redis_close,
    .ready = redis_ready,
    .poke = redis_poke,
    .undelivered = redis_undelivered,
    .attach = redis_attach,
    .detach = redis_detach,
    .find = redis_find,
    .admit = redis_admit,
    .settle = redis_settle,
    .read_page = redis_read_page,
    .read_documents = redis_read_documents,
    .write_document = redis_write_document,
    .watch_documents = redis_watch_documents,
    .read_audit = redis_read_audit,
    .read_counters = redis_read_counters,
    .add_counters = redis_add_counters,
    .forget = redis_forget,
    .stop_following = redis_stop_following,
};
