#include "store/redis_delivery.h"

static void one_less(struct redis_delivery *delivery) {
    if (--delivery->pending == 0)
        delivery->done(delivery);
}

static void take_reply(struct redis_delivery *delivery, const redisReply *reply) {
    if (!redis_succeeded(reply)) {
        delivery->delivered = false;
        redis_trouble(reply, delivery->trouble);
    }
    one_less(delivery);
}

static void on_settled(void *arg, const redisReply *reply) {
    take_reply(arg, reply);
}

static void on_booked(void *arg, const redisReply *reply) {
    struct redis_delivery *delivery = arg;
    delivery->booked = reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    take_reply(delivery, reply);
}

static void note_sent(struct redis_delivery *delivery, bool sent) {
    if (sent) {
        delivery->pending++;
        return;
    }
    delivery->delivered = false;
    delivery->trouble[0] = '\0';
}

void redis_deliver(struct redis_delivery *delivery) {
    const struct store_settle *settle = delivery->settle;
    delivery->delivered = true;
    delivery->pending = 1;
    note_sent(delivery, redis_send_settle(delivery->answers, on_settled, delivery, settle,
                                          delivery->window_ms, delivery->now_ms, delivery->sender));
    note_sent(delivery, redis_send_book(delivery->ledger, on_booked, delivery, settle));
    one_less(delivery);
}
