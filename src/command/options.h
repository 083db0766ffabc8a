#pragma once
/*
 * options: the words behind a command, by one table, from which parser and help derive.
 *
 * Every command also has --config FILE (-c), --help (-h) and, unless its form says otherwise,
 * --json. Values are borrowed from argv. Misuse is told on standard error. Main thread (getopt).
 */
#include <stdbool.h>

#include <cjson/cJSON.h>

#define OPTIONS_MOST 16 /* rows of a form */

enum options_kind {
    OPTIONS_FLAG, /* takes no value */
    OPTIONS_TEXT, /* anything */
    OPTIONS_COUNT,
    OPTIONS_LIMIT, /* a count, or "none" */
    OPTIONS_YES_NO,
    OPTIONS_OR_NEVER, /* anything, or "never" */
};

struct options_row {
    const char *name;     /* without the hyphens */
    const char *argument; /* in the help: "FILE"; NULL for a flag */
    const char *help;     /* a '\n' begins another line */
    const char *member;   /* of the JSON that options_to_json makes; NULL: none */
    enum options_kind kind;
    char letter;   /* 0: none */
    bool required; /* must be given */
};

struct options_form {
    const char *command; /* "client add" */
    const char *words;   /* what stands behind the options: "ID", "JOURNAL..."; NULL: nothing */
    bool many_words;     /* one or more of it, and not just one */
    const char *about;   /* what it does; lines end with '\n' */
    const struct options_row *rows;
    int row_count;
    const char *json_help; /* NULL: the usual; "": there is no --json */
    const char *exits;     /* of further exit codes: "3 they differ"; NULL: there are none */
};

struct options {
    const char *config; /* NULL: not given */
    bool json;
    const char *values[OPTIONS_MOST]; /* by row; NULL: not given; of a flag "" */
    char **words;                     /* ends with NULL */
};

/* An exit code, or -1: go on. argv[0] is the last word of the command's name. */
int options_parse(const struct options_form *form, int argc, char **argv, struct options *options);

/* Says what is wrong and where help is; returns COMMAND_MISUSED. */
int options_misuse(const struct options_form *form, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The given options that have a member, as the admin API wants them: counts as numbers, "none" and
 * "never" as null. The caller frees it; NULL: no memory. */
cJSON *options_to_json(const struct options_form *form, const struct options *options);
