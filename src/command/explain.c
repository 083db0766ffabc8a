#include "command/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/ledger_table.h"
#include "command/lines.h"

struct rows {
    struct ledger_table table;
    bool unpackaged;
};

static bool take_row(void *arg, struct json_span row) {
    struct rows *rows = arg;
    struct json_span package = json_scan_find(row, "package");
    bool none = package.size == 0 || package.at[0] != '"';
    return (rows->unpackaged && !none) || ledger_table_print(&rows->table, row);
}

/* Calls go on while their rows are read: a figure that moved is only held to where it moved. */
static bool judge_figure(struct run *run, const struct explain *explain, int64_t count,
                         bool *differs) {
    if (count == explain->figure) {
        printf("%lld rows, as %s says\n", (long long)count, explain->what);
        return true;
    }
    int64_t now = explain->again(run, explain->arg);
    if (now < 0)
        return false;
    int64_t least = now < explain->figure ? now : explain->figure;
    int64_t most = now < explain->figure ? explain->figure : now;
    if (least != most && count >= least && count <= most) {
        printf("%lld rows; %s went from %lld to %lld while they were read\n", (long long)count,
               explain->what, (long long)explain->figure, (long long)now);
        return true;
    }
    *differs = true;
    printf("%lld rows, but %s says %lld\n", (long long)count, explain->what, (long long)now);
    return true;
}

bool explain_figure(struct run *run, const struct explain *explain, bool *differs) {
    struct rows rows = {.table.columns = ledger_columns, .unpackaged = explain->unpackaged};
    struct lines lines = {.take = take_row, .arg = &rows};
    bool good = explain->target != NULL || complain(&run->complaint, "no memory for the question");
    good = good && admin_get(run->config, explain->target, lines_take, &lines, &run->complaint);
    free(explain->target);
    return good && judge_figure(run, explain, rows.table.lines, differs);
}

int explain_end(struct run *run, bool differs) {
    if (!differs)
        return COMMAND_DONE;
    complain(&run->complaint, "figures and ledger differ, as is said above: keep what was printed, "
                              "and see docs/operations.md");
    return COMMAND_FAILED;
}

int64_t explain_number(struct json_span value) {
    return value.size > 0 ? strtoll(value.at, NULL, 10) : 0;
}

bool explain_is(struct json_span value, const char *text) {
    size_t size = strlen(text);
    return value.size == size + 2 && value.at[0] == '"' && memcmp(value.at + 1, text, size) == 0;
}
