#include "sandbox/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/seller.h"

enum { IDLE_TIMEOUT_S = 25, LOG_SIZE = 1000, SETTINGS_MAX = 16 };

static bool take_listen(struct options *options, const char *text, struct reason *reason) {
    const char *colon = strrchr(text, ':');
    size_t host = colon == NULL ? 0 : (size_t)(colon - text);
    if (colon == NULL || host == 0 || colon[1] == '\0' ||
        strlen(colon + 1) >= sizeof options->port) {
        return refuse(reason, "listen must be HOST:PORT");
    }
    if (text[0] == '[' && text[host - 1] == ']' && host > 2) {
        text++;
        host -= 2;
    }
    if (host >= sizeof options->host) {
        return refuse(reason, "listen: the host is too long");
    }
    memcpy(options->host, text, host);
    options->host[host] = '\0';
    memcpy(options->port, colon + 1, strlen(colon));
    return true;
}

static bool take_number(const char *name, const char *text, long least, long most, long *to,
                        struct reason *reason) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        return refuse(reason, "%s must be a whole number from %ld to %ld", name, least, most);
    }
    *to = value;
    return true;
}

static bool take_appcode(struct options *options, const char *text, struct reason *reason) {
    if (options->appcode_count == OPTIONS_APPCODES_MAX) {
        return refuse(reason, "appcode can be given %d times at most", OPTIONS_APPCODES_MAX);
    }
    size_t length = strcspn(text, ":");
    if (length == 0 || length >= OPTIONS_APPCODE_SIZE || strpbrk(text, " \t\r\n") != NULL) {
        return refuse(reason, "appcode must be 1 to %d characters without spaces and colons",
                      OPTIONS_APPCODE_SIZE - 1);
    }
    long package = -1;
    if (text[length] == ':' && !take_number("the calls of an appcode", text + length + 1, 0,
                                            1000000000, &package, reason)) {
        return false;
    }
    memcpy(options->appcodes[options->appcode_count].code, text, length);
    options->appcodes[options->appcode_count].package = package;
    options->appcode_count++;
    return true;
}

static bool take_public(struct options *options, const char *text, struct reason *reason) {
    (void)text;
    (void)reason;
    options->open_to_all = true;
    return true;
}

static bool take_billed(struct options *options, const char *text, struct reason *reason) {
    if (strspn(text, "0123456789,") != strlen(text)) {
        return refuse(reason, "billed must be statuses joined by commas, such as 01,02");
    }
    options->billed = text;
    return true;
}

static bool take_idle_timeout(struct options *options, const char *text, struct reason *reason) {
    return take_number("idle-timeout", text, 0, 86400, &options->idle_timeout_s, reason);
}

static bool take_log(struct options *options, const char *text, struct reason *reason) {
    return take_number("log", text, 0, 1000000, &options->log_size, reason);
}

static bool take_certificate(struct options *options, const char *text, struct reason *reason) {
    (void)reason;
    options->tls_certificate = text;
    return true;
}

static bool take_key(struct options *options, const char *text, struct reason *reason) {
    (void)reason;
    options->tls_key = text;
    return true;
}

static const struct option_row {
    const char *name;
    const char *argument; /* NULL: takes none */
    bool (*take)(struct options *options, const char *text, struct reason *reason);
    const char *help;
} rows[] = {
    {"listen", "HOST:PORT", take_listen,
     "address to listen on (default 127.0.0.1:9090); port 0: any free one"},
    {"public", NULL, take_public,
     "allow an address beyond the loopback; whoever reaches it can\nsteer the sandbox"},
    {"appcode", "CODE[:CALLS]", take_appcode,
     "an AppCode to accept, and its own package; may be repeated\n"
     "(default " OPTIONS_DEFAULT_APPCODE ")"},
    {"billed", "LIST", take_billed,
     "statuses that are billed, such as 01,02\n(default: every HTTP 200)"},
    {"idle-timeout", "S", take_idle_timeout,
     "seconds after which an idle connection is closed; 0: never\n(default 25)"},
    {"log", "N", take_log, "calls remembered for GET /sandbox/log (default 1000)"},
    {"tls-cert", "FILE", take_certificate, "certificate chain (PEM): serve HTTPS"},
    {"tls-key", "FILE", take_key, "its private key (PEM)"},
};

enum {
    ROWS = sizeof rows / sizeof *rows,
    OPTION_HELP = 1000,
    OPTION_VERSION,
    OPTION_ROW = 2000,
    OPTION_SETTING = 3000,
};

static void set_defaults(struct options *options) {
    *options = (struct options){.host = "127.0.0.1",
                                .port = "9090",
                                .idle_timeout_s = IDLE_TIMEOUT_S,
                                .log_size = LOG_SIZE};
    settings_default(&options->settings);
}

static void fill_getopt(struct option *options) {
    size_t count;
    const struct setting *settings = settings_all(&count);
    *options++ = (struct option){"help", no_argument, NULL, OPTION_HELP};
    *options++ = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    for (int i = 0; i < ROWS; i++) {
        int argument = rows[i].argument == NULL ? no_argument : required_argument;
        *options++ = (struct option){rows[i].name, argument, NULL, OPTION_ROW + i};
    }
    for (int i = 0; i < (int)count; i++) {
        *options++ =
            (struct option){settings[i].option, required_argument, NULL, OPTION_SETTING + i};
    }
}

static bool take_option(struct options *options, int chosen, const char *text,
                        struct reason *reason) {
    if (chosen < OPTION_SETTING) {
        return rows[chosen - OPTION_ROW].take(options, text, reason);
    }
    size_t count;
    const struct setting *setting = &settings_all(&count)[chosen - OPTION_SETTING];
    return settings_set_text(&options->settings, setting, text, reason);
}

static bool complete(struct options *options, struct reason *reason) {
    if ((options->tls_certificate == NULL) != (options->tls_key == NULL)) {
        return refuse(reason, "tls-cert and tls-key go together");
    }
    if (options->appcode_count == 0) {
        return take_appcode(options, OPTIONS_DEFAULT_APPCODE, reason);
    }
    return true;
}

enum options_result options_parse(struct options *options, int argc, char **argv,
                                  struct reason *reason) {
    struct option table[2 + ROWS + SETTINGS_MAX + 1] = {0};
    fill_getopt(table);
    set_defaults(options);
    opterr = 0;
    for (int chosen; (chosen = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (chosen == OPTION_HELP) {
            return OPTIONS_HELP;
        }
        if (chosen == OPTION_VERSION) {
            return OPTIONS_VERSION;
        }
        if (chosen == '?') {
            refuse(reason, "not understood: %s", argv[optind - 1]);
            return OPTIONS_WRONG;
        }
        if (!take_option(options, chosen, optarg, reason)) {
            return OPTIONS_WRONG;
        }
    }
    if (optind < argc) {
        refuse(reason, "not understood: %s", argv[optind]);
        return OPTIONS_WRONG;
    }
    return complete(options, reason) ? OPTIONS_RUN : OPTIONS_WRONG;
}

bool options_bills(const struct options *options, const char *status) {
    if (options->billed == NULL) {
        return true;
    }
    size_t length = strlen(status);
    for (const char *at = options->billed; *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size == length && strncmp(at, status, size) == 0) {
            return true;
        }
        at += size + (at[size] == ',' ? 1 : 0);
    }
    return false;
}

/* `help` may have several lines; all but the first are indented. */
static void print_option(FILE *stream, const char *name, const char *argument, const char *help) {
    char left[40];
    snprintf(left, sizeof left, "--%s %s", name, argument == NULL ? "" : argument);
    fprintf(stream, "  %-22s ", left);
    for (; *help != '\0'; help++) {
        fputc(*help, stream);
        if (*help == '\n' && help[1] != '\0') {
            fprintf(stream, "%-25s", "");
        }
    }
}

void options_print_help(FILE *stream) {
    fputs("Usage: sanyao-sandbox [OPTION]...\n\n"
          "Simulates the carrier three-element verification API (GET /carrieroperator) and the\n"
          "gateway before it, for tests and integration. It knows nobody: every well-formed\n"
          "question is answered 01 unless a magic value asks for something else. Give it made-up\n"
          "data only. It remembers in memory and writes nothing to disk.\n\n"
          "Options:\n",
          stream);
    for (size_t i = 0; i < ROWS; i++) {
        print_option(stream, rows[i].name, rows[i].argument, rows[i].help);
        fputc('\n', stream);
    }
    size_t count;
    const struct setting *settings = settings_all(&count);
    for (size_t i = 0; i < count; i++) {
        print_option(stream, settings[i].option, "N", settings[i].help);
        fprintf(stream, " (default %ld)\n", settings[i].usual);
    }
    print_option(stream, "help", NULL, "this text\n");
    print_option(stream, "version", NULL, "the version\n");
    fputs("\nMagic values:\n", stream);
    seller_print_magic(stream);
    fputs("\nExample:\n"
          "  sanyao-sandbox --package 10 &\n"
          "  curl -G http://127.0.0.1:9090/carrieroperator \\\n"
          "    -H 'Authorization: APPCODE " OPTIONS_DEFAULT_APPCODE "' \\\n"
          "    --data-urlencode name=张三 -d idCard=11010519491231002X -d mobile=13800138000\n"
          "\n"
          "Steer it at /sandbox/ on the same address: curl http://127.0.0.1:9090/sandbox/\n"
          "lists what there is; for instance, the next two calls find the connection cut:\n"
          "  curl http://127.0.0.1:9090/sandbox/behaviour -d '{\"cut\":\"request\",\"calls\":2}'\n"
          "\n"
          "SIGTERM or SIGINT ends it with exit code 0. Wrong use: 2; cannot start: 1.\n",
          stream);
}
