#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <sodium.h>

#include "command/command.h"
#include "money/period.h"
#include "runtime/config.h"
#include "store/rebuild.h"

static const char HELP[] =
    "Usage: sanyao ledger rebuild [--config FILE] [--json] JOURNAL...\n"
    "\n"
    "Gives the shared ledger back what it has lost (a Redis that came back empty or behind):\n"
    "rows and counters, from the journals of the replicas. Name the journals of all of them, also\n"
    "of those that are gone; copies will do. Replicas may be serving meanwhile, and running it\n"
    "again changes nothing.\n"
    "\n"
    "  -c, --config FILE  the settings file, which names the store; without it SANYAO_CONFIG,\n"
    "                     then /etc/sanyao/sanyao.jsonc if it is there, else none\n"
    "      --json         one JSON object on standard output, for programs\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit code: 0 done, 1 failed, 2 wrong use.\n";

struct wish {
    const char *config;
    bool json;
    char **journals; /* ends with NULL */
};

static int misuse(const char *what) {
    fprintf(stderr, "sanyao ledger: %s; see sanyao ledger rebuild --help\n", what);
    return COMMAND_MISUSED;
}

/* Returns an exit code, or -1: go on. */
static int parse_options(int argc, char **argv, struct wish *wish) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    optind = 0;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'c')
            wish->config = optarg;
        else if (option == 'j')
            wish->json = true;
        else if (option == 'h')
            return fputs(HELP, stdout) < 0 ? COMMAND_FAILED : COMMAND_DONE;
        else
            return COMMAND_MISUSED;
    }
    if (optind == argc || strcmp(argv[optind], "rebuild") != 0)
        return misuse("the word rebuild is missing");
    wish->journals = argv + optind + 1;
    return wish->journals[0] ? -1 : misuse("rebuild needs the journals of the replicas");
}

static int print_json(bool good, const struct rebuild_counts *counts,
                      const struct complaint *complaint) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddBoolToObject(object, "ok", good);
    if (!good)
        cJSON_AddStringToObject(object, "error", complaint->text);
    cJSON_AddNumberToObject(object, "lines", (double)counts->lines);
    cJSON_AddNumberToObject(object, "restored", (double)counts->restored);
    cJSON_AddNumberToObject(object, "present", (double)counts->present);
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
    if (good)
        return COMMAND_DONE;
    fprintf(stderr, "sanyao: %s\n", complaint->text);
    return COMMAND_FAILED;
}

static bool rebuild(const struct wish *wish, struct rebuild_counts *counts,
                    struct complaint *complaint) {
    struct config *config = config_load(wish->config, environ, complaint);
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
    bool good = rebuild_store(&settings, (const char *const *)wish->journals, &clock_system, counts,
                              complaint);
    config_release(config);
    return good;
}

int command_ledger_rebuild(int argc, char **argv) {
    struct wish wish = {.config = NULL};
    struct complaint complaint = {""};
    struct rebuild_counts counts = {0};
    int code = parse_options(argc, argv, &wish);
    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0) {
        fputs("sanyao: libsodium could not be initialised\n", stderr);
        return COMMAND_FAILED;
    }
    bool good = rebuild(&wish, &counts, &complaint);
    return wish.json ? print_json(good, &counts, &complaint)
                     : print_human(good, &counts, &complaint);
}
