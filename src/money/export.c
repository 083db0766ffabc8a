#include "money/export.h"

#include <string.h>

#include <sodium.h>

#include "runtime/civil.h"

/* A line under way. */
struct line {
    enum export_format format;
    struct text *text;
    bool begun;
};

static void name_member(struct line *line, const char *name) {
    bool json = line->format == EXPORT_NDJSON;
    text_add(line->text, line->begun ? "," : json ? "{" : "");
    line->begun = true;
    if (json)
        text_addf(line->text, "\"%s\":", name);
}

static bool must_quote(const char *value) {
    return strchr("=+-@\t", value[0]) != NULL || strpbrk(value, ",\"\r\n") != NULL;
}

void export_csv_text(struct text *text, const char *value) {
    if (value[0] == '\0' || !must_quote(value)) {
        text_add(text, value);
        return;
    }
    text_add(text, "\"");
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"')
            text_add(text, "\"");
        text_add_bytes(text, at, 1);
    }
    text_add(text, "\"");
}

static void add_unknown(struct line *line, const char *name) {
    name_member(line, name);
    text_add(line->text, line->format == EXPORT_NDJSON ? "null" : "");
}

/* Empty: not known. */
static void add_text(struct line *line, const char *name, const char *value) {
    if (value[0] == '\0') {
        add_unknown(line, name);
        return;
    }
    name_member(line, name);
    if (line->format == EXPORT_NDJSON)
        text_add_json(line->text, value);
    else
        export_csv_text(line->text, value);
}

static void add_number(struct line *line, const char *name, int64_t number) {
    name_member(line, name);
    text_add_number(line->text, number);
}

static void add_billed(struct line *line, const struct store_row *row) {
    if (!row->ended || row->outcome.billed == BILLED_UNKNOWN) {
        add_unknown(line, "billed");
        return;
    }
    name_member(line, "billed");
    text_add(line->text, row->outcome.billed == BILLED_YES ? "true" : "false");
}

static void end_line(struct line *line) {
    text_add(line->text, line->format == EXPORT_NDJSON ? "}\n" : "\r\n");
}

static void add_names(enum export_format format, bool bom, const char *names, struct text *text) {
    if (format == EXPORT_NDJSON)
        return;
    text_add(text, bom ? EXPORT_BYTE_ORDER_MARK : "");
    text_add(text, names);
}

void export_row_names(enum export_format format, bool bom, struct text *text) {
    add_names(format, bom,
              "time,id,client,credential,package,state,status,billed,httpStatus,latencyMs,traceId,"
              "number\r\n",
              text);
}

void export_window_names(enum export_format format, bool bom, struct text *text) {
    add_names(format, bom, "window,count\r\n", text);
}

void export_row(enum export_format format, const struct store_row *row, struct text *text) {
    const struct ledger_outcome *outcome = &row->outcome;
    struct line line = {.format = format, .text = text};
    char time[CIVIL_SIZE];
    char id[LEDGER_ID_TEXT_SIZE];
    char number[2 * sizeof row->number + 1];
    civil_format(row->reserved_at_ms, time);
    ledger_id_format(&row->id, id);
    sodium_bin2hex(number, sizeof number, row->number, sizeof row->number);
    add_text(&line, "time", time);
    add_text(&line, "id", id);
    add_text(&line, "client", row->account.client_id);
    add_text(&line, "credential", row->account.credential);
    add_text(&line, "package", row->account.package);
    add_text(&line, "state", ledger_state_name[outcome->state]);
    add_text(&line, "status", row->ended ? outcome->status : "");
    add_billed(&line, row);
    if (row->ended && outcome->http_status != 0)
        add_number(&line, "httpStatus", outcome->http_status);
    else
        add_unknown(&line, "httpStatus");
    if (row->ended)
        add_number(&line, "latencyMs", outcome->latency_ms);
    else
        add_unknown(&line, "latencyMs");
    add_text(&line, "traceId", row->ended ? outcome->trace_id : "");
    add_text(&line, "number", number);
    end_line(&line);
}

void export_window(enum export_format format, const struct window *window, struct text *text) {
    struct line line = {.format = format, .text = text};
    char span[WINDOW_TEXT_SIZE];
    window_format(window, span);
    add_text(&line, "window", span);
    add_number(&line, "count", window->calls);
    end_line(&line);
}
