#include "store/redis_courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"
#include "store/redis_commands.h"
#include "store/redis_delivery.h"

#define SWEEP_MOST     64
#define WINDOW_EDGE_MS 60000
#define RETRY_MS       500

struct courier {
    struct redis_client *client;
    uint64_t since;
    int probes; /* under way */
    bool failed;
    char trouble[REDIS_REASON_SIZE];
    struct journal_delivered last;
    struct journal_redeliver redeliver;
    struct journal_fetch fetch;
    struct redis_delivery deliveries[JOURNAL_FETCH_MOST];
    int delivering;
    int64_t delivered;
};

static void fetch(struct courier *courier);

/* Its client is leaving, and its links are gone. That says nothing of the store: another's courier
 * begins. */
static void leave(struct courier *courier) {
    struct redis_client *client = courier->client;
    redis_store_leave_courier(client->store);
    redis_store_wake_all(client->store);
    free(courier);
    redis_client_end_work(client);
}

static void end(struct courier *courier, bool all) {
    struct redis_client *client = courier->client;
    if (!all && client->closing) {
        leave(courier);
        return;
    }
    bool open = redis_store_end_courier(client->store, courier->since, all, courier->trouble);
    if (courier->delivered > 0)
        log_info("calls that ended while the store was away were delivered",
                 LOG_NUMBER("calls", courier->delivered));
    free(courier);
    client->courier_at = clock_monotonic_ms(client->store->clock) + (all ? 0 : RETRY_MS);
    /* Whoever waits for the gate goes on; where it did not open, somebody begins anew. */
    if (open || all)
        redis_store_wake_all(client->store);
    redis_client_end_work(client);
}

static void fail(struct courier *courier, const char *trouble) {
    snprintf(courier->trouble, sizeof courier->trouble, "%s", trouble);
    end(courier, false);
}

static void fail_with(struct courier *courier, const redisReply *reply) {
    char trouble[REDIS_REASON_SIZE];
    redis_trouble(reply, trouble);
    fail(courier, trouble);
}

/* --- delivering --- */

static void end_batch(struct courier *courier) {
    free(courier->fetch.calls_owned);
    courier->fetch.calls_owned = NULL;
    if (courier->failed)
        end(courier, false);
    else
        fetch(courier);
}

static void on_delivered(struct redis_delivery *delivery) {
    struct courier *courier = delivery->arg;
    if (delivery->delivered) {
        journal_mark_delivered(courier->client->journal, &delivery->settle->id);
        courier->delivered++;
    } else {
        courier->failed = true;
        memcpy(courier->trouble, delivery->trouble, sizeof courier->trouble);
    }
    if (--courier->delivering == 0)
        end_batch(courier);
}

static void deliver_batch(struct courier *courier) {
    struct redis_client *client = courier->client;
    int count = courier->fetch.count;
    courier->delivering = count;
    courier->fetch.after = courier->fetch.calls_owned[count - 1].line;
    for (int i = 0; i < count; i++) {
        courier->deliveries[i] = (struct redis_delivery){
            .answers = client->links[REDIS_LINK_ANSWERS],
            .ledger = client->links[REDIS_LINK_LEDGER],
            .settle = &courier->fetch.calls_owned[i].settle,
            .window_ms = client->store->number_window_ms,
            .now_ms = clock_unix_ms(client->store->clock),
            .done = on_delivered,
            .arg = courier,
        };
    }
    /* The last one may end the batch, and the courier with it. */
    for (int i = 0; i < count; i++)
        redis_deliver(&courier->deliveries[i]);
}

static void on_fetched(struct store_op *op) {
    struct courier *courier = (struct courier *)((char *)op - offsetof(struct courier, fetch.op));
    if (!courier->fetch.read)
        fail(courier, "the journal cannot be read or written");
    else if (courier->fetch.count == 0)
        end(courier, true);
    else
        deliver_batch(courier);
}

static void fetch(struct courier *courier) {
    courier->fetch.op.done = on_fetched;
    journal_fetch_undelivered(courier->client->journal, &courier->fetch);
}

/* --- is it all there? --- */

static void on_marked(struct store_op *op) {
    struct courier *courier =
        (struct courier *)((char *)op - offsetof(struct courier, redeliver.op));
    if (courier->redeliver.count < 0) {
        fail(courier, "the journal cannot be written");
        return;
    }
    log_warn("the store has lost calls it was given; what this process's journal holds is "
             "delivered again",
             LOG_NUMBER("calls", courier->redeliver.count));
    fetch(courier);
}

/* What Redis loses is what it was given last. */
static void redeliver(struct courier *courier, int64_t since_ms) {
    courier->redeliver.since_ms = since_ms;
    courier->redeliver.op.done = on_marked;
    journal_mark_undelivered(courier->client->journal, &courier->redeliver);
}

static int64_t window_begin(const struct courier *courier) {
    const struct redis_store *store = courier->client->store;
    return clock_unix_ms(store->clock) - store->number_window_ms;
}

static void on_place(void *arg, const redisReply *reply) {
    struct courier *courier = arg;
    if (!redis_succeeded(reply))
        fail_with(courier, reply);
    else if (reply->type == REDIS_REPLY_NIL)
        redeliver(courier, window_begin(courier));
    else
        fetch(courier);
}

/* A call that is about to leave its window, or has, says nothing. */
static void look_for_place(struct courier *courier) {
    struct redis_client *client = courier->client;
    if (ledger_id_time_ms(&courier->last.id) < window_begin(courier) + WINDOW_EDGE_MS)
        fetch(courier);
    else if (!redis_send_find_place(client->links[REDIS_LINK_ANSWERS], on_place, courier,
                                    &courier->last.id, &courier->last.number, courier->last.window))
        fail(courier, "");
}

static void on_row(void *arg, const redisReply *reply) {
    struct courier *courier = arg;
    if (!redis_succeeded(reply))
        fail_with(courier, reply);
    else if (!redis_is_ended_row(reply))
        redeliver(courier, 0);
    else
        look_for_place(courier);
}

static void look(struct courier *courier) {
    struct redis_client *client = courier->client;
    if (!journal_last_delivered(client->store->journal, &courier->last))
        fetch(courier);
    else if (!redis_send_find_row(client->links[REDIS_LINK_LEDGER], on_row, courier,
                                  &courier->last.id))
        fail(courier, "");
}

/* --- does it take writes? --- */

static void one_probe_less(struct courier *courier) {
    if (--courier->probes > 0)
        return;
    if (courier->failed)
        end(courier, false);
    else
        look(courier);
}

static void on_probed(void *arg, const redisReply *reply) {
    struct courier *courier = arg;
    if (!redis_succeeded(reply)) {
        courier->failed = true;
        redis_trouble(reply, courier->trouble);
    }
    one_probe_less(courier);
}

static void probe(struct courier *courier) {
    struct redis_client *client = courier->client;
    courier->probes = 1;
    for (int link = REDIS_LINK_ANSWERS; link <= REDIS_LINK_LEDGER; link++) {
        if (redis_send_probe(client->links[link], on_probed, courier)) {
            courier->probes++;
            continue;
        }
        courier->failed = true;
        courier->trouble[0] = '\0';
    }
    one_probe_less(courier);
}

void redis_courier_start(struct redis_client *client) {
    uint64_t since;
    if (client->closing || !redis_client_is_up(client) ||
        clock_monotonic_ms(client->store->clock) < client->courier_at ||
        !redis_store_begin_courier(client->store, &since))
        return;
    struct courier *courier = calloc(1, sizeof *courier);
    if (!courier) {
        redis_store_end_courier(client->store, since, false, "out of memory");
        return;
    }
    courier->client = client;
    courier->since = since;
    redis_client_begin_work(client);
    probe(courier);
}

/* --- reservations that nobody ended --- */

static void on_given_up(void *arg, const redisReply *reply) {
    (void)reply; /* a failure is found again by the next sweep */
    redis_client_end_work(arg);
}

static void on_lapsed(void *arg, const redisReply *reply) {
    struct redis_client *client = arg;
    size_t count = reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    for (size_t i = 0; i < count; i++) {
        struct ledger_id id;
        if (reply->element[i]->type != REDIS_REPLY_STRING ||
            (size_t)reply->element[i]->len != sizeof id.bytes)
            continue;
        memcpy(id.bytes, reply->element[i]->str, sizeof id.bytes);
        redis_client_begin_work(client);
        if (!redis_send_give_up(client->links[REDIS_LINK_LEDGER], on_given_up, client, &id))
            redis_client_end_work(client);
    }
    if (count > 0)
        log_warn("reservations that nobody ended were given up; they count as billed",
                 LOG_NUMBER("calls", count));
    redis_client_end_work(client);
}

void redis_courier_sweep(struct redis_client *client) {
    if (client->closing || !redis_client_may_admit(client) ||
        !redis_store_claim_sweep(client->store, clock_monotonic_ms(client->store->clock)))
        return;
    redis_client_begin_work(client);
    if (!redis_send_lapsed(client->links[REDIS_LINK_LEDGER], on_lapsed, client, SWEEP_MOST))
        redis_client_end_work(client);
}
