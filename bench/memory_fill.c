/*
 * bench/memory's hand: writes COUNT of one thing into a Redis, as sanyao itself writes it.
 *
 *   memory_fill SOCKET answers|windows|owners|rows COUNT ROWS_A_SECOND
 *
 * Answers are stored by the SET of store/lua/settle.lua; everything else by the very scripts.
 * Digests are random, as real ones are to whoever has no key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "store/redis_commands.h"
#include "store/redis_keys.h"
#include "store/redis_reservation.h"
#include "store/redis_scripts.h"

#include "trace_id.h"

#define UNDER_WAY  2000
#define TIMEOUT_MS 60000
#define DAY        86400

struct fill;

static bool send_answer(struct fill *fill);
static bool send_window(struct fill *fill);
static bool send_owner(struct fill *fill);
static bool send_row(struct fill *fill);

static const struct kind {
    const char *name;
    bool (*send)(struct fill *fill);
    int replies; /* of one */
} kinds[] = {
    {"answers", send_answer, 1},
    {"windows", send_window, 1},
    {"owners", send_owner, 1},
    {"rows", send_row, 2},
};

struct fill {
    struct redis_link *link;
    const struct kind *kind;
    uint64_t wanted;
    uint64_t sent;
    uint64_t replied;
    int64_t now_ms;
    int64_t rows_a_second;
};

static void give_up(const char *why) {
    fprintf(stderr, "memory_fill: %s\n", why);
    exit(1);
}

static void on_reply(void *arg, const redisReply *reply) {
    struct fill *fill = arg;
    char trouble[REDIS_REASON_SIZE];
    if (!redis_succeeded(reply)) {
        redis_trouble(reply, trouble);
        give_up(trouble);
    }
    fill->replied++;
}

/* --- what the seller says --- */

/* Four of five are 01. Checked within the last 30 days. */
static struct answer make_answer(const struct fill *fill) {
    static const char *const carriers[] = {"移动", "联通", "电信"};
    struct answer answer = {.checked_at = fill->now_ms / 1000 - randombytes_uniform(30 * DAY)};
    bool match = fill->sent % 5 != 4;
    snprintf(answer.status, sizeof answer.status, "%s", match ? "01" : "02");
    snprintf(answer.mobile_type, sizeof answer.mobile_type, "%s", carriers[fill->sent % 3]);
    trace_id_make(answer.checked_at, answer.trace_id);
    answer.expires_at = answer.checked_at + (match ? 30 : 7) * DAY;
    return answer;
}

/* --- what the store does with it --- */

static bool send_answer(struct fill *fill) {
    struct answer answer = make_answer(fill);
    struct digest digests[2];
    struct redis_key keys[REDIS_NUMBER_KEYS];
    uint8_t bytes[ANSWER_ENCODED_MAX];
    char life_ms[24];
    randombytes_buf(digests, sizeof digests);
    redis_keys_of_number(&digests[0], &digests[1], "", keys);
    size_t size = answer_encode(&answer, bytes);
    int life_size = snprintf(life_ms, sizeof life_ms, "%lld", 37 * DAY * 1000LL);
    const char *const argv[] = {"SET", keys[REDIS_KEY_ANSWER].text, (const char *)bytes, "PX",
                                life_ms};
    const size_t sizes[] = {3, keys[REDIS_KEY_ANSWER].size, size, 2, (size_t)life_size};
    return redis_link_send(fill->link, on_reply, fill, 5, argv, sizes);
}

static struct store_settle make_settle(const struct fill *fill, int64_t called_ms) {
    struct store_settle settle = {
        .id = ledger_id_make(called_ms),
        .account = {.client_id = "checkout", .credential = "main", .package = "2026-10k"},
        .answered = true,
        .answer = make_answer(fill),
    };
    randombytes_buf(&settle.triple, sizeof settle.triple);
    randombytes_buf(&settle.number, sizeof settle.number);
    settle.ledger = (struct ledger_outcome){
        .state = LEDGER_SETTLED,
        .billed = BILLED_YES,
        .http_status = 200,
        .latency_ms = 80 + randombytes_uniform(800),
    };
    settle.ledger.settled_at_ms = called_ms + settle.ledger.latency_ms;
    memcpy(settle.ledger.status, settle.answer.status, sizeof settle.ledger.status);
    memcpy(settle.ledger.trace_id, settle.answer.trace_id, sizeof settle.ledger.trace_id);
    return settle;
}

/* Only that: an answer that is not to be kept says nothing of who owns the number. */
static bool send_window(struct fill *fill) {
    struct store_settle settle = make_settle(fill, fill->now_ms);
    return redis_send_settle(fill->link, on_reply, fill, &settle, DAY * 1000, fill->now_ms, 1);
}

/* Only that: the call does not count, and its answer is not retained. */
static bool send_owner(struct fill *fill) {
    struct store_settle settle = make_settle(fill, fill->now_ms);
    settle.ledger.state = LEDGER_RELEASED;
    settle.keep = true;
    snprintf(settle.answer.status, sizeof settle.answer.status, "01");
    settle.answer.expires_at = fill->now_ms / 1000 + 30 * DAY;
    return redis_send_settle(fill->link, on_reply, fill, &settle, DAY * 1000, fill->now_ms, 1);
}

static bool send_row(struct fill *fill) {
    int64_t ago_ms = (int64_t)fill->sent * 1000 / fill->rows_a_second;
    struct store_settle settle = make_settle(fill, fill->now_ms - ago_ms);
    const struct redis_reservation reservation = {.id = &settle.id,
                                                  .number = &settle.number,
                                                  .account = &settle.account,
                                                  .lapse_ms = TIMEOUT_MS};
    return redis_send_reserve(fill->link, on_reply, fill, &reservation) &&
           redis_send_book(fill->link, on_reply, fill, &settle);
}

/* --- the way there --- */

static void on_up(void *arg, const struct redis_server_facts *facts) {
    (void)arg;
    (void)facts;
}

static void on_down(void *arg, const char *reason) {
    (void)arg;
    give_up(reason);
}

static void on_gone(void *arg) {
    (void)arg;
}

static void run(struct fill *fill, uv_loop_t *loop) {
    uint64_t replies = fill->wanted * (uint64_t)fill->kind->replies;
    while (fill->replied < replies) {
        while (redis_link_is_up(fill->link) && fill->sent < fill->wanted &&
               fill->sent * (uint64_t)fill->kind->replies - fill->replied < UNDER_WAY) {
            if (!fill->kind->send(fill))
                give_up("a command was not taken");
            fill->sent++;
        }
        uv_run(loop, UV_RUN_ONCE);
    }
}

static const struct kind *kind_named(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

int main(int argc, char **argv) {
    struct fill fill = {.kind = argc == 5 ? kind_named(argv[2]) : NULL};
    if (fill.kind == NULL || sodium_init() < 0)
        give_up("usage: memory_fill SOCKET answers|windows|owners|rows COUNT ROWS_A_SECOND");
    fill.wanted = strtoull(argv[3], NULL, 10);
    fill.rows_a_second = strtoll(argv[4], NULL, 10);
    fill.now_ms = (int64_t)time(NULL) * 1000;

    struct redis_url url = {.transport = REDIS_UNIX};
    snprintf(url.path, sizeof url.path, "%s", argv[1]);
    const struct redis_link_settings settings = {
        .url = &url,
        .timeout_ms = TIMEOUT_MS,
        .scripts = redis_scripts,
        .script_count = REDIS_SCRIPTS,
        .up = on_up,
        .down = on_down,
    };
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0 || !(fill.link = redis_link_new(&loop, &settings)))
        give_up("no memory");
    run(&fill, &loop);
    redis_link_free(fill.link, on_gone);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) == 0 ? 0 : 1;
}
