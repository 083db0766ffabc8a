#include <stdio.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "command/run.h"
#include "money/period.h"
#include "store/rebuild.h"

static const struct options_form form = {
    .command = "ledger rebuild",
    .words = "JOURNAL...",
    .many_words = true,
    .about = "Gives the shared ledger back what it has lost (a Redis that came back empty or "
             "behind):\n"
             "rows, counters, clients and packages, from the journals of the replicas. Name the "
             "journals of all of "
             "them, also\n"
             "of those that are gone; copies will do. Replicas may be serving meanwhile, and "
             "running it\n"
             "again changes nothing.\n",
};

static int print_json(bool good, const struct rebuild_counts *counts,
                      const struct complaint *complaint) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddBoolToObject(object, "ok", good);
    if (!good)
        cJSON_AddStringToObject(object, "error", complaint->text);
    cJSON_AddNumberToObject(object, "lines", (double)counts->lines);
    cJSON_AddNumberToObject(object, "restored", (double)counts->restored);
    cJSON_AddNumberToObject(object, "present", (double)counts->present);
    cJSON_AddNumberToObject(object, "documents", (double)counts->documents);
    cJSON_AddNumberToObject(object, "documentsRestored", (double)counts->documents_restored);
    cJSON_AddNumberToObject(object, "documentsPresent", (double)counts->documents_present);
    char *text = cJSON_Print(object);
    bool printed = text && puts(text) >= 0;
    cJSON_free(text);
    cJSON_Delete(object);
    return printed && good ? COMMAND_DONE : COMMAND_FAILED;
}

static int print_human(bool good, const struct rebuild_counts *counts,
                       const struct complaint *complaint) {
    if (good || counts->lines > 0)
        printf("%lld calls in the journals: %lld restored, %lld were there\n",
               (long long)counts->lines, (long long)counts->restored, (long long)counts->present);
    if (counts->documents > 0)
        printf("%lld clients, packages and other documents in them: %lld restored, %lld were "
               "there\n",
               (long long)counts->documents, (long long)counts->documents_restored,
               (long long)counts->documents_present);
    if (good)
        return COMMAND_DONE;
    fprintf(stderr, "sanyao: %s\n", complaint->text);
    return COMMAND_FAILED;
}

static bool rebuild(const struct options *options, struct rebuild_counts *counts,
                    struct complaint *complaint) {
    if (!run_begin(complaint))
        return false;
    struct config *config = config_load(options->config, environ, complaint);
    if (!config)
        return false;
    period_set_zone(config->timezone);
    const struct store_settings settings = {
        .url = config->store_url,
        .ledger_url = config->store_ledger_url,
        .ca_file = config->store_ca_file,
        .timeout_ms = config->store_timeout_ms,
        .number_window_ms = config->number_limit_window_ms,
    };
    bool good = rebuild_store(&settings, (const char *const *)options->words, &clock_system, counts,
                              complaint);
    config_release(config);
    return good;
}

/* Its failures are told in JSON, too, with what was done until then. */
int command_ledger_rebuild(int argc, char **argv) {
    struct options options;
    struct complaint complaint = {""};
    struct rebuild_counts counts = {0};
    int code = options_parse(&form, argc, argv, &options);
    if (code >= 0)
        return code;
    bool good = rebuild(&options, &counts, &complaint);
    return options.json ? print_json(good, &counts, &complaint)
                        : print_human(good, &counts, &complaint);
}
