/* client: those who may ask, and their keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "command/run.h"
#include "command/table.h"

#define PATH "/admin/v1/clients"

static const struct table_column list_columns[] = {
    {"ID", "id", TABLE_TEXT, 0},
    {"NAME", "name", TABLE_TEXT, 0},
    {"TODAY", "usage.day.used", TABLE_NUMBER, 0},
    {"OF", "dailyCalls", TABLE_NUMBER, 0},
    {"MONTH", "usage.month.used", TABLE_NUMBER, 0},
    {"OF", "monthlyCalls", TABLE_NUMBER, 0},
    {"PER SECOND", "requestsPerSecond", TABLE_NUMBER, 0},
    {"BURST", "burst", TABLE_NUMBER, 0},
    {"RESERVE %", "reserve", TABLE_NUMBER, 0},
    {"REFRESH", "refresh", TABLE_TEXT, 0},
    {"SHADOW", "shadow", TABLE_TEXT, 0},
    {"DISABLED", "disabled", TABLE_TEXT, 0},
    {0},
};

static const struct table_column member_columns[] = {
    {"id", "id", TABLE_TEXT, 0},
    {"name", "name", TABLE_TEXT, 0},
    {"calls a day", "dailyCalls", TABLE_NUMBER, 0},
    {"calls a month", "monthlyCalls", TABLE_NUMBER, 0},
    {"requests a second", "requestsPerSecond", TABLE_NUMBER, 0},
    {"burst", "burst", TABLE_NUMBER, 0},
    {"reserve, percent", "reserve", TABLE_NUMBER, 0},
    {"refresh", "refresh", TABLE_TEXT, 0},
    {"shadow", "shadow", TABLE_TEXT, 0},
    {"disabled", "disabled", TABLE_TEXT, 0},
    {"created", "createdAt", TABLE_TIME, 0},
    {0},
};

static const struct table_column usage_columns[] = {
    {"PERIOD", "period", TABLE_TEXT, 0},
    {"USED", "used", TABLE_NUMBER, 0},
    {"OF", "limit", TABLE_NUMBER, 0},
    {"ENDS", "resetsAt", TABLE_TIME, 0},
    {0},
};

static const struct table_column key_columns[] = {
    {"KEY", "fingerprint", TABLE_TEXT, 0},
    {"CREATED", "createdAt", TABLE_TIME, 0},
    {"ENDS", "expiresAt", TABLE_TIME, 0},
    {0},
};

static char *target_of(const struct run *run) {
    return admin_add_word(strdup(PATH), run->options.words[0]);
}

/* --- showing --- */

static bool print_usage(struct json_span usage) {
    struct table table = table_of(usage_columns);
    if (usage.size == 0)
        return true;
    table_add(&table, json_scan_find(usage, "day"));
    table_add(&table, json_scan_find(usage, "month"));
    putchar('\n');
    return table_print(&table, stdout);
}

static bool print_keys(struct json_span keys) {
    struct table table = table_of(key_columns);
    table_add_all(&table, keys);
    putchar('\n');
    return table_print(&table, stdout);
}

static int print_client(struct run *run, struct json_span client) {
    if (table_print_members(member_columns, client, stdout) &&
        print_usage(json_scan_find(client, "usage")) && print_keys(json_scan_find(client, "keys")))
        return COMMAND_DONE;
    return run_without_memory(run);
}

static int list(struct run *run) {
    struct table table = table_of(list_columns);
    if (!run_get(run, strdup(PATH)))
        return COMMAND_FAILED;
    if (run->options.json)
        return run_print_json(run);
    table_add_all(&table, json_scan_find(run_reply(run), "clients"));
    return run_print_table(run, &table, "no clients: sanyao client add ID makes one");
}

static int show(struct run *run) {
    if (!run_get(run, target_of(run)))
        return COMMAND_FAILED;
    return run->options.json ? run_print_json(run) : print_client(run, run_reply(run));
}

/* --- a new key --- */

static bool has_key(const struct run *run) {
    struct json_span key = json_scan_find(run_reply(run), "key");
    return key.size > 0 && key.at[0] == '"';
}

/* Keys hold no character that JSON escapes. */
static void print_key(const struct run *run) {
    struct json_span key = json_scan_find(run_reply(run), "key");
    printf("\nKey (shown only now): %.*s\n", (int)key.size - 2, key.at + 1);
}

static int print_with_key(struct run *run, const char *without_key) {
    int code = run->options.json ? run_print_json(run)
                                 : print_client(run, json_scan_find(run_reply(run), "client"));
    if (code != COMMAND_DONE || run->options.json)
        return code;
    if (has_key(run))
        print_key(run);
    else
        printf("\n%s\n", without_key);
    return COMMAND_DONE;
}

/* --- changing --- */

enum { NAME, DAILY, MONTHLY, RATE, BURST, RESERVE, REFRESH, SHADOW, ADD_ROWS };
enum { DISABLED = ADD_ROWS, SET_ROWS };

/* Whether they are flags is what tells a new client's from a change's. */
#define ATTRIBUTES(REFRESH_KIND, REFRESH_ARGUMENT)                                                 \
    [NAME] = {"name", "NAME", "what it is called", "name", OPTIONS_TEXT, 0, false},                \
    [DAILY] = {"daily",      "N",           "calls that may be paid for in a day, or none: any",   \
               "dailyCalls", OPTIONS_LIMIT, 0,                                                     \
               false},                                                                             \
    [MONTHLY] = {"monthly",                                                                        \
                 "N",                                                                              \
                 "calls that may be paid for in a month, or none: any",                            \
                 "monthlyCalls",                                                                   \
                 OPTIONS_LIMIT,                                                                    \
                 0,                                                                                \
                 false},                                                                           \
    [RATE] = {"rate", "N",  "requests a second, or none: any", "requestsPerSecond", OPTIONS_LIMIT, \
              0,      false},                                                                      \
    [BURST] = {"burst",                                                                            \
               "N",                                                                                \
               "requests at once, where there is a rate, or none: as the rate",                    \
               "burst",                                                                            \
               OPTIONS_LIMIT,                                                                      \
               0,                                                                                  \
               false},                                                                             \
    [RESERVE] = {"reserve", "PERCENT",     "the share of the balance that it leaves to others",    \
                 "reserve", OPTIONS_COUNT, 0,                                                      \
                 false},                                                                           \
    [REFRESH] = {"refresh",                                                                        \
                 REFRESH_ARGUMENT,                                                                 \
                 "it may ask again what is known, by Cache-Control: no-cache",                     \
                 "refresh",                                                                        \
                 REFRESH_KIND,                                                                     \
                 0,                                                                                \
                 false},                                                                           \
    [SHADOW] = {"shadow",                                                                          \
                REFRESH_ARGUMENT,                                                                  \
                "its limits and its reserve are only reported, and refuse nothing",                \
                "shadow",                                                                          \
                REFRESH_KIND,                                                                      \
                0,                                                                                 \
                false}

static const struct options_row add_rows[ADD_ROWS] = {ATTRIBUTES(OPTIONS_FLAG, NULL)};

static const struct options_row set_rows[SET_ROWS] = {
    ATTRIBUTES(OPTIONS_YES_NO, "yes|no"),
    [DISABLED] = {"disabled", "yes|no", "it is refused from now on, or served again", "disabled",
                  OPTIONS_YES_NO, 0, false},
};

static int add(struct run *run) {
    const char *id = run->options.words[0];
    const struct admin_request request = {.method = "POST", .target = PATH, .again = true};
    cJSON *body = options_to_json(run->form, &run->options);
    if (cJSON_AddStringToObject(body, "id", id) == NULL) {
        cJSON_Delete(body);
        return run_without_memory(run);
    }
    if (!run_ask(run, &request, body))
        return COMMAND_FAILED;
    if (!has_key(run) && run->reply.again) {
        complain(&run->complaint,
                 "the client is there, but a reply was lost, and a new one's key with it: "
                 "sanyao client rotate %s gives it another key",
                 id);
        return COMMAND_FAILED;
    }
    return print_with_key(run, "already there, as given; its key was shown when it was made");
}

static int set(struct run *run) {
    cJSON *body = options_to_json(run->form, &run->options);
    if (body != NULL && body->child == NULL) {
        cJSON_Delete(body);
        return options_misuse(run->form, "it needs something to set");
    }
    if (!run_change(run, target_of(run), body))
        return COMMAND_FAILED;
    return run->options.json ? run_print_json(run) : print_client(run, run_reply(run));
}

static int remove_client(struct run *run) {
    char *target = target_of(run);
    const struct admin_request request = {.method = "DELETE", .target = target, .again = true};
    bool good = run_ask(run, &request, NULL);
    free(target);
    if (!good)
        return COMMAND_FAILED;
    if (run->options.json)
        puts("{\"removed\":true}");
    else
        puts("removed: its keys are refused from now on");
    return COMMAND_DONE;
}

/* --- another key --- */

enum { GRACE, ROTATE_ROWS };

static const struct options_row rotate_rows[ROTATE_ROWS] = {
    [GRACE] = {"grace", "24h",
               "how long the old key lives on (30m, 24h, 7d, 0); default: the\n"
               "service's setting clients.grace",
               "grace", OPTIONS_TEXT, 0, false},
};

/* A name for this rotation, so that a second sending is no second rotation. */
#define NONCE_SIZE 16

static bool ask_rotation(struct run *run) {
    unsigned char nonce[NONCE_SIZE];
    char header[64] = "Idempotency-Key: ";
    size_t size = strlen(header);
    randombytes_buf(nonce, sizeof nonce);
    sodium_bin2hex(header + size, sizeof header - size, nonce, sizeof nonce);
    char *target = admin_add_word(target_of(run), "keys");
    const struct admin_request request = {
        .method = "POST", .target = target, .header = header, .again = true};
    cJSON *body = options_to_json(run->form, &run->options);
    bool good = body != NULL ? run_ask(run, &request, body)
                             : complain(&run->complaint, "no memory for the question");
    free(target);
    return good;
}

static int rotate(struct run *run) {
    if (!ask_rotation(run))
        return COMMAND_FAILED;
    if (!has_key(run)) {
        complain(&run->complaint,
                 "a new key was made, but the reply with it was lost: move nobody yet. Rotating "
                 "once more gives another one, and ends the key in use at once");
        return COMMAND_FAILED;
    }
    return print_with_key(run, "");
}

/* --- the commands --- */

static const struct options_form list_form = {
    .command = "client list",
    .about = "The clients, their limits, and what they used of them.\n",
};
static const struct options_form show_form = {
    .command = "client show",
    .words = "ID",
    .about = "One client: limits, what it used of them, and the fingerprints of its keys.\n",
};
static const struct options_form add_form = {
    .command = "client add",
    .words = "ID",
    .about = "Makes a client, and shows its key, which is shown only now and kept nowhere.\n"
             "With the same words again nothing is changed. ID: a-z, 0-9 and hyphens.\n",
    .rows = add_rows,
    .row_count = ADD_ROWS,
};
static const struct options_form set_form = {
    .command = "client set",
    .words = "ID",
    .about = "Changes what is named of a client, and leaves the rest.\n",
    .rows = set_rows,
    .row_count = SET_ROWS,
};
static const struct options_form remove_form = {
    .command = "client remove",
    .words = "ID",
    .about = "Removes a client for good. What it asked stays in the ledger; its id is not free\n"
             "again. To refuse it for a time: sanyao client set ID --disabled yes\n",
};
static const struct options_form rotate_form = {
    .command = "client rotate",
    .words = "ID",
    .about = "Gives a client another key, which is shown only now. The old one lives on for the\n"
             "grace; one that was older still ends at once.\n",
    .rows = rotate_rows,
    .row_count = ROTATE_ROWS,
};

static int run_list(int argc, char **argv) {
    return run_command(&list_form, argc, argv, list);
}

static int run_show(int argc, char **argv) {
    return run_command(&show_form, argc, argv, show);
}

static int run_add(int argc, char **argv) {
    return run_command(&add_form, argc, argv, add);
}

static int run_set(int argc, char **argv) {
    return run_command(&set_form, argc, argv, set);
}

static int run_remove(int argc, char **argv) {
    return run_command(&remove_form, argc, argv, remove_client);
}

static int run_rotate(int argc, char **argv) {
    return run_command(&rotate_form, argc, argv, rotate);
}

int command_client(int argc, char **argv) {
    static const struct command commands[] = {
        {"list", run_list, "all of them, and what they used"},
        {"show", run_show, "one of them, and its keys"},
        {"add", run_add, "a new one, and its key"},
        {"set", run_set, "change limits and permissions"},
        {"rotate", run_rotate, "another key; the old one lives on for a time"},
        {"remove", run_remove, "refuse one for good"},
    };
    static const struct run_family family = {
        "client", "Those who may ask, by the key that each has, and how much.\n", commands,
        sizeof commands / sizeof commands[0]};
    return run_one_of(&family, argc, argv);
}
