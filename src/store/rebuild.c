#include "store/rebuild.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <uv.h>

#include "store/journal.h"
#include "store/redis_commands.h"
#include "store/redis_delivery.h"
#include "store/redis_reservation.h"
#include "store/redis_scripts.h"

#define CONNECT_MS 10000
#define UNDER_WAY  256 /* deliveries at a time */
#define LAPSE_MS   60000
#define PIPELINE_MS                                                                                \
    10000 /* many commands wait in one pipeline: each may take longer than one alone */

struct rebuild {
    const struct store_settings *settings;
    const struct clock *clock;
    uv_loop_t loop;
    uv_timer_t deadline;
    struct redis_url url;
    struct redis_url ledger_url;
    struct redis_link *answers;
    struct redis_link *ledger;
    int up;
    int under_way;
    bool failed;
    struct complaint *complaint;
    struct rebuild_counts *counts;
};

struct job {
    struct rebuild *rebuild;
    struct store_settle settle;
    struct redis_delivery delivery;
};

static void fail(struct rebuild *rebuild, const char *reason) {
    if (*reason && !*rebuild->complaint->text)
        complain(rebuild->complaint,
                 "the store does not take it: %s; what was restored stays, so run it again when "
                 "the store is there",
                 reason);
    rebuild->failed = true;
}

/* --- the connections --- */

static void on_up(void *arg, const struct redis_server_facts *facts) {
    struct rebuild *rebuild = arg;
    (void)facts;
    rebuild->up++;
}

static void on_down(void *arg, const char *reason) {
    fail(arg, reason);
}

static void on_deadline(uv_timer_t *deadline) {
    fail(deadline->data, "it could not be reached in time");
}

static void on_gone(void *arg) {
    (void)arg;
}

static struct redis_link *connect_to(struct rebuild *rebuild, const struct redis_url *url) {
    const struct redis_link_settings settings = {
        .url = url,
        .ca_file = rebuild->settings->ca_file,
        .timeout_ms = PIPELINE_MS,
        .scripts = redis_scripts,
        .script_count = REDIS_SCRIPTS,
        .up = on_up,
        .down = on_down,
        .arg = rebuild,
    };
    return redis_link_new(&rebuild->loop, &settings);
}

static bool take_url(const char *text, const char *setting, struct redis_url *url,
                     struct complaint *complaint) {
    const char *wrong = redis_url_parse(text, url);
    if (wrong)
        return complain(complaint, "%s %s: only a shared store is rebuilt", setting, wrong);
    return redis_link_supported(url, complaint);
}

static bool open_links(struct rebuild *rebuild) {
    const char *ledger_url = rebuild->settings->ledger_url;
    bool apart = ledger_url && *ledger_url;
    if (!take_url(rebuild->settings->url, "store.url", &rebuild->url, rebuild->complaint) ||
        (apart &&
         !take_url(ledger_url, "store.ledger_url", &rebuild->ledger_url, rebuild->complaint)))
        return false;
    rebuild->answers = connect_to(rebuild, &rebuild->url);
    rebuild->ledger = apart ? connect_to(rebuild, &rebuild->ledger_url) : rebuild->answers;
    if (!rebuild->answers || !rebuild->ledger)
        return complain(rebuild->complaint, "out of memory");
    uv_timer_start(&rebuild->deadline, on_deadline, CONNECT_MS, 0);
    while (rebuild->up < (apart ? 2 : 1) && !rebuild->failed)
        uv_run(&rebuild->loop, UV_RUN_ONCE);
    uv_timer_stop(&rebuild->deadline);
    return !rebuild->failed;
}

static void close_all(struct rebuild *rebuild) {
    if (rebuild->ledger && rebuild->ledger != rebuild->answers)
        redis_link_free(rebuild->ledger, on_gone);
    if (rebuild->answers)
        redis_link_free(rebuild->answers, on_gone);
    uv_close((uv_handle_t *)&rebuild->deadline, NULL);
    uv_run(&rebuild->loop, UV_RUN_DEFAULT);
    uv_loop_close(&rebuild->loop);
    sodium_memzero(&rebuild->url, sizeof rebuild->url);
    sodium_memzero(&rebuild->ledger_url, sizeof rebuild->ledger_url);
}

/* --- one call --- */

/* `failure`: why it was not done, or NULL. */
static void end_job(struct job *job, bool restored, const char *failure) {
    struct rebuild *rebuild = job->rebuild;
    if (failure)
        fail(rebuild, failure);
    else if (restored)
        rebuild->counts->restored++;
    else
        rebuild->counts->present++;
    rebuild->under_way--;
    free(job);
}

static void on_delivered(struct redis_delivery *delivery) {
    struct job *job = delivery->arg;
    end_job(job, delivery->booked, delivery->delivered ? NULL : delivery->trouble);
}

static void on_reserved(void *arg, const redisReply *reply) {
    struct job *job = arg;
    char trouble[REDIS_REASON_SIZE];
    struct redis_reserved reserved = redis_read_reserved(reply);
    bool done = reserved.what != REDIS_RESERVE_NONE;
    redis_trouble(reply, trouble);
    end_job(job, reserved.what == REDIS_RESERVED, done ? NULL : trouble);
}

/* A call without an outcome may be under way right now. When its replica is gone for good, the
 * reservation lapses. */
static void restore(struct job *job, bool ended) {
    struct rebuild *rebuild = job->rebuild;
    if (!ended) {
        const struct redis_reservation reservation = {.id = &job->settle.id,
                                                      .number = &job->settle.number,
                                                      .account = &job->settle.account,
                                                      .lapse_ms = LAPSE_MS};
        if (!redis_send_reserve(rebuild->ledger, on_reserved, job, &reservation))
            on_reserved(job, NULL);
        return;
    }
    job->delivery = (struct redis_delivery){
        .answers = rebuild->answers,
        .ledger = rebuild->ledger,
        .settle = &job->settle,
        .window_ms = rebuild->settings->number_window_ms,
        .now_ms = clock_unix_ms(rebuild->clock),
        .done = on_delivered,
        .arg = job,
    };
    redis_deliver(&job->delivery);
}

static bool visit(void *arg, const struct journal_call *call) {
    struct rebuild *rebuild = arg;
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        fail(rebuild, "out of memory here");
        return false;
    }
    job->rebuild = rebuild;
    job->settle = call->settle;
    rebuild->counts->lines++;
    rebuild->under_way++;
    restore(job, call->ended);
    while (rebuild->under_way >= UNDER_WAY && !rebuild->failed)
        uv_run(&rebuild->loop, UV_RUN_ONCE);
    return !rebuild->failed;
}

bool rebuild_store(const struct store_settings *settings, const char *const *paths,
                   const struct clock *clock, struct rebuild_counts *counts,
                   struct complaint *complaint) {
    struct rebuild rebuild = {
        .settings = settings, .clock = clock, .complaint = complaint, .counts = counts};
    *counts = (struct rebuild_counts){0};
    complaint->text[0] = '\0';
    uv_loop_init(&rebuild.loop);
    uv_timer_init(&rebuild.loop, &rebuild.deadline);
    rebuild.deadline.data = &rebuild;
    bool good = open_links(&rebuild);
    for (size_t i = 0; good && paths[i]; i++) {
        struct complaint unread = {""};
        if (!journal_read(paths[i], visit, &rebuild, &unread) && !rebuild.failed) {
            *complaint = unread;
            good = false;
        }
        good = good && !rebuild.failed;
    }
    while (rebuild.under_way > 0 && !rebuild.failed)
        uv_run(&rebuild.loop, UV_RUN_ONCE);
    good = good && !rebuild.failed;
    close_all(&rebuild);
    return good;
}
