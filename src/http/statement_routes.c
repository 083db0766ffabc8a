/*
 *   parse ──→ pages of the month, one by one ──→ hits of the month ──→ answer
 *
 * No row is kept, only sums (money/statement). The connection is suspended meanwhile, so that the
 * request stays, also when the caller has left. When the process ends, nothing more is read.
 */
#include "http/statement_routes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "http/admin.h"
#include "http/problem.h"
#include "http/response.h"
#include "money/period.h"
#include "money/statement.h"
#include "runtime/container.h"
#include "store/records.h"

#define JSON_TYPE     "application/json; charset=utf-8"
#define CSV_TYPE      "text/csv; charset=utf-8; header=present"
#define CSV_NAME_SIZE 80

struct statement_query {
    struct period month;
    bool csv;
    bool bom;
    unsigned seen; /* which parameters were given */
};

struct statement_read {
    struct store_page page;
    struct store_read_counters hits;
    struct service *service;
    struct request *request; /* valid until it is answered */
    struct statement_query query;
    struct statement statement;
};

static void free_read(struct statement_read *read) {
    free(read->page.rows_owned);
    free(read->hits.counters_owned);
    statement_free(&read->statement);
    free(read);
}

static void refuse(struct statement_read *read, enum problem problem, const char *detail) {
    problem_answer(read->request, problem, detail, BILLED_NO);
    free_read(read);
}

static const struct package *find_package(void *arg, const char *id) {
    const struct statement_read *read = arg;
    return directory_find_package(directory_now(read->service->directory), id);
}

/* --- the reply --- */

static struct MHD_Response *as_json(struct statement_read *read) {
    cJSON *json = statement_to_json(&read->statement, read->query.month.label,
                                    read->service->config->timezone);
    char *body = json != NULL ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    struct MHD_Response *response =
        body != NULL ? response_new(read->request, JSON_TYPE, body, strlen(body)) : NULL;
    cJSON_free(body);
    return response;
}

static struct MHD_Response *as_csv(struct statement_read *read) {
    const struct statement *statement = &read->statement;
    const char *month = read->query.month.label;
    size_t room = (statement->count + 1) * STATEMENT_ROW_SIZE;
    char *body = malloc(room);
    if (body == NULL)
        return NULL;
    struct text text = text_over(body, room);
    statement_csv_names(read->query.bom, &text);
    for (size_t i = 0; i < statement->count; i++)
        statement_csv_row(&statement->lines[i], month, &text);
    struct MHD_Response *response = response_new(read->request, CSV_TYPE, body, text.size);
    free(body);
    char disposition[CSV_NAME_SIZE];
    struct text name = text_over(disposition, sizeof disposition);
    text_addf(&name, "attachment; filename=\"sanyao-statement-%s.csv\"", month);
    response_add(response, "Content-Disposition", disposition);
    return response;
}

static void answer(struct statement_read *read) {
    statement_price(&read->statement, find_package, read);
    request_answer(read->request, MHD_HTTP_OK, read->query.csv ? as_csv(read) : as_json(read));
    free_read(read);
}

/* --- what is read --- */

static bool take_hits(struct statement_read *read) {
    for (int i = 0; i < read->hits.count; i++) {
        const struct store_counter *counter = &read->hits.counters_owned[i];
        if (!statement_add_hits(&read->statement, counter->name, counter->value, find_package,
                                read))
            return false;
    }
    return true;
}

static void on_hits(struct store_op *op) {
    struct statement_read *read = container_of(op, struct statement_read, hits.op);
    read->service->pages--;
    if (read->hits.outcome != STORE_DONE)
        refuse(read, PROBLEM_STORE_UNAVAILABLE, "The hits cannot be read now.");
    else if (!take_hits(read))
        refuse(read, PROBLEM_OVERLOADED, NULL);
    else
        answer(read);
}

static void read_hits(struct statement_read *read) {
    struct text scope = text_over(read->hits.scope, sizeof read->hits.scope);
    text_addf(&scope, "hits:%s", read->query.month.label);
    read->hits.op.done = on_hits;
    read->service->pages++;
    store_read_counters(read->service->store_client, &read->hits);
}

static bool take_page(struct statement_read *read) {
    struct store_page *page = &read->page;
    for (int i = 0; i < page->count; i++) {
        if (!statement_add_row(&read->statement, &page->rows_owned[i]))
            return false;
    }
    if (page->count > 0)
        page->after = page->rows_owned[page->count - 1].id;
    free(page->rows_owned);
    page->rows_owned = NULL;
    return true;
}

static void on_page(struct store_op *op);

static void read_page(struct statement_read *read) {
    read->page.op.done = on_page;
    read->service->pages++;
    store_read_page(read->service->store_client, &read->page);
}

static void on_page(struct store_op *op) {
    struct statement_read *read = container_of(op, struct statement_read, page.op);
    read->service->pages--;
    /* What neither has rows nor is at its end would be asked for forever. */
    bool stuck = read->page.count == 0 && read->page.more;
    if (read->page.outcome != STORE_DONE || stuck)
        refuse(read, PROBLEM_STORE_UNAVAILABLE, "The ledger cannot be read now.");
    else if (!take_page(read))
        refuse(read, PROBLEM_OVERLOADED, NULL);
    else if (read->service->ending)
        refuse(read, PROBLEM_SHUTTING_DOWN, NULL);
    else if (read->page.more)
        read_page(read);
    else
        read_hits(read);
}

/* --- the query --- */

static bool take_month(struct statement_query *query, const char *value) {
    return period_parse_month(value, &query->month);
}

static bool take_format(struct statement_query *query, const char *value) {
    query->csv = strcmp(value, "csv") == 0;
    return query->csv || strcmp(value, "json") == 0;
}

static bool take_bom(struct statement_query *query, const char *value) {
    query->bom = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    return query->bom || strcmp(value, "false") == 0 || strcmp(value, "0") == 0;
}

enum parameter { MONTH, FORMAT, BOM, PARAMETERS };

static const struct {
    const char *name;
    bool (*take)(struct statement_query *query, const char *value);
    const char *wanted;
} parameters[PARAMETERS] = {
    [MONTH] = {"month", take_month, "a month, like 2026-11"},
    [FORMAT] = {"format", take_format, "json or csv"},
    [BOM] = {"bom", take_bom, "true or false"},
};

struct query_reader {
    struct statement_query *query;
    struct complaint complaint; /* empty: none */
};

static bool add_parameter(struct query_reader *reader, const char *name, const char *value,
                          size_t size) {
    struct statement_query *query = reader->query;
    int i = 0;
    while (i < PARAMETERS && strcmp(parameters[i].name, name) != 0)
        i++;
    if (i == PARAMETERS)
        return complain(&reader->complaint, "There is an unknown parameter: only month, format and "
                                            "bom are known.");
    if (query->seen & 1u << i)
        return complain(&reader->complaint, "The parameter \"%s\" is given more than once.", name);
    query->seen |= 1u << i;
    bool is_text = size > 0 && memchr(value, 0, size) == NULL;
    return (is_text && parameters[i].take(query, value)) ||
           complain(&reader->complaint, "The parameter \"%s\" must be %s.", name,
                    parameters[i].wanted);
}

static enum MHD_Result on_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    (void)name_size;
    return add_parameter(arg, name, value != NULL ? value : "", value_size) ? MHD_YES : MHD_NO;
}

static bool read_query(struct request *request, const struct service *service,
                       struct statement_query *query) {
    *query = (struct statement_query){.month = period_month(clock_unix_ms(service->clock))};
    struct query_reader reader = {.query = query, .complaint = {""}};
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &reader);
    if (reader.complaint.text[0] == '\0' && query->bom && !query->csv)
        complain(&reader.complaint, "The parameter \"bom\" goes with the format csv only.");
    if (reader.complaint.text[0] == '\0')
        return true;
    problem_answer(request, PROBLEM_MALFORMED_REQUEST, reader.complaint.text, BILLED_NO);
    return false;
}

void statement_get(struct request *request, struct service *service) {
    struct statement_query query;
    if (!admin_admit(request, service) || !read_query(request, service, &query))
        return;
    if (directory_now(service->directory)->version < 0) {
        problem_answer(request, PROBLEM_STORE_UNAVAILABLE, "Prices have not been read yet.",
                       BILLED_NO);
        return;
    }
    struct statement_read *read = service->ending ? NULL : calloc(1, sizeof *read);
    if (read == NULL) {
        problem_answer(request, service->ending ? PROBLEM_SHUTTING_DOWN : PROBLEM_OVERLOADED, NULL,
                       BILLED_NO);
        return;
    }
    read->service = service;
    read->request = request;
    read->query = query;
    read->page.from_ms = query.month.begin_ms;
    read->page.to_ms = query.month.end_ms;
    read_page(read);
}
