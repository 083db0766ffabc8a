/* package: the calls that were bought. */
#include <stdio.h>
#include <string.h>

#include "command/package_table.h"
#include "command/run.h"

#define PATH "/admin/v1/packages"

enum { CALLS, PRICE, CREDENTIAL, PURCHASED, EXPIRES, ADD_ROWS };
enum { REMOVED = ADD_ROWS, SET_ROWS };

#define ATTRIBUTES(REQUIRED)                                                                       \
    [CALLS] = {"calls", "N", "how many calls it holds", "calls", OPTIONS_COUNT, 0, REQUIRED},      \
    [PRICE] = {"price",    "CNY",        "what was paid for it, such as 288 or 288.50",            \
               "priceCny", OPTIONS_TEXT, 0,                                                        \
               REQUIRED},                                                                          \
    [CREDENTIAL] = {"credential",                                                                  \
                    "ID",                                                                          \
                    "whose AppCode it belongs to; a new one's default: main",                      \
                    "credential",                                                                  \
                    OPTIONS_TEXT,                                                                  \
                    0,                                                                             \
                    false},                                                                        \
    [PURCHASED] = {"purchased",   "DATE",       "a date or a time; a new one's default: now",      \
                   "purchasedAt", OPTIONS_TEXT, 0,                                                 \
                   false},                                                                         \
    [EXPIRES] = {                                                                                  \
        "expires",   "DATE",           "a date or a time, or never; a new one's default: never",   \
        "expiresAt", OPTIONS_OR_NEVER, 0,                                                          \
        false}

static const struct options_row add_rows[ADD_ROWS] = {ATTRIBUTES(true)};

static const struct options_row set_rows[SET_ROWS] = {
    ATTRIBUTES(false),
    [REMOVED] = {"removed", "yes|no", "nothing is drawn from it any more, or is again", "removed",
                 OPTIONS_YES_NO, 0, false},
};

static int print_one(struct run *run) {
    struct table table = table_of(package_columns);
    if (run->options.json)
        return run_print_json(run);
    table_add(&table, run_reply(run));
    return run_print_table(run, &table, "");
}

static int list(struct run *run) {
    struct table table = table_of(package_columns);
    if (!run_get(run, strdup(PATH)))
        return COMMAND_FAILED;
    if (run->options.json)
        return run_print_json(run);
    table_add_all(&table, json_scan_find(run_reply(run), "packages"));
    return run_print_table(run, &table,
                           "no packages, so the balance is unmetered: sanyao package add ID "
                           "--calls N --price CNY names one");
}

static int add(struct run *run) {
    const struct admin_request request = {.method = "POST", .target = PATH, .again = true};
    cJSON *body = options_to_json(run->form, &run->options);
    if (cJSON_AddStringToObject(body, "id", run->options.words[0]) == NULL) {
        cJSON_Delete(body);
        return run_without_memory(run);
    }
    if (!run_ask(run, &request, body))
        return COMMAND_FAILED;
    int code = print_one(run);
    if (run->reply.status == 200 && !run->reply.again && !run->options.json)
        puts("already there, as given");
    return code;
}

static int set(struct run *run) {
    cJSON *body = options_to_json(run->form, &run->options);
    if (body != NULL && body->child == NULL) {
        cJSON_Delete(body);
        return options_misuse(run->form, "it needs something to set");
    }
    if (!run_change(run, admin_add_word(strdup(PATH), run->options.words[0]), body))
        return COMMAND_FAILED;
    return print_one(run);
}

static const struct options_form list_form = {
    .command = "package list",
    .about =
        "What was bought, in the order in which it is drawn from: the first to expire first.\n",
};
static const struct options_form add_form = {
    .command = "package add",
    .words = "ID",
    .about = "Says that a package was bought. With the same words again nothing is changed. From\n"
             "the first package on, nothing is spent beyond what was bought. ID: a-z, 0-9 and\n"
             "hyphens.\n",
    .rows = add_rows,
    .row_count = ADD_ROWS,
};
static const struct options_form set_form = {
    .command = "package set",
    .words = "ID",
    .about =
        "Changes what is named of a package, and leaves the rest. The credential of a changed\n"
        "package is tried again, if upstream had refused it.\n",
    .rows = set_rows,
    .row_count = SET_ROWS,
};

static int run_list(int argc, char **argv) {
    return run_command(&list_form, argc, argv, list);
}

static int run_add(int argc, char **argv) {
    return run_command(&add_form, argc, argv, add);
}

static int run_set(int argc, char **argv) {
    return run_command(&set_form, argc, argv, set);
}

int command_package(int argc, char **argv) {
    static const struct command commands[] = {
        {"list", run_list, "all of them, and what is left"},
        {"add", run_add, "one that was bought"},
        {"set", run_set, "correct what is known of one, or draw from it no more"},
    };
    static const struct run_family family = {"package", "The calls that were bought.\n", commands,
                                             sizeof commands / sizeof commands[0]};
    return run_one_of(&family, argc, argv);
}
