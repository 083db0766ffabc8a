#include "store/sqlite_counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/period.h"
#include "store/sqlite_statement.h"

#define PACKAGE "package"

static void scope_of_day(const struct ledger_id *id, char scope[STORE_SCOPE_SIZE]) {
    const struct period day = period_day(ledger_id_time_ms(id));
    snprintf(scope, STORE_SCOPE_SIZE, "day:%s", day.label);
}

static void scope_of_month(const struct ledger_id *id, char scope[STORE_SCOPE_SIZE]) {
    const struct period month = period_month(ledger_id_time_ms(id));
    snprintf(scope, STORE_SCOPE_SIZE, "month:%s", month.label);
}

/* --- counting what is there --- */

/* period(id, 'day' | 'month'): the scope of a row's counter. */
static void period_of(sqlite3_context *context, int count, sqlite3_value **values) {
    struct ledger_id id;
    char scope[STORE_SCOPE_SIZE];
    const void *bytes = sqlite3_value_blob(values[0]);
    const unsigned char *kind = sqlite3_value_text(values[1]);
    (void)count;
    if (bytes == NULL || kind == NULL || sqlite3_value_bytes(values[0]) != sizeof id.bytes) {
        sqlite3_result_null(context);
        return;
    }
    memcpy(id.bytes, bytes, sizeof id.bytes);
    if (kind[0] == 'd')
        scope_of_day(&id, scope);
    else
        scope_of_month(&id, scope);
    sqlite3_result_text(context, scope, -1, SQLITE_TRANSIENT);
}

void counters_register(sqlite3 *db) {
    /* It only fails where memory is out, and then preparing its statement fails and says so. */
    (void)sqlite3_create_function(db, "period", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                  period_of, NULL, NULL);
}

static bool count_periods(struct sqlite_books *books, const char *kind) {
    bind_text(books->statements[BOOKS_COUNT_PERIODS], 1, kind);
    return books_run(books, BOOKS_COUNT_PERIODS);
}

bool counters_make(struct sqlite_books *books) {
    int64_t uncounted = books_ask(books, BOOKS_UNCOUNTED);
    if (uncounted <= 0)
        return uncounted == 0;
    bool made = books_begin(books) && books_run(books, BOOKS_COUNT_PACKAGES) &&
                count_periods(books, "day") && count_periods(books, "month") &&
                books_run(books, BOOKS_COUNTED) && books_commit(books);
    if (!made)
        books_rollback(books);
    return made;
}

/* --- single ones --- */

bool counters_add(struct sqlite_books *books, const char *scope, const char *name, int64_t value) {
    sqlite3_stmt *statement = books->statements[BOOKS_ADD];
    bind_text(statement, 1, scope);
    bind_text(statement, 2, name);
    sqlite3_bind_int64(statement, 3, value);
    return books_run(books, BOOKS_ADD);
}

static int64_t counter(struct sqlite_books *books, const char *scope, const char *name) {
    sqlite3_stmt *statement = books->statements[BOOKS_COUNTER];
    bind_text(statement, 1, scope);
    bind_text(statement, 2, name);
    return books_ask(books, BOOKS_COUNTER);
}

static bool add_call(struct sqlite_books *books, const struct ledger_id *id,
                     const struct ledger_account *account, int64_t value) {
    char day[STORE_SCOPE_SIZE];
    char month[STORE_SCOPE_SIZE];
    scope_of_day(id, day);
    scope_of_month(id, month);
    return (account->package[0] == '\0' || counters_add(books, PACKAGE, account->package, value)) &&
           counters_add(books, day, account->client_id, value) &&
           counters_add(books, month, account->client_id, value);
}

bool counters_reserve(struct sqlite_books *books, const struct store_admit *admit) {
    return add_call(books, &admit->id, &admit->account, 1);
}

bool counters_end(struct sqlite_books *books, const struct store_settle *settle) {
    return ledger_counts(&settle->ledger) || add_call(books, &settle->id, &settle->account, -1);
}

/* --- deciding --- */

/* What the plan's packages have used; false with trouble. */
static bool read_used(struct sqlite_books *books, const struct budget_plan *plan,
                      int64_t used[BUDGET_LINES_MOST]) {
    for (int i = 0; i < plan->count; i++) {
        const struct budget_line *line = &plan->lines[i];
        used[i] = line->calls >= 0 ? counter(books, PACKAGE, line->package) : 0;
        if (used[i] < 0)
            return false;
    }
    return true;
}

static bool read_client(struct sqlite_books *books, struct store_admit *admit) {
    char day[STORE_SCOPE_SIZE];
    char month[STORE_SCOPE_SIZE];
    struct budget_finding *finding = &admit->finding;
    scope_of_day(&admit->id, day);
    scope_of_month(&admit->id, month);
    finding->day_used = counter(books, day, admit->account.client_id);
    finding->month_used = counter(books, month, admit->account.client_id);
    return finding->day_used >= 0 && finding->month_used >= 0;
}

static void take_line(struct store_admit *admit, const struct budget_line *line) {
    struct ledger_account *account = &admit->account;
    memcpy(account->package, line->package, sizeof account->package);
    memcpy(account->credential, line->credential, sizeof account->credential);
    admit->finding.day_used++;
    admit->finding.month_used++;
}

enum store_outcome counters_decide(struct sqlite_books *books, struct store_admit *admit,
                                   int64_t unix_ms) {
    const struct budget_plan *plan = admit->budget.plan;
    int64_t used[BUDGET_LINES_MOST];
    if (plan == NULL)
        return STORE_LEAD;
    int64_t version = books_ask(books, BOOKS_VERSION);
    if (version != plan->version)
        return version < 0 ? STORE_AWAY : STORE_OUTDATED;
    if (!read_used(books, plan, used) || !read_client(books, admit))
        return STORE_AWAY;
    int64_t at_ms = ledger_id_time_ms(&admit->id);
    const struct period day = period_day(at_ms);
    const struct period month = period_month(at_ms);
    int line =
        budget_judge(&admit->budget, used, day.end_ms, month.end_ms, unix_ms, &admit->finding);
    if (line < 0)
        return STORE_REFUSED;
    take_line(admit, &plan->lines[line]);
    return STORE_LEAD;
}
