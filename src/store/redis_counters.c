#include "store/redis_counters.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/redis_records.h"

static bool take_counters(struct store_read_counters *read, const redisReply *reply) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY)
        return false;
    if (reply->elements < 2)
        return true;
    read->counters_owned = calloc(reply->elements / 2, sizeof *read->counters_owned);
    if (!read->counters_owned)
        return false;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *name = reply->element[i];
        const redisReply *value = reply->element[i + 1];
        struct store_counter *counter = &read->counters_owned[read->count];
        if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING ||
            name->len >= sizeof counter->name)
            continue;
        snprintf(counter->name, sizeof counter->name, "%s", name->str);
        counter->value = strtoll(value->str, NULL, 10);
        read->count++;
    }
    return true;
}

static void on_read(void *arg, const redisReply *reply) {
    struct store_read_counters *read = arg;
    read->outcome = take_counters(read, reply) ? STORE_DONE : STORE_AWAY;
    read->op.done(&read->op);
}

void redis_counters_read(struct redis_client *client, struct store_read_counters *read) {
    if (redis_send_read_counters(client->links[REDIS_LINK_LEDGER], on_read, read, read->scope))
        return;
    read->outcome = STORE_AWAY;
    redis_client_finish_later(client, &read->op);
}

static void on_added(void *arg, const redisReply *reply) {
    struct store_add_counters *add = arg;
    add->outcome = redis_succeeded(reply) ? STORE_DONE : STORE_AWAY;
    add->op.done(&add->op);
}

void redis_counters_add(struct redis_client *client, struct store_add_counters *add) {
    if (add->count > 0 &&
        redis_send_add_counters(client->links[REDIS_LINK_LEDGER], on_added, add, add))
        return;
    add->outcome = add->count > 0 ? STORE_AWAY : STORE_DONE;
    redis_client_finish_later(client, &add->op);
}
