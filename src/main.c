#include <stdio.h>
#include <string.h>

#include "command/command.h"

static const struct command commands[] = {
    {"serve", command_serve, "serve the API"},
    {"check-config", command_check_config, "check the settings and show what is in force"},
    {"verify", command_verify, "ask the running service one question"},
    {"batch", command_batch, "ask many questions, from a file"},
    {"health", command_health, "is the running service ready?"},
    {"client", command_client, "those who may ask: list, show, add, set, rotate, remove"},
    {"package", command_package, "the calls that were bought: list, add, set"},
    {"balance", command_balance, "what is left, for how long, and what to buy next"},
    {"statement", command_statement, "what each client's calls cost in a month"},
    {"ledger", command_ledger, "what was paid for: export it, or rebuild it from journals"},
    {"reconcile", command_reconcile, "compare the seller's usage export with the ledger"},
    {"alerts", command_alerts, "what fired, and what of it still holds"},
    {"audit", command_audit, "who changed what"},
    {"forget", command_forget, "forget the answers about a person"},
    {"reload", command_reload, "let the running service take new settings"},
    {"keygen", command_keygen, "make a hash key or an admin token"},
};

static void print_help(FILE *out) {
    fputs("Usage: sanyao COMMAND [OPTION]...\n"
          "\n"
          "sanyao stands between internal services and a paid identity API: it asks once, pays\n"
          "once, and answers from its cache ever after.\n"
          "\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
    fputs("\nEvery command has --help. --version says which version this is.\n", out);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        puts("sanyao " SANYAO_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    if (name[0] != '\0')
        fprintf(stderr, "sanyao: there is no command '%s'\n\n", name);
    print_help(stderr);
    return 2;
}
