/* batch: many questions to the running service, from a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/batch_dry_run.h"
#include "command/batch_report.h"
#include "command/batch_run.h"
#include "command/run.h"
#include "runtime/clock.h"

#define CONCURRENCY_USUAL 8
#define RATE_MOST         100000
#define BALANCE           "/admin/v1/balance"
#define ANSWER_LOST       "unknown"

enum { OUTPUT, DRY_RUN, CONCURRENCY, RATE, MAX_CALLS, RETRY_UNKNOWN, KEY_FILE, URL, OPTION_ROWS };

static const struct options_row option_rows[OPTION_ROWS] = {
    [OUTPUT] = {.name = "output",
                .argument = "FILE",
                .help = "where the results go; without it beside the questions,\n"
                        "with .results.csv or .results.ndjson behind the name",
                .kind = OPTIONS_TEXT},
    [DRY_RUN] = {.name = "dry-run", .help = "say what it would cost, and spend nothing"},
    [CONCURRENCY] = {.name = "concurrency",
                     .argument = "COUNT",
                     .help = "questions under way at a time (1 to 256; without it 8)",
                     .kind = OPTIONS_COUNT},
    [RATE] = {.name = "rate",
              .argument = "COUNT",
              .help = "questions a second, at most",
              .kind = OPTIONS_COUNT},
    [MAX_CALLS] = {.name = "max-calls",
                   .argument = "COUNT",
                   .help = "stop when so many calls were billed in this run, or may have\n"
                           "been; never more",
                   .kind = OPTIONS_COUNT},
    [RETRY_UNKNOWN] = {.name = "retry-unknown",
                       .help = "ask again, too, what may have been paid for without an answer"},
    [KEY_FILE] = SERVICE_KEY_FILE_ROW,
    [URL] = SERVICE_URL_ROW,
};

static const struct options_form form = {
    .command = "batch",
    .words = "FILE",
    .about =
        "Asks the running service every question of a file, and writes what comes to another one: "
        "a\n"
        "row for each line, without name, ID number and mobile number. FILE is either\n"
        "  CSV      in UTF-8 or GBK, with the headings name, idCard and mobile (or 姓名, "
        "身份证号,\n"
        "           手机号), and perhaps id, in any order among others\n"
        "  NDJSON   {\"id\":\"…\",\"name\":\"…\",\"idCard\":\"…\",\"mobile\":\"…\"} in each line\n"
        "The id is echoed. After any interruption the same command goes on where it stopped: what "
        "has an\nanswer is not asked again. A line that may have been paid for without an answer "
        "is asked again\nonly with --retry-unknown.\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
};

struct batch {
    struct run *run;
    struct batch_input *input;
    struct batch_price price;
    struct batch_run asking;
    struct batch_results results;
    struct batch_progress progress;
};

/* --- line by line --- */

static bool add_malformed(struct batch *batch, const struct batch_line *line,
                          struct complaint *complaint) {
    struct batch_result result = {.line = line->number, .billed = "false", .code = BATCH_MALFORMED};
    batch_progress_end(&batch->progress);
    fprintf(stderr, "line %lld: %s\n", (long long)line->number, line->fault);
    return batch_results_add(&batch->results, &result, complaint);
}

/* Past what needs no asking. */
static enum batch_step take(void *arg, struct batch_line *line, struct complaint *complaint) {
    struct batch *batch = arg;
    for (;;) {
        enum batch_step step = batch_input_next(batch->input, line, complaint);
        if (step != BATCH_LINE)
            return step;
        if (batch_results_has(&batch->results, line->number)) {
            triple_wipe(&line->triple);
            continue;
        }
        if (line->fault == NULL)
            return BATCH_LINE;
        if (!add_malformed(batch, line, complaint))
            return BATCH_UNREADABLE;
    }
}

static void take_words(const struct service_ask *ask, struct batch_result *result) {
    struct json_span billed = json_scan_find(service_ask_body(ask), "billed");
    if (billed.size > 0 && billed.at[0] != '"')
        snprintf(result->billed, BATCH_WORD_SIZE, "%.*s", (int)billed.size, billed.at);
    service_ask_text(ask, "code", result->code, BATCH_WORD_SIZE);
    if (result->code[0] != '\0')
        return;
    service_ask_text(ask, "status", result->status, BATCH_WORD_SIZE);
    service_ask_text(ask, "result", result->result, BATCH_WORD_SIZE);
    service_ask_text(ask, "source", result->source, BATCH_WORD_SIZE);
    service_ask_text(ask, "checkedAt", result->checked_at, BATCH_WORD_SIZE);
}

static bool reply(void *arg, const struct batch_line *line, const struct service_ask *ask,
                  struct complaint *complaint) {
    struct batch *batch = arg;
    struct batch_result result = {.line = line->number, .billed = ANSWER_LOST};
    memcpy(result.id, line->id, sizeof result.id);
    if (ask != NULL)
        take_words(ask, &result);
    else
        memcpy(result.code, BATCH_REPLY_LOST, sizeof BATCH_REPLY_LOST);
    return batch_results_add(&batch->results, &result, complaint);
}

static bool tick(void *arg, int64_t now_ms, struct complaint *complaint) {
    struct batch *batch = arg;
    const struct batch_results *results = &batch->results;
    batch_progress_show(&batch->progress, now_ms, results->answered + results->failed,
                        batch->asking.billed);
    return batch_results_sync(&batch->results, now_ms, complaint);
}

/* --- the whole --- */

static int conclude(struct batch *batch, enum batch_end end) {
    struct run *run = batch->run;
    struct complaint why = run->complaint;
    const struct batch_summary summary = {
        .results = &batch->results,
        .price = &batch->price,
        .rows = batch->input->rows,
        .billed = batch->asking.billed,
        .stopped = end == BATCH_STOPPED ? why.text : NULL,
    };
    batch_progress_end(&batch->progress);
    if (!batch_summary_print(&summary, run->options.json))
        return run_without_memory(run);
    if (end == BATCH_STOPPED)
        complain(&run->complaint, "stopped: %s\nThe same command goes on where it stopped.",
                 why.text);
    else if (batch->results.answered < batch->input->rows)
        complain(&run->complaint, "lines without an answer: %lld",
                 (long long)(batch->input->rows - batch->results.answered));
    else
        return COMMAND_DONE;
    return COMMAND_FAILED;
}

static int ask_all(struct batch *batch) {
    struct run *run = batch->run;
    const struct batch_results *results = &batch->results;
    batch->asking.take = take;
    batch->asking.reply = reply;
    batch->asking.tick = tick;
    batch->asking.arg = batch;
    batch->progress =
        batch_progress_begin(clock_monotonic_ms(&clock_system), results->answered + results->failed,
                             batch->input->rows, &batch->price);
    enum batch_end end = batch_run_all(&batch->asking, &run->complaint);
    int code = conclude(batch, end);
    return batch_results_close(&batch->results, &run->complaint) ? code : COMMAND_FAILED;
}

static int ask_into(struct batch *batch, const char *path) {
    struct run *run = batch->run;
    bool retry = run->options.values[RETRY_UNKNOWN] != NULL;
    if (!batch_results_open(&batch->results, path, batch->input, retry, &run->complaint))
        return COMMAND_FAILED;
    return ask_all(batch);
}

static int ask_beside(struct batch *batch) {
    const char *ending = batch->input->format == BATCH_CSV ? "csv" : "ndjson";
    char *path = NULL;
    if (asprintf(&path, "%s.results.%s", batch->run->options.words[0], ending) < 0)
        return run_without_memory(batch->run);
    int code = ask_into(batch, path);
    free(path);
    return code;
}

/* Where it cannot be read, the batch goes on without prices. */
static void read_price(struct batch *batch) {
    struct run *run = batch->run;
    if (run->config->admin_token == NULL || run->config->admin_listen[0] == '\0')
        return;
    if (run_get(run, strdup(BALANCE)))
        batch_price_read(&batch->price, run_reply(run));
}

static int ask_file(struct batch *batch) {
    const char *const *values = batch->run->options.values;
    read_price(batch);
    int code = values[DRY_RUN] != NULL
                   ? batch_dry_run(batch->run, batch->input, &batch->price, &batch->asking)
               : values[OUTPUT] != NULL ? ask_into(batch, values[OUTPUT])
                                        : ask_beside(batch);
    batch_price_free(&batch->price);
    return code;
}

static int read_file(struct batch *batch) {
    struct run *run = batch->run;
    batch->input = malloc(sizeof *batch->input);
    if (batch->input == NULL)
        return run_without_memory(run);
    int code = COMMAND_FAILED;
    if (batch_input_open(batch->input, run->options.words[0], &run->complaint)) {
        code = ask_file(batch);
        batch_input_close(batch->input);
    }
    free(batch->input);
    return code;
}

static int64_t count_of(const struct run *run, int row, int64_t usual) {
    const char *value = run->options.values[row];
    return value != NULL ? strtoll(value, NULL, 10) : usual;
}

static int batch(struct run *run) {
    struct service_client client;
    int64_t concurrency = count_of(run, CONCURRENCY, CONCURRENCY_USUAL);
    int64_t rate = count_of(run, RATE, 0);
    if (concurrency < 1 || concurrency > BATCH_CONCURRENCY_MOST)
        return options_misuse(&form, "--concurrency must be 1 to %d", BATCH_CONCURRENCY_MOST);
    if (run->options.values[RATE] != NULL && (rate < 1 || rate > RATE_MOST))
        return options_misuse(&form, "--rate must be 1 to %d", RATE_MOST);
    if (!service_client_find(&client, run->config, run->options.values[URL], &run->complaint))
        return COMMAND_FAILED;
    struct batch batch = {.run = run,
                          .asking = {.client = &client,
                                     .timeout_ms = service_timeout_ms(run->config),
                                     .concurrency = (int)concurrency,
                                     .rate = rate,
                                     .max_calls = count_of(run, MAX_CALLS, -1)}};
    int code = service_client_take_key(&client, run->options.values[KEY_FILE], &run->complaint)
                   ? read_file(&batch)
                   : COMMAND_FAILED;
    service_client_free(&client);
    return code;
}

int command_batch(int argc, char **argv) {
    return run_command(&form, argc, argv, batch);
}
