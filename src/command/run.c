#include "command/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

#include "money/period.h"

bool run_begin(struct complaint *complaint) {
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0)
        return complain(complaint, "libsodium could not be initialised");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return complain(complaint, "libcurl could not be initialised");
    return true;
}

static int work_with_settings(struct run *run, run_work *work) {
    run->config = config_load(run->options.config, environ, &run->complaint);
    if (run->config == NULL)
        return COMMAND_FAILED;
    period_set_zone(run->config->timezone);
    int code = work(run);
    if (code != COMMAND_FAILED && code != COMMAND_MISUSED &&
        (fflush(stdout) != 0 || ferror(stdout))) {
        complain(&run->complaint, "what came could not be written");
        code = COMMAND_FAILED;
    }
    admin_reply_free(&run->reply);
    config_release(run->config);
    return code;
}

int run_command(const struct options_form *form, int argc, char **argv, run_work *work) {
    struct run run = {.form = form};
    int code = options_parse(form, argc, argv, &run.options);
    if (code >= 0)
        return code;
    code = run_begin(&run.complaint) ? work_with_settings(&run, work) : COMMAND_FAILED;
    curl_global_cleanup();
    if (code == COMMAND_FAILED)
        fprintf(stderr, "sanyao: %s\n", run.complaint.text);
    return code;
}

/* --- one of several --- */

static void print_family(const struct run_family *family, FILE *out) {
    fprintf(out, "Usage: sanyao %s COMMAND [OPTION]...\n\n%s\n", family->name, family->about);
    for (size_t i = 0; i < family->count; i++)
        fprintf(out, "  %-8s %s\n", family->commands[i].name, family->commands[i].summary);
    fputs("\nEach of them has --help.\n", out);
}

int run_one_of(const struct run_family *family, int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_family(family, stdout);
        return fflush(stdout) == 0 ? COMMAND_DONE : COMMAND_FAILED;
    }
    for (size_t i = 0; i < family->count; i++) {
        if (strcmp(name, family->commands[i].name) == 0)
            return family->commands[i].run(argc - 1, argv + 1);
    }
    if (name[0] != '\0')
        fprintf(stderr, "sanyao %s: there is no command '%s'\n\n", family->name, name);
    print_family(family, stderr);
    return COMMAND_MISUSED;
}

/* --- asking --- */

static bool send_request(struct run *run, const struct admin_request *request) {
    admin_reply_free(&run->reply);
    if (!admin_send(run->config, request, &run->reply, &run->complaint))
        return false;
    const struct admin_reply *reply = &run->reply;
    if (reply->size > 0 && !json_scan_strict(reply->body, reply->size))
        return complain(&run->complaint, "what answers at admin.listen is not sanyao's admin API");
    return true;
}

bool run_ask(struct run *run, const struct admin_request *request, cJSON *body) {
    struct admin_request whole = *request;
    char *text = body != NULL ? cJSON_PrintUnformatted(body) : NULL;
    bool missing = body != NULL && text == NULL;
    cJSON_Delete(body);
    if (missing)
        return complain(&run->complaint, "no memory for the question");
    if (text != NULL) {
        whole.type = "application/json";
        whole.body = text;
        whole.size = strlen(text);
    }
    bool good = whole.target != NULL ? send_request(run, &whole)
                                     : complain(&run->complaint, "no memory for the question");
    cJSON_free(text);
    return good;
}

bool run_get(struct run *run, char *target) {
    const struct admin_request request = {.method = "GET", .target = target, .again = true};
    bool good = run_ask(run, &request, NULL);
    free(target);
    return good;
}

bool run_change(struct run *run, char *target, cJSON *body) {
    const struct admin_request request = {.method = "PATCH", .target = target, .again = true};
    bool good = body != NULL ? run_ask(run, &request, body)
                             : complain(&run->complaint, "no memory for the question");
    free(target);
    return good;
}

/* --- printing --- */

int run_without_memory(struct run *run) {
    complain(&run->complaint, "no memory for what came");
    return COMMAND_FAILED;
}

int run_print_table(struct run *run, struct table *table, const char *without) {
    if (table_lines(table) == 0 && !table->failed) {
        puts(without);
        return COMMAND_DONE;
    }
    return table_print(table, stdout) ? COMMAND_DONE : run_without_memory(run);
}

struct json_span run_reply(const struct run *run) {
    const struct admin_reply *reply = &run->reply;
    return (struct json_span){reply->size > 0 ? reply->body : "", reply->size};
}

int run_print_json(const struct run *run) {
    struct json_span reply = run_reply(run);
    fwrite(reply.at, 1, reply.size, stdout);
    if (reply.size > 0 && reply.at[reply.size - 1] != '\n')
        putchar('\n');
    return COMMAND_DONE;
}
