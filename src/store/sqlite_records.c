#include "store/sqlite_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite_counters.h"
#include "store/sqlite_statement.h"

/* --- writing --- */

static bool put(struct sqlite_books *books, const struct store_write_document *write) {
    sqlite3_stmt *statement = books->statements[BOOKS_WRITE];
    bind_text(statement, 1, store_document_kind_name[write->kind]);
    bind_text(statement, 2, write->id);
    sqlite3_bind_int64(statement, 3, write->version);
    bind_text(statement, 4, write->body);
    bool done = books_run(books, BOOKS_WRITE);
    sqlite3_clear_bindings(statement);
    return done;
}

/* What is restored keeps its own number, under which others may know it. */
static bool write_document(struct sqlite_books *books, struct store_write_document *write) {
    sqlite3_stmt *statement = books->statements[BOOKS_DOCUMENT];
    bind_text(statement, 1, store_document_kind_name[write->kind]);
    bind_text(statement, 2, write->id);
    int64_t found = books_ask(books, BOOKS_DOCUMENT);
    int64_t newest = books_ask(books, BOOKS_VERSION);
    if (found < 0 || newest < 0)
        return false;
    if (write->restore ? found >= write->expected : found != write->expected) {
        write->version = found;
        write->outcome = STORE_CONFLICT;
        return true;
    }
    write->version = write->restore ? write->expected : newest + 1;
    write->op.changed = true;
    return put(books, write);
}

static bool write_audit(struct sqlite_books *books, const char *line) {
    bind_text(books->statements[BOOKS_AUDIT], 1, line);
    bool done = books_run(books, BOOKS_AUDIT);
    sqlite3_clear_bindings(books->statements[BOOKS_AUDIT]);
    return done;
}

bool records_write(struct sqlite_books *books, struct store_write_document *write) {
    write->outcome = STORE_DONE;
    if (write->id && !write_document(books, write))
        return false;
    return write->outcome != STORE_DONE || !write->audit || write_audit(books, write->audit);
}

bool records_add(struct sqlite_books *books, struct store_add_counters *add) {
    add->outcome = STORE_DONE;
    for (int i = 0; i < add->count; i++) {
        const struct store_counter *counter = &add->counters[i];
        if (!counters_add(books, add->scope, counter->name, counter->value))
            return false;
    }
    return true;
}

bool records_forget(struct sqlite_books *books, struct store_forget *forget) {
    enum books_statement which = forget->whole_number ? BOOKS_FORGET_NUMBER : BOOKS_FORGET_TRIPLE;
    const struct digest *digest = forget->whole_number ? &forget->number : &forget->triple;
    bind_bytes(books->statements[which], 1, digest->bytes, DIGEST_SIZE);
    if (!books_run(books, which))
        return false;
    forget->answers = sqlite3_changes(books->db);
    forget->outcome = STORE_DONE;
    forget->op.changed = true;
    sqlite3_stmt *owner = books->statements[BOOKS_FORGET_OWNER];
    bind_bytes(owner, 1, forget->number.bytes, DIGEST_SIZE);
    if (forget->whole_number)
        sqlite3_bind_null(owner, 2);
    else
        bind_bytes(owner, 2, forget->triple.bytes, DIGEST_SIZE);
    return books_run(books, BOOKS_FORGET_OWNER);
}

/* --- reading --- */

static const char *const readings[RECORDS_READINGS] = {
    [RECORDS_VERSION] = "SELECT max(version) FROM documents",
    [RECORDS_DOCUMENTS] = "SELECT kind, id, version, body FROM documents WHERE version > ?1 "
                          "ORDER BY version",
    [RECORDS_AUDIT] = "SELECT line, body FROM audit WHERE line > ?1 ORDER BY line LIMIT ?2",
    [RECORDS_NEWEST_AUDIT] = "SELECT line, body FROM (SELECT line, body FROM audit WHERE line > ?1 "
                             "ORDER BY line DESC LIMIT ?2) ORDER BY line",
    [RECORDS_COUNTERS] = "SELECT name, value FROM counters WHERE scope = ?1",
};

bool records_reader_open(struct records_reader *reader, sqlite3 *db) {
    memset(reader, 0, sizeof *reader);
    for (int which = 0; which < RECORDS_READINGS; which++) {
        if (!statement_prepare(db, readings[which], &reader->statements[which]))
            return false;
    }
    return true;
}

void records_reader_close(struct records_reader *reader) {
    for (int which = 0; which < RECORDS_READINGS; which++)
        sqlite3_finalize(reader->statements[which]);
}

static void end_reading(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

/* Room for one more of `count` things; the new place is all zero. NULL without memory. */
static void *grow(void **things_owned, int count, size_t size) {
    char *grown = *things_owned;
    if ((count & (count - 1)) == 0) {
        grown = realloc(grown, (count > 0 ? (size_t)count * 2 : 1) * size);
        if (!grown)
            return NULL;
        *things_owned = grown;
    }
    return memset(grown + (size_t)count * size, 0, size);
}

static const char *text_of(sqlite3_stmt *row, int column) {
    const unsigned char *text = sqlite3_column_text(row, column);
    return text ? (const char *)text : "";
}

static bool take_kind(const char *name, enum store_document_kind *kind) {
    for (int i = 0; i < STORE_DOCUMENT_KINDS; i++) {
        if (strcmp(name, store_document_kind_name[i]) != 0)
            continue;
        *kind = (enum store_document_kind)i;
        return true;
    }
    return false;
}

/* A kind that this program does not know is passed over. */
static bool take_document(sqlite3_stmt *row, struct store_read_documents *read) {
    enum store_document_kind kind;
    read->version = sqlite3_column_int64(row, 2);
    if (!take_kind(text_of(row, 0), &kind))
        return true;
    void *documents = read->documents_owned;
    struct store_document *document = grow(&documents, read->count, sizeof *document);
    read->documents_owned = documents;
    if (!document)
        return false;
    read->count++;
    document->kind = kind;
    snprintf(document->id, sizeof document->id, "%s", text_of(row, 1));
    document->version = read->version;
    document->body_owned = strdup(text_of(row, 3));
    return document->body_owned != NULL;
}

/* The version first: what is written in between is then among the documents, or the next time's. */
void records_read_documents(struct records_reader *reader, struct store_read_documents *read) {
    sqlite3_stmt *version = reader->statements[RECORDS_VERSION];
    sqlite3_stmt *statement = reader->statements[RECORDS_DOCUMENTS];
    bool good = sqlite3_step(version) == SQLITE_ROW;
    read->version = good ? sqlite3_column_int64(version, 0) : 0;
    sqlite3_reset(version);
    int code = SQLITE_DONE;
    sqlite3_bind_int64(statement, 1, read->since);
    while (good && (code = sqlite3_step(statement)) == SQLITE_ROW)
        good = take_document(statement, read);
    end_reading(statement);
    read->outcome = STORE_DONE;
    if (good && code == SQLITE_DONE)
        return;
    store_documents_free(read->documents_owned, read->count);
    read->documents_owned = NULL;
    read->count = 0;
    read->outcome = STORE_AWAY;
}

static bool take_line(sqlite3_stmt *row, struct store_read_audit *read) {
    void *lines = read->lines_owned;
    struct store_audit_line *line = grow(&lines, read->count, sizeof *line);
    read->lines_owned = lines;
    if (!line)
        return false;
    read->count++;
    line->line = sqlite3_column_int64(row, 0);
    line->body_owned = strdup(text_of(row, 1));
    return line->body_owned != NULL;
}

void records_read_audit(struct records_reader *reader, struct store_read_audit *read) {
    sqlite3_stmt *statement =
        reader->statements[read->newest ? RECORDS_NEWEST_AUDIT : RECORDS_AUDIT];
    int most = read->most < STORE_AUDIT_MOST ? read->most : STORE_AUDIT_MOST;
    bool good = true;
    int code = SQLITE_DONE;
    sqlite3_bind_int64(statement, 1, read->after);
    sqlite3_bind_int(statement, 2, most);
    while (good && (code = sqlite3_step(statement)) == SQLITE_ROW)
        good = take_line(statement, read);
    end_reading(statement);
    read->outcome = STORE_DONE;
    if (good && code == SQLITE_DONE)
        return;
    store_audit_free(read->lines_owned, read->count);
    read->lines_owned = NULL;
    read->count = 0;
    read->outcome = STORE_AWAY;
}

static bool take_counter(sqlite3_stmt *row, struct store_read_counters *read) {
    void *counters = read->counters_owned;
    struct store_counter *counter = grow(&counters, read->count, sizeof *counter);
    read->counters_owned = counters;
    if (!counter)
        return false;
    read->count++;
    snprintf(counter->name, sizeof counter->name, "%s", text_of(row, 0));
    counter->value = sqlite3_column_int64(row, 1);
    return true;
}

void records_read_counters(struct records_reader *reader, struct store_read_counters *read) {
    sqlite3_stmt *statement = reader->statements[RECORDS_COUNTERS];
    bool good = true;
    int code = SQLITE_DONE;
    bind_text(statement, 1, read->scope);
    while (good && (code = sqlite3_step(statement)) == SQLITE_ROW)
        good = take_counter(statement, read);
    end_reading(statement);
    read->outcome = STORE_DONE;
    if (good && code == SQLITE_DONE)
        return;
    free(read->counters_owned);
    read->counters_owned = NULL;
    read->count = 0;
    read->outcome = STORE_AWAY;
}
