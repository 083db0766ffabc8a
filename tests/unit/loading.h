#pragma once
/*
 * loading: settings of a test's own, from variables and files that it makes.
 *
 * Include it behind cmocka.h. No value that holds the word "hidden" may come back in a complaint.
 */
#include "runtime/config_parts.h"
#include "scratch.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static const char no_home[] = "/nonexistent-of-the-test";

/* Variables are given as "A=1", the last one NULL. */
#define ENVIRONMENT(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline struct config *load(const char *path, const char *const *environment,
                                  struct complaint *complaint) {
    const struct config_sources sources = {
        .path = path, .default_path = no_home, .run_secrets = no_home, .environment = environment};
    complaint->text[0] = '\0';
    return config_load_from(&sources, complaint);
}

static inline struct config *load_good(const char *path, const char *const *environment) {
    struct complaint complaint;
    struct config *config = load(path, environment, &complaint);
    if (config == NULL)
        fail_msg("refused: %s", complaint.text);
    return config;
}

static inline void assert_refused(const char *path, const char *const *environment,
                                  const char *message) {
    struct complaint complaint;
    struct config *config = load(path, environment, &complaint);
    if (config != NULL)
        fail_msg("accepted, instead of: %s", message);
    if (strstr(complaint.text, message) == NULL)
        fail_msg("said: %s\n  not: %s", complaint.text, message);
    assert_null(strstr(complaint.text, "hidden"));
}

/* How many of the config's warnings hold the text. */
static inline size_t warnings_with(const struct config *config, const char *text) {
    size_t count = 0;
    for (size_t i = 0; config->warnings != NULL && config->warnings[i] != NULL; i++)
        count += strstr(config->warnings[i], text) != NULL;
    return count;
}
