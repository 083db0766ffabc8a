#pragma once
/*
 * run: what commands share: settings and libraries at the beginning, the end's exit code and words,
 * the admin API in between. Main thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "command/admin_client.h"
#include "command/command.h"
#include "command/options.h"
#include "command/table.h"
#include "runtime/complaint.h"
#include "runtime/config.h"
#include "runtime/json_scan.h"

struct run {
    const struct options_form *form;
    struct options options;
    struct config *config;
    struct complaint complaint;
    struct admin_reply reply; /* the last one that run_ask got */
};

/* Returns an exit code. With COMMAND_FAILED, the complaint is printed. */
typedef int run_work(struct run *run);

/* Parses the options, loads the settings, begins the libraries, works, and tells what went wrong,
 * also when standard output could not be written. Returns the exit code. */
int run_command(const struct options_form *form, int argc, char **argv, run_work *work);

/* The libraries, for a command that does the rest itself. */
bool run_begin(struct complaint *complaint) __attribute__((warn_unused_result));

/* The command of several that argv[1] names, as "client add". */
struct run_family {
    const char *name;
    const char *about;
    const struct command *commands;
    size_t count;
};
int run_one_of(const struct run_family *family, int argc, char **argv);

/* Sends `body`, which is deleted (NULL: none), and keeps the reply; what is no JSON is refused. */
bool run_ask(struct run *run, const struct admin_request *request, cJSON *body)
    __attribute__((warn_unused_result));

/* Of `target`, which is freed; NULL is told as no memory. */
bool run_get(struct run *run, char *target) __attribute__((warn_unused_result));

/* PATCH of `target` with `body`; both are freed, and told as no memory where NULL. */
bool run_change(struct run *run, char *target, cJSON *body) __attribute__((warn_unused_result));

/* Prints and frees the table, or, where it has no lines, the words. */
int run_print_table(struct run *run, struct table *table, const char *without);

/* Complains and returns COMMAND_FAILED. */
int run_without_memory(struct run *run);

/* The reply's body as it came, on a line of its own. */
int run_print_json(const struct run *run);

struct json_span run_reply(const struct run *run);
