#pragma once
/*
 * options: the command line of sanyao-sandbox.
 *
 * Strings point into argv. Value type, read-only after parsing; safe from any thread then.
 */
#include <stdbool.h>
#include <stdio.h>

#include "sandbox/reason.h"
#include "sandbox/settings.h"

#define OPTIONS_DEFAULT_APPCODE "sandbox-appcode-0123456789abcdef"

enum { OPTIONS_APPCODES_MAX = 16, OPTIONS_APPCODE_SIZE = 65, OPTIONS_HOST_SIZE = 256 };

struct options {
    char host[OPTIONS_HOST_SIZE];
    char port[8];
    bool open_to_all; /* addresses beyond the loopback are allowed */
    struct {
        char code[OPTIONS_APPCODE_SIZE];
        long package; /* billed calls it is good for; -1: the setting's */
    } appcodes[OPTIONS_APPCODES_MAX];
    size_t appcode_count;
    struct settings settings;
    const char *billed; /* statuses that are billed, joined by commas; NULL: all */
    long idle_timeout_s;
    long log_size;
    const char *tls_certificate; /* file names; NULL: plain HTTP */
    const char *tls_key;
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_WRONG, /* the reason says what */
};

enum options_result options_parse(struct options *options, int argc, char **argv,
                                  struct reason *reason) __attribute__((warn_unused_result));

/* Is the seller's `status` among those billed? */
bool options_bills(const struct options *options, const char *status);

void options_print_help(FILE *stream);
