#include "command/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command/command.h"

/* Those of every command stand behind the form's own. */
enum { CONFIG, HELP, JSON, COMMON };

static const struct options_row common[COMMON] = {
    [CONFIG] = {.name = "config",
                .argument = "FILE",
                .help = "the settings file; without it SANYAO_CONFIG, then\n"
                        "/etc/sanyao/sanyao.jsonc if it is there, else none",
                .kind = OPTIONS_TEXT,
                .letter = 'c'},
    [JSON] = {.name = "json", .help = "one JSON object on standard output, for programs"},
    [HELP] = {.name = "help", .help = "this text", .letter = 'h'},
};

/* getopt's numbers of rows, apart from characters. */
#define ROW_BASE   256
#define COUNT_MOST 15 /* digits of a count */

static bool has_json(const struct options_form *form) {
    return form->json_help == NULL || form->json_help[0] != '\0';
}

/* --- the help --- */

static int name_width(const struct options_row *row) {
    return (int)(strlen(row->name) + (row->argument != NULL ? 1 + strlen(row->argument) : 0));
}

static int help_column(const struct options_form *form) {
    int widest = name_width(&common[CONFIG]);
    for (int i = 0; i < form->row_count; i++) {
        int width = name_width(&form->rows[i]);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_row(const struct options_row *row, const char *help, int column) {
    const char letter[] = {'-', row->letter, ',', '\0'};
    printf("  %3s --%s%s%-*s", row->letter != 0 ? letter : "", row->name,
           row->argument != NULL ? " " : "",
           column - (int)strlen(row->name) - (row->argument != NULL ? 1 : 0),
           row->argument != NULL ? row->argument : "");
    for (const char *line = help; line != NULL;) {
        const char *end = strchr(line, '\n');
        printf("%*s%.*s\n", line == help ? 2 : column + 10, "",
               (int)(end != NULL ? (size_t)(end - line) : strlen(line)), line);
        line = end != NULL ? end + 1 : NULL;
    }
}

static int print_help(const struct options_form *form) {
    int column = help_column(form);
    printf("Usage: sanyao %s [OPTION]...%s%s\n\n%s\n", form->command,
           form->words != NULL ? " " : "", form->words != NULL ? form->words : "", form->about);
    for (int i = 0; i < form->row_count; i++)
        print_row(&form->rows[i], form->rows[i].help, column);
    if (has_json(form))
        print_row(&common[JSON], form->json_help != NULL ? form->json_help : common[JSON].help,
                  column);
    print_row(&common[CONFIG], common[CONFIG].help, column);
    print_row(&common[HELP], common[HELP].help, column);
    printf("\nExit code: 0 done, 1 failed, 2 wrong use%s%s.\n", form->exits != NULL ? ", " : "",
           form->exits != NULL ? form->exits : "");
    return fflush(stdout) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

/* --- the parser --- */

int options_misuse(const struct options_form *form, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "sanyao %s: ", form->command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see sanyao %s --help\n", form->command);
    return COMMAND_MISUSED;
}

static bool is_count(const char *text) {
    size_t digits = strspn(text, "0123456789");
    bool padded = text[0] == '0' && digits > 1; /* no JSON number */
    return digits > 0 && digits <= COUNT_MOST && !padded && text[digits] == '\0';
}

/* NULL, or what the value must be. */
static const char *judge_value(enum options_kind kind, const char *value) {
    if (kind == OPTIONS_COUNT && !is_count(value))
        return "a whole number";
    if (kind == OPTIONS_LIMIT && !is_count(value) && strcmp(value, "none") != 0)
        return "a whole number, or none";
    if (kind == OPTIONS_YES_NO && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return "yes or no";
    return NULL;
}

static int judge_rows(const struct options_form *form, const struct options *options) {
    for (int i = 0; i < form->row_count; i++) {
        const struct options_row *row = &form->rows[i];
        const char *value = options->values[i];
        if (value == NULL && row->required)
            return options_misuse(form, "--%s is missing", row->name);
        const char *wanted = value != NULL ? judge_value(row->kind, value) : NULL;
        if (wanted != NULL)
            return options_misuse(form, "--%s must be %s", row->name, wanted);
    }
    return -1;
}

static int judge_words(const struct options_form *form, char **words, int count) {
    if (form->words == NULL)
        return count == 0 ? -1 : options_misuse(form, "'%s' is not expected here", words[0]);
    if (count == 0)
        return options_misuse(form, "%s is missing", form->words);
    return count == 1 || form->many_words
               ? -1
               : options_misuse(form, "it takes only one %s", form->words);
}

/* As getopt wants them. */
struct tables {
    struct option longs[OPTIONS_MOST + COMMON + 1];
    char letters[2 * (OPTIONS_MOST + COMMON) + 1];
};

static void add_row(struct tables *tables, int index, const struct options_row *row) {
    int at = 0;
    while (tables->longs[at].name != NULL)
        at++;
    tables->longs[at] =
        (struct option){row->name, row->argument != NULL ? required_argument : no_argument, NULL,
                        row->letter != 0 ? row->letter : ROW_BASE + index};
    size_t size = strlen(tables->letters);
    if (row->letter != 0)
        tables->letters[size++] = row->letter;
    if (row->letter != 0 && row->argument != NULL)
        tables->letters[size] = ':';
}

static void make_tables(const struct options_form *form, struct tables *tables) {
    for (int i = 0; i < form->row_count; i++)
        add_row(tables, i, &form->rows[i]);
    add_row(tables, OPTIONS_MOST + CONFIG, &common[CONFIG]);
    add_row(tables, OPTIONS_MOST + HELP, &common[HELP]);
    if (has_json(form))
        add_row(tables, OPTIONS_MOST + JSON, &common[JSON]);
}

/* By its letter, where it has one. */
static int row_index(const struct options_form *form, int option) {
    if (option >= ROW_BASE)
        return option - ROW_BASE;
    for (int i = 0; i < form->row_count; i++) {
        if (form->rows[i].letter == option)
            return i;
    }
    return -1;
}

/* Returns an exit code, or -1: go on. */
static int take_option(const struct options_form *form, int option, struct options *options) {
    int index = row_index(form, option);
    if (option == 'h')
        return print_help(form);
    if (option == '?')
        return COMMAND_MISUSED;
    if (option == 'c')
        options->config = optarg;
    else if (index == OPTIONS_MOST + JSON)
        options->json = true;
    else
        options->values[index] = optarg != NULL ? optarg : "";
    return -1;
}

int options_parse(const struct options_form *form, int argc, char **argv, struct options *options) {
    struct tables tables = {0};
    int code = -1;
    int option;
    *options = (struct options){0};
    make_tables(form, &tables);
    optind = 0;
    while ((option = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        code = take_option(form, option, options);
        if (code >= 0)
            return code;
    }
    options->words = argv + optind;
    code = judge_rows(form, options);
    return code >= 0 ? code : judge_words(form, options->words, argc - optind);
}

/* --- what they say, as JSON --- */

static cJSON *value_to_json(enum options_kind kind, const char *value) {
    switch (kind) {
    case OPTIONS_FLAG:
        return cJSON_CreateTrue();
    case OPTIONS_YES_NO:
        return cJSON_CreateBool(strcmp(value, "yes") == 0);
    case OPTIONS_COUNT:
        return cJSON_CreateRaw(value);
    case OPTIONS_LIMIT:
        return strcmp(value, "none") == 0 ? cJSON_CreateNull() : cJSON_CreateRaw(value);
    case OPTIONS_OR_NEVER:
        if (strcmp(value, "never") == 0)
            return cJSON_CreateNull();
        break;
    case OPTIONS_TEXT:
        break;
    }
    return cJSON_CreateString(value);
}

cJSON *options_to_json(const struct options_form *form, const struct options *options) {
    cJSON *object = cJSON_CreateObject();
    for (int i = 0; i < form->row_count && object != NULL; i++) {
        const struct options_row *row = &form->rows[i];
        if (row->member == NULL || options->values[i] == NULL)
            continue;
        cJSON *value = value_to_json(row->kind, options->values[i]);
        if (!cJSON_AddItemToObject(object, row->member, value)) {
            cJSON_Delete(value);
            cJSON_Delete(object);
            object = NULL;
        }
    }
    return object;
}
