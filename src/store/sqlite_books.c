#include "store/sqlite_books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/backend.h"
#include "store/sqlite_counters.h"
#include "store/sqlite_statement.h"

#define NUMBER_SHORT 8 /* bytes of the number's digest in the ledger */

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

/* Behind every number that begins as the ledger's. */
#define NUMBERS_END "CAST(ledger.number || x'ffffffffffffffffff' AS BLOB)"

/* Does the row count as a call of its package and client (store/records.h)? */
#define COUNTS "(state IN ('reserved', 'unknown') OR (state = 'settled' AND billed = 1))"

static const char *const sql[BOOKS_STATEMENTS] = {
    [BOOKS_BEGIN] = "BEGIN IMMEDIATE",
    [BOOKS_COMMIT] = "COMMIT",
    [BOOKS_ROLLBACK] = "ROLLBACK",
    [BOOKS_RECOVER] = "UPDATE ledger SET state = 'unknown' WHERE state = 'reserved'",
    [BOOKS_RESERVE] = "INSERT INTO ledger (id, reserved_at_ms, client, credential, package, state, "
                      "number, number_window) VALUES (?1, ?2, ?3, ?4, ?5, 'reserved', ?6, ?7)",
    [BOOKS_SETTLE] = "UPDATE ledger SET state = ?2, billed = ?3, http_status = ?4, status = ?5, "
                     "trace_id = ?6, latency_ms = ?7, settled_at_ms = ?8 "
                     "WHERE id = ?1 AND settled_at_ms IS NULL",
    [BOOKS_KEEP] = "INSERT INTO answers (triple, number, checked_at, retain_until, value) "
                   "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (triple) DO UPDATE SET "
                   "number = excluded.number, checked_at = excluded.checked_at, "
                   "retain_until = excluded.retain_until, value = excluded.value "
                   "WHERE excluded.checked_at >= checked_at",
    [BOOKS_CLOSED] = "SELECT until_ms FROM closed_numbers WHERE number = ?1 "
                     "AND number_window = ?3 AND until_ms > ?2",
    [BOOKS_WINDOW] = "SELECT reserved_at_ms FROM ledger WHERE number = ?1 AND reserved_at_ms > ?2 "
                     "AND state <> 'released' AND number_window = ?4 "
                     "ORDER BY reserved_at_ms DESC LIMIT 1 OFFSET ?3",
    [BOOKS_OLDEST] = "SELECT min(reserved_at_ms) FROM ledger WHERE number = ?1 "
                     "AND reserved_at_ms > ?2 AND state <> 'released' AND number_window = ?3",
    [BOOKS_CLOSE] = "INSERT INTO closed_numbers (number, until_ms, number_window) "
                    "VALUES (?1, ?2, ?3) ON CONFLICT (number, number_window) "
                    "DO UPDATE SET until_ms = excluded.until_ms "
                    "WHERE excluded.until_ms > until_ms",
    [BOOKS_OWNER] = "SELECT checked_at FROM owners WHERE number = ?1 AND triple <> ?2 "
                    "AND expires_at > ?3",
    [BOOKS_OWN] = "INSERT INTO owners (number, triple, checked_at, expires_at) "
                  "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (number) DO UPDATE SET "
                  "triple = excluded.triple, checked_at = excluded.checked_at, "
                  "expires_at = excluded.expires_at WHERE excluded.checked_at >= checked_at",
    [BOOKS_DISOWN] = "DELETE FROM owners WHERE number = ?1 AND triple = ?2 AND checked_at <= ?3",
    [BOOKS_FIND] = "SELECT value FROM answers WHERE triple = ?1",
    [BOOKS_PAGE] = "SELECT id, reserved_at_ms, number, client, credential, package, state, "
                   "settled_at_ms, billed, http_status, status, latency_ms, trace_id FROM ledger "
                   "WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
    [BOOKS_SWEEP] = "DELETE FROM answers WHERE triple IN (SELECT triple FROM answers "
                    "WHERE retain_until <= ?1 ORDER BY retain_until LIMIT ?2)",
    [BOOKS_SWEEP_CLOSED] = "DELETE FROM closed_numbers WHERE (number, number_window) IN "
                           "(SELECT number, number_window FROM closed_numbers "
                           "WHERE until_ms <= ?1 ORDER BY until_ms LIMIT ?2)",
    [BOOKS_SWEEP_OWNERS] = "DELETE FROM owners WHERE number IN (SELECT number FROM owners "
                           "WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    [BOOKS_FUTURE] = "SELECT EXISTS (SELECT 1 FROM ledger WHERE id > ?1)",
    [BOOKS_AHEAD] = "SELECT triple, value, retain_until FROM ledger CROSS JOIN answers "
                    "INDEXED BY answers_by_number ON answers.number > ledger.number "
                    "AND answers.number < " NUMBERS_END " WHERE id > ?2 AND checked_at > ?1",
    [BOOKS_MEND] = "UPDATE answers SET checked_at = ?2, retain_until = ?3, value = ?4 "
                   "WHERE triple = ?1",
    [BOOKS_MEND_OWNERS] = "UPDATE owners SET expires_at = expires_at - checked_at + ?1, "
                          "checked_at = ?1 WHERE number IN (SELECT owners.number FROM ledger "
                          "CROSS JOIN owners ON owners.number > ledger.number "
                          "AND owners.number < " NUMBERS_END " WHERE id > ?3 AND checked_at > ?2)",
    [BOOKS_UNCOUNTED] = "SELECT value FROM counters WHERE scope = '' AND name = 'uncounted'",
    [BOOKS_COUNT_PACKAGES] = "INSERT INTO counters (scope, name, value) SELECT 'package', package, "
                             "count(*) FROM ledger WHERE " COUNTS " AND package IS NOT NULL "
                             "GROUP BY package",
    [BOOKS_COUNT_PERIODS] = "INSERT INTO counters (scope, name, value) SELECT period(id, ?1), "
                            "client, count(*) FROM ledger WHERE " COUNTS " GROUP BY 1, 2",
    [BOOKS_COUNTED] = "DELETE FROM counters WHERE scope = '' AND name = 'uncounted'",
    [BOOKS_COUNTER] = "SELECT value FROM counters WHERE scope = ?1 AND name = ?2",
    [BOOKS_ADD] = "INSERT INTO counters (scope, name, value) VALUES (?1, ?2, ?3) "
                  "ON CONFLICT (scope, name) DO UPDATE SET value = value + excluded.value",
    [BOOKS_VERSION] = "SELECT max(version) FROM documents",
    [BOOKS_DOCUMENT] = "SELECT version FROM documents WHERE kind = ?1 AND id = ?2",
    [BOOKS_WRITE] = "INSERT OR REPLACE INTO documents (kind, id, version, body) "
                    "VALUES (?1, ?2, ?3, ?4)",
    [BOOKS_AUDIT] = "INSERT INTO audit (body) VALUES (?1)",
    [BOOKS_FORGET_TRIPLE] = "DELETE FROM answers WHERE triple = ?1",
    [BOOKS_FORGET_NUMBER] = "DELETE FROM answers WHERE number = ?1",
    [BOOKS_FORGET_OWNER] = "DELETE FROM owners WHERE number = ?1 AND (?2 IS NULL OR triple = ?2)",
    [BOOKS_PROBE] = "PRAGMA user_version = " TEXT_OF(BOOKS_SCHEMA),
};

static bool note_trouble(struct sqlite_books *books) {
    snprintf(books->trouble, sizeof books->trouble, "%s", sqlite3_errmsg(books->db));
    return false;
}

static bool prepare(sqlite3 *db, enum books_statement which, sqlite3_stmt **statement) {
    return statement_prepare(db, sql[which], statement);
}

bool books_open(struct sqlite_books *books, sqlite3 *db, struct complaint *complaint) {
    *books = (struct sqlite_books){.db = db};
    counters_register(db);
    for (int which = 0; which < BOOKS_STATEMENTS; which++) {
        if (!prepare(db, (enum books_statement)which, &books->statements[which])) {
            complain(complaint, "store.url: the file is no whole sanyao store: %s",
                     sqlite3_errmsg(db));
            books_close(books);
            return false;
        }
    }
    return true;
}

void books_close(struct sqlite_books *books) {
    for (int which = 0; which < BOOKS_STATEMENTS; which++)
        sqlite3_finalize(books->statements[which]);
}

/* Runs a statement that gives no rows. */
bool books_run(struct sqlite_books *books, enum books_statement which) {
    sqlite3_stmt *statement = books->statements[which];
    bool done = sqlite3_step(statement) == SQLITE_DONE || note_trouble(books);
    sqlite3_reset(statement);
    return done;
}

bool books_begin(struct sqlite_books *books) {
    return books_run(books, BOOKS_BEGIN);
}

bool books_commit(struct sqlite_books *books) {
    return books_run(books, BOOKS_COMMIT);
}

void books_rollback(struct sqlite_books *books) {
    if (sqlite3_get_autocommit(books->db))
        return;
    sqlite3_step(books->statements[BOOKS_ROLLBACK]);
    sqlite3_reset(books->statements[BOOKS_ROLLBACK]);
}

bool books_probe(struct sqlite_books *books) {
    return books_run(books, BOOKS_PROBE);
}

int64_t books_recover(struct sqlite_books *books) {
    return books_run(books, BOOKS_RECOVER) ? sqlite3_changes64(books->db) : -1;
}

bool books_reserve(struct sqlite_books *books, const struct store_admit *admit, int64_t unix_ms) {
    sqlite3_stmt *statement = books->statements[BOOKS_RESERVE];
    bind_bytes(statement, 1, admit->id.bytes, sizeof admit->id.bytes);
    sqlite3_bind_int64(statement, 2, unix_ms);
    bind_text(statement, 3, admit->account.client_id);
    bind_text(statement, 4, admit->account.credential);
    bind_text_or_null(statement, 5, admit->account.package);
    bind_bytes(statement, 6, admit->number.bytes, NUMBER_SHORT);
    bind_text(statement, 7, admit->window);
    return books_run(books, BOOKS_RESERVE) && counters_reserve(books, admit);
}

/* A statement whose one value is asked for. 0 where there is no row, -1 when it failed. */
int64_t books_ask(struct sqlite_books *books, enum books_statement which) {
    sqlite3_stmt *statement = books->statements[which];
    int64_t value = 0;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    else if (code != SQLITE_DONE)
        value = -1;
    if (value < 0)
        note_trouble(books);
    sqlite3_reset(statement);
    return value;
}

/* The window is full when there is a call that is the max_calls-th, counted from the newest: when
 * that one ages out, one more is allowed. */
int64_t books_closed_until(struct sqlite_books *books, const struct store_admit *admit,
                           int64_t unix_ms) {
    sqlite3_stmt *closed = books->statements[BOOKS_CLOSED];
    bind_bytes(closed, 1, admit->number.bytes, DIGEST_SIZE);
    sqlite3_bind_int64(closed, 2, unix_ms);
    bind_text(closed, 3, admit->window);
    int64_t until = books_ask(books, BOOKS_CLOSED);
    if (until != 0)
        return until;
    sqlite3_stmt *window = books->statements[BOOKS_WINDOW];
    bind_bytes(window, 1, admit->number.bytes, NUMBER_SHORT);
    sqlite3_bind_int64(window, 2, unix_ms - admit->limit.window_ms);
    sqlite3_bind_int64(window, 3, admit->limit.max_calls - 1);
    bind_text(window, 4, admit->window);
    int64_t last_that_counts = books_ask(books, BOOKS_WINDOW);
    return last_that_counts > 0 ? last_that_counts + admit->limit.window_ms : last_that_counts;
}

int64_t books_proven_other(struct sqlite_books *books, const struct store_admit *admit,
                           int64_t unix_s) {
    sqlite3_stmt *owner = books->statements[BOOKS_OWNER];
    bind_bytes(owner, 1, admit->number.bytes, DIGEST_SIZE);
    bind_bytes(owner, 2, admit->triple.bytes, DIGEST_SIZE);
    sqlite3_bind_int64(owner, 3, unix_s);
    return books_ask(books, BOOKS_OWNER);
}

static bool close_number(struct sqlite_books *books, const struct store_settle *settle) {
    int64_t now = settle->ledger.settled_at_ms;
    sqlite3_stmt *oldest = books->statements[BOOKS_OLDEST];
    bind_bytes(oldest, 1, settle->number.bytes, NUMBER_SHORT);
    sqlite3_bind_int64(oldest, 2, now - settle->close_ms);
    bind_text(oldest, 3, settle->window);
    int64_t begin = books_ask(books, BOOKS_OLDEST);
    if (begin < 0)
        return false;
    sqlite3_stmt *statement = books->statements[BOOKS_CLOSE];
    bind_bytes(statement, 1, settle->number.bytes, DIGEST_SIZE);
    sqlite3_bind_int64(statement, 2, (begin > 0 ? begin : now) + settle->close_ms);
    bind_text(statement, 3, settle->window);
    return books_run(books, BOOKS_CLOSE);
}

/* A kept 01 says whose the number is; an 02 to the same question unsays it. */
static bool note_owner(struct sqlite_books *books, const struct store_settle *settle) {
    enum result_kind kind = result_of(settle->answer.status);
    bool match = kind == RESULT_MATCH && settle->keep && settle->own;
    if (!match && kind != RESULT_MISMATCH)
        return true;
    sqlite3_stmt *statement = books->statements[match ? BOOKS_OWN : BOOKS_DISOWN];
    bind_bytes(statement, 1, settle->number.bytes, DIGEST_SIZE);
    bind_bytes(statement, 2, settle->triple.bytes, DIGEST_SIZE);
    sqlite3_bind_int64(statement, 3, settle->answer.checked_at);
    if (match)
        sqlite3_bind_int64(statement, 4, settle->answer.expires_at);
    return books_run(books, match ? BOOKS_OWN : BOOKS_DISOWN);
}

static bool end_row(struct sqlite_books *books, const struct store_settle *settle) {
    const struct ledger_outcome *outcome = &settle->ledger;
    sqlite3_stmt *statement = books->statements[BOOKS_SETTLE];
    bind_bytes(statement, 1, settle->id.bytes, sizeof settle->id.bytes);
    bind_text(statement, 2, ledger_state_name[outcome->state]);
    bind_billed(statement, 3, outcome->billed);
    bind_int_or_null(statement, 4, outcome->http_status);
    bind_text_or_null(statement, 5, outcome->status);
    bind_text_or_null(statement, 6, outcome->trace_id);
    sqlite3_bind_int64(statement, 7, outcome->latency_ms);
    sqlite3_bind_int64(statement, 8, outcome->settled_at_ms);
    return books_run(books, BOOKS_SETTLE);
}

bool books_keep(struct sqlite_books *books, const struct store_settle *settle) {
    uint8_t value[ANSWER_ENCODED_MAX];
    size_t size = answer_encode(&settle->answer, value);
    sqlite3_stmt *statement = books->statements[BOOKS_KEEP];
    bind_bytes(statement, 1, settle->triple.bytes, DIGEST_SIZE);
    bind_bytes(statement, 2, settle->number.bytes, DIGEST_SIZE);
    sqlite3_bind_int64(statement, 3, settle->answer.checked_at);
    sqlite3_bind_int64(statement, 4, settle->retain_until);
    bind_bytes(statement, 5, value, (int)size);
    bool done = books_run(books, BOOKS_KEEP);
    sqlite3_clear_bindings(statement);
    return done;
}

bool books_settle(struct sqlite_books *books, const struct store_settle *settle, bool *stored) {
    *stored = false;
    if (!end_row(books, settle))
        return false;
    if (sqlite3_changes(books->db) == 0)
        return true;
    if (!counters_end(books, settle))
        return false;
    if (!settle->answered)
        return true;
    if (settle->close_ms > 0 && !close_number(books, settle))
        return false;
    if (!note_owner(books, settle))
        return false;
    if (!settle->keep)
        return true;
    if (!books_keep(books, settle))
        return false;
    *stored = sqlite3_changes(books->db) > 0;
    return true;
}

sqlite3_stmt *books_prepare_find(sqlite3 *db) {
    sqlite3_stmt *statement = NULL;
    return prepare(db, BOOKS_FIND, &statement) ? statement : NULL;
}

enum store_outcome books_find_with(sqlite3_stmt *find, const struct digest *triple,
                                   struct answer *answer) {
    enum store_outcome outcome = STORE_AWAY;
    bind_bytes(find, 1, triple->bytes, DIGEST_SIZE);
    int code = sqlite3_step(find);
    if (code == SQLITE_DONE)
        outcome = STORE_MISS;
    if (code == SQLITE_ROW) {
        const void *value = sqlite3_column_blob(find, 0);
        size_t size = (size_t)sqlite3_column_bytes(find, 0);
        outcome = value && answer_decode(value, size, answer) ? STORE_HIT : STORE_MISS;
    }
    /* At once: an open read keeps the write-ahead log from being emptied. */
    sqlite3_reset(find);
    return outcome;
}

enum store_outcome books_find(struct sqlite_books *books, const struct digest *triple,
                              struct answer *answer) {
    enum store_outcome outcome = books_find_with(books->statements[BOOKS_FIND], triple, answer);
    if (outcome == STORE_AWAY)
        note_trouble(books);
    return outcome;
}

static int sweep(struct sqlite_books *books, enum books_statement which, int64_t end, int most) {
    sqlite3_stmt *statement = books->statements[which];
    sqlite3_bind_int64(statement, 1, end);
    sqlite3_bind_int(statement, 2, most);
    return books_run(books, which) ? sqlite3_changes(books->db) : -1;
}

int books_sweep(struct sqlite_books *books, int64_t unix_ms, int most) {
    const struct {
        enum books_statement which;
        int64_t end;
    } parts[] = {
        {BOOKS_SWEEP, unix_ms / 1000 - BOOKS_SWEEP_LATE_S},
        {BOOKS_SWEEP_CLOSED, unix_ms - BOOKS_SWEEP_LATE_S * INT64_C(1000)},
        {BOOKS_SWEEP_OWNERS, unix_ms / 1000 - BOOKS_SWEEP_LATE_S},
    };
    int largest = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int count = sweep(books, parts[i].which, parts[i].end, most);
        if (count < 0)
            return -1;
        largest = count > largest ? count : largest;
    }
    return largest;
}

/* --- what seems to be of the future --- */

#define AHEAD_S        60  /* clocks that are set well differ by less */
#define LONGEST_CALL_S 900 /* an answer is younger than its call's id, by less than this */

static bool mend_one(struct sqlite_books *books, sqlite3_stmt *ahead, int64_t unix_s) {
    sqlite3_stmt *mend = books->statements[BOOKS_MEND];
    const void *value = sqlite3_column_blob(ahead, 1);
    uint8_t bytes[ANSWER_ENCODED_MAX];
    struct answer answer;
    if (!value || !answer_decode(value, (size_t)sqlite3_column_bytes(ahead, 1), &answer))
        return true;
    int64_t by_s = answer.checked_at - unix_s;
    answer.checked_at -= by_s;
    answer.expires_at -= by_s;
    size_t size = answer_encode(&answer, bytes);
    bind_bytes(mend, 1, sqlite3_column_blob(ahead, 0), DIGEST_SIZE);
    sqlite3_bind_int64(mend, 2, unix_s);
    sqlite3_bind_int64(mend, 3, sqlite3_column_int64(ahead, 2) - by_s);
    bind_bytes(mend, 4, bytes, (int)size);
    bool done = books_run(books, BOOKS_MEND);
    sqlite3_clear_bindings(mend);
    return done;
}

/* Before the first call whose answer may be ahead. */
static struct ledger_id bound_of_ahead(int64_t unix_s) {
    return ledger_id_bound((unix_s + AHEAD_S - LONGEST_CALL_S) * 1000);
}

/* Looks at the calls of the future, and at what is kept of their numbers: of them there are few,
 * and of answers there may be millions. A row that is changed while it is read is not met again: it
 * is not ahead any more. */
static int64_t mend_answers(struct sqlite_books *books, int64_t unix_s) {
    sqlite3_stmt *ahead = books->statements[BOOKS_AHEAD];
    const struct ledger_id bound = bound_of_ahead(unix_s);
    int64_t count = 0;
    int code;
    sqlite3_bind_int64(ahead, 1, unix_s + AHEAD_S);
    bind_bytes(ahead, 2, bound.bytes, sizeof bound.bytes);
    while ((code = sqlite3_step(ahead)) == SQLITE_ROW && mend_one(books, ahead, unix_s))
        count++;
    if (code != SQLITE_DONE)
        note_trouble(books);
    sqlite3_reset(ahead);
    sqlite3_clear_bindings(ahead);
    return code == SQLITE_DONE ? count : -1;
}

static bool mend_owners(struct sqlite_books *books, int64_t unix_s) {
    sqlite3_stmt *owners = books->statements[BOOKS_MEND_OWNERS];
    const struct ledger_id bound = bound_of_ahead(unix_s);
    sqlite3_bind_int64(owners, 1, unix_s);
    sqlite3_bind_int64(owners, 2, unix_s + AHEAD_S);
    bind_bytes(owners, 3, bound.bytes, sizeof bound.bytes);
    bool done = books_run(books, BOOKS_MEND_OWNERS);
    sqlite3_clear_bindings(owners);
    return done;
}

/* All that is kept came by a call, and the last call is found at once: where it is not of the
 * future, nothing is. True also when it cannot be read. */
static bool has_future_calls(struct sqlite_books *books, int64_t unix_s) {
    sqlite3_stmt *future = books->statements[BOOKS_FUTURE];
    const struct ledger_id bound = ledger_id_bound((unix_s + AHEAD_S) * 1000);
    bind_bytes(future, 1, bound.bytes, sizeof bound.bytes);
    bool has = sqlite3_step(future) != SQLITE_ROW || sqlite3_column_int(future, 0) != 0;
    sqlite3_reset(future);
    return has;
}

int64_t books_mend_future(struct sqlite_books *books, int64_t unix_s) {
    if (!has_future_calls(books, unix_s))
        return 0;
    if (!books_begin(books))
        return -1;
    int64_t count = mend_answers(books, unix_s);
    if (count >= 0 && mend_owners(books, unix_s) && books_commit(books))
        return count;
    books_rollback(books);
    return -1;
}

/* --- a page of the ledger --- */

enum page_column {
    PAGE_ID,
    PAGE_RESERVED_AT,
    PAGE_NUMBER,
    PAGE_CLIENT,
    PAGE_CREDENTIAL,
    PAGE_PACKAGE,
    PAGE_STATE,
    PAGE_SETTLED_AT,
    PAGE_BILLED,
    PAGE_HTTP_STATUS,
    PAGE_STATUS,
    PAGE_LATENCY,
    PAGE_TRACE_ID
};

sqlite3_stmt *books_prepare_page(sqlite3 *db) {
    sqlite3_stmt *statement = NULL;
    return prepare(db, BOOKS_PAGE, &statement) ? statement : NULL;
}

static void read_bytes(sqlite3_stmt *row, enum page_column column, uint8_t *bytes, size_t size) {
    const void *value = sqlite3_column_blob(row, (int)column);
    if (value && (size_t)sqlite3_column_bytes(row, (int)column) == size)
        memcpy(bytes, value, size);
}

static void read_text(sqlite3_stmt *row, enum page_column column, char *text, size_t room) {
    const unsigned char *value = sqlite3_column_text(row, (int)column);
    snprintf(text, room, "%s", value ? (const char *)value : "");
}

static enum ledger_state read_state(sqlite3_stmt *row) {
    const unsigned char *value = sqlite3_column_text(row, PAGE_STATE);
    for (int state = 0; value && state < LEDGER_STATES; state++) {
        if (strcmp((const char *)value, ledger_state_name[state]) == 0)
            return (enum ledger_state)state;
    }
    return LEDGER_UNKNOWN;
}

static enum billed read_billed(sqlite3_stmt *row) {
    if (sqlite3_column_type(row, PAGE_BILLED) == SQLITE_NULL)
        return BILLED_UNKNOWN;
    return sqlite3_column_int(row, PAGE_BILLED) ? BILLED_YES : BILLED_NO;
}

static void read_row(sqlite3_stmt *from, struct store_row *row) {
    struct ledger_account *account = &row->account;
    struct ledger_outcome *outcome = &row->outcome;
    *row = (struct store_row){
        .reserved_at_ms = sqlite3_column_int64(from, PAGE_RESERVED_AT),
        .ended = sqlite3_column_type(from, PAGE_SETTLED_AT) != SQLITE_NULL,
        .outcome = {.state = read_state(from),
                    .billed = read_billed(from),
                    .http_status = sqlite3_column_int(from, PAGE_HTTP_STATUS),
                    .latency_ms = sqlite3_column_int64(from, PAGE_LATENCY),
                    .settled_at_ms = sqlite3_column_int64(from, PAGE_SETTLED_AT)},
    };
    read_bytes(from, PAGE_ID, row->id.bytes, sizeof row->id.bytes);
    read_bytes(from, PAGE_NUMBER, row->number, sizeof row->number);
    read_text(from, PAGE_CLIENT, account->client_id, sizeof account->client_id);
    read_text(from, PAGE_CREDENTIAL, account->credential, sizeof account->credential);
    read_text(from, PAGE_PACKAGE, account->package, sizeof account->package);
    read_text(from, PAGE_STATUS, outcome->status, sizeof outcome->status);
    read_text(from, PAGE_TRACE_ID, outcome->trace_id, sizeof outcome->trace_id);
}

/* One row is asked for beyond the page: is there more? */
static bool read_rows(sqlite3_stmt *statement, struct store_page *page) {
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (page->count == STORE_PAGE_MOST) {
            page->more = true;
            return true;
        }
        if (!page->rows_owned)
            page->rows_owned = calloc(STORE_PAGE_MOST, sizeof *page->rows_owned);
        if (!page->rows_owned)
            return false;
        read_row(statement, &page->rows_owned[page->count++]);
    }
    return code == SQLITE_DONE;
}

void books_page_with(sqlite3_stmt *statement, struct store_page *page) {
    struct ledger_id above = store_page_begin(page);
    struct ledger_id below = ledger_id_bound(page->to_ms);
    bind_bytes(statement, 1, above.bytes, sizeof above.bytes);
    bind_bytes(statement, 2, below.bytes, sizeof below.bytes);
    sqlite3_bind_int(statement, 3, STORE_PAGE_MOST + 1);
    if (read_rows(statement, page))
        page->outcome = STORE_DONE;
    else
        store_page_turn_away(page);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}
