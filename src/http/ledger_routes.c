/*
 *   parse ──→ first page ──┬─→ 503: nothing was sent yet
 *                          └─→ 200 ──→ lines of the page ──→ next page, suspended ──→ … ──→ end
 *
 * One page and one line are held at a time, whatever the ledger's size. The connection is suspended
 * while a page is read, and only then. When the store fails in the middle, the connection is cut
 * without the last chunk: nobody takes half a file for a whole one.
 */
#include "http/ledger_routes.h"

#include <stdlib.h>
#include <string.h>

#include "http/admin.h"
#include "http/ledger_query.h"
#include "http/problem.h"
#include "http/response.h"
#include "http/server.h"
#include "runtime/log.h"

struct export {
    struct store_page page; /* first: what the store gives back */
    struct service *service;
    struct request *request; /* valid until it is answered */
    struct MHD_Connection *connection;
    struct server *server;
    struct ledger_query query;
    bool answered; /* the response has it, and lets go of it */
    bool reading;  /* the store has the page */
    bool released; /* nobody wants it; freed when the store is done */
    bool failed;
    int row; /* of the page, next */
    struct window_list windows;
    size_t window; /* next */
    char line[EXPORT_LINE_SIZE];
    size_t line_size;
    size_t line_sent;
};

static void free_export(struct export *export) {
    free(export->page.rows_owned);
    window_list_free(&export->windows);
    free(export);
}

static void release(void *arg) {
    struct export *export = arg;
    if (export->reading)
        export->released = true;
    else
        free_export(export);
}

/* --- pages --- */

static void on_page(struct store_op *op);

static void read_page(struct export *export) {
    free(export->page.rows_owned);
    export->page.rows_owned = NULL;
    export->row = 0;
    export->reading = true;
    export->service->pages++;
    export->page.op.done = on_page;
    store_read_page(export->service->store_client, &export->page);
}

static bool take_page(struct export *export) {
    struct store_page *page = &export->page;
    if (page->outcome != STORE_DONE)
        return false;
    if (page->count > 0)
        page->after = page->rows_owned[page->count - 1].id;
    /* What neither has rows nor is at its end would be asked for forever. */
    return page->count > 0 || !page->more;
}

static void answer_first(struct export *export);

static void on_page(struct store_op *op) {
    struct export *export = (struct export *)op;
    export->reading = false;
    export->service->pages--;
    if (export->released) {
        free_export(export);
        return;
    }
    export->failed = !take_page(export);
    if (!export->answered) {
        answer_first(export);
        return;
    }
    MHD_resume_connection(export->connection);
    server_poke(export->server);
}

/* --- lines --- */

static struct text begin_line(struct export *export) {
    export->line_sent = 0;
    return text_over(export->line, sizeof export->line);
}

static void end_line(struct export *export, const struct text *text) {
    export->line_size = text->size;
}

/* The next row of the page that is wanted; NULL: there is none in it. */
static const struct store_row *next_row(struct export *export) {
    while (export->row < export->page.count) {
        const struct store_row *row = &export->page.rows_owned[export->row++];
        if (ledger_query_wants(&export->query, row))
            return row;
    }
    return NULL;
}

static void count_page(struct export *export) {
    const struct store_row *row = NULL;
    while (!export->failed && (row = next_row(export)) != NULL) {
        if (window_counts(row) && !window_add(&export->windows, row->reserved_at_ms))
            export->failed = true;
    }
}

static bool next_window_line(struct export *export) {
    count_page(export);
    if (export->failed || export->page.more || export->window == export->windows.count)
        return false;
    struct text text = begin_line(export);
    export_window(export->query.format, &export->windows.windows[export->window++], &text);
    end_line(export, &text);
    return true;
}

static bool next_row_line(struct export *export) {
    const struct store_row *row = next_row(export);
    if (row == NULL)
        return false;
    struct text text = begin_line(export);
    export_row(export->query.format, row, &text);
    end_line(export, &text);
    return true;
}

/* False: nothing more without another page. */
static bool next_line(struct export *export) {
    if (export->failed)
        return false;
    return export->query.windows ? next_window_line(export) : next_row_line(export);
}

static ssize_t read_stream(void *arg, uint64_t position, char *buffer, size_t room) {
    (void)position;
    struct export *export = arg;
    size_t size = 0;
    while (size < room && (export->line_sent < export->line_size || next_line(export))) {
        size_t left = export->line_size - export->line_sent;
        size_t part = left < room - size ? left : room - size;
        memcpy(buffer + size, export->line + export->line_sent, part);
        export->line_sent += part;
        size += part;
    }
    if (size > 0)
        return (ssize_t)size;
    bool more = export->page.more;
    if (export->failed || (more && export->service->ending)) {
        log_warn("ledger export broken off");
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (!more)
        return MHD_CONTENT_READER_END_OF_STREAM;
    MHD_suspend_connection(export->connection);
    read_page(export);
    return 0;
}

/* --- the reply --- */

static const struct {
    const char *content_type;
    const char *disposition;
} forms[EXPORT_FORMATS] = {
    [EXPORT_CSV] = {"text/csv; charset=utf-8; header=present",
                    "attachment; filename=\"sanyao-ledger.csv\""},
    [EXPORT_NDJSON] = {"application/x-ndjson", "attachment; filename=\"sanyao-ledger.ndjson\""},
};

static void begin_file(struct export *export) {
    struct text text = begin_line(export);
    if (export->query.windows)
        export_window_names(export->query.format, export->query.bom, &text);
    else
        export_row_names(export->query.format, export->query.bom, &text);
    end_line(export, &text);
}

static void answer_first(struct export *export) {
    struct request *request = export->request;
    if (export->failed) {
        problem_answer(request, PROBLEM_STORE_UNAVAILABLE, "The ledger cannot be read now.",
                       BILLED_NO);
        free_export(export);
        return;
    }
    begin_file(export);
    enum export_format format = export->query.format;
    export->answered = true;
    struct MHD_Response *response =
        response_new_stream(request, forms[format].content_type, read_stream, export, release);
    response_add(response, "Content-Disposition", forms[format].disposition);
    if (response == NULL)
        free_export(export);
    request_answer(request, MHD_HTTP_OK, response);
}

struct query_reader {
    struct ledger_query *query;
    struct complaint complaint; /* empty: none */
};

static enum MHD_Result on_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    (void)name_size;
    struct query_reader *reader = arg;
    bool good = ledger_query_add(reader->query, name, value != NULL ? value : "", value_size,
                                 &reader->complaint);
    return good ? MHD_YES : MHD_NO;
}

static bool read_query(struct request *request, const struct service *service,
                       struct ledger_query *query) {
    struct query_reader reader = {.query = query, .complaint = {""}};
    ledger_query_begin(query);
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &reader);
    if (reader.complaint.text[0] == '\0' &&
        ledger_query_end(query, clock_unix_ms(service->clock), &reader.complaint))
        return true;
    problem_answer(request, PROBLEM_MALFORMED_REQUEST, reader.complaint.text, BILLED_NO);
    return false;
}

void ledger_get(struct request *request, struct service *service) {
    struct ledger_query query;
    if (!admin_admit(request, service) || !read_query(request, service, &query))
        return;
    struct export *export = service->ending ? NULL : calloc(1, sizeof *export);
    if (export == NULL) {
        problem_answer(request, service->ending ? PROBLEM_SHUTTING_DOWN : PROBLEM_OVERLOADED, NULL,
                       BILLED_NO);
        return;
    }
    export->service = service;
    export->request = request;
    export->connection = request->connection;
    export->server = request->server;
    export->query = query;
    export->page.from_ms = query.from_ms;
    export->page.to_ms = query.to_ms;
    read_page(export);
}
