#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/ledger_table.h"
#include "command/lines.h"
#include "command/run.h"

/* In the order of the form's rows; up to COUNTED they are the admin API's parameters by name. */
enum { FROM, TO, STATE, CLIENT, PACKAGE, CREDENTIAL, STATUS, WINDOW, FORMAT, COUNTED, BOM, ROWS };

static const struct options_row rows[ROWS] = {
    [FROM] = {"from", "TIME",
              "from here on; a date (2026-11-24, midnight in China) or a time\n"
              "(2026-11-24T10:00:00+08:00); default: 24 hours before --to",
              .kind = OPTIONS_TEXT},
    [TO] = {"to", "TIME", "up to here, and not this moment itself; default: now",
            .kind = OPTIONS_TEXT},
    [STATE] = {"state", "STATE", "only reserved, settled, released or unknown",
               .kind = OPTIONS_TEXT},
    [CLIENT] = {"client", "ID", "only this client's", .kind = OPTIONS_TEXT},
    [PACKAGE] = {"package", "ID", "only those drawn from this package", .kind = OPTIONS_TEXT},
    [CREDENTIAL] = {"credential", "ID", "only those asked with this credential",
                    .kind = OPTIONS_TEXT},
    [STATUS] = {"status", "STATUS", "only with this status of the seller's, such as 01",
                .kind = OPTIONS_TEXT},
    [WINDOW] = {"window", "10m", "how many were billed in each of the seller's ten-minute windows",
                .kind = OPTIONS_TEXT},
    [FORMAT] = {"format", "FORMAT", "csv or ndjson", .kind = OPTIONS_TEXT},
    [COUNTED] = {.name = "counted",
                 .help = "only those that a package's and a client's figures count:\n"
                         "billed, under way, or of unknown outcome"},
    [BOM] = {.name = "bom",
             .help = "begin CSV with a byte order mark, as some spreadsheets want it"},
};

static const struct options_form form = {
    .command = "ledger",
    .about = "Exports the ledger of the running service, which is asked at admin.listen with "
             "admin.token:\n"
             "a row for each call that was paid for or may have been. A table on a terminal, else "
             "CSV.\n"
             "After exit code 1 what was printed is not whole.\n"
             "What a lost Redis had comes back by `sanyao ledger rebuild`, which has its own "
             "--help.\n",
    .rows = rows,
    .row_count = ROWS,
    .json_help = "the same as --format ndjson",
};

static const struct table_column window_columns[] = {
    {"WINDOW", "window", TABLE_TEXT, 41}, {"COUNT", "count", TABLE_NUMBER, 7}, {0}};

/* In which format the service is asked, and whether a table is made of it. */
struct shape {
    const char *format; /* NULL: its default */
    bool table;
};

/* Returns an exit code, or -1: go on. */
static int choose_shape(const struct options *options, struct shape *shape) {
    shape->format = options->values[FORMAT];
    if (options->json && shape->format != NULL && strcmp(shape->format, "ndjson") != 0)
        return options_misuse(&form, "--json is --format ndjson and goes with no other format");
    if (options->json)
        shape->format = "ndjson";
    if (options->values[BOM] != NULL && shape->format == NULL)
        shape->format = "csv";
    shape->table = shape->format == NULL && isatty(STDOUT_FILENO);
    if (shape->table)
        shape->format = "ndjson";
    return -1;
}

/* --- as it comes --- */

static bool print_bytes(void *arg, const char *bytes, size_t size) {
    (void)arg;
    return fwrite(bytes, 1, size, stdout) == size;
}

/* --- for a person's eyes --- */

static bool export_table(struct run *run, const char *target) {
    bool windows = run->options.values[WINDOW] != NULL;
    struct ledger_table table = {.columns = windows ? window_columns : ledger_columns};
    struct lines lines = {.take = ledger_table_print, .arg = &table};
    if (!admin_get(run->config, target, lines_take, &lines, &run->complaint))
        return false;
    if (table.lines == 0)
        puts("no calls");
    return true;
}

/* --- the command --- */

static char *make_target(const struct options *options, const struct shape *shape) {
    char *target = strdup("/admin/v1/ledger");
    for (int i = 0; i < FORMAT; i++) {
        if (options->values[i] != NULL)
            target = admin_add_parameter(target, rows[i].name, options->values[i]);
    }
    if (shape->format != NULL)
        target = admin_add_parameter(target, "format", shape->format);
    if (options->values[COUNTED] != NULL)
        target = admin_add_parameter(target, "counted", "true");
    if (options->values[BOM] != NULL)
        target = admin_add_parameter(target, "bom", "1");
    return target;
}

static int export(struct run *run) {
    struct shape shape = {0};
    int code = choose_shape(&run->options, &shape);
    if (code >= 0)
        return code;
    char *target = make_target(&run->options, &shape);
    bool good = target != NULL || complain(&run->complaint, "no memory for the question");
    if (good)
        good = shape.table ? export_table(run, target)
                           : admin_get(run->config, target, print_bytes, NULL, &run->complaint);
    free(target);
    return good ? COMMAND_DONE : COMMAND_FAILED;
}

int command_ledger(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "rebuild") == 0)
        return command_ledger_rebuild(argc - 1, argv + 1);
    return run_command(&form, argc, argv, export);
}
