#include "money/alerting.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "money/alert.h"
#include "money/webhook.h"
#include "runtime/container.h"
#include "runtime/log.h"
#include "store/records.h"
#include "upstream/post.h"

#define CONNECT_TIMEOUT_MS 3000
#define TIMEOUT_MS         5000
#define HOLD_MS            INT64_C(15000) /* longer than an attempt, beyond when it is due */
#define AWAY_LOOKS         2              /* one read may fail without meaning anything */
#define SOONER             10             /* a part of the period */
#define THRESHOLDS_MOST    16

enum delivery_state {
    DELIVERY_WAITING, /* until `due_ms` */
    DELIVERY_WORKING, /* a thread has its alert */
    DELIVERY_WRITING, /* how far it came */
    DELIVERY_STALE,   /* it could not be written: its document is looked at first */
    DELIVERY_OVER,
};

struct delivery {
    uv_work_t work;
    struct alerting *alerting;
    struct delivery *next;
    enum delivery_state state;
    struct alert alert;
    int64_t version;       /* of its document; 0: there is none yet */
    int64_t due_ms;        /* monotonic */
    struct config *config; /* a reference, while it works */
    int reached;           /* by the last attempt */
    int failed;
};

/* A document on its way into the store. */
struct alerting_write {
    struct store_write_document op; /* first */
    struct alerting *alerting;
    struct alert alert;
    struct delivery *delivery; /* whose progress it is; NULL: a change of the alert itself */
    bool told;                 /* it fires or is resolved, and is not only taken over */
    char id[STORE_DOCUMENT_ID_SIZE];
    char *body_owned;
    char *audit_owned;
};

struct alerting {
    struct alerting_parts parts;
    uv_timer_t look_timer;
    uv_timer_t retry_timer;
    struct directory_reader *reader;
    int handles;
    int under_way; /* reads, writes and attempts */
    bool looking;
    bool again; /* something changed meanwhile */
    bool soon;  /* the next look is sooner than the period */
    atomic_bool cancelled;
    bool ending;
    void (*ended)(void *arg);
    void *ended_arg;
    struct store_read_counters read;
    struct delivery *deliveries;
    char instance[ALERT_SUBJECT_SIZE];
    char holder[ALERT_HOLDER_SIZE];

    /* The store's absence. */
    int away_looks;
    int64_t away_since_ms;
    bool away_told; /* and its document is still to be written */
};

static int64_t unix_now(const struct alerting *alerting) {
    return clock_unix_ms(alerting->parts.clock);
}

static int64_t monotonic_now(const struct alerting *alerting) {
    return clock_monotonic_ms(alerting->parts.clock);
}

static void end_if_idle(struct alerting *alerting) {
    if (alerting->ending && alerting->under_way == 0 && alerting->handles == 0)
        alerting->ended(alerting->ended_arg);
}

static void count(const struct alerting *alerting, enum metric metric, int times) {
    for (int i = 0; i < times; i++)
        metrics_count(alerting->parts.metrics, metric);
}

/* --- one attempt, on a thread --- */

static void log_attempt(const struct alert *alert, const struct config_webhook *webhook,
                        const struct post *post, int64_t code, bool taken) {
    char id[STORE_DOCUMENT_ID_SIZE];
    alert_id(alert, id);
    if (taken)
        log_info("alert delivered", LOG_TEXT("alert", id), LOG_TEXT("webhook", webhook->name));
    else
        log_warn("alert not delivered", LOG_TEXT("alert", id), LOG_TEXT("webhook", webhook->name),
                 LOG_NUMBER("http", post->http_status), LOG_NUMBER("code", code),
                 LOG_TEXT("cause", post->http_status != 0 ? "refused" : post->cause));
}

static bool send_to(struct delivery *delivery, const struct config_webhook *webhook) {
    const struct alerting *alerting = delivery->alerting;
    struct webhook_request request;
    if (!webhook_make(webhook, &delivery->alert, unix_now(alerting), &request))
        return false;
    struct post post = {
        .url = request.url_owned,
        .body = request.body_owned,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = TIMEOUT_MS,
        .cancelled = &delivery->alerting->cancelled,
    };
    int64_t code = 0;
    bool taken =
        post_send(&post) && webhook_is_taken((enum config_webhook_kind)webhook->kind,
                                             post.http_status, post.reply, post.reply_size, &code);
    webhook_request_free(&request);
    if (!atomic_load(&delivery->alerting->cancelled))
        log_attempt(&delivery->alert, webhook, &post, code, taken);
    return taken && alert_note_reached(&delivery->alert, webhook->name);
}

static void attempt(uv_work_t *work) {
    struct delivery *delivery = container_of(work, struct delivery, work);
    const struct config *config = delivery->config;
    for (int i = 0; i < config->webhook_count; i++) {
        const struct config_webhook *webhook = &config->webhooks[i];
        if (alert_has_reached(&delivery->alert, webhook->name))
            continue;
        if (!atomic_load(&delivery->alerting->cancelled) && send_to(delivery, webhook))
            delivery->reached++;
        else
            delivery->failed++;
    }
}

/* --- deliveries --- */

static void plan_retries(struct alerting *alerting);
static void write_progress(struct delivery *delivery);

static void drop_over(struct alerting *alerting) {
    struct delivery **link = &alerting->deliveries;
    while (*link != NULL) {
        struct delivery *delivery = *link;
        if (delivery->state != DELIVERY_OVER) {
            link = &delivery->next;
            continue;
        }
        *link = delivery->next;
        free(delivery);
    }
}

/* Doubled each time, and between half and one and a half of it, so that not all come at once. */
static int64_t delay_ms(const struct alerting *alerting, int64_t attempts) {
    int64_t delay = alerting->parts.first_retry_ms;
    for (int64_t i = 1; i < attempts && delay < alerting->parts.most_retry_ms; i++)
        delay *= 2;
    if (delay > alerting->parts.most_retry_ms)
        delay = alerting->parts.most_retry_ms;
    return delay / 2 + (int64_t)randombytes_uniform((uint32_t)delay + 1);
}

static void on_attempted(uv_work_t *work, int status) {
    struct delivery *delivery = container_of(work, struct delivery, work);
    struct alerting *alerting = delivery->alerting;
    alerting->under_way--;
    config_release(delivery->config);
    delivery->config = NULL;
    if (status != 0 || (alerting->ending && delivery->reached == 0)) {
        delivery->state = DELIVERY_OVER;
        drop_over(alerting);
        end_if_idle(alerting);
        return;
    }
    count(alerting, METRIC_ALERTS_DELIVERED, delivery->reached);
    count(alerting, METRIC_ALERTS_NOT_DELIVERED, delivery->failed);
    delivery->alert.attempts++;
    delivery->alert.delivered = delivery->failed == 0;
    int64_t delay = delay_ms(alerting, delivery->alert.attempts);
    delivery->due_ms = monotonic_now(alerting) + delay;
    delivery->alert.held_until_ms = unix_now(alerting) + (alerting->ending ? 0 : delay + HOLD_MS);
    write_progress(delivery);
    plan_retries(alerting);
    end_if_idle(alerting);
}

static void begin_attempt(struct delivery *delivery) {
    struct alerting *alerting = delivery->alerting;
    delivery->state = DELIVERY_WORKING;
    delivery->reached = 0;
    delivery->failed = 0;
    delivery->config = config_retain(alerting->parts.config);
    alerting->under_way++;
    if (uv_queue_work(alerting->parts.loop, &delivery->work, attempt, on_attempted) == 0)
        return;
    alerting->under_way--;
    config_release(delivery->config);
    delivery->state = DELIVERY_OVER;
}

static void on_retry(uv_timer_t *timer) {
    struct alerting *alerting = timer->data;
    int64_t now_ms = monotonic_now(alerting);
    for (struct delivery *delivery = alerting->deliveries; delivery != NULL;
         delivery = delivery->next) {
        if (delivery->state != DELIVERY_WAITING || delivery->due_ms > now_ms)
            continue;
        if (alert_is_wanted(&delivery->alert, unix_now(alerting)))
            begin_attempt(delivery);
        else if (delivery->version != 0)
            delivery->state = DELIVERY_OVER;
        else
            delivery->due_ms = INT64_MAX;
    }
    drop_over(alerting);
    plan_retries(alerting);
}

static void plan_retries(struct alerting *alerting) {
    int64_t due_ms = INT64_MAX;
    for (const struct delivery *delivery = alerting->deliveries; delivery != NULL;
         delivery = delivery->next) {
        if (delivery->state == DELIVERY_WAITING && delivery->due_ms < due_ms)
            due_ms = delivery->due_ms;
    }
    if (alerting->ending || due_ms == INT64_MAX)
        return;
    int64_t now_ms = monotonic_now(alerting);
    uv_timer_start(&alerting->retry_timer, on_retry,
                   due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

static struct delivery *find_delivery(const struct alerting *alerting, const char *id) {
    for (struct delivery *delivery = alerting->deliveries; delivery != NULL;
         delivery = delivery->next) {
        char other[STORE_DOCUMENT_ID_SIZE];
        alert_id(&delivery->alert, other);
        if (strcmp(other, id) == 0 && delivery->state != DELIVERY_OVER)
            return delivery;
    }
    return NULL;
}

static void deliver(struct alerting *alerting, const struct alert *alert, int64_t version) {
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL)
        return;
    delivery->alerting = alerting;
    delivery->alert = *alert;
    delivery->version = version;
    delivery->next = alerting->deliveries;
    alerting->deliveries = delivery;
    begin_attempt(delivery);
    drop_over(alerting);
}

/* --- writing documents --- */

static void free_write(struct alerting_write *write) {
    free(write->body_owned);
    free(write->audit_owned);
    free(write);
}

static void after_progress(const struct alerting_write *write) {
    struct delivery *delivery = write->delivery;
    struct alerting *alerting = write->alerting;
    if (write->op.outcome == STORE_DONE) {
        delivery->version = write->op.version;
        delivery->state = delivery->alert.delivered ? DELIVERY_OVER : DELIVERY_WAITING;
    } else {
        delivery->state = DELIVERY_STALE;
        directory_refresh(alerting->parts.directory, NULL, NULL);
    }
    drop_over(alerting);
    plan_retries(alerting);
}

/* A store's message is on its way since before there was a document of it. */
static void after_return(const struct alerting_write *write) {
    struct alerting *alerting = write->alerting;
    struct delivery *delivery = find_delivery(alerting, write->id);
    bool done = write->op.outcome == STORE_DONE;
    if (done)
        alerting->away_told = false;
    if (delivery == NULL || delivery->state != DELIVERY_WRITING)
        return;
    delivery->state = done && write->alert.delivered ? DELIVERY_OVER : DELIVERY_WAITING;
    if (done) {
        delivery->alert = write->alert;
        delivery->version = write->op.version;
    }
    drop_over(alerting);
    plan_retries(alerting);
}

static void after_change(const struct alerting_write *write) {
    struct alerting *alerting = write->alerting;
    const struct alert *alert = &write->alert;
    bool returned = alert->kind == ALERT_STORE && write->told;
    directory_refresh(alerting->parts.directory, NULL, NULL);
    if (returned)
        after_return(write);
    if (write->op.outcome != STORE_DONE)
        return;
    if (write->told) {
        char detail[ALERT_DETAIL_SIZE];
        alert_detail(alert, detail);
        count(alerting, METRIC_ALERTS_FIRED, alert->firing ? 1 : 0);
        LOG_AT(alert->firing ? LOG_WARN : LOG_INFO, alert->firing ? "alert" : "alert resolved",
               LOG_TEXT("alert", write->id), LOG_TEXT("detail", detail));
    }
    if (!returned && alert_is_wanted(alert, unix_now(alerting)) &&
        strcmp(alert->holder, alerting->holder) == 0)
        deliver(alerting, alert, write->op.version);
}

static void on_written(struct store_op *op) {
    struct alerting_write *write = (struct alerting_write *)op;
    struct alerting *alerting = write->alerting;
    alerting->under_way--;
    if (!alerting->ending && write->delivery != NULL)
        after_progress(write);
    else if (!alerting->ending)
        after_change(write);
    free_write(write);
    end_if_idle(alerting);
}

/* Takes `audit_owned`. False: no memory. */
static bool write_alert(struct alerting *alerting, const struct alert *alert, int64_t expected,
                        char *audit_owned, struct delivery *delivery, bool told) {
    struct alerting_write *write = calloc(1, sizeof *write);
    char *body = alert_encode(alert);
    if (write == NULL || body == NULL) {
        free(write);
        free(body);
        free(audit_owned);
        return false;
    }
    alert_id(alert, write->id);
    write->alerting = alerting;
    write->alert = *alert;
    write->delivery = delivery;
    write->told = told;
    write->body_owned = body;
    write->audit_owned = audit_owned;
    write->op.op.done = on_written;
    write->op.kind = STORE_ALERT;
    write->op.id = write->id;
    write->op.body = body;
    write->op.audit = audit_owned;
    write->op.expected = expected;
    alerting->under_way++;
    store_write_document(alerting->parts.store, &write->op);
    return true;
}

/* How far a delivery came; of one without a document it is only remembered. */
static void write_progress(struct delivery *delivery) {
    struct alerting *alerting = delivery->alerting;
    delivery->state = DELIVERY_WAITING;
    if (delivery->version == 0) {
        if (delivery->alert.delivered)
            delivery->due_ms = INT64_MAX;
        return;
    }
    delivery->state = DELIVERY_WRITING;
    if (!write_alert(alerting, &delivery->alert, delivery->version, NULL, delivery, false))
        delivery->state = DELIVERY_STALE;
}

static void hold(struct alerting *alerting, struct alert *alert) {
    if (alerting->parts.config->webhook_count == 0)
        return;
    snprintf(alert->holder, sizeof alert->holder, "%s", alerting->holder);
    alert->held_until_ms = unix_now(alerting) + HOLD_MS;
}

/* False: no memory. */
static bool write_change(struct alerting *alerting, const struct alert_change *change) {
    struct alert alert = change->alert;
    const struct alert_known *before = change->before;
    if (alert_is_wanted(&alert, unix_now(alerting)))
        hold(alerting, &alert);
    char *audit = alert_audit(before != NULL ? &before->alert : NULL, &alert, unix_now(alerting));
    return audit != NULL &&
           write_alert(alerting, &alert, before != NULL ? before->version : 0, audit, NULL, true);
}

/* --- a look --- */

struct known_list {
    struct alert_known *alerts; /* owned */
    int count;
    int room;
};

static void count_document(void *arg, const struct store_document *document) {
    (void)document;
    struct known_list *list = arg;
    list->room++;
}

static void add_document(void *arg, const struct store_document *document) {
    struct known_list *list = arg;
    struct alert_known *known = &list->alerts[list->count];
    if (list->count < list->room && alert_decode(document->body_owned, &known->alert)) {
        known->version = document->version;
        list->count++;
    }
}

static bool list_known(const struct alerting *alerting, struct known_list *list) {
    directory_each(alerting->parts.directory, STORE_ALERT, count_document, list);
    list->alerts = calloc((size_t)list->room + 1, sizeof *list->alerts);
    if (list->alerts == NULL)
        return false;
    directory_each(alerting->parts.directory, STORE_ALERT, add_document, list);
    return true;
}

static int64_t used_of(const struct alerting *alerting, const char *package) {
    for (int i = 0; i < alerting->read.count; i++) {
        if (strcmp(alerting->read.counters_owned[i].name, package) == 0)
            return alerting->read.counters_owned[i].value;
    }
    return 0;
}

static void fill_packages(const struct alerting *alerting,
                          const struct directory_snapshot *snapshot, int64_t now_ms,
                          struct alert_package *packages) {
    for (int i = 0; i < snapshot->package_count; i++) {
        const struct package *package = &snapshot->packages[i];
        bool expired = package->expires_at_ms != 0 && package->expires_at_ms <= now_ms;
        packages[i] = (struct alert_package){
            .id = package->id,
            .calls = package->calls,
            .used = used_of(alerting, package->id),
            .in_force = !package->removed && !expired,
        };
    }
}

static int fill_thresholds(const struct config *config, int thresholds[THRESHOLDS_MOST]) {
    int number = 0;
    if (config->alerts_thresholds == NULL)
        return 0;
    for (; number < THRESHOLDS_MOST && config->alerts_thresholds[number] != NULL; number++)
        thresholds[number] = (int)strtol(config->alerts_thresholds[number], NULL, 10);
    return number;
}

static void write_changes(struct alerting *alerting, const struct alert_figures *figures) {
    struct alert_change *changes = calloc((size_t)alert_changes_most(figures) + 1, sizeof *changes);
    if (changes == NULL)
        return;
    int number = alert_judge(figures, changes);
    for (int i = 0; i < number; i++)
        write_change(alerting, &changes[i]);
    free(changes);
}

/* What nobody is delivering any more. */
static void take_over(struct alerting *alerting, const struct known_list *list, int64_t now_ms) {
    for (int i = 0; i < list->count && alerting->parts.config->webhook_count > 0; i++) {
        const struct alert_known *known = &list->alerts[i];
        char id[STORE_DOCUMENT_ID_SIZE];
        alert_id(&known->alert, id);
        if (!alert_is_wanted(&known->alert, now_ms) || known->alert.held_until_ms > now_ms ||
            find_delivery(alerting, id) != NULL)
            continue;
        struct alert alert = known->alert;
        hold(alerting, &alert);
        write_alert(alerting, &alert, known->version, NULL, NULL, false);
    }
}

static void judge(struct alerting *alerting) {
    const struct directory_snapshot *snapshot = directory_now(alerting->parts.directory);
    int thresholds[THRESHOLDS_MOST];
    char statuses[NOVELTY_MOST][RESULT_STATUS_SIZE];
    struct breaker_view breakers[BREAKER_MOST];
    struct known_list list = {0};
    int64_t now_ms = unix_now(alerting);
    struct alert_package *packages = calloc((size_t)snapshot->package_count + 1, sizeof *packages);
    if (packages != NULL && list_known(alerting, &list)) {
        fill_packages(alerting, snapshot, now_ms, packages);
        const struct alert_figures figures = {
            .packages = packages,
            .package_count = snapshot->package_count,
            .thresholds = thresholds,
            .threshold_count = fill_thresholds(alerting->parts.config, thresholds),
            .credentials = snapshot->credentials,
            .credential_count = snapshot->credential_count,
            .statuses = (const char(*)[RESULT_STATUS_SIZE])statuses,
            .status_count = alerting->parts.novelty != NULL
                                ? novelty_take(alerting->parts.novelty, statuses)
                                : 0,
            .breakers = breakers,
            .breaker_count = alerting->parts.breakers != NULL
                                 ? breaker_look(alerting->parts.breakers, breakers, BREAKER_MOST)
                                 : 0,
            .instance = alerting->instance,
            .known = list.alerts,
            .known_count = list.count,
            .now_ms = now_ms,
        };
        write_changes(alerting, &figures);
        take_over(alerting, &list, now_ms);
    }
    free(packages);
    free(list.alerts);
}

/* What others wrote meanwhile decides: it may be resolved, fired anew, or another one's. */
static void renew(struct delivery *delivery) {
    struct alerting *alerting = delivery->alerting;
    char id[STORE_DOCUMENT_ID_SIZE];
    alert_id(&delivery->alert, id);
    const struct store_document *document =
        directory_document(alerting->parts.directory, STORE_ALERT, id);
    struct alert alert;
    bool same = document != NULL && alert_decode(document->body_owned, &alert) &&
                alert.since_ms == delivery->alert.since_ms &&
                strcmp(alert.holder, alerting->holder) == 0;
    if (!same) {
        delivery->state = DELIVERY_OVER;
        return;
    }
    if (document->version > delivery->version) {
        delivery->version = document->version;
        delivery->alert.firing = alert.firing;
        delivery->alert.resolved_at_ms = alert.resolved_at_ms;
    }
    write_progress(delivery);
}

static void renew_all(struct alerting *alerting) {
    for (struct delivery *delivery = alerting->deliveries; delivery != NULL;
         delivery = delivery->next) {
        if (delivery->state == DELIVERY_STALE)
            renew(delivery);
    }
    drop_over(alerting);
}

/* --- the store's absence --- */

static struct alert absence(const struct alerting *alerting) {
    struct alert alert = {
        .kind = ALERT_STORE,
        .threshold = -1,
        .firing = true,
        .since_ms = alerting->away_since_ms,
        .calls = -1,
        .left = -1,
    };
    snprintf(alert.subject, sizeof alert.subject, "%s", alerting->instance);
    return alert;
}

static void store_is_away(struct alerting *alerting) {
    if (alerting->away_looks++ == 0)
        alerting->away_since_ms = unix_now(alerting);
    if (alerting->away_looks < AWAY_LOOKS || alerting->away_told)
        return;
    struct alert alert = absence(alerting);
    hold(alerting, &alert);
    alerting->away_told = true;
    count(alerting, METRIC_ALERTS_FIRED, 1);
    log_warn("alert", LOG_TEXT("alert", "store"),
             LOG_TEXT("detail", "The store cannot be reached."));
    if (alerting->parts.config->webhook_count > 0)
        deliver(alerting, &alert, 0);
}

/* Not while a thread has the alert, and no thread gets it meanwhile. */
static void store_is_back(struct alerting *alerting) {
    alerting->away_looks = 0;
    if (!alerting->away_told)
        return;
    struct alert alert = absence(alerting);
    char id[STORE_DOCUMENT_ID_SIZE];
    alert_id(&alert, id);
    struct delivery *delivery = find_delivery(alerting, id);
    if (delivery != NULL && delivery->state != DELIVERY_WAITING)
        return;
    if (delivery != NULL)
        alert = delivery->alert;
    struct alert_known known;
    const struct store_document *document =
        directory_document(alerting->parts.directory, STORE_ALERT, id);
    struct alert_change change = {.alert = alert};
    change.alert.firing = false;
    change.alert.resolved_at_ms = unix_now(alerting);
    if (document != NULL && alert_decode(document->body_owned, &known.alert)) {
        known.version = document->version;
        change.before = &known;
    }
    if (write_change(alerting, &change) && delivery != NULL)
        delivery->state = DELIVERY_WRITING;
}

/* --- when to look --- */

static void look(struct alerting *alerting);

static void on_counters(struct store_op *op) {
    struct alerting *alerting = container_of(op, struct alerting, read.op);
    alerting->under_way--;
    alerting->looking = false;
    if (!alerting->ending && alerting->read.outcome != STORE_DONE) {
        store_is_away(alerting);
    } else if (!alerting->ending) {
        store_is_back(alerting);
        renew_all(alerting);
        judge(alerting);
    }
    free(alerting->read.counters_owned);
    alerting->read.counters_owned = NULL;
    if (alerting->again && !alerting->ending)
        look(alerting);
    end_if_idle(alerting);
}

static void look(struct alerting *alerting) {
    alerting->again = alerting->looking;
    if (alerting->looking || directory_now(alerting->parts.directory)->version < 0)
        return;
    alerting->looking = true;
    alerting->under_way++;
    alerting->read = (struct store_read_counters){.op.done = on_counters, .scope = "package"};
    store_read_counters(alerting->parts.store, &alerting->read);
}

static void on_look(uv_timer_t *timer) {
    struct alerting *alerting = timer->data;
    alerting->soon = false;
    look(alerting);
}

/* Not at once: what is looked at writes documents, each of which is a change. */
static void on_changed(void *arg) {
    struct alerting *alerting = arg;
    if (alerting->soon || alerting->ending)
        return;
    alerting->soon = true;
    uint64_t period_ms = (uint64_t)alerting->parts.period_ms;
    uv_timer_start(&alerting->look_timer, on_look, period_ms / SOONER, period_ms);
}

/* --- the public part --- */

static void name_holder(struct alerting *alerting) {
    uint8_t bytes[8];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(alerting->holder, sizeof alerting->holder, bytes, sizeof bytes);
}

struct alerting *alerting_new(const struct alerting_parts *parts, struct complaint *complaint) {
    struct alerting *alerting = calloc(1, sizeof *alerting);
    if (alerting == NULL) {
        complain(complaint, "no memory for the alerts");
        return NULL;
    }
    alerting->parts = *parts;
    alerting->reader =
        directory_attach(parts->directory, parts->loop, on_changed, alerting, complaint);
    if (alerting->reader == NULL) {
        free(alerting);
        return NULL;
    }
    alerting->parts.config = config_retain(parts->config);
    snprintf(alerting->instance, sizeof alerting->instance, "%s", parts->instance);
    name_holder(alerting);
    uv_timer_init(parts->loop, &alerting->look_timer);
    uv_timer_init(parts->loop, &alerting->retry_timer);
    alerting->look_timer.data = alerting;
    alerting->retry_timer.data = alerting;
    alerting->handles = 2;
    uv_timer_start(&alerting->look_timer, on_look, (uint64_t)parts->period_ms,
                   (uint64_t)parts->period_ms);
    return alerting;
}

void alerting_set_config(struct alerting *alerting, struct config *config) {
    config_release(alerting->parts.config);
    alerting->parts.config = config_retain(config);
    look(alerting);
}

static void on_closed(uv_handle_t *handle) {
    struct alerting *alerting = handle->data;
    alerting->handles--;
    end_if_idle(alerting);
}

void alerting_end(struct alerting *alerting, void (*ended)(void *arg), void *arg) {
    alerting->ending = true;
    alerting->ended = ended;
    alerting->ended_arg = arg;
    atomic_store(&alerting->cancelled, true);
    directory_detach(alerting->reader);
    for (struct delivery *delivery = alerting->deliveries; delivery != NULL;
         delivery = delivery->next) {
        if (delivery->state == DELIVERY_WORKING)
            uv_cancel((uv_req_t *)&delivery->work);
    }
    uv_close((uv_handle_t *)&alerting->look_timer, on_closed);
    uv_close((uv_handle_t *)&alerting->retry_timer, on_closed);
}

void alerting_free(struct alerting *alerting) {
    while (alerting->deliveries != NULL) {
        struct delivery *delivery = alerting->deliveries;
        alerting->deliveries = delivery->next;
        free(delivery);
    }
    config_release(alerting->parts.config);
    free(alerting);
}
