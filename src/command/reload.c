/* reload: lets the running service take new settings and secrets. */
#include <string.h>

#include "command/run.h"

static const struct options_form form = {
    .command = "reload",
    .about = "Lets the running service read its settings and secrets again, as SIGHUP does, and "
             "says what\nchanged. What does not check, or needs a restart, is refused whole, and "
             "the old ones go on.\n",
};

static const struct table_column columns[] = {
    {"SETTING", "key", TABLE_TEXT, 0},
    {"BEFORE", "before", TABLE_TEXT, 0},
    {"AFTER", "after", TABLE_TEXT, 0},
    {0},
};

/* Not sent again: the second reply would say that nothing changed. */
static int reload(struct run *run) {
    const struct admin_request request = {.method = "POST", .target = "/admin/v1/reload"};
    struct table table = table_of(columns);
    if (!run_ask(run, &request, NULL))
        return COMMAND_FAILED;
    if (run->options.json)
        return run_print_json(run);
    table_add_all(&table, json_scan_find(run_reply(run), "changes"));
    return run_print_table(run, &table, "read again; nothing changed");
}

int command_reload(int argc, char **argv) {
    return run_command(&form, argc, argv, reload);
}
