#include "store/redis_admission.h"

#include <stdlib.h>
#include <string.h>

#include "money/period.h"
#include "store/redis_commands.h"
#include "store/redis_reservation.h"
#include "store/redis_settlement.h"

enum stage {
    ASKED,     /* the reply to `admit` is still to come */
    WAITING,   /* another one leads */
    RESERVING, /* we lead; the row, then the intent are being written, then the lease passed */
};

struct redis_admission {
    struct redis_admission *next; /* in its bucket */
    struct redis_client *client;
    struct store_admit *admit; /* NULL: nobody waits, it is being withdrawn */
    enum stage stage;
    bool listed;
    bool held;               /* RESERVING: the lease is still to be passed to us */
    struct ledger_id holder; /* WAITING: whose call it is */
    int64_t ends_at;         /* WAITING: when the lease runs out, monotonic ms */
    bool noticed;            /* ASKED: a call about this triple ended meanwhile */
    struct redis_notice notice;
    struct redis_seen seen;
    struct journal_intent intent;
    struct store_admit withdrawn; /* what `admit` was, once it is NULL */
};

static void ask(struct redis_admission *admission);

/* --- the table of those under way --- */

/* A digest is as good as random, so any of its bits make a bucket number. */
static struct redis_admission **bucket_of(struct redis_client *client,
                                          const struct digest *triple) {
    uint32_t bits;
    memcpy(&bits, triple->bytes, sizeof bits);
    return &client->waiting[bits % REDIS_WAIT_BUCKETS];
}

/* Behind those that came before: who asked first is told first. */
static void list(struct redis_admission *admission) {
    struct redis_admission **link = bucket_of(admission->client, &admission->admit->triple);
    while (*link)
        link = &(*link)->next;
    *link = admission;
    admission->next = NULL;
    admission->listed = true;
    admission->client->waiting_count++;
}

static void unlist(struct redis_admission *admission) {
    if (!admission->listed)
        return;
    struct redis_admission **link = bucket_of(admission->client, &admission->admit->triple);
    while (*link != admission)
        link = &(*link)->next;
    *link = admission->next;
    admission->listed = false;
    admission->client->waiting_count--;
}

/* --- its end --- */

static void finish(struct redis_admission *admission, enum store_outcome outcome) {
    struct store_admit *admit = admission->admit;
    unlist(admission);
    admit->outcome = outcome;
    free(admission);
    admit->op.done(&admit->op);
}

/* What was, or may have been, written on the way to a call that will not be made is taken back. */
static void abandon(struct redis_admission *admission) {
    redis_settle_unsent(admission->client, admission->admit);
    finish(admission, STORE_AWAY);
}

static void on_withdrawn(void *arg, const redisReply *reply) {
    struct redis_admission *admission = arg;
    struct redis_client *client = admission->client;
    if (!redis_succeeded(reply))
        redis_settle_unsent(client, &admission->withdrawn);
    free(admission);
    redis_client_end_work(client);
}

/* The ledger knows nothing of it. The asker need not wait. */
static void withdraw(struct redis_admission *admission, enum store_outcome outcome) {
    struct redis_client *client = admission->client;
    struct store_admit *admit = admission->admit;
    unlist(admission);
    admission->withdrawn = *admit;
    admission->admit = NULL;
    redis_client_begin_work(client);
    if (!redis_send_withdraw(client->links[REDIS_LINK_ANSWERS], on_withdrawn, admission,
                             &admission->withdrawn, client->tag))
        on_withdrawn(admission, NULL);
    admit->outcome = outcome;
    admit->op.done(&admit->op);
}

/* --- leading --- */

/* No reply: nobody knows whether it is ours. Then the release ends it, too. */
static void on_passed(void *arg, const redisReply *reply) {
    struct redis_admission *admission = arg;
    char trouble[REDIS_REASON_SIZE];
    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        if (reply->integer == 1)
            finish(admission, STORE_LEAD);
        else
            abandon(admission);
        return;
    }
    if (reply) {
        redis_trouble(reply, trouble);
        redis_store_fall_behind(admission->client->store, trouble);
    }
    abandon(admission);
}

static void pass(struct redis_admission *admission) {
    struct redis_client *client = admission->client;
    if (!redis_send_pass(client->links[REDIS_LINK_ANSWERS], on_passed, admission, admission->admit,
                         client->tag))
        abandon(admission);
}

static void on_intent(struct store_op *op) {
    struct redis_admission *admission =
        (struct redis_admission *)((char *)op - offsetof(struct redis_admission, intent.op));
    struct redis_client *client = admission->client;
    if (!admission->intent.written)
        abandon(admission);
    else if (admission->held)
        pass(admission);
    else
        finish(admission, STORE_LEAD);
    redis_client_end_work(client);
}

static void intend(struct redis_admission *admission) {
    admission->intent.op.done = on_intent;
    admission->intent.admit = admission->admit;
    redis_client_begin_work(admission->client);
    journal_write_intent(admission->client->journal, &admission->intent);
}

/* The store knows labels only; the zone is this process's. */
static int64_t resets_at(const struct store_admit *admit, enum budget_bound bound) {
    int64_t unix_ms = ledger_id_time_ms(&admit->id);
    if (bound == BUDGET_DAY)
        return period_day(unix_ms).end_ms;
    return bound == BUDGET_MONTH ? period_month(unix_ms).end_ms : 0;
}

static void take_finding(struct store_admit *admit, const struct redis_reserved *reserved) {
    admit->finding = reserved->finding;
    admit->finding.resets_at_ms = resets_at(admit, reserved->finding.bound);
}

static void take_reserved(struct redis_admission *admission,
                          const struct redis_reserved *reserved) {
    struct store_admit *admit = admission->admit;
    const struct budget_plan *plan = admit->budget.plan;
    if (plan && (reserved->line < 0 || reserved->line >= plan->count)) {
        abandon(admission);
        return;
    }
    if (plan) {
        const struct budget_line *line = &plan->lines[reserved->line];
        take_finding(admit, reserved);
        memcpy(admit->account.credential, line->credential, sizeof line->credential);
        memcpy(admit->account.package, line->package, sizeof line->package);
    }
    intend(admission);
}

/* Of what its package was, only the row tells. */
static void take_there(struct redis_admission *admission, const struct redis_reserved *reserved) {
    struct store_admit *admit = admission->admit;
    admit->account = reserved->account;
    admit->finding = (struct budget_finding){.day_used = -1, .month_used = -1};
    intend(admission);
}

static void take_trouble(struct redis_admission *admission, const redisReply *reply) {
    char trouble[REDIS_REASON_SIZE];
    redis_trouble(reply, trouble);
    redis_store_fall_behind(admission->client->store, trouble);
    withdraw(admission, STORE_AWAY);
}

static void on_reserved(void *arg, const redisReply *reply) {
    struct redis_admission *admission = arg;
    if (!reply) {
        abandon(admission);
        return;
    }
    struct redis_reserved reserved = redis_read_reserved(reply);
    switch (reserved.what) {
    case REDIS_RESERVED:
        take_reserved(admission, &reserved);
        return;
    case REDIS_RESERVE_THERE:
        take_there(admission, &reserved);
        return;
    case REDIS_RESERVE_OUTDATED:
        withdraw(admission, STORE_OUTDATED);
        return;
    case REDIS_RESERVE_REFUSED:
        take_finding(admission->admit, &reserved);
        withdraw(admission, STORE_REFUSED);
        return;
    case REDIS_RESERVE_NONE:
        take_trouble(admission, reply);
        return;
    }
}

static void lead(struct redis_admission *admission, bool held) {
    const struct store_admit *admit = admission->admit;
    const struct redis_reservation reservation = {.id = &admit->id,
                                                  .number = &admit->number,
                                                  .account = &admit->account,
                                                  .budget = &admit->budget,
                                                  .lapse_ms = admit->lease_ms};
    unlist(admission);
    admission->stage = RESERVING;
    admission->held = held;
    if (!redis_send_reserve(admission->client->links[REDIS_LINK_LEDGER], on_reserved, admission,
                            &reservation))
        withdraw(admission, STORE_AWAY);
}

/* --- following --- */

/* The question is put anew, where it can be. */
static void ask_again(struct redis_admission *admission) {
    struct redis_client *client = admission->client;
    if (redis_client_may_admit(client)) {
        ask(admission);
        return;
    }
    struct store_admit *admit = admission->admit;
    unlist(admission);
    free(admission);
    redis_client_hold(client, &admit->op);
}

static void take_notice(struct redis_admission *admission, const struct redis_notice *notice) {
    struct store_admit *admit = admission->admit;
    if (notice->kind == REDIS_NOTICE_WITHDRAWN) {
        ask_again(admission);
        return;
    }
    admit->collapsed = true;
    if (notice->kind == REDIS_NOTICE_ANSWERED)
        admit->answer = notice->answer;
    else
        admit->failure = notice->failure;
    finish(admission, notice->kind == REDIS_NOTICE_ANSWERED ? STORE_ANSWERED : STORE_FAILED);
}

static void wait_for(struct redis_admission *admission, const struct ledger_id *holder,
                     int64_t left_ms) {
    admission->holder = *holder;
    admission->ends_at = clock_monotonic_ms(admission->client->store->clock) + left_ms;
}

/* The leader's end may have been told before we knew that it leads. Another's may have been told in
 * its place, if several calls ended in that moment: then asking again finds out. */
static void follow(struct redis_admission *admission, const struct redis_admitted *admitted) {
    bool noticed = admission->noticed;
    admission->stage = WAITING;
    admission->noticed = false;
    wait_for(admission, &admitted->holder, admitted->left_ms);
    if (!noticed)
        return;
    const struct redis_notice *notice = &admission->notice;
    if (ledger_id_compare(&notice->call, &admitted->holder) != 0)
        ask_again(admission);
    else if (notice->kind == REDIS_NOTICE_PASSED)
        wait_for(admission, &notice->next, notice->lease_ms);
    else
        take_notice(admission, notice);
}

/* --- asking --- */

static void take_kept(struct redis_admission *admission, const struct redis_admitted *admitted) {
    struct store_admit *admit = admission->admit;
    int64_t now = clock_unix_ms(admission->client->store->clock) / 1000;
    bool known =
        admitted->kept_size <= sizeof admission->seen.bytes &&
        answer_decode((const uint8_t *)admitted->kept, admitted->kept_size, &admit->answer);
    if (known && freshness_judge(&admit->answer, &admit->wish, now) != FRESHNESS_REFUSED) {
        finish(admission, STORE_ANSWERED);
        return;
    }
    if (admitted->kept_size > sizeof admission->seen.bytes) {
        finish(admission, STORE_AWAY);
        return;
    }
    memcpy(admission->seen.bytes, admitted->kept, admitted->kept_size);
    admission->seen.size = admitted->kept_size;
    ask_again(admission);
}

static void take_closed(struct redis_admission *admission, int64_t left_ms) {
    admission->admit->reopens_at_ms = clock_unix_ms(admission->client->store->clock) + left_ms;
    finish(admission, STORE_CLOSED);
}

static void take_error(struct redis_admission *admission, const redisReply *reply) {
    char trouble[REDIS_REASON_SIZE];
    redis_trouble(reply, trouble);
    redis_store_fall_behind(admission->client->store, trouble);
    finish(admission, STORE_AWAY);
}

static void on_admitted(void *arg, const redisReply *reply) {
    struct redis_admission *admission = arg;
    if (!reply) {
        abandon(admission);
        return;
    }
    struct redis_admitted admitted = redis_read_admitted(reply);
    switch (admitted.what) {
    case REDIS_ADMISSION_LEAD:
        lead(admission, false);
        return;
    case REDIS_ADMISSION_NEXT:
        lead(admission, true);
        return;
    case REDIS_ADMISSION_WAIT:
        follow(admission, &admitted);
        return;
    case REDIS_ADMISSION_KEPT:
        take_kept(admission, &admitted);
        return;
    case REDIS_ADMISSION_CLOSED:
        take_closed(admission, admitted.left_ms);
        return;
    case REDIS_ADMISSION_INFERRED:
        admission->admit->proven_at = admitted.proven_at;
        finish(admission, STORE_INFERRED);
        return;
    case REDIS_ADMISSION_NONE:
        take_error(admission, reply);
        return;
    }
}

static void ask(struct redis_admission *admission) {
    struct redis_client *client = admission->client;
    admission->stage = ASKED;
    admission->noticed = false;
    if (!admission->listed)
        list(admission);
    if (!redis_send_admit(client->links[REDIS_LINK_ANSWERS], on_admitted, admission,
                          admission->admit, &admission->seen)) {
        admission->admit->outcome = STORE_AWAY;
        redis_client_finish_later(client, &admission->admit->op);
        unlist(admission);
        free(admission);
    }
}

void redis_admission_begin(struct redis_client *client, struct store_admit *admit) {
    struct redis_admission *admission = calloc(1, sizeof *admission);
    admit->collapsed = false;
    if (!admission) {
        admit->outcome = STORE_AWAY;
        redis_client_finish_later(client, &admit->op);
        return;
    }
    admission->client = client;
    admission->admit = admit;
    ask(admission);
}

/* --- what happens meanwhile --- */

typedef bool chosen(const struct redis_admission *admission, const void *arg);

/* Takes those that wait and are chosen out of their bucket, in their order: whoever is visited then
 * may end, or ask anew, and change the table. */
static struct redis_admission *take_out(struct redis_client *client,
                                        struct redis_admission **bucket, chosen *choose,
                                        const void *arg) {
    struct redis_admission *taken = NULL;
    struct redis_admission **end = &taken;
    struct redis_admission **link = bucket;
    while (*link) {
        struct redis_admission *admission = *link;
        if (admission->stage != WAITING || !choose(admission, arg)) {
            link = &admission->next;
            continue;
        }
        *link = admission->next;
        admission->next = NULL;
        admission->listed = false;
        client->waiting_count--;
        *end = admission;
        end = &admission->next;
    }
    return taken;
}

static void for_each_chosen(struct redis_client *client, chosen *choose, const void *arg,
                            void (*visit)(struct redis_admission *admission)) {
    for (size_t i = 0; i < REDIS_WAIT_BUCKETS && client->waiting_count > 0; i++) {
        struct redis_admission *taken = take_out(client, &client->waiting[i], choose, arg);
        while (taken) {
            struct redis_admission *admission = taken;
            taken = admission->next;
            visit(admission);
        }
    }
}

static bool is_any(const struct redis_admission *admission, const void *arg) {
    (void)admission;
    (void)arg;
    return true;
}

static bool has_run_out(const struct redis_admission *admission, const void *arg) {
    return admission->ends_at <= *(const int64_t *)arg;
}

static bool waits_for(const struct redis_admission *admission, const void *arg) {
    const struct redis_notice *notice = arg;
    return ledger_id_compare(&admission->holder, &notice->call) == 0 &&
           digest_equal(&admission->admit->triple, &notice->triple);
}

static void end_away(struct redis_admission *admission) {
    finish(admission, STORE_AWAY);
}

void redis_admission_notice(struct redis_client *client, const struct redis_notice *notice) {
    struct redis_admission **bucket = bucket_of(client, &notice->triple);
    bool passed = notice->kind == REDIS_NOTICE_PASSED;
    for (struct redis_admission *admission = *bucket; admission; admission = admission->next) {
        if (!digest_equal(&admission->admit->triple, &notice->triple))
            continue;
        if (admission->stage == ASKED) {
            admission->noticed = true;
            admission->notice = *notice;
        } else if (passed && waits_for(admission, notice)) {
            wait_for(admission, &notice->next, notice->lease_ms);
        }
    }
    if (passed)
        return;
    struct redis_admission *taken = take_out(client, bucket, waits_for, notice);
    while (taken) {
        struct redis_admission *admission = taken;
        taken = admission->next;
        take_notice(admission, notice);
    }
}

void redis_admission_tick(struct redis_client *client, int64_t now_ms) {
    for_each_chosen(client, has_run_out, &now_ms, ask_again);
}

void redis_admission_ask_again(struct redis_client *client) {
    for_each_chosen(client, is_any, NULL, ask_again);
}

void redis_admission_give_up(struct redis_client *client) {
    for_each_chosen(client, is_any, NULL, end_away);
}
