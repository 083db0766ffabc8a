/* balance: what is left, for how long, and what to buy next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/explain.h"
#include "command/package_table.h"
#include "command/run.h"

#define PATH "/admin/v1/balance"
#define ROWS "/admin/v1/ledger?format=ndjson&counted=true&from=1970-01-01"

enum { EXPLAIN, OPTION_ROWS };

static const struct options_row option_rows[OPTION_ROWS] = {
    [EXPLAIN] = {.name = "explain",
                 .help = "under each package the rows of the ledger that it counts as\n"
                         "used; exit code 1 where there are more or fewer"},
};

static const struct options_form form = {
    .command = "balance",
    .about = "What was bought, what of it is used and left, for how long that will do, and what to "
             "buy\nnext.\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
};

static const struct table_column credential_columns[] = {
    {"CREDENTIAL", "id", TABLE_TEXT, 0},
    {"APPCODE HERE", "configured", TABLE_TEXT, 0},
    {"REFUSED AS", "mark", TABLE_TEXT, 0},
    {"SINCE", "since", TABLE_TIME, 0},
    {"LEFT", "left", TABLE_NUMBER, 0},
    {"DRIFT", "drift", TABLE_NUMBER, 0},
    {0},
};

static const struct table_column next_columns[] = {
    {"FOR DAYS", "days", TABLE_NUMBER, 0},
    {"CALLS", "calls", TABLE_NUMBER, 0},
    {"BUY", "count", TABLE_NUMBER, 0},
    {"PACKAGE OF", "package.calls", TABLE_NUMBER, 0},
    {"CNY EACH", "package.priceCny", TABLE_NUMBER, 0},
    {"CNY IN ALL", "totalCny", TABLE_NUMBER, 0},
    {0},
};

static bool is_null(struct json_span value) {
    return value.size == 0 || value.at[0] == 'n';
}

/* --- what is there --- */

static void print_sums(struct json_span balance) {
    if (json_scan_find(balance, "metered").at[0] != 't') {
        puts("unmetered: no package is registered, so nothing here limits what is spent");
        return;
    }
    printf("%lld bought, %lld used, %lld left",
           (long long)explain_number(json_scan_find(balance, "bought")),
           (long long)explain_number(json_scan_find(balance, "used")),
           (long long)explain_number(json_scan_find(balance, "left")));
    long long unknown = explain_number(json_scan_find(balance, "unknown"));
    if (unknown > 0)
        printf("; of %lld that are used no answer was seen", unknown);
    putchar('\n');
}

static bool print_array(const struct table_column *columns, struct json_span array) {
    struct table table = table_of(columns);
    table_add_all(&table, array);
    if (table_lines(&table) > 0)
        putchar('\n');
    else if (!table.failed)
        return true;
    return table_print(&table, stdout);
}

static void print_drift(struct json_span drift) {
    long long credentials = explain_number(json_scan_find(drift, "credentials"));
    struct json_span reconciled = json_scan_find(drift, "reconciled");
    if (credentials > 0)
        printf("\nupstream says that nothing is left where our books have %lld: reconcile, and "
               "correct with package set\n",
               credentials);
    if (is_null(reconciled))
        return;
    char *at = table_cell(TABLE_TIME, json_scan_find(reconciled, "at"));
    printf("\nreconciled at %s: %lld of ours, %lld of theirs, %lld apart\n", at != NULL ? at : "?",
           (long long)explain_number(json_scan_find(reconciled, "ours")),
           (long long)explain_number(json_scan_find(reconciled, "theirs")),
           (long long)explain_number(json_scan_find(reconciled, "difference")));
    free(at);
}

static bool print_runway(struct json_span runway) {
    struct json_span days = json_scan_find(runway, "daysLeft");
    struct json_span pace = json_scan_find(runway, "callsPerDay");
    if (is_null(pace))
        return true;
    printf("\n%.*s calls a day in the last week", (int)pace.size, pace.at);
    if (!is_null(days))
        printf(": what is left does for %.*s days", (int)days.size, days.at);
    putchar('\n');
    return print_array(next_columns, json_scan_find(runway, "next"));
}

static bool print_balance(struct json_span balance) {
    print_sums(balance);
    if (!print_array(package_columns, json_scan_find(balance, "packages")) ||
        !print_array(credential_columns, json_scan_find(balance, "credentials")))
        return false;
    print_drift(json_scan_find(balance, "drift"));
    return print_runway(json_scan_find(balance, "runway"));
}

/* --- what it is made of --- */

static int64_t used_now(struct run *run, const void *arg) {
    struct json_span package;
    if (!run_get(run, strdup(PATH)))
        return -1;
    struct json_span packages = json_scan_find(run_reply(run), "packages");
    while (json_scan_element(&packages, &package)) {
        if (explain_is(json_scan_find(package, "id"), arg))
            return explain_number(json_scan_find(package, "used"));
    }
    return 0;
}

/* From the beginning of time: what was drawn before a package's date of purchase counts, too. */
static bool explain_package(struct run *run, struct json_span package, bool *differs) {
    char *id = table_cell(TABLE_TEXT, json_scan_find(package, "id"));
    char what[128];
    snprintf(what, sizeof what, "package %s", id != NULL ? id : "");
    const struct explain explain = {
        .what = what,
        .target = id != NULL ? admin_add_parameter(strdup(ROWS), "package", id) : NULL,
        .figure = explain_number(json_scan_find(package, "used")),
        .again = used_now,
        .arg = id,
    };
    struct table table = table_of(package_columns);
    table_add(&table, package);
    putchar('\n');
    bool good = table_print(&table, stdout) || complain(&run->complaint, "no memory for a table");
    good = explain_figure(run, &explain, differs) && good;
    free(id);
    return good;
}

static int explain_balance(struct run *run) {
    struct admin_reply kept = run->reply; /* spans are of it */
    struct json_span packages = json_scan_find(run_reply(run), "packages");
    struct json_span package;
    bool differs = false;
    bool good = true;
    print_sums(run_reply(run));
    run->reply = (struct admin_reply){0};
    while (good && json_scan_element(&packages, &package))
        good = explain_package(run, package, &differs);
    admin_reply_free(&kept);
    return good ? explain_end(run, differs) : COMMAND_FAILED;
}

static int balance(struct run *run) {
    bool explained = run->options.values[EXPLAIN] != NULL;
    if (explained && run->options.json)
        return options_misuse(&form, "--explain is for people; programs ask sanyao ledger "
                                     "--package ID --counted --json");
    if (!run_get(run, strdup(PATH)))
        return COMMAND_FAILED;
    if (run->options.json)
        return run_print_json(run);
    if (explained)
        return explain_balance(run);
    return print_balance(run_reply(run)) ? COMMAND_DONE : run_without_memory(run);
}

int command_balance(int argc, char **argv) {
    return run_command(&form, argc, argv, balance);
}
