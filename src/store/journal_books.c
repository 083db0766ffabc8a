#include "store/journal_books.h"

#include <stdio.h>
#include <string.h>

#include "store/sqlite_statement.h"

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

#define COLUMNS_WITH(window, held)                                                                 \
    "id, triple, number, client, credential, package, " window ", state, billed, http_status, "    \
    "status, trace_id, latency_ms, settled_at_ms, keep, answer, retain_until, close_ms, "          \
    "failure, " held ", delivered, line"
#define CALL_COLUMNS COLUMNS_WITH("number_window", "held")

/* Their places in a row of CALL_COLUMNS; those up to HELD are also, plus 1, the places of what
 * JOURNAL_END and JOURNAL_END_ALONE bind. */
enum call_column {
    ID,
    TRIPLE,
    NUMBER,
    CLIENT,
    CREDENTIAL,
    PACKAGE,
    WINDOW,
    STATE,
    BILLED,
    HTTP_STATUS,
    STATUS,
    TRACE_ID,
    LATENCY,
    SETTLED_AT,
    KEEP,
    ANSWER,
    RETAIN_UNTIL,
    CLOSE,
    FAILURE,
    HELD,
    DELIVERED,
    LINE,
};

#define ALL(columns) "SELECT " columns " FROM calls WHERE line > ?1 ORDER BY line LIMIT ?2"

static const char all_sql[] = ALL(CALL_COLUMNS);

/* Of a journal that is older than these columns. */
static const char all_old_sql[] = ALL(COLUMNS_WITH("''", "0"));

#define ROOM 96 /* what an ordinary outcome takes more than an intent */

/* Bound where statements of intents and of outcomes have the line. */
#define LINE_PLACE (HELD + 2)

/* Where an index is named, a planner that knows no sizes might read every line instead. */
#define FORGET_ABOUT(column)                                                                       \
    "UPDATE calls SET answer = NULL, keep = 0 WHERE line IN (SELECT line FROM calls INDEXED BY "   \
    "calls_id WHERE id >= ?2 AND answer IS NOT NULL AND state <> 'reserved' AND " column " = ?1)"

#define DELIVER_WHERE(state)                                                                       \
    "UPDATE calls SET delivered = ?2 WHERE id = ?1 AND delivered = 0 AND " state

#define NEWEST_COLUMNS "SELECT delivered, line, number, number_window, id FROM calls "
#define IS_WITNESS     "delivered > 0 AND state <> 'released' "

static const char *const sql[JOURNAL_STATEMENTS] = {
    [JOURNAL_BEGIN] = "BEGIN IMMEDIATE",
    [JOURNAL_COMMIT] = "COMMIT",
    [JOURNAL_ROLLBACK] = "ROLLBACK",
    [JOURNAL_PROBE] = "PRAGMA user_version = " TEXT_OF(JOURNAL_SCHEMA),
    [JOURNAL_RECOVER] = "UPDATE calls SET state = 'unknown', billed = NULL, latency_ms = 0, "
                        "settled_at_ms = ?1, failure = ?2, room = NULL "
                        "WHERE line >= ?3 AND state = 'reserved'",
    [JOURNAL_NEXT_LINE] = "SELECT coalesce(max(line), 0) + 1 FROM calls",
    [JOURNAL_INTEND] = "INSERT INTO calls (id, triple, number, client, credential, package, "
                       "number_window, line, state, room) "
                       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?21, 'reserved', ?22) "
                       "ON CONFLICT (id) DO NOTHING",
    [JOURNAL_END] = "UPDATE calls SET state = ?8, billed = ?9, http_status = ?10, status = ?11, "
                    "trace_id = ?12, latency_ms = ?13, settled_at_ms = ?14, keep = ?15, "
                    "answer = ?16, retain_until = ?17, close_ms = ?18, failure = ?19, held = ?20, "
                    "room = NULL WHERE id = ?1 AND state = 'reserved'",
    [JOURNAL_END_ALONE] =
        "INSERT INTO calls (id, triple, number, client, credential, package, number_window, state, "
        "billed, http_status, status, trace_id, latency_ms, settled_at_ms, keep, answer, "
        "retain_until, close_ms, failure, held, line) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21) ON CONFLICT (id) DO NOTHING",
    [JOURNAL_FIND_HELD] = "SELECT line, delivered FROM calls WHERE id = ?1 AND held = 1",
    [JOURNAL_LET_GO] = "UPDATE calls SET held = 0, delivered = 0 WHERE line = ?1",
    [JOURNAL_DELIVER] = DELIVER_WHERE("state <> 'reserved' AND state <> 'released'"),
    [JOURNAL_DELIVER_RELEASED] = DELIVER_WHERE("state = 'released'"),
    [JOURNAL_FIND_MARKED] = NEWEST_COLUMNS "WHERE id = ?1",
    [JOURNAL_FIRST_SINCE] = "SELECT min(line) FROM calls INDEXED BY calls_id WHERE id >= ?1",
    [JOURNAL_REDELIVER] = "UPDATE calls INDEXED BY calls_id SET delivered = 0 "
                          "WHERE delivered > 0 AND id >= ?1",
    [JOURNAL_UNDELIVERED] = "SELECT " CALL_COLUMNS " FROM calls WHERE line > ?1 "
                            "AND delivered = 0 AND state <> 'reserved' ORDER BY line LIMIT ?2",
    [JOURNAL_COUNT] = "SELECT max(delivered), total(delivered = 0 AND state <> 'reserved') "
                      "FROM calls WHERE line >= ?1",
    [JOURNAL_NEWEST] =
        NEWEST_COLUMNS "WHERE line >= ?1 AND " IS_WITNESS "ORDER BY delivered DESC LIMIT 1",
    [JOURNAL_NEWEST_BELOW] = NEWEST_COLUMNS "INDEXED BY calls_id WHERE id > zeroblob(0) "
                                            "AND " IS_WITNESS "ORDER BY id DESC LIMIT 1",
    [JOURNAL_SWEEP] = "DELETE FROM calls WHERE line IN (SELECT line FROM calls INDEXED BY calls_id "
                      "WHERE delivered > 0 AND id < ?1 AND line <> ?2 ORDER BY id LIMIT ?3)",
    [JOURNAL_FORGET_STEP] = "SELECT id FROM calls INDEXED BY calls_id WHERE id >= ?1 AND id < ?2 "
                            "ORDER BY id LIMIT 1 OFFSET ?3",
    [JOURNAL_FORGET] = "UPDATE calls SET answer = NULL WHERE line IN (SELECT line FROM calls "
                       "INDEXED BY calls_id WHERE id >= ?1 AND id < ?2 AND answer IS NOT NULL "
                       "AND delivered > 0)",
    [JOURNAL_LEFT] = "SELECT id FROM calls INDEXED BY calls_id WHERE id >= ?1 AND id < ?2 "
                     "AND delivered = 0 ORDER BY id LIMIT 1",
    [JOURNAL_FLOORS] = "SELECT line, answers FROM floors",
    [JOURNAL_KEEP_FLOORS] = "UPDATE floors SET line = ?1, answers = ?2",
    [JOURNAL_FLOOR] = "SELECT line FROM calls WHERE line >= ?1 AND line < ?2 AND delivered = 0 "
                      "ORDER BY line LIMIT 1",
    [JOURNAL_FORGET_TRIPLE] = FORGET_ABOUT("triple"),
    [JOURNAL_FORGET_NUMBER] = FORGET_ABOUT("number"),
    [JOURNAL_DOCUMENT] = "INSERT INTO documents (kind, id, version, body) VALUES (?1, ?2, ?3, ?4) "
                         "ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, "
                         "body = excluded.body WHERE excluded.version > version",
};

static bool note_trouble(struct journal_books *books) {
    snprintf(books->trouble, sizeof books->trouble, "%s", sqlite3_errmsg(books->db));
    return false;
}

static void read_text(sqlite3_stmt *row, int column, char *text, size_t size) {
    const unsigned char *value = sqlite3_column_text(row, column);
    snprintf(text, size, "%s", value ? (const char *)value : "");
}

static void read_bytes(sqlite3_stmt *row, int column, void *bytes, size_t size) {
    const void *value = sqlite3_column_blob(row, column);
    if (value && (size_t)sqlite3_column_bytes(row, column) == size)
        memcpy(bytes, value, size);
}

/* Runs a statement that gives no rows. */
static bool run(struct journal_books *books, enum journal_statement which) {
    sqlite3_stmt *statement = books->statements[which];
    bool done = sqlite3_step(statement) == SQLITE_DONE || note_trouble(books);
    sqlite3_reset(statement);
    return done;
}

/* The first column of the first row; 0: there is none, or it is NULL. False when it failed. */
static bool ask(struct journal_books *books, enum journal_statement which, int64_t *number) {
    sqlite3_stmt *statement = books->statements[which];
    int code = sqlite3_step(statement);
    *number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    bool done = code == SQLITE_ROW || code == SQLITE_DONE || note_trouble(books);
    sqlite3_reset(statement);
    return done;
}

/* The same; where there is none `id` is left as it is. */
static bool ask_id(struct journal_books *books, enum journal_statement which, struct ledger_id *id,
                   bool *found) {
    sqlite3_stmt *statement = books->statements[which];
    int code = sqlite3_step(statement);
    *found = code == SQLITE_ROW;
    if (*found)
        read_bytes(statement, 0, id->bytes, sizeof id->bytes);
    bool done = *found || code == SQLITE_DONE || note_trouble(books);
    sqlite3_reset(statement);
    return done;
}

static void bind_ids(struct journal_books *books, enum journal_statement which,
                     const struct ledger_id *from, const struct ledger_id *to) {
    bind_bytes(books->statements[which], 1, from->bytes, sizeof from->bytes);
    bind_bytes(books->statements[which], 2, to->bytes, sizeof to->bytes);
}

/* --- how far back to look --- */

static const struct ledger_id above_ids = {{0xff}};
static const struct journal_floors above_all = {.line = INT64_MAX, .answers.bytes = {0xff}};

static struct ledger_id lower_id(const struct ledger_id *a, const struct ledger_id *b) {
    return ledger_id_compare(a, b) < 0 ? *a : *b;
}

static bool read_floors(struct journal_books *books) {
    sqlite3_stmt *statement = books->statements[JOURNAL_FLOORS];
    bool done = sqlite3_step(statement) == SQLITE_ROW;
    if (done) {
        books->floors.line = sqlite3_column_int64(statement, 0);
        read_bytes(statement, 1, books->floors.answers.bytes, sizeof books->floors.answers.bytes);
    } else {
        note_trouble(books);
    }
    sqlite3_reset(statement);
    books->kept = books->floors;
    books->forgetting = books->floors.answers;
    books->left = above_ids;
    done = done && ask(books, JOURNAL_NEXT_LINE, &books->next_line);
    if (books->next_line < books->floors.line)
        books->next_line = books->floors.line;
    return done;
}

static bool keep_floors(struct journal_books *books) {
    sqlite3_stmt *statement = books->statements[JOURNAL_KEEP_FLOORS];
    sqlite3_bind_int64(statement, 1, books->floors.line);
    bind_bytes(statement, 2, books->floors.answers.bytes, sizeof books->floors.answers.bytes);
    if (!run(books, JOURNAL_KEEP_FLOORS))
        return false;
    books->kept = books->floors;
    return true;
}

/* In the transaction of what is below. */
static bool keep_lower_floors(struct journal_books *books) {
    if (books->kept.line <= books->floors.line &&
        ledger_id_compare(&books->kept.answers, &books->floors.answers) <= 0)
        return true;
    return keep_floors(books);
}

static bool lower_line_floor(struct journal_books *books, int64_t line) {
    if (line < books->floors.line)
        books->floors.line = line;
    return keep_lower_floors(books);
}

/* The clock may have been set back since. */
static bool lower_answers_floor(struct journal_books *books, const struct ledger_id *id) {
    books->floors.answers = lower_id(id, &books->floors.answers);
    books->forgetting = lower_id(id, &books->forgetting);
    return keep_lower_floors(books);
}

bool journal_books_raise_floors(struct journal_books *books, const struct journal_mark *mark,
                                int most) {
    sqlite3_stmt *statement = books->statements[JOURNAL_FLOOR];
    int64_t end = books->floors.line + most;
    int64_t line;
    if (end > books->next_line)
        end = books->next_line;
    sqlite3_bind_int64(statement, 1, books->floors.line);
    sqlite3_bind_int64(statement, 2, end);
    if (!ask(books, JOURNAL_FLOOR, &line))
        return false;
    line = line > 0 ? line : end;
    /* What was delivered last is looked for from there, too. */
    if (mark->line > 0 && mark->line < line)
        line = mark->line;
    if (line > books->floors.line)
        books->floors.line = line;
    return memcmp(&books->kept, &books->floors, sizeof books->kept) == 0 || keep_floors(books);
}

bool journal_books_open(struct journal_books *books, sqlite3 *db, struct complaint *complaint) {
    *books = (struct journal_books){.db = db};
    for (int which = 0; which < JOURNAL_STATEMENTS; which++) {
        if (!statement_prepare(db, sql[which], &books->statements[which])) {
            complain(complaint, "journal.path: the file is no whole sanyao journal: %s",
                     sqlite3_errmsg(db));
            journal_books_close(books);
            return false;
        }
    }
    static const uint8_t room[ROOM];
    bind_bytes(books->statements[JOURNAL_INTEND], LINE_PLACE + 1, room, sizeof room);
    if (read_floors(books))
        return true;
    complain(complaint, "journal.path: cannot read the journal: %s", books->trouble);
    journal_books_close(books);
    return false;
}

void journal_books_close(struct journal_books *books) {
    for (int which = 0; which < JOURNAL_STATEMENTS; which++)
        sqlite3_finalize(books->statements[which]);
}

bool journal_books_begin(struct journal_books *books) {
    return run(books, JOURNAL_BEGIN);
}

bool journal_books_commit(struct journal_books *books) {
    return run(books, JOURNAL_COMMIT);
}

void journal_books_rollback(struct journal_books *books) {
    if (sqlite3_get_autocommit(books->db))
        return;
    /* Nobody knows what the file has. */
    books->kept = above_all;
    sqlite3_step(books->statements[JOURNAL_ROLLBACK]);
    sqlite3_reset(books->statements[JOURNAL_ROLLBACK]);
}

bool journal_books_probe(struct journal_books *books) {
    return run(books, JOURNAL_PROBE);
}

int64_t journal_books_recover(struct journal_books *books, int64_t unix_ms) {
    sqlite3_stmt *statement = books->statements[JOURNAL_RECOVER];
    sqlite3_bind_int64(statement, 1, unix_ms);
    sqlite3_bind_int(statement, 2, FAILURE_UPSTREAM_TIMEOUT);
    sqlite3_bind_int64(statement, 3, books->floors.line);
    return run(books, JOURNAL_RECOVER) ? sqlite3_changes64(books->db) : -1;
}

static void bind_call(sqlite3_stmt *statement, const struct ledger_id *id,
                      const struct digest *triple, const struct digest *number,
                      const struct ledger_account *account, const char *window) {
    bind_bytes(statement, ID + 1, id->bytes, sizeof id->bytes);
    bind_bytes(statement, TRIPLE + 1, triple->bytes, DIGEST_SIZE);
    bind_bytes(statement, NUMBER + 1, number->bytes, DIGEST_SIZE);
    bind_text(statement, CLIENT + 1, account->client_id);
    bind_text(statement, CREDENTIAL + 1, account->credential);
    bind_text_or_null(statement, PACKAGE + 1, account->package);
    bind_text(statement, WINDOW + 1, window);
}

/* Runs a statement that makes a line where the call has none. */
static bool make_line(struct journal_books *books, enum journal_statement which,
                      const struct ledger_id *id, bool *made) {
    sqlite3_bind_int64(books->statements[which], LINE_PLACE, books->next_line);
    bool done = run(books, which);
    *made = done && sqlite3_changes(books->db) > 0;
    if (!*made)
        return done;
    books->next_line++;
    return lower_answers_floor(books, id);
}

bool journal_books_intend(struct journal_books *books, const struct store_admit *admit) {
    bool made;
    bind_call(books->statements[JOURNAL_INTEND], &admit->id, &admit->triple, &admit->number,
              &admit->account, admit->window);
    return make_line(books, JOURNAL_INTEND, &admit->id, &made);
}

static void bind_outcome(sqlite3_stmt *statement, const struct ledger_outcome *outcome) {
    bind_text(statement, STATE + 1, ledger_state_name[outcome->state]);
    bind_billed(statement, BILLED + 1, outcome->billed);
    bind_int_or_null(statement, HTTP_STATUS + 1, outcome->http_status);
    bind_text_or_null(statement, STATUS + 1, outcome->status);
    bind_text_or_null(statement, TRACE_ID + 1, outcome->trace_id);
    sqlite3_bind_int64(statement, LATENCY + 1, outcome->latency_ms);
    sqlite3_bind_int64(statement, SETTLED_AT + 1, outcome->settled_at_ms);
}

static void bind_settle(sqlite3_stmt *statement, const struct store_settle *settle,
                        uint8_t answer[ANSWER_ENCODED_MAX]) {
    bind_outcome(statement, &settle->ledger);
    sqlite3_bind_int(statement, KEEP + 1, settle->answered && settle->keep);
    if (settle->answered)
        bind_bytes(statement, ANSWER + 1, answer, (int)answer_encode(&settle->answer, answer));
    else
        sqlite3_bind_null(statement, ANSWER + 1);
    sqlite3_bind_int64(statement, RETAIN_UNTIL + 1, settle->retain_until);
    sqlite3_bind_int64(statement, CLOSE + 1, settle->close_ms);
    sqlite3_bind_int(statement, FAILURE + 1, (int)settle->failure);
    sqlite3_bind_int(statement, HELD + 1, settle->hold);
}

/* Of the call's intent, as nearly all are. */
static bool end_intended(struct journal_books *books, const struct store_settle *settle,
                         bool *ended) {
    uint8_t answer[ANSWER_ENCODED_MAX];
    sqlite3_stmt *statement = books->statements[JOURNAL_END];
    bind_bytes(statement, ID + 1, settle->id.bytes, sizeof settle->id.bytes);
    bind_settle(statement, settle, answer);
    bool done = run(books, JOURNAL_END);
    *ended = done && sqlite3_changes(books->db) > 0;
    return done;
}

static bool end_alone(struct journal_books *books, const struct store_settle *settle, bool *ended) {
    uint8_t answer[ANSWER_ENCODED_MAX];
    sqlite3_stmt *statement = books->statements[JOURNAL_END_ALONE];
    bind_call(statement, &settle->id, &settle->triple, &settle->number, &settle->account,
              settle->window);
    bind_settle(statement, settle, answer);
    return make_line(books, JOURNAL_END_ALONE, &settle->id, ended);
}

static bool let_go_of(struct journal_books *books, const struct ledger_id *id, bool *let_go,
                      struct journal_mark *mark) {
    sqlite3_stmt *find = books->statements[JOURNAL_FIND_HELD];
    bind_bytes(find, 1, id->bytes, sizeof id->bytes);
    int code = sqlite3_step(find);
    bool held = code == SQLITE_ROW;
    int64_t line = held ? sqlite3_column_int64(find, 0) : 0;
    bool delivered = held && sqlite3_column_int64(find, 1) > 0;
    sqlite3_reset(find);
    if (!held)
        return code == SQLITE_DONE || note_trouble(books);
    sqlite3_bind_int64(books->statements[JOURNAL_LET_GO], 1, line);
    if (!run(books, JOURNAL_LET_GO) || !lower_line_floor(books, line))
        return false;
    *let_go = true;
    mark->undelivered += delivered;
    bool was_last = delivered && ledger_id_compare(&mark->last.id, id) == 0;
    return !was_last || journal_books_newest(books, mark);
}

bool journal_books_end(struct journal_books *books, const struct store_settle *settle,
                       bool *repeated, bool *let_go, struct journal_mark *mark) {
    bool ended;
    *let_go = false;
    if (!end_intended(books, settle, &ended) || (!ended && !end_alone(books, settle, &ended)))
        return false;
    *repeated = !ended;
    mark->undelivered += ended;
    return ended || settle->hold || let_go_of(books, &settle->id, let_go, mark);
}

static bool deliver_as(struct journal_books *books, enum journal_statement which,
                       const struct ledger_id *id, const struct journal_mark *mark,
                       bool *delivered) {
    bind_bytes(books->statements[which], 1, id->bytes, sizeof id->bytes);
    sqlite3_bind_int64(books->statements[which], 2, mark->deliveries + 1);
    bool done = run(books, which);
    *delivered = done && sqlite3_changes(books->db) > 0;
    return done;
}

bool journal_books_deliver(struct journal_books *books, const struct ledger_id *id,
                           struct journal_mark *mark, bool *delivered) {
    if (!deliver_as(books, JOURNAL_DELIVER, id, mark, delivered))
        return false;
    if (*delivered) {
        mark->last.id = *id;
        books->unfinished = true;
    } else if (!deliver_as(books, JOURNAL_DELIVER_RELEASED, id, mark, delivered)) {
        return false;
    }
    mark->deliveries += *delivered;
    mark->undelivered -= *delivered;
    return true;
}

/* Of a statement with NEWEST_COLUMNS. */
static bool read_last(struct journal_books *books, enum journal_statement which,
                      struct journal_mark *mark) {
    sqlite3_stmt *statement = books->statements[which];
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(statement, 0);
        mark->deliveries = number > mark->deliveries ? number : mark->deliveries;
        mark->line = sqlite3_column_int64(statement, 1);
        read_bytes(statement, 2, mark->last.number.bytes, DIGEST_SIZE);
        read_text(statement, 3, mark->last.window, sizeof mark->last.window);
        read_bytes(statement, 4, mark->last.id.bytes, sizeof mark->last.id.bytes);
    }
    bool done = code == SQLITE_ROW || code == SQLITE_DONE || note_trouble(books);
    sqlite3_reset(statement);
    return done;
}

bool journal_books_finish_marks(struct journal_books *books, struct journal_mark *mark) {
    if (!books->unfinished)
        return true;
    books->unfinished = false;
    bind_bytes(books->statements[JOURNAL_FIND_MARKED], 1, mark->last.id.bytes,
               sizeof mark->last.id.bytes);
    return read_last(books, JOURNAL_FIND_MARKED, mark);
}

/* The first id that can be of that time. */
static struct ledger_id first_id(int64_t unix_ms) {
    const int64_t last_ms = ((int64_t)1 << 48) - 1;
    struct ledger_id id = {{0}};
    int64_t ms = unix_ms < 0 ? 0 : unix_ms;
    ms = ms > last_ms ? last_ms : ms;
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)ms >> (40 - 8 * i));
    return id;
}

int64_t journal_books_redeliver(struct journal_books *books, int64_t since_ms) {
    struct ledger_id first = first_id(since_ms);
    int64_t line;
    bind_bytes(books->statements[JOURNAL_FIRST_SINCE], 1, first.bytes, sizeof first.bytes);
    bind_bytes(books->statements[JOURNAL_REDELIVER], 1, first.bytes, sizeof first.bytes);
    if (!ask(books, JOURNAL_FIRST_SINCE, &line) || !run(books, JOURNAL_REDELIVER))
        return -1;
    int64_t count = sqlite3_changes64(books->db);
    return count == 0 || lower_line_floor(books, line) ? count : -1;
}

static bool count_deliveries(struct journal_books *books, struct journal_mark *mark) {
    sqlite3_stmt *statement = books->statements[JOURNAL_COUNT];
    sqlite3_bind_int64(statement, 1, books->floors.line);
    bool done = sqlite3_step(statement) == SQLITE_ROW || note_trouble(books);
    if (done) {
        int64_t number = sqlite3_column_int64(statement, 0);
        mark->deliveries = number > mark->deliveries ? number : mark->deliveries;
        mark->undelivered = sqlite3_column_int64(statement, 1);
    }
    sqlite3_reset(statement);
    return done;
}

/* Below the floor the order of the deliveries is not looked for: any of them does. */
bool journal_books_newest(struct journal_books *books, struct journal_mark *mark) {
    *mark = (struct journal_mark){.deliveries = mark->deliveries};
    books->unfinished = false;
    sqlite3_bind_int64(books->statements[JOURNAL_NEWEST], 1, books->floors.line);
    if (!count_deliveries(books, mark) || !read_last(books, JOURNAL_NEWEST, mark))
        return false;
    return mark->line > 0 || read_last(books, JOURNAL_NEWEST_BELOW, mark);
}

static enum ledger_state read_state(sqlite3_stmt *row) {
    char name[16];
    read_text(row, STATE, name, sizeof name);
    for (int state = 0; state < LEDGER_STATES; state++) {
        if (strcmp(name, ledger_state_name[state]) == 0)
            return (enum ledger_state)state;
    }
    return LEDGER_UNKNOWN;
}

static enum billed read_billed(sqlite3_stmt *row) {
    if (sqlite3_column_type(row, BILLED) == SQLITE_NULL)
        return BILLED_UNKNOWN;
    return sqlite3_column_int(row, BILLED) ? BILLED_YES : BILLED_NO;
}

/* One that a later version made up is a failure all the same. */
static enum failure read_failure(sqlite3_stmt *row) {
    int64_t failure = sqlite3_column_int64(row, FAILURE);
    return failure >= 0 && failure < FAILURES ? (enum failure)failure
                                              : FAILURE_UPSTREAM_UNAVAILABLE;
}

static void read_outcome(sqlite3_stmt *row, struct store_settle *settle) {
    struct ledger_outcome *outcome = &settle->ledger;
    outcome->state = read_state(row);
    outcome->billed = read_billed(row);
    outcome->http_status = sqlite3_column_int(row, HTTP_STATUS);
    read_text(row, STATUS, outcome->status, sizeof outcome->status);
    read_text(row, TRACE_ID, outcome->trace_id, sizeof outcome->trace_id);
    outcome->latency_ms = sqlite3_column_int64(row, LATENCY);
    outcome->settled_at_ms = sqlite3_column_int64(row, SETTLED_AT);
    settle->retain_until = sqlite3_column_int64(row, RETAIN_UNTIL);
    settle->close_ms = sqlite3_column_int64(row, CLOSE);
    settle->failure = read_failure(row);
    settle->hold = sqlite3_column_int(row, HELD);

    const void *answer = sqlite3_column_blob(row, ANSWER);
    size_t size = (size_t)sqlite3_column_bytes(row, ANSWER);
    settle->answered = answer && answer_decode(answer, size, &settle->answer);
    settle->keep = settle->answered && sqlite3_column_int(row, KEEP);
}

static void read_call(sqlite3_stmt *row, struct journal_call *call) {
    memset(call, 0, sizeof *call);
    struct store_settle *settle = &call->settle;
    struct ledger_account *account = &settle->account;
    call->line = sqlite3_column_int64(row, LINE);
    call->delivered = sqlite3_column_int64(row, DELIVERED) > 0;
    read_bytes(row, ID, settle->id.bytes, sizeof settle->id.bytes);
    read_bytes(row, TRIPLE, settle->triple.bytes, DIGEST_SIZE);
    read_bytes(row, NUMBER, settle->number.bytes, DIGEST_SIZE);
    read_text(row, CLIENT, account->client_id, sizeof account->client_id);
    read_text(row, CREDENTIAL, account->credential, sizeof account->credential);
    read_text(row, PACKAGE, account->package, sizeof account->package);
    read_text(row, WINDOW, settle->window, sizeof settle->window);
    read_outcome(row, settle);
    call->ended = settle->ledger.state != LEDGER_RESERVED;
}

int journal_books_read(sqlite3_stmt *all, int64_t after, struct journal_call *calls, int most) {
    int count = 0;
    int code;
    sqlite3_bind_int64(all, 1, after);
    sqlite3_bind_int(all, 2, most);
    while ((code = sqlite3_step(all)) == SQLITE_ROW && count < most)
        read_call(all, &calls[count++]);
    /* At once: an open read keeps the write-ahead log from being emptied. */
    sqlite3_reset(all);
    return code == SQLITE_DONE ? count : -1;
}

int journal_books_undelivered(struct journal_books *books, int64_t after,
                              struct journal_call *calls, int most) {
    int64_t from = after < books->floors.line ? books->floors.line - 1 : after;
    int count = journal_books_read(books->statements[JOURNAL_UNDELIVERED], from, calls, most);
    if (count < 0)
        note_trouble(books);
    return count;
}

int journal_books_sweep(struct journal_books *books, int64_t unix_ms, int64_t spared, int most) {
    sqlite3_stmt *statement = books->statements[JOURNAL_SWEEP];
    struct ledger_id first = first_id(unix_ms);
    bind_bytes(statement, 1, first.bytes, sizeof first.bytes);
    sqlite3_bind_int64(statement, 2, spared);
    sqlite3_bind_int(statement, 3, most);
    return run(books, JOURNAL_SWEEP) ? sqlite3_changes(books->db) : -1;
}

/* Answers that are still to be delivered are left, and looked at again. */
static bool forget_between(struct journal_books *books, const struct ledger_id *from,
                           const struct ledger_id *to) {
    struct ledger_id left = above_ids;
    bool any;
    bind_ids(books, JOURNAL_LEFT, from, to);
    bind_ids(books, JOURNAL_FORGET, from, to);
    if (!ask_id(books, JOURNAL_LEFT, &left, &any) || !run(books, JOURNAL_FORGET))
        return false;
    books->left = lower_id(&left, &books->left);
    books->forgetting = *to;
    return true;
}

bool journal_books_forget(struct journal_books *books, int64_t unix_ms, int most, bool *more) {
    const struct ledger_id end = first_id(unix_ms);
    const struct ledger_id from = books->forgetting;
    struct ledger_id to = end;
    *more = false;
    if (ledger_id_compare(&from, &end) >= 0)
        return true;
    bind_ids(books, JOURNAL_FORGET_STEP, &from, &end);
    sqlite3_bind_int(books->statements[JOURNAL_FORGET_STEP], 3, most);
    if (!ask_id(books, JOURNAL_FORGET_STEP, &to, more) || !forget_between(books, &from, &to))
        return false;
    if (*more)
        return true;
    books->floors.answers = lower_id(&books->left, &end);
    books->forgetting = books->floors.answers;
    books->left = above_ids;
    return true;
}

bool journal_books_forget_about(struct journal_books *books, bool whole_number,
                                const struct digest *digest) {
    enum journal_statement which = whole_number ? JOURNAL_FORGET_NUMBER : JOURNAL_FORGET_TRIPLE;
    bind_bytes(books->statements[which], 1, digest->bytes, DIGEST_SIZE);
    bind_bytes(books->statements[which], 2, books->floors.answers.bytes,
               sizeof books->floors.answers.bytes);
    return run(books, which);
}

bool journal_books_keep(struct journal_books *books, const struct store_document *document) {
    sqlite3_stmt *statement = books->statements[JOURNAL_DOCUMENT];
    bind_text(statement, 1, store_document_kind_name[document->kind]);
    bind_text(statement, 2, document->id);
    sqlite3_bind_int64(statement, 3, document->version);
    bind_text(statement, 4, document->body_owned);
    bool done = run(books, JOURNAL_DOCUMENT);
    sqlite3_clear_bindings(statement);
    return done;
}

/* What this program does not know it cannot give back. */
static bool visit_document(sqlite3_stmt *row,
                           bool (*visit)(void *arg, const struct store_document *document),
                           void *arg) {
    struct store_document document = {.version = sqlite3_column_int64(row, 2)};
    char kind[16];
    char body[STORE_DOCUMENT_BODY_MOST + 1];
    snprintf(kind, sizeof kind, "%s", (const char *)sqlite3_column_text(row, 0));
    snprintf(document.id, sizeof document.id, "%s", (const char *)sqlite3_column_text(row, 1));
    snprintf(body, sizeof body, "%s", (const char *)sqlite3_column_text(row, 3));
    document.body_owned = body;
    bool known = store_document_kind_read(kind, &document.kind) &&
                 sqlite3_column_bytes(row, 3) < (int)sizeof body;
    return !known || visit(arg, &document);
}

/* SQLITE_ROW: there is one. */
static int look_for(sqlite3 *db, const char *question) {
    sqlite3_stmt *statement = NULL;
    if (!statement_prepare(db, question, &statement))
        return SQLITE_ERROR;
    int code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code;
}

bool journal_books_read_documents(sqlite3 *db,
                                  bool (*visit)(void *arg, const struct store_document *document),
                                  void *arg) {
    static const char has_any[] = "SELECT 1 FROM sqlite_schema WHERE name = 'documents'";
    static const char read[] = "SELECT kind, id, version, body FROM documents";
    sqlite3_stmt *statement = NULL;
    int code = look_for(db, has_any);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE;
    if (!statement_prepare(db, read, &statement))
        return false;
    bool wanted = true;
    while (wanted && (code = sqlite3_step(statement)) == SQLITE_ROW)
        wanted = visit_document(statement, visit, arg);
    sqlite3_finalize(statement);
    return !wanted || code == SQLITE_DONE;
}

sqlite3_stmt *journal_books_prepare_all(sqlite3 *db) {
    static const char has_all[] = "SELECT 1 FROM pragma_table_info('calls') WHERE name = 'held'";
    sqlite3_stmt *statement = NULL;
    const char *all = look_for(db, has_all) == SQLITE_ROW ? all_sql : all_old_sql;
    return statement_prepare(db, all, &statement) ? statement : NULL;
}
