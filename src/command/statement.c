/* statement: a month's calls and costs, client by client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/explain.h"
#include "command/run.h"
#include "money/period.h"
#include "runtime/clock.h"

#define PATH "/admin/v1/statement"
#define ROWS "/admin/v1/ledger?format=ndjson&counted=true"

enum { MONTH, CSV, BOM, EXPLAIN, OPTION_ROWS };

static const struct options_row option_rows[OPTION_ROWS] = {
    [MONTH] = {.name = "month",
               .argument = "2026-11",
               .help = "which one, by the setting timezone; default: this one",
               .kind = OPTIONS_TEXT},
    [CSV] = {.name = "csv", .help = "for spreadsheets"},
    [BOM] = {.name = "bom",
             .help = "begin CSV with a byte order mark, as some spreadsheets want it"},
    [EXPLAIN] = {.name = "explain",
                 .help = "under each line the rows of the ledger that it counts; exit\n"
                         "code 1 where there are more or fewer"},
};

static const struct options_form form = {
    .command = "statement",
    .about = "What each client's calls cost in a month, by the price of the package that each was "
             "drawn\nfrom, and what was saved by answers that were known already.\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
};

static const struct table_column columns[] = {
    {"CLIENT", "client", TABLE_TEXT, 0},
    {"PACKAGE", "package", TABLE_TEXT, 0},
    {"CREDENTIAL", "credential", TABLE_TEXT, 0},
    {"CALLS", "calls", TABLE_NUMBER, 0},
    {"UNKNOWN", "unknown", TABLE_NUMBER, 0},
    {"COST CNY", "costCny", TABLE_NUMBER, 0},
    {"HITS", "hits", TABLE_NUMBER, 0},
    {"SAVED CNY", "savedCny", TABLE_NUMBER, 0},
    {0},
};

/* Those before them say whose the figures are. */
#define FIGURES 3

static char *make_target(const char *month, const char *format) {
    char *target = admin_add_parameter(strdup(PATH), "month", month);
    return admin_add_parameter(target, "format", format);
}

/* --- as a table --- */

static void add_figures(struct table *table, struct json_span figures) {
    for (const struct table_column *column = columns + FIGURES; column->title != NULL; column++)
        table_put_value(table, column->kind, json_scan_find(figures, column->member));
}

static void add_line(struct table *table, struct json_span client, struct json_span line) {
    table_put_value(table, TABLE_TEXT, json_scan_find(client, "client"));
    table_put_value(table, TABLE_TEXT, json_scan_find(line, "package"));
    table_put_value(table, TABLE_TEXT, json_scan_find(line, "credential"));
    add_figures(table, line);
}

/* One line is its client's whole. */
static void add_client(struct table *table, struct json_span client) {
    struct json_span lines = json_scan_find(client, "lines");
    struct json_span line;
    int count = 0;
    for (; json_scan_element(&lines, &line); count++)
        add_line(table, client, line);
    if (count == 1)
        return;
    table_put_value(table, TABLE_TEXT, json_scan_find(client, "client"));
    table_put(table, "all");
    table_put(table, "all");
    add_figures(table, client);
}

static int print_statement(struct run *run) {
    struct table table = table_of(columns);
    struct json_span statement = run_reply(run);
    struct json_span clients = json_scan_find(statement, "clients");
    struct json_span client;
    char *month = table_cell(TABLE_TEXT, json_scan_find(statement, "month"));
    char *zone = table_cell(TABLE_TEXT, json_scan_find(statement, "timezone"));
    while (json_scan_element(&clients, &client))
        add_client(&table, client);
    table_put(&table, "total");
    table_put(&table, "");
    table_put(&table, "");
    add_figures(&table, json_scan_find(statement, "total"));
    printf("%s, %s\n\n", month != NULL ? month : "?", zone != NULL ? zone : "?");
    free(month);
    free(zone);
    return run_print_table(run, &table, "");
}

/* --- what it is made of --- */

/* Which line is explained; what is none is NULL. */
struct place {
    const char *month;
    char *client;
    char *package;
    char *credential;
};

static char *copy_name(struct json_span value) {
    return value.size > 2 && value.at[0] == '"' ? table_cell(TABLE_TEXT, value) : NULL;
}

static bool is_same(struct json_span value, const char *name) {
    char *other = copy_name(value);
    bool same = other == NULL || name == NULL ? other == name : strcmp(other, name) == 0;
    free(other);
    return same;
}

static bool is_place(const struct place *place, struct json_span line) {
    return is_same(json_scan_find(line, "package"), place->package) &&
           is_same(json_scan_find(line, "credential"), place->credential);
}

/* The line's calls as they are by now. */
static int64_t calls_now(struct run *run, const void *arg) {
    const struct place *place = arg;
    struct json_span client;
    struct json_span line;
    if (!run_get(run, make_target(place->month, "json")))
        return -1;
    struct json_span clients = json_scan_find(run_reply(run), "clients");
    while (json_scan_element(&clients, &client)) {
        struct json_span lines = json_scan_find(client, "lines");
        while (is_same(json_scan_find(client, "client"), place->client) &&
               json_scan_element(&lines, &line)) {
            if (is_place(place, line))
                return explain_number(json_scan_find(line, "calls"));
        }
    }
    return 0;
}

static char *add_time(char *target, const char *name, int64_t unix_ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(unix_ms / 1000, text);
    return admin_add_parameter(target, name, text);
}

static char *make_rows_target(const struct place *place, const struct period *month) {
    char *target = add_time(strdup(ROWS), "from", month->begin_ms);
    target = add_time(target, "to", month->end_ms);
    if (place->client != NULL)
        target = admin_add_parameter(target, "client", place->client);
    if (place->package != NULL)
        target = admin_add_parameter(target, "package", place->package);
    if (place->credential != NULL)
        target = admin_add_parameter(target, "credential", place->credential);
    return target;
}

static bool explain_line(struct run *run, const struct period *month, struct json_span client,
                         struct json_span line, bool *differs) {
    struct place place = {.month = month->label,
                          .client = copy_name(json_scan_find(client, "client")),
                          .package = copy_name(json_scan_find(line, "package")),
                          .credential = copy_name(json_scan_find(line, "credential"))};
    const struct explain explain = {
        .what = "the statement",
        .target = make_rows_target(&place, month),
        .unpackaged = place.package == NULL,
        .figure = explain_number(json_scan_find(line, "calls")),
        .again = calls_now,
        .arg = &place,
    };
    struct table table = table_of(columns);
    add_line(&table, client, line);
    putchar('\n');
    bool good = table_print(&table, stdout) || complain(&run->complaint, "no memory for a table");
    good = explain_figure(run, &explain, differs) && good;
    free(place.client);
    free(place.package);
    free(place.credential);
    return good;
}

static int explain_statement(struct run *run, const struct period *month) {
    struct admin_reply kept = run->reply; /* spans are of it */
    struct json_span clients = json_scan_find(run_reply(run), "clients");
    struct json_span client;
    struct json_span line;
    bool differs = false;
    bool good = true;
    run->reply = (struct admin_reply){0};
    printf("%s\n", month->label);
    while (good && json_scan_element(&clients, &client)) {
        struct json_span lines = json_scan_find(client, "lines");
        while (good && json_scan_element(&lines, &line))
            good = explain_line(run, month, client, line, &differs);
    }
    admin_reply_free(&kept);
    return good ? explain_end(run, differs) : COMMAND_FAILED;
}

/* --- the command --- */

static bool print_bytes(void *arg, const char *bytes, size_t size) {
    (void)arg;
    return fwrite(bytes, 1, size, stdout) == size;
}

static int print_csv(struct run *run, const char *month) {
    char *target = make_target(month, "csv");
    if (run->options.values[BOM] != NULL)
        target = admin_add_parameter(target, "bom", "true");
    bool good = target != NULL || complain(&run->complaint, "no memory for the question");
    good = good && admin_get(run->config, target, print_bytes, NULL, &run->complaint);
    free(target);
    return good ? COMMAND_DONE : COMMAND_FAILED;
}

static int judge_options(const struct options *options, struct period *month) {
    bool csv = options->values[CSV] != NULL;
    bool explained = options->values[EXPLAIN] != NULL;
    if (options->json + csv + explained > 1)
        return options_misuse(&form, "--csv, --json and --explain go one by one");
    if (options->values[BOM] != NULL && !csv)
        return options_misuse(&form, "--bom goes with --csv");
    *month = period_month(clock_unix_ms(&clock_system));
    if (options->values[MONTH] != NULL && !period_parse_month(options->values[MONTH], month))
        return options_misuse(&form, "--month must be a month, such as 2026-11");
    return -1;
}

static int statement(struct run *run) {
    struct period month;
    int code = judge_options(&run->options, &month);
    if (code >= 0)
        return code;
    if (run->options.values[CSV] != NULL)
        return print_csv(run, month.label);
    if (!run_get(run, make_target(month.label, "json")))
        return COMMAND_FAILED;
    if (run->options.json)
        return run_print_json(run);
    return run->options.values[EXPLAIN] != NULL ? explain_statement(run, &month)
                                                : print_statement(run);
}

int command_statement(int argc, char **argv) {
    return run_command(&form, argc, argv, statement);
}
