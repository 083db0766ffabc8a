/* audit: who changed what, from what to what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/run.h"

enum { AFTER, LIMIT, OPTION_ROWS };

static const struct options_row option_rows[OPTION_ROWS] = {
    [AFTER] = {.name = "after",
               .argument = "LINE",
               .help = "what came behind this line; default: the newest",
               .kind = OPTIONS_COUNT},
    [LIMIT] = {.name = "limit",
               .argument = "N",
               .help = "so many lines at most",
               .kind = OPTIONS_COUNT},
};

static const struct options_form form = {
    .command = "audit",
    .about =
        "Who changed what of clients, packages, credentials, alerts and settings: a line each, "
        "and\nbeneath it what became of each member. TOKEN is the beginning of the SHA-256 of "
        "the token.\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
};

static const struct table_column columns[] = {
    {"LINE", "line", TABLE_NUMBER, 6},
    {"AT", "at", TABLE_TIME, 25},
    {"TOKEN", "token", TABLE_TEXT, 8},
    {"ACTION", "action", TABLE_TEXT, 7},
    {"KIND", "kind", TABLE_TEXT, 10},
    {"ID", "id", TABLE_TEXT, 0},
    {0},
};

static bool is_same(struct json_span a, struct json_span b) {
    return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}

static bool print_member(struct json_span name, struct json_span before, struct json_span after) {
    char *title = table_cell(TABLE_TEXT, name);
    char *from = table_cell(TABLE_TEXT, before);
    char *to = table_cell(TABLE_TEXT, after);
    bool good = title != NULL && from != NULL && to != NULL;
    if (good && before.size == 0)
        printf("        %s: %s\n", title, to);
    else if (good)
        printf("        %s: %s, was %s\n", title, to, from);
    free(title);
    free(from);
    free(to);
    return good;
}

/* Names stand in the JSON as they are: none of them has anything to escape. */
static struct json_span find(struct json_span object, struct json_span name) {
    struct json_member member;
    while (json_scan_member(&object, &member)) {
        if (is_same(member.name, name))
            return member.value;
    }
    return (struct json_span){"", 0};
}

static bool print_changes(struct json_span line) {
    struct json_span before = json_scan_find(line, "before");
    struct json_span after = json_scan_find(line, "after");
    struct json_span rest = after;
    struct json_member member;
    while (json_scan_member(&rest, &member)) {
        struct json_span was = find(before, member.name);
        if (!is_same(was, member.value) && !print_member(member.name, was, member.value))
            return false;
    }
    return true;
}

static int print_lines(struct run *run) {
    struct json_span lines = json_scan_find(run_reply(run), "lines");
    struct json_span line;
    bool any = false;
    while (json_scan_element(&lines, &line)) {
        if (!any)
            table_print_titles(columns, stdout);
        any = true;
        if (!table_print_line(columns, line, stdout) || !print_changes(line))
            return run_without_memory(run);
    }
    if (!any)
        puts("nothing was changed");
    return COMMAND_DONE;
}

static int audit(struct run *run) {
    char *target = strdup("/admin/v1/audit");
    for (int i = 0; i < OPTION_ROWS; i++) {
        if (run->options.values[i] != NULL)
            target = admin_add_parameter(target, option_rows[i].name, run->options.values[i]);
    }
    if (!run_get(run, target))
        return COMMAND_FAILED;
    return run->options.json ? run_print_json(run) : print_lines(run);
}

int command_audit(int argc, char **argv) {
    return run_command(&form, argc, argv, audit);
}
