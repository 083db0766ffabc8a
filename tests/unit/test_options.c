/* Options: what a form lets through, and what it makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "command/command.h"
#include "command/options.h"

#define GO_ON (-1)

enum { NAME, DAILY, CALLS, DISABLED, SHADOW, EXPIRES, PRINT, ROWS };

static const struct options_row rows[ROWS] = {
    [NAME] = {"name", "NAME", "a name", "name", OPTIONS_TEXT, 0, false},
    [DAILY] = {"daily", "N", "a limit", "dailyCalls", OPTIONS_LIMIT, 0, false},
    [CALLS] = {"calls", "N", "a count", "calls", OPTIONS_COUNT, 0, false},
    [DISABLED] = {"disabled", "yes|no", "a choice", "disabled", OPTIONS_YES_NO, 0, false},
    [SHADOW] = {"shadow", NULL, "a flag", "shadow", OPTIONS_FLAG, 0, false},
    [EXPIRES] = {"expires", "DATE", "an end", "expiresAt", OPTIONS_OR_NEVER, 0, false},
    [PRINT] = {"print", NULL, "with a letter,\nin two lines", NULL, OPTIONS_FLAG, 'p', false},
};
static const struct options_row needed[] = {
    {"calls", "N", "a count", "calls", OPTIONS_COUNT, 0, true}};

static const struct options_form with_word = {
    .command = "try", .words = "ID", .about = "Tries.\n", .rows = rows, .row_count = ROWS};
static const struct options_form without = {
    .command = "try", .about = "Tries.\n", .json_help = "", .exits = "3 it is not so"};
static const struct options_form with_many = {
    .command = "try", .words = "FILE...", .many_words = true, .about = "Tries.\n"};
static const struct options_form with_need = {
    .command = "try", .about = "Tries.\n", .rows = needed, .row_count = 1};

/* `line`: words separated by blanks; an underscore stands for an empty one. */
static int parse(const struct options_form *form, const char *line, struct options *options) {
    static char copy[256];
    static char *argv[32];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    char *rest = copy;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    argv[argc] = NULL;
    return options_parse(form, argc, argv, options);
}

static void values_are_found(void **state) {
    (void)state;
    struct options options;
    assert_int_equal(
        parse(&with_word, "try --name n -c file --json shop --print --daily=7", &options), GO_ON);
    assert_string_equal(options.values[NAME], "n");
    assert_string_equal(options.values[DAILY], "7");
    assert_string_equal(options.values[PRINT], "");
    assert_null(options.values[SHADOW]);
    assert_string_equal(options.config, "file");
    assert_true(options.json);
    assert_string_equal(options.words[0], "shop");
    assert_null(options.words[1]);
    assert_int_equal(parse(&with_word, "try -p --config=other -- --name", &options), GO_ON);
    assert_string_equal(options.config, "other");
    assert_string_equal(options.words[0], "--name");
    assert_false(options.json);
    assert_int_equal(parse(&with_many, "try a --json b", &options), GO_ON);
    assert_string_equal(options.words[1], "b");
    assert_int_equal(parse(&with_need, "try --calls 0", &options), GO_ON);
}

static void misuse_is_refused(void **state) {
    (void)state;
    static const struct {
        const struct options_form *form;
        const char *line;
    } cases[] = {
        {&with_word, "try"},
        {&with_word, "try a b"},
        {&with_word, "try a --no-such"},
        {&with_word, "try a --name"},
        {&with_word, "try a --shadow=yes"},
        {&with_word, "try a -x"},
        {&with_word, "try a --daily many"},
        {&with_word, "try a --daily -1"},
        {&with_word, "try a --daily 1.5"},
        {&with_word, "try a --daily 007"},
        {&with_word, "try a --daily _"},
        {&with_word, "try a --daily 1234567890123456"},
        {&with_word, "try a --calls none"},
        {&with_word, "try a --disabled true"},
        {&without, "try a"},
        {&without, "try --json"},
        {&with_many, "try"},
        {&with_need, "try"},
        {&with_need, "try --calls 5x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options options;
        if (parse(cases[i].form, cases[i].line, &options) != COMMAND_MISUSED)
            fail_msg("not refused: %s", cases[i].line);
    }
}

static void they_become_json(void **state) {
    (void)state;
    static const struct {
        const char *line, *json;
    } cases[] = {
        {"try a", "{}"},
        {"try a --print", "{}"},
        {"try a --name _ --daily 7 --calls 999999999999999",
         "{\"name\":\"\",\"dailyCalls\":7,\"calls\":999999999999999}"},
        {"try a --daily none --expires never", "{\"dailyCalls\":null,\"expiresAt\":null}"},
        {"try a --daily 0 --expires 2026-11-24", "{\"dailyCalls\":0,\"expiresAt\":\"2026-11-24\"}"},
        {"try a --disabled no --shadow", "{\"disabled\":false,\"shadow\":true}"},
        {"try a --disabled yes --name \"", "{\"name\":\"\\\"\",\"disabled\":true}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options options;
        assert_int_equal(parse(&with_word, cases[i].line, &options), GO_ON);
        cJSON *object = options_to_json(&with_word, &options);
        char *text = cJSON_PrintUnformatted(object);
        assert_string_equal(text, cases[i].json);
        cJSON_free(text);
        cJSON_Delete(object);
    }
}

/* Standard output into `text` while `form` prints its help. */
static void read_help(const struct options_form *form, char *text, size_t room) {
    struct options options;
    FILE *file = tmpfile();
    int kept = dup(STDOUT_FILENO);
    assert_non_null(file);
    fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    int helped = parse(form, "try --help", &options);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    assert_int_equal(helped, COMMAND_DONE);
    rewind(file);
    size_t size = fread(text, 1, room - 1, file);
    text[size] = '\0';
    fclose(file);
}

static void the_help_is_made_of_the_same_table(void **state) {
    (void)state;
    char text[4096];
    read_help(&with_word, text, sizeof text);
    assert_non_null(strstr(text, "Usage: sanyao try [OPTION]... ID\n\nTries.\n\n"));
    assert_non_null(strstr(text, "\n      --name NAME        a name\n"));
    assert_non_null(strstr(text, "\n      --disabled yes|no  a choice\n"));
    assert_non_null(strstr(text, "\n  -p, --print            with a letter,\n"
                                 "                         in two lines\n"));
    assert_non_null(strstr(text, "\n      --json             one JSON object"));
    assert_non_null(strstr(text, "\n  -h, --help             this text\n"));
    assert_non_null(strstr(text, "\nExit code: 0 done, 1 failed, 2 wrong use.\n"));
    read_help(&without, text, sizeof text);
    assert_null(strstr(text, "--json"));
    assert_non_null(strstr(text, "2 wrong use, 3 it is not so.\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(they_become_json),
        cmocka_unit_test(the_help_is_made_of_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
