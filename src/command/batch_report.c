#include "command/batch_report.h"

#include <stdio.h>
#include <unistd.h>

#define TERMINAL_MS 1000
#define FILE_MS     10000
#define CLEAR_LINE  "\r\033[K"
#define SECOND_MS   1000
#define SPEND_SIZE  (MONEY_TEXT_SIZE + 16)

/* --- while it runs --- */

struct batch_progress batch_progress_begin(int64_t now_ms, int64_t done, int64_t total,
                                           const struct batch_price *price) {
    return (struct batch_progress){
        .begun_ms = now_ms,
        .begun_with = done,
        .shown_ms = now_ms,
        .total = total,
        .price = price,
        .terminal = isatty(STDERR_FILENO) != 0,
    };
}

/* ", 1.20 CNY"; nothing where prices are not known. */
static void format_spend(const struct batch_price *price, int64_t billed, char spend[SPEND_SIZE]) {
    char money[MONEY_TEXT_SIZE];
    money_format(batch_price_of(price, billed), money);
    spend[0] = '\0';
    if (price->known && price->metered)
        snprintf(spend, SPEND_SIZE, ", %s CNY", money);
}

static void format_left(const struct batch_progress *progress, int64_t now_ms, int64_t done,
                        char *left, size_t room) {
    int64_t past_s = (now_ms - progress->begun_ms) / SECOND_MS;
    int64_t count = done - progress->begun_with;
    left[0] = '\0';
    if (count <= 0 || past_s <= 0)
        return;
    int64_t left_s = (progress->total - done) * past_s / count;
    snprintf(left, room, ", %lld:%02lld:%02lld left", (long long)(left_s / 3600),
             (long long)(left_s / 60 % 60), (long long)(left_s % 60));
}

void batch_progress_show(struct batch_progress *progress, int64_t now_ms, int64_t done,
                         int64_t billed) {
    char spend[SPEND_SIZE];
    char left[64];
    int64_t past_ms = now_ms - progress->begun_ms;
    if (now_ms - progress->shown_ms < (progress->terminal ? TERMINAL_MS : FILE_MS))
        return;
    progress->shown_ms = now_ms;
    format_spend(progress->price, billed, spend);
    format_left(progress, now_ms, done, left, sizeof left);
    fprintf(stderr, "%s%lld of %lld, %.1f a second, calls billed: %lld%s%s%s",
            progress->terminal ? CLEAR_LINE : "", (long long)done, (long long)progress->total,
            (double)(done - progress->begun_with) * SECOND_MS / (double)past_ms, (long long)billed,
            spend, left, progress->terminal ? "" : "\n");
}

void batch_progress_end(const struct batch_progress *progress) {
    if (progress->terminal)
        fputs(CLEAR_LINE, stderr);
}

/* --- at the end --- */

static void print_tally(const char *title, const struct batch_tally *tally) {
    for (int i = 0; i < tally->count; i++)
        printf("  %-10s %-28s %10lld\n", i == 0 ? title : "", tally->rows[i].word,
               (long long)tally->rows[i].count);
    if (tally->others > 0)
        printf("  %-10s %-28s %10lld\n", "", "others", (long long)tally->others);
}

static void print_human(const struct batch_summary *summary) {
    const struct batch_results *results = summary->results;
    char spend[SPEND_SIZE];
    format_spend(summary->price, summary->billed, spend);
    printf("%lld of %lld lines have an answer; calls billed in this run: %lld%s\n",
           (long long)results->answered, (long long)summary->rows, (long long)summary->billed,
           spend);
    print_tally("result", &results->by_result);
    print_tally("source", &results->by_source);
    print_tally("problem", &results->by_code);
    if (results->doubtful > 0)
        printf("Without an answer, and perhaps paid for: %lld; only --retry-unknown asks again\n",
               (long long)results->doubtful);
    printf("The results are in %s\n", results->path);
}

static void add_number(cJSON *object, const char *name, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    cJSON_AddRawToObject(object, name, text);
}

static void add_tally(cJSON *object, const char *name, const struct batch_tally *tally) {
    cJSON *counts = cJSON_AddObjectToObject(object, name);
    for (int i = 0; i < tally->count; i++)
        add_number(counts, tally->rows[i].word, tally->rows[i].count);
    if (tally->others > 0)
        add_number(counts, "others", tally->others);
}

static void add_spend(cJSON *object, const struct batch_summary *summary) {
    const struct batch_price *price = summary->price;
    if (price->known && price->metered)
        cJSON_AddItemToObject(object, "spentCny",
                              money_to_json(batch_price_of(price, summary->billed)));
    else
        cJSON_AddNullToObject(object, "spentCny");
}

static bool print_json(const struct batch_summary *summary) {
    const struct batch_results *results = summary->results;
    cJSON *object = cJSON_CreateObject();
    add_number(object, "lines", summary->rows);
    add_number(object, "answered", results->answered);
    add_number(object, "failed", results->failed);
    add_number(object, "mayBePaid", results->doubtful);
    add_number(object, "billedCalls", summary->billed);
    add_spend(object, summary);
    add_tally(object, "results", &results->by_result);
    add_tally(object, "sources", &results->by_source);
    add_tally(object, "problems", &results->by_code);
    cJSON_AddStringToObject(object, "output", results->path);
    if (summary->stopped != NULL)
        cJSON_AddStringToObject(object, "stopped", summary->stopped);
    else
        cJSON_AddNullToObject(object, "stopped");
    char *text = cJSON_PrintUnformatted(object);
    if (text != NULL)
        puts(text);
    cJSON_Delete(object);
    cJSON_free(text);
    return text != NULL;
}

bool batch_summary_print(const struct batch_summary *summary, bool json) {
    if (json)
        return print_json(summary);
    print_human(summary);
    return true;
}
