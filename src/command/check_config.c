#include "command/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/config.h"

static const char HELP[] =
    "Usage: sanyao check-config [--config FILE] [--print] [--json]\n"
    "\n"
    "Reads the settings as `sanyao serve` would and says whether they are good.\n"
    "\n"
    "  -c, --config FILE  the settings file; without it SANYAO_CONFIG, then\n"
    "                     /etc/sanyao/sanyao.jsonc if it is there, else none\n"
    "  -p, --print        every setting with its value and where it came from;\n"
    "                     secrets are masked\n"
    "      --json         one JSON object on standard output, for programs\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit code: 0 the settings are good, 1 they are refused, 2 wrong use.\n";

struct wish {
    const char *path;
    bool print;
    bool json;
};

/* Returns an exit code, or -1: go on. */
static int parse_options(int argc, char **argv, struct wish *wish) {
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"print", no_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    optind = 0;
    int option;
    while ((option = getopt_long(argc, argv, "c:ph", options, NULL)) != -1) {
        if (option == 'c')
            wish->path = optarg;
        else if (option == 'p')
            wish->print = true;
        else if (option == 'j')
            wish->json = true;
        else if (option == 'h')
            return fputs(HELP, stdout) < 0 ? COMMAND_FAILED : COMMAND_DONE;
        else
            return COMMAND_MISUSED;
    }
    if (optind == argc)
        return -1;
    fprintf(stderr,
            "check-config: unexpected argument; the settings file is given with --config\n");
    return COMMAND_MISUSED;
}

static int print_json(const struct wish *wish, const struct config *config,
                      const struct complaint *complaint) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddBoolToObject(object, "ok", config != NULL);
    if (config == NULL)
        cJSON_AddStringToObject(object, "error", complaint->text);
    if (config != NULL && config->path != NULL)
        cJSON_AddStringToObject(object, "file", config->path);
    cJSON *warnings = config != NULL ? cJSON_AddArrayToObject(object, "warnings") : NULL;
    for (size_t i = 0; warnings != NULL && config->warnings != NULL && config->warnings[i]; i++)
        cJSON_AddItemToArray(warnings, cJSON_CreateString(config->warnings[i]));
    if (config != NULL && wish->print)
        cJSON_AddItemToObject(object, "settings", config_to_json(config));

    char *text = cJSON_Print(object);
    bool good = text != NULL && puts(text) >= 0;
    cJSON_free(text);
    cJSON_Delete(object);
    return good && config != NULL ? COMMAND_DONE : COMMAND_FAILED;
}

static int print_human(const struct wish *wish, const struct config *config,
                       const struct complaint *complaint) {
    if (config == NULL) {
        fprintf(stderr, "check-config: %s\n", complaint->text);
        return COMMAND_FAILED;
    }
    for (size_t i = 0; config->warnings != NULL && config->warnings[i] != NULL; i++)
        fprintf(stderr, "check-config: warning: %s\n", config->warnings[i]);
    if (wish->print)
        config_print(config, stdout);
    else if (config->path != NULL)
        printf("the settings are good: %s\n", config->path);
    else
        printf("the settings are good: no settings file, the environment and the defaults\n");
    return fflush(stdout) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

int command_check_config(int argc, char **argv) {
    struct wish wish = {0};
    int code = parse_options(argc, argv, &wish);
    if (code >= 0)
        return code;
    struct complaint complaint = {{0}};
    struct config *config = config_load(wish.path, environ, &complaint);
    code = (wish.json ? print_json : print_human)(&wish, config, &complaint);
    config_release(config);
    return code;
}
