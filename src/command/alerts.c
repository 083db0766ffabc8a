/* alerts: what fired, and what of it still holds. */
#include <string.h>

#include "command/run.h"

static const struct options_form form = {
    .command = "alerts",
    .about = "What fired, and whether it still holds and was delivered to the webhooks.\n",
};

static const struct table_column columns[] = {
    {"SINCE", "since", TABLE_TIME, 0},
    {"STATE", "state", TABLE_TEXT, 0},
    {"KIND", "kind", TABLE_TEXT, 0},
    {"OF", "subject", TABLE_TEXT, 0},
    {"% LEFT", "threshold", TABLE_NUMBER, 0},
    {"RESOLVED", "resolvedAt", TABLE_TIME, 0},
    {"DELIVERED", "delivered", TABLE_TEXT, 0},
    {"WHAT", "detail", TABLE_TEXT, 0},
    {0},
};

static int alerts(struct run *run) {
    struct table table = table_of(columns);
    if (!run_get(run, strdup("/admin/v1/alerts")))
        return COMMAND_FAILED;
    if (run->options.json)
        return run_print_json(run);
    table_add_all(&table, json_scan_find(run_reply(run), "alerts"));
    return run_print_table(run, &table, "no alerts");
}

int command_alerts(int argc, char **argv) {
    return run_command(&form, argc, argv, alerts);
}
