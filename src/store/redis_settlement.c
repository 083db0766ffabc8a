#include "store/redis_settlement.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"
#include "store/redis_commands.h"
#include "store/redis_delivery.h"

struct settlement {
    struct redis_client *client;
    struct store_settle *settle;
    struct journal_outcome outcome;
    struct redis_delivery delivery;
    struct store_settle unsent; /* `settle`, where the call was never made */
};

static void end(struct settlement *settlement, enum store_outcome outcome) {
    struct redis_client *client = settlement->client;
    struct store_settle *settle = settlement->settle;
    settle->outcome = outcome;
    if (settle != &settlement->unsent)
        settle->op.done(&settle->op);
    free(settlement);
    redis_client_end_work(client);
}

static void on_delivered(struct redis_delivery *delivery) {
    struct settlement *settlement =
        (struct settlement *)((char *)delivery - offsetof(struct settlement, delivery));
    struct redis_client *client = settlement->client;
    if (!delivery->delivered) {
        redis_store_fall_behind(client->store, delivery->trouble);
        end(settlement, STORE_AWAY);
        return;
    }
    journal_mark_delivered(client->journal, &settlement->settle->id);
    end(settlement, STORE_DONE);
}

static void on_let_go(void *arg, const redisReply *reply) {
    struct settlement *settlement = arg;
    struct redis_client *client = settlement->client;
    char trouble[REDIS_REASON_SIZE];
    if (redis_succeeded(reply)) {
        journal_mark_delivered(client->journal, &settlement->settle->id);
        end(settlement, STORE_DONE);
        return;
    }
    redis_trouble(reply, trouble);
    redis_store_fall_behind(client->store, trouble);
    end(settlement, STORE_AWAY);
}

/* Only the lease and the followers: the rest is there, or was forgotten since. */
static void let_go(struct settlement *settlement) {
    struct redis_client *client = settlement->client;
    if (!redis_send_let_go(client->links[REDIS_LINK_ANSWERS], on_let_go, settlement,
                           settlement->settle, client->tag))
        on_let_go(settlement, NULL);
}

/* Also when it could not be written down: then the shared store is all there is. */
static void on_outcome(struct store_op *op) {
    struct settlement *settlement =
        (struct settlement *)((char *)op - offsetof(struct settlement, outcome.op));
    struct redis_client *client = settlement->client;
    bool let_go_of = settlement->outcome.let_go;
    if (settlement->outcome.repeated && !let_go_of) {
        end(settlement, STORE_DONE);
        return;
    }
    if (let_go_of && !redis_store_is_behind(client->store)) {
        let_go(settlement);
        return;
    }
    settlement->delivery = (struct redis_delivery){
        .answers = client->links[REDIS_LINK_ANSWERS],
        .ledger = client->links[REDIS_LINK_LEDGER],
        .settle = settlement->settle,
        .window_ms = client->store->number_window_ms,
        .now_ms = clock_unix_ms(client->store->clock),
        .sender = client->tag,
        .done = on_delivered,
    };
    redis_deliver(&settlement->delivery);
}

static struct settlement *new_settlement(struct redis_client *client) {
    struct settlement *settlement = calloc(1, sizeof *settlement);
    if (settlement) {
        settlement->client = client;
        redis_client_begin_work(client);
    }
    return settlement;
}

static void begin(struct settlement *settlement, struct store_settle *settle) {
    settlement->settle = settle;
    settlement->outcome.settle = settle;
    settlement->outcome.op.done = on_outcome;
    journal_write_outcome(settlement->client->journal, &settlement->outcome);
}

void redis_settle_call(struct redis_client *client, struct store_settle *settle) {
    struct settlement *settlement = new_settlement(client);
    if (settlement) {
        begin(settlement, settle);
        return;
    }
    log_error("no memory for the outcome of a call; it will be found as unknown at the next start");
    settle->outcome = STORE_AWAY;
    redis_client_finish_later(client, &settle->op);
}

void redis_settle_unsent(struct redis_client *client, const struct store_admit *admit) {
    struct settlement *settlement = new_settlement(client);
    if (!settlement) {
        log_error("no memory to take a reservation back; it counts until it is given up");
        return;
    }
    settlement->unsent = (struct store_settle){
        .id = admit->id,
        .triple = admit->triple,
        .number = admit->number,
        .account = admit->account,
        .ledger = {.state = LEDGER_RELEASED,
                   .billed = BILLED_NO,
                   .settled_at_ms = clock_unix_ms(client->store->clock)},
        .failure = FAILURE_STORE_UNAVAILABLE,
    };
    memcpy(settlement->unsent.window, admit->window, sizeof admit->window);
    begin(settlement, &settlement->unsent);
}
