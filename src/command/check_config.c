#include <stdio.h>
#include <unistd.h>

#include "command/command.h"
#include "command/options.h"
#include "runtime/config.h"

enum { PRINT, ROWS };

static const struct options_row rows[ROWS] = {
    [PRINT] = {.name = "print",
               .help = "every setting with its value and where it came from;\n"
                       "secrets are masked",
               .letter = 'p'},
};

static const struct options_form form = {
    .command = "check-config",
    .about = "Reads the settings as `sanyao serve` would and says whether they are good.\n"
             "Refused ones are told with exit code 1.\n",
    .rows = rows,
    .row_count = ROWS,
};

static int print_json(const struct options *options, const struct config *config,
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
    if (config != NULL && options->values[PRINT] != NULL)
        cJSON_AddItemToObject(object, "settings", config_to_json(config));

    char *text = cJSON_Print(object);
    bool good = text != NULL && puts(text) >= 0;
    cJSON_free(text);
    cJSON_Delete(object);
    return good && config != NULL ? COMMAND_DONE : COMMAND_FAILED;
}

static int print_human(const struct options *options, const struct config *config,
                       const struct complaint *complaint) {
    if (config == NULL) {
        fprintf(stderr, "check-config: %s\n", complaint->text);
        return COMMAND_FAILED;
    }
    for (size_t i = 0; config->warnings != NULL && config->warnings[i] != NULL; i++)
        fprintf(stderr, "check-config: warning: %s\n", config->warnings[i]);
    if (options->values[PRINT] != NULL)
        config_print(config, stdout);
    else if (config->path != NULL)
        printf("the settings are good: %s\n", config->path);
    else
        printf("the settings are good: no settings file, the environment and the defaults\n");
    return fflush(stdout) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

int command_check_config(int argc, char **argv) {
    struct options options;
    int code = options_parse(&form, argc, argv, &options);
    if (code >= 0)
        return code;
    struct complaint complaint = {{0}};
    struct config *config = config_load(options.config, environ, &complaint);
    code = (options.json ? print_json : print_human)(&options, config, &complaint);
    config_release(config);
    return code;
}
