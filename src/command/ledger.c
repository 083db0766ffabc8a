#include <ctype.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>

#include "command/admin_client.h"
#include "command/command.h"
#include "runtime/config.h"

static const char HELP[] =
    "Usage: sanyao ledger [OPTION]...\n"
    "       sanyao ledger rebuild --help\n"
    "\n"
    "Exports the ledger of the running service, which is asked at admin.listen with admin.token:\n"
    "a row for each call that was paid for or may have been. A table on a terminal, else CSV.\n"
    "\n"
    "      --from TIME      from here on; a date (2026-11-24, midnight in China) or a time\n"
    "                       (2026-11-24T10:00:00+08:00); default: 24 hours before --to\n"
    "      --to TIME        up to here, and not this moment itself; default: now\n"
    "      --state STATE    only reserved, settled, released or unknown\n"
    "      --client ID      only this client's\n"
    "      --status STATUS  only with this status of the seller's, such as 01\n"
    "      --window 10m     how many were billed in each of the seller's ten-minute windows\n"
    "      --format FORMAT  csv or ndjson\n"
    "      --bom            begin CSV with a byte order mark, as some spreadsheets want it\n"
    "      --json           the same as --format ndjson\n"
    "  -c, --config FILE    the settings file; without it SANYAO_CONFIG, then\n"
    "                       /etc/sanyao/sanyao.jsonc if it is there, else none\n"
    "  -h, --help           this text\n"
    "\n"
    "Exit code: 0 done, 1 failed (what was printed is not whole), 2 wrong use.\n";

/* Options that are handed on are named as the parameters of the admin API. */
enum { FROM, TO, STATE, CLIENT, STATUS, WINDOW, FORMAT, HANDED_ON };

static const char *const parameter_names[HANDED_ON] = {
    [FROM] = "from",     [TO] = "to",         [STATE] = "state",   [CLIENT] = "client",
    [STATUS] = "status", [WINDOW] = "window", [FORMAT] = "format",
};

/* Behind the characters, so that they differ from the short options. */
#define OPTION_BASE 256

static const struct option options[] = {
    {"from", required_argument, NULL, OPTION_BASE + FROM},
    {"to", required_argument, NULL, OPTION_BASE + TO},
    {"state", required_argument, NULL, OPTION_BASE + STATE},
    {"client", required_argument, NULL, OPTION_BASE + CLIENT},
    {"status", required_argument, NULL, OPTION_BASE + STATUS},
    {"window", required_argument, NULL, OPTION_BASE + WINDOW},
    {"format", required_argument, NULL, OPTION_BASE + FORMAT},
    {"bom", no_argument, NULL, 'b'},
    {"json", no_argument, NULL, 'j'},
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct wish {
    const char *config;
    const char *values[HANDED_ON]; /* NULL: not given */
    bool bom;
    bool json;
    bool table;
};

static int misuse(const char *what) {
    fprintf(stderr, "sanyao ledger: %s; see sanyao ledger --help\n", what);
    return COMMAND_MISUSED;
}

/* Is `rebuild` the first word that is no option? */
static bool is_rebuild(int argc, char **argv) {
    optind = 0;
    opterr = 0;
    while (getopt_long(argc, argv, "+c:h", options, NULL) != -1)
        ;
    bool found = optind < argc && strcmp(argv[optind], "rebuild") == 0;
    opterr = 1;
    return found;
}

static int judge_options(struct wish *wish) {
    const char *format = wish->values[FORMAT];
    if (wish->json && format != NULL && strcmp(format, "ndjson") != 0)
        return misuse("--json is --format ndjson and goes with no other format");
    if (wish->json)
        wish->values[FORMAT] = "ndjson";
    if (wish->bom && format == NULL && !wish->json)
        wish->values[FORMAT] = "csv";
    wish->table = wish->values[FORMAT] == NULL && isatty(STDOUT_FILENO);
    if (wish->table)
        wish->values[FORMAT] = "ndjson";
    return -1;
}

/* Returns an exit code, or -1: go on. */
static int parse_options(int argc, char **argv, struct wish *wish) {
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option >= OPTION_BASE)
            wish->values[option - OPTION_BASE] = optarg;
        else if (option == 'b')
            wish->bom = true;
        else if (option == 'j')
            wish->json = true;
        else if (option == 'c')
            wish->config = optarg;
        else if (option == 'h')
            return fputs(HELP, stdout) < 0 ? COMMAND_FAILED : COMMAND_DONE;
        else
            return COMMAND_MISUSED;
    }
    return optind == argc ? judge_options(wish)
                          : misuse("an unexpected word; the one that it knows is rebuild");
}

/* --- as it comes --- */

static bool print_bytes(void *arg, const char *bytes, size_t size) {
    (void)arg;
    return fwrite(bytes, 1, size, stdout) == size;
}

/* --- for a person's eyes --- */

struct column {
    const char *member;
    const char *title;
    int width; /* negative: to the left */
};

static const struct column row_columns[] = {
    {"time", "TIME", -29},     {"state", "STATE", -8},
    {"status", "STATUS", -6},  {"billed", "BILLED", -6},
    {"latencyMs", "MS", 6},    {"client", "CLIENT", -16},
    {"credential", "KEY", -8}, {"package", "PACKAGE", -10},
    {"number", "NUMBER", -16}, {"traceId", "TRACE ID", -12},
    {NULL, NULL, 0},
};

static const struct column window_columns[] = {
    {"window", "WINDOW", -41}, {"count", "COUNT", 7}, {NULL, NULL, 0}};

struct table {
    const struct column *columns;
    long long lines;
    char line[8192]; /* what has come of one */
    size_t size;
};

static void print_cell(const struct column *column, const char *text) {
    printf("%*s%s", column->width, text, column[1].member != NULL ? "  " : "\n");
}

/* A trace id is upstream's text: no terminal is to obey it. */
static void print_text(const struct column *column, char *text) {
    for (char *at = text; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at))
            *at = '?';
    }
    print_cell(column, text);
}

static void print_value(const struct column *column, const cJSON *value) {
    char number[32];
    if (cJSON_IsString(value)) {
        print_text(column, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        snprintf(number, sizeof number, "%.0f", value->valuedouble);
        print_cell(column, number);
    } else {
        print_cell(column, cJSON_IsTrue(value) ? "yes" : cJSON_IsFalse(value) ? "no" : "-");
    }
}

static void print_titles(const struct table *table) {
    for (const struct column *column = table->columns; column->member != NULL; column++)
        print_cell(column, column->title);
}

static bool print_line(struct table *table) {
    cJSON *row = cJSON_ParseWithLength(table->line, table->size);
    if (row == NULL)
        return false;
    if (table->lines++ == 0)
        print_titles(table);
    for (const struct column *column = table->columns; column->member != NULL; column++)
        print_value(column, cJSON_GetObjectItemCaseSensitive(row, column->member));
    cJSON_Delete(row);
    return true;
}

static bool print_rows(void *arg, const char *bytes, size_t size) {
    struct table *table = arg;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            if (!print_line(table))
                return false;
            table->size = 0;
        } else if (table->size == sizeof table->line) {
            return false;
        } else {
            table->line[table->size++] = bytes[i];
        }
    }
    return true;
}

/* --- the command --- */

static char *make_target(const struct wish *wish) {
    char *target = strdup("/admin/v1/ledger");
    for (int i = 0; i < HANDED_ON && target != NULL; i++) {
        if (wish->values[i] != NULL)
            target = admin_add_parameter(target, parameter_names[i], wish->values[i]);
    }
    return wish->bom && target != NULL ? admin_add_parameter(target, "bom", "1") : target;
}

static bool export_table(const struct config *config, const struct wish *wish, const char *target,
                         struct complaint *complaint) {
    struct table table = {.columns = wish->values[WINDOW] != NULL ? window_columns : row_columns};
    if (!admin_get(config, target, print_rows, &table, complaint))
        return false;
    if (table.lines == 0)
        puts("no calls");
    return true;
}

static bool export(const struct wish *wish, struct complaint *complaint) {
    struct config *config = config_load(wish->config, environ, complaint);
    if (config == NULL)
        return false;
    char *target = make_target(wish);
    bool good = target != NULL || complain(complaint, "no memory for the question");
    if (good)
        good = wish->table ? export_table(config, wish, target, complaint)
                           : admin_get(config, target, print_bytes, NULL, complaint);
    if (good && fflush(stdout) != 0)
        good = complain(complaint, "what came could not be written");
    free(target);
    config_release(config);
    return good;
}

int command_ledger(int argc, char **argv) {
    struct wish wish = {0};
    struct complaint complaint = {""};
    if (is_rebuild(argc, argv))
        return command_ledger_rebuild(argc, argv);
    int code = parse_options(argc, argv, &wish);
    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("sanyao: libcurl could not be initialised\n", stderr);
        return COMMAND_FAILED;
    }
    bool good = export(&wish, &complaint);
    curl_global_cleanup();
    if (good)
        return COMMAND_DONE;
    fprintf(stderr, "sanyao: %s\n", complaint.text);
    return COMMAND_FAILED;
}
