/* verify: one question to the running service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "command/person.h"
#include "command/run.h"
#include "command/service_client.h"
#include "runtime/text.h"

#define FIELDS       3
#define HEADER_SIZE  96
#define HTTP_OK      200
#define WAIT_MOST_S  600
#define MS_OF_SECOND 1000

enum {
    PERSON_FILE,
    KEY_FILE,
    URL,
    NO_CACHE,
    ONLY_IF_CACHED,
    MAX_AGE,
    MAX_STALE,
    WAIT,
    OPTION_ROWS
};

static const struct options_row option_rows[OPTION_ROWS] = {
    [PERSON_FILE] = {.name = "file",
                     .argument = "FILE",
                     .help = "where the person is read from; - is standard input, and the default",
                     .kind = OPTIONS_TEXT},
    [KEY_FILE] = SERVICE_KEY_FILE_ROW,
    [URL] = SERVICE_URL_ROW,
    [NO_CACHE] = {.name = "no-cache", .help = "ask the seller again, and pay"},
    [ONLY_IF_CACHED] = {.name = "only-if-cached", .help = "never pay: only a kept answer"},
    [MAX_AGE] = {.name = "max-age",
                 .argument = "SECONDS",
                 .help = "take no kept answer that is older",
                 .kind = OPTIONS_COUNT},
    [MAX_STALE] = {.name = "max-stale",
                   .argument = "SECONDS",
                   .help = "also take one that expired no longer ago",
                   .kind = OPTIONS_COUNT},
    [WAIT] = {.name = "wait",
              .argument = "SECONDS",
              .help = "how long to wait for the answer; a call that was sent goes\n"
                      "on, and its answer is kept",
              .kind = OPTIONS_COUNT},
};

static const struct options_form form = {
    .command = "verify",
    .about = "Asks the running service one question: do name, ID number and mobile number belong "
             "to one\n"
             "person? They must not stand on a command line, which others can see, and are read "
             "from a file\n"
             "or from standard input, in UTF-8, in one of these forms:\n"
             "  {\"name\":\"…\",\"idCard\":\"…\",\"mobile\":\"…\"}\n"
             "  name,ID number,mobile number                  (or in three lines)\n"
             "An answer that is not kept yet is paid for.\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
    .exits = "3 any other answer than match",
};

static const struct table_column columns[] = {
    {"status", "status", TABLE_TEXT, 0},
    {"result", "result", TABLE_TEXT, 0},
    {"msg", "msg", TABLE_TEXT, 0},
    {"carrier", "mobileType", TABLE_TEXT, 0},
    {"source", "source", TABLE_TEXT, 0},
    {"billed", "billed", TABLE_TEXT, 0},
    {"checked", "checkedAt", TABLE_TIME, 0},
    {"kept until", "expiresAt", TABLE_TIME, 0},
    {"seller's id", "traceId", TABLE_TEXT, 0},
    {0},
};

/* --- the question --- */

/* Cuts "a,b,c", or three lines, in place. */
static bool split(char *text, char *fields[FIELDS]) {
    const char *marks = strchr(text, ',') != NULL ? "," : "\n";
    int count = 0;
    for (char *at = text; at != NULL; count++) {
        char *field = strsep(&at, marks);
        if (count == FIELDS)
            return false;
        fields[count] = person_trim(field);
    }
    return count == FIELDS;
}

static bool make_body(char *person, char body[PERSON_SIZE], struct complaint *complaint) {
    static const char *const names[FIELDS] = {"{\"name\":", ",\"idCard\":", ",\"mobile\":"};
    struct text text = text_over(body, PERSON_SIZE);
    char *fields[FIELDS];
    char *trimmed = person_trim(person);
    if (trimmed[0] == '{') {
        text_add(&text, trimmed);
    } else {
        if (!split(trimmed, fields))
            return complain(complaint, "what was read is neither JSON nor a name, an ID number and "
                                       "a mobile number; see sanyao verify --help");
        for (int i = 0; i < FIELDS; i++) {
            text_add(&text, names[i]);
            text_add_json(&text, fields[i]);
        }
        text_add(&text, "}");
    }
    return !text.cut || complain(complaint, "that is too long for one person");
}

static void add_directive(struct text *text, const char *name, const char *value) {
    if (value == NULL)
        return;
    text_addf(text, "%s%s%s%s", text->size > 0 ? ", " : "", name, value[0] != '\0' ? "=" : "",
              value);
}

static void add_directives(struct text *text, const struct options *options) {
    static const int rows[] = {NO_CACHE, ONLY_IF_CACHED, MAX_AGE, MAX_STALE};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        add_directive(text, option_rows[rows[i]].name, options->values[rows[i]]);
}

static long timeout_of(const struct run *run) {
    const char *wait = run->options.values[WAIT];
    long timeout_ms = service_timeout_ms(run->config);
    return wait != NULL ? timeout_ms + strtol(wait, NULL, 10) * MS_OF_SECOND : timeout_ms;
}

/* --- the answer --- */

static int print_answer(struct run *run, const struct service_ask *ask) {
    struct json_span body = service_ask_body(ask);
    char result[32];
    if (run->options.json)
        fwrite(body.at, 1, body.size, stdout);
    if (ask->status != HTTP_OK) {
        service_complain(ask, &run->complaint);
        return COMMAND_FAILED;
    }
    if (!run->options.json && !table_print_members(columns, body, stdout))
        return run_without_memory(run);
    service_ask_text(ask, "result", result, sizeof result);
    return strcmp(result, "match") == 0 ? COMMAND_DONE : COMMAND_NEGATIVE;
}

static int ask_service(struct run *run, const struct service_client *client, const char *body) {
    char directives[HEADER_SIZE];
    char prefer[HEADER_SIZE];
    struct text text = text_over(directives, sizeof directives);
    const char *wait = run->options.values[WAIT];
    add_directives(&text, &run->options);
    snprintf(prefer, sizeof prefer, "wait=%s", wait != NULL ? wait : "");
    const struct service_request request = {
        .path = "/verify",
        .body = body,
        .size = strlen(body),
        .cache_control = text.size > 0 ? directives : NULL,
        .prefer = wait != NULL ? prefer : NULL,
        .timeout_ms = timeout_of(run),
    };
    struct service_ask ask = {0};
    enum service_outcome outcome = service_ask_perform(&ask, client, &request, &run->complaint);
    int code = outcome == SERVICE_REPLIED ? print_answer(run, &ask) : COMMAND_FAILED;
    service_ask_free(&ask);
    return code;
}

static int verify_person(struct run *run, const struct service_client *client) {
    char person[PERSON_SIZE];
    char body[PERSON_SIZE];
    bool good = person_read(run->options.values[PERSON_FILE], person, &run->complaint) &&
                make_body(person, body, &run->complaint);
    int code = good ? ask_service(run, client, body) : COMMAND_FAILED;
    sodium_memzero(person, sizeof person);
    sodium_memzero(body, sizeof body);
    return code;
}

static int verify(struct run *run) {
    const char *const *values = run->options.values;
    struct service_client client;
    if (values[WAIT] != NULL && strtol(values[WAIT], NULL, 10) > WAIT_MOST_S)
        return options_misuse(&form, "--wait may be %d at most", WAIT_MOST_S);
    if (!service_client_find(&client, run->config, values[URL], &run->complaint))
        return COMMAND_FAILED;
    int code = service_client_take_key(&client, values[KEY_FILE], &run->complaint)
                   ? verify_person(run, &client)
                   : COMMAND_FAILED;
    service_client_free(&client);
    return code;
}

int command_verify(int argc, char **argv) {
    return run_command(&form, argc, argv, verify);
}
