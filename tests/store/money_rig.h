#pragma once
/*
 * money_rig: what the tests of money need beside store_rig: plans, documents, counters, and the
 * sums of the ledger's rows, made here by another way than the stores do.
 */
#include "store_rig.h"

#include "money/budget.h"
#include "money/period.h"
#include "store/records.h"

#define SUMS_MOST 64

/* --- plans --- */

static inline struct budget_plan *money_plan(int64_t version) {
    struct budget_plan *plan = budget_plan_new(BUDGET_LINES_MOST);
    assert_non_null(plan);
    plan->version = version;
    plan->count = 0;
    return plan;
}

static inline void money_line(struct budget_plan *plan, const char *package, const char *credential,
                              int64_t calls, int64_t expires_at_ms) {
    struct budget_line *line = &plan->lines[plan->count++];
    snprintf(line->package, sizeof line->package, "%s", package);
    snprintf(line->credential, sizeof line->credential, "%s", credential);
    line->calls = calls;
    line->expires_at_ms = expires_at_ms;
}

/* A new question of the client's, at the moment in its id. */
static inline void money_ask_at(struct rig *rig, int client, struct rig_admit *asked,
                                const char *name, struct budget_plan *plan,
                                struct budget_limits limits, int64_t unix_ms) {
    struct digest triple = rig_digest();
    rig_prepare(asked, &triple, FRESHNESS_ANY);
    asked->admit.id = ledger_id_make(unix_ms);
    snprintf(asked->admit.account.client_id, sizeof asked->admit.account.client_id, "%s", name);
    asked->admit.account.credential[0] = '\0';
    asked->admit.budget.plan = plan;
    asked->admit.budget.limits = limits;
    rig_submit(rig, client, asked);
}

static inline void money_ask(struct rig *rig, int client, struct rig_admit *asked, const char *name,
                             struct budget_plan *plan, struct budget_limits limits) {
    money_ask_at(rig, client, asked, name, plan, limits, clock_unix_ms(&clock_system));
}

static inline void money_end(struct rig *rig, int client, const struct rig_admit *asked,
                             enum ledger_state state, enum billed billed) {
    struct rig_settle end;
    rig_end_failed(&end, asked, FAILURE_UPSTREAM_UNAVAILABLE);
    end.settle.ledger.state = state;
    end.settle.ledger.billed = billed;
    rig_settle(rig, client, &end, STORE_DONE);
}

/* --- operations that are waited for --- */

#define MONEY_OP(name, type, function)                                                             \
    struct money_##name {                                                                          \
        struct type op;                                                                            \
        int done;                                                                                  \
    };                                                                                             \
    static inline void money_on_##name(struct store_op *op) {                                      \
        ((struct money_##name *)op)->done++;                                                       \
    }                                                                                              \
    static inline void money_do_##name(struct rig *rig, int client, struct money_##name *asked) {  \
        asked->op.op.done = money_on_##name;                                                       \
        asked->done = 0;                                                                           \
        function(rig->clients[client].client, &asked->op);                                         \
        assert_int_equal(asked->done, 0);                                                          \
        rig_wait(rig, &asked->done, 1);                                                            \
    }

MONEY_OP(read_documents, store_read_documents, store_read_documents)
MONEY_OP(write_document, store_write_document, store_write_document)
MONEY_OP(read_audit, store_read_audit, store_read_audit)
MONEY_OP(read_counters, store_read_counters, store_read_counters)
MONEY_OP(add_counters, store_add_counters, store_add_counters)
MONEY_OP(forget, store_forget, store_forget)

/* Writes, expecting `outcome`; the version it gives. */
static inline int64_t money_write(struct rig *rig, enum store_document_kind kind, const char *id,
                                  const char *body, int64_t expected, const char *audit,
                                  enum store_outcome outcome) {
    struct money_write_document write = {
        .op = {.kind = kind, .id = id, .body = body, .expected = expected, .audit = audit}};
    money_do_write_document(rig, 0, &write);
    assert_int_equal(write.op.outcome, outcome);
    return write.op.version;
}

/* --- sums --- */

struct money_sums {
    struct store_counter counters[SUMS_MOST];
    int count;
};

static inline void money_add(struct money_sums *sums, const char *name, int64_t value) {
    int i = 0;
    while (i < sums->count && strcmp(sums->counters[i].name, name) != 0)
        i++;
    assert_true(i < SUMS_MOST);
    if (i == sums->count)
        snprintf(sums->counters[sums->count++].name, STORE_COUNTER_NAME_SIZE, "%s", name);
    sums->counters[i].value += value;
}

static inline int64_t money_sum(const struct money_sums *sums, const char *name) {
    for (int i = 0; i < sums->count; i++) {
        if (strcmp(sums->counters[i].name, name) == 0)
            return sums->counters[i].value;
    }
    return 0;
}

static inline struct money_sums money_counters(struct rig *rig, const char *scope) {
    struct money_read_counters read;
    struct money_sums sums = {.count = 0};
    memset(&read, 0, sizeof read);
    snprintf(read.op.scope, sizeof read.op.scope, "%s", scope);
    money_do_read_counters(rig, 0, &read);
    assert_int_equal(read.op.outcome, STORE_DONE);
    for (int i = 0; i < read.op.count; i++)
        money_add(&sums, read.op.counters_owned[i].name, read.op.counters_owned[i].value);
    free(read.op.counters_owned);
    return sums;
}

static inline int64_t money_counter(struct rig *rig, const char *scope, const char *name) {
    const struct money_sums sums = money_counters(rig, scope);
    return money_sum(&sums, name);
}

struct money_page {
    struct store_page page;
    int done;
};

static inline void money_on_page(struct store_op *op) {
    ((struct money_page *)op)->done++;
}

static inline bool money_counts(const struct store_row *row) {
    switch (row->outcome.state) {
    case LEDGER_RESERVED:
    case LEDGER_UNKNOWN:
        return true;
    case LEDGER_SETTLED:
        return row->outcome.billed == BILLED_YES;
    default:
        return false;
    }
}

/* What the rows say of a scope: "package", or a day's or month's with its label. */
static inline struct money_sums money_sums_of_rows(struct rig *rig, const char *scope) {
    struct money_sums sums = {.count = 0};
    struct money_page asked = {.page = {.op.done = money_on_page,
                                        .to_ms = clock_unix_ms(&clock_system) + 86400000 * 40ll}};
    asked.page.from_ms = asked.page.to_ms - 86400000 * 80ll;
    do {
        asked.done = 0;
        store_read_page(rig->clients[0].client, &asked.page);
        rig_wait(rig, &asked.done, 1);
        assert_int_equal(asked.page.outcome, STORE_DONE);
        for (int i = 0; i < asked.page.count; i++) {
            const struct store_row *row = &asked.page.rows_owned[i];
            int64_t at_ms = ledger_id_time_ms(&row->id);
            const struct period day = period_day(at_ms);
            const struct period month = period_month(at_ms);
            bool wanted = strcmp(scope, "package") == 0 ||
                          strcmp(scope + strcspn(scope, ":") + 1,
                                 scope[0] == 'd' ? day.label : month.label) == 0;
            const char *name = scope[0] == 'p' ? row->account.package : row->account.client_id;
            if (wanted && *name)
                money_add(&sums, name, money_counts(row));
        }
        if (asked.page.count > 0)
            asked.page.after = asked.page.rows_owned[asked.page.count - 1].id;
        free(asked.page.rows_owned);
    } while (asked.page.more);
    return sums;
}

/* The store's counters of the scope are its rows' sums. */
static inline void money_assert_sums(struct rig *rig, const char *scope) {
    const struct money_sums kept = money_counters(rig, scope);
    const struct money_sums rows = money_sums_of_rows(rig, scope);
    for (int i = 0; i < rows.count; i++)
        assert_int_equal(money_sum(&kept, rows.counters[i].name), rows.counters[i].value);
    for (int i = 0; i < kept.count; i++)
        assert_int_equal(money_sum(&rows, kept.counters[i].name), kept.counters[i].value);
}

/* Of all packages, and of the day and month of the moment. */
static inline void money_assert_books(struct rig *rig, int64_t unix_ms) {
    char scope[STORE_SCOPE_SIZE];
    const struct period day = period_day(unix_ms);
    const struct period month = period_month(unix_ms);
    money_assert_sums(rig, "package");
    snprintf(scope, sizeof scope, "day:%s", day.label);
    money_assert_sums(rig, scope);
    snprintf(scope, sizeof scope, "month:%s", month.label);
    money_assert_sums(rig, scope);
}
