#include "money/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/document.h"
#include "money/export.h"

#define FIRST_ROOM 16

/* --- lines --- */

static int compare(const struct statement_line *line, const char *client, const char *package,
                   const char *credential) {
    int order = strcmp(line->client, client);
    if (order == 0)
        order = strcmp(line->package, package);
    return order != 0 ? order : strcmp(line->credential, credential);
}

static bool make_room(struct statement *statement) {
    if (statement->count < statement->room)
        return true;
    size_t room = statement->room == 0 ? FIRST_ROOM : statement->room * 2;
    struct statement_line *grown = realloc(statement->lines, room * sizeof *grown);
    if (grown == NULL)
        return false;
    statement->lines = grown;
    statement->room = room;
    return true;
}

/* The line, made where it is not there. NULL without memory. */
static struct statement_line *line_of(struct statement *statement, const char *client,
                                      const char *package, const char *credential) {
    size_t low = 0;
    size_t high = statement->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&statement->lines[middle], client, package, credential);
        if (order == 0)
            return &statement->lines[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!make_room(statement))
        return NULL;
    struct statement_line *place = &statement->lines[low];
    memmove(place + 1, place, (statement->count - low) * sizeof *place);
    statement->count++;
    *place = (struct statement_line){.sum = {0}};
    snprintf(place->client, sizeof place->client, "%s", client);
    snprintf(place->package, sizeof place->package, "%s", package);
    snprintf(place->credential, sizeof place->credential, "%s", credential);
    return place;
}

bool statement_add_row(struct statement *statement, const struct store_row *row) {
    if (!ledger_counts(&row->outcome))
        return true;
    const struct ledger_account *account = &row->account;
    struct statement_line *line =
        line_of(statement, account->client_id, account->package, account->credential);
    if (line == NULL)
        return false;
    line->sum.calls++;
    if (row->outcome.state == LEDGER_UNKNOWN)
        line->sum.unknown++;
    return true;
}

bool statement_add_hits(struct statement *statement, const char *name, int64_t hits,
                        statement_find *find, void *arg) {
    char client[LEDGER_NAME_SIZE];
    const char *slash = strchr(name, '/');
    size_t size = slash != NULL ? (size_t)(slash - name) : 0;
    if (hits <= 0 || size == 0 || size >= sizeof client || strlen(slash + 1) >= LEDGER_NAME_SIZE)
        return true;
    memcpy(client, name, size);
    client[size] = '\0';
    const struct package *package = find(arg, slash + 1);
    struct statement_line *line =
        line_of(statement, client, slash + 1, package != NULL ? package->credential : "");
    if (line == NULL)
        return false;
    line->sum.hits += hits;
    return true;
}

void statement_price(struct statement *statement, statement_find *find, void *arg) {
    for (size_t i = 0; i < statement->count; i++) {
        struct statement_line *line = &statement->lines[i];
        const struct package *package = find(arg, line->package);
        line->sum.cost_fen = package != NULL ? package_cost_fen(package, line->sum.calls) : 0;
        line->sum.saved_fen = package != NULL ? package_cost_fen(package, line->sum.hits) : 0;
    }
}

void statement_free(struct statement *statement) {
    free(statement->lines);
    *statement = (struct statement){0};
}

/* --- JSON --- */

static void add_sum(struct statement_sum *sum, const struct statement_sum *more) {
    sum->calls += more->calls;
    sum->unknown += more->unknown;
    sum->cost_fen += more->cost_fen;
    sum->hits += more->hits;
    sum->saved_fen += more->saved_fen;
}

static bool put(cJSON *object, const char *name, cJSON *value) {
    if (value != NULL && cJSON_AddItemToObject(object, name, value))
        return true;
    cJSON_Delete(value);
    return false;
}

static bool put_sum(cJSON *object, const struct statement_sum *sum) {
    return document_add_integer(object, "calls", sum->calls) &&
           document_add_integer(object, "unknown", sum->unknown) &&
           put(object, "costCny", money_to_json(sum->cost_fen)) &&
           document_add_integer(object, "hits", sum->hits) &&
           put(object, "savedCny", money_to_json(sum->saved_fen));
}

static bool put_line(cJSON *lines, const struct statement_line *line) {
    cJSON *object = cJSON_CreateObject();
    if (object == NULL || !cJSON_AddItemToArray(lines, object)) {
        cJSON_Delete(object);
        return false;
    }
    return document_add_text(object, "package", line->package) &&
           document_add_text(object, "credential", line->credential) && put_sum(object, &line->sum);
}

/* The lines from `first` that are one client's. Returns how many, 0: no memory. */
static size_t put_client(cJSON *clients, const struct statement *statement, size_t first) {
    const struct statement_line *begin = &statement->lines[first];
    struct statement_sum sum = {0};
    size_t count = 0;
    cJSON *object = cJSON_CreateObject();
    cJSON *lines = cJSON_CreateArray();
    bool good = object != NULL && lines != NULL;
    for (; first + count < statement->count; count++) {
        if (strcmp(begin[count].client, begin->client) != 0)
            break;
        add_sum(&sum, &begin[count].sum);
        good = good && put_line(lines, &begin[count]);
    }
    good = good && document_add_text(object, "client", begin->client) && put_sum(object, &sum);
    good = good && cJSON_AddItemToObject(object, "lines", lines);
    if (!good)
        cJSON_Delete(lines);
    if (good && cJSON_AddItemToArray(clients, object))
        return count;
    cJSON_Delete(object);
    return 0;
}

static bool put_clients(cJSON *json, const struct statement *statement) {
    cJSON *clients = cJSON_AddArrayToObject(json, "clients");
    size_t count = 0;
    for (size_t at = 0; clients != NULL && at < statement->count; at += count) {
        count = put_client(clients, statement, at);
        if (count == 0)
            return false;
    }
    return clients != NULL;
}

static bool put_total(cJSON *json, const struct statement *statement) {
    struct statement_sum sum = {0};
    for (size_t i = 0; i < statement->count; i++)
        add_sum(&sum, &statement->lines[i].sum);
    cJSON *total = cJSON_AddObjectToObject(json, "total");
    return total != NULL && put_sum(total, &sum);
}

cJSON *statement_to_json(const struct statement *statement, const char *month, const char *zone) {
    cJSON *json = cJSON_CreateObject();
    if (json != NULL && document_add_text(json, "month", month) &&
        document_add_text(json, "timezone", zone) && put_clients(json, statement) &&
        put_total(json, statement))
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* --- CSV --- */

void statement_csv_names(bool bom, struct text *text) {
    text_add(text, bom ? EXPORT_BYTE_ORDER_MARK : "");
    text_add(text, "month,client,package,credential,calls,unknown,costCny,hits,savedCny\r\n");
}

static void add_money(struct text *text, int64_t fen) {
    char amount[MONEY_TEXT_SIZE];
    money_format(fen, amount);
    text_add(text, amount);
}

void statement_csv_row(const struct statement_line *line, const char *month, struct text *text) {
    const char *const names[] = {month, line->client, line->package, line->credential};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        export_csv_text(text, names[i]);
        text_add(text, ",");
    }
    text_addf(text, "%lld,%lld,", (long long)line->sum.calls, (long long)line->sum.unknown);
    add_money(text, line->sum.cost_fen);
    text_addf(text, ",%lld,", (long long)line->sum.hits);
    add_money(text, line->sum.saved_fen);
    text_add(text, "\r\n");
}
