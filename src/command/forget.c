/* forget: answers about a person, taken out of every store and memory. */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "command/explain.h"
#include "command/person.h"
#include "command/run.h"
#include "runtime/text.h"

enum { MOBILE_FILE, OPTION_ROWS };

static const struct options_row option_rows[OPTION_ROWS] = {
    [MOBILE_FILE] = {.name = "mobile-file",
                     .argument = "FILE",
                     .help = "where it is read from; - is standard input, and the default",
                     .kind = OPTIONS_TEXT},
};

static const struct options_form form = {
    .command = "forget",
    .about =
        "Forgets the answers about a mobile number, or about one person. Who it is must not stand "
        "on a\n"
        "command line, which others can see, and is read from a file or from standard input:\n"
        "  13800099001                                    every answer about this number\n"
        "  {\"mobile\":\"13800099001\"}                       the same\n"
        "  {\"name\":\"…\",\"idCard\":\"…\",\"mobile\":\"…\"}       the answer to this question\n"
        "The ledger's rows stay: no person can be found from them without the hash key.\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
};

/* A number alone becomes the object that the admin API wants. */
static bool make_body(char *person, char body[PERSON_SIZE], struct complaint *complaint) {
    struct text text = text_over(body, PERSON_SIZE);
    const char *trimmed = person_trim(person);
    if (trimmed[0] == '\0')
        return complain(complaint, "nobody is named: give a mobile number, or JSON; see sanyao "
                                   "forget --help");
    if (trimmed[0] == '{') {
        text_add(&text, trimmed);
    } else {
        text_add(&text, "{\"mobile\":");
        text_add_json(&text, trimmed);
        text_add(&text, "}");
    }
    return !text.cut || complain(complaint, "that is too long for one person");
}

static int print_answers(const struct run *run) {
    if (run->options.json)
        return run_print_json(run);
    long long answers = explain_number(json_scan_find(run_reply(run), "answers"));
    if (answers == 0)
        puts("no answer was kept");
    else
        printf("%lld %s forgotten\n", answers, answers == 1 ? "answer" : "answers");
    return COMMAND_DONE;
}

/* Not sent again: the second reply would say that there was no answer. */
static bool ask(struct run *run, const char *body) {
    const struct admin_request request = {.method = "POST",
                                          .target = "/admin/v1/forget",
                                          .type = "application/json",
                                          .body = body,
                                          .size = strlen(body)};
    return run_ask(run, &request, NULL);
}

static int forget(struct run *run) {
    char person[PERSON_SIZE];
    char body[PERSON_SIZE];
    bool good = person_read(run->options.values[MOBILE_FILE], person, &run->complaint) &&
                make_body(person, body, &run->complaint) && ask(run, body);
    sodium_memzero(person, sizeof person);
    sodium_memzero(body, sizeof body);
    return good ? print_answers(run) : COMMAND_FAILED;
}

int command_forget(int argc, char **argv) {
    return run_command(&form, argc, argv, forget);
}
