/* sanyao-sandbox: the entry; starts the server, waits for a signal, stops it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/options.h"
#include "sandbox/server.h"
#include "sandbox/world.h"

enum { EXIT_WRONG_USE = 2 };

static int fail(const struct reason *reason, int code) {
    fprintf(stderr, "sanyao-sandbox: %s\n", reason->text);
    return code;
}

/* Blocks the ending signals in every thread, so that only wait_for_end() sees them. */
static void hold_signals(sigset_t *ending) {
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, ending, NULL);
}

/* A second signal, while stopping, ends the process at once. */
static void wait_for_end(const sigset_t *ending) {
    int received;
    sigwait(ending, &received);
    pthread_sigmask(SIG_UNBLOCK, ending, NULL);
}

static int run(const struct options *options) {
    struct reason reason;
    sigset_t ending;
    hold_signals(&ending);
    struct world *world = world_new(options);
    if (world == NULL) {
        refuse(&reason, "out of memory");
        return fail(&reason, EXIT_FAILURE);
    }
    struct server *server = server_start(options, world, &reason);
    if (server == NULL) {
        world_free(world);
        return fail(&reason, EXIT_FAILURE);
    }
    printf("sanyao-sandbox listening on %s\n", server_url(server));
    fflush(stdout);
    wait_for_end(&ending);
    server_stop(server);
    world_free(world);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct options options;
    struct reason reason;
    switch (options_parse(&options, argc, argv, &reason)) {
    case OPTIONS_RUN:
        return run(&options);
    case OPTIONS_HELP:
        options_print_help(stdout);
        return EXIT_SUCCESS;
    case OPTIONS_VERSION:
        puts("sanyao-sandbox " SANYAO_VERSION);
        return EXIT_SUCCESS;
    case OPTIONS_WRONG:
        break;
    }
    fprintf(stderr, "sanyao-sandbox: %s\nTry 'sanyao-sandbox --help'.\n", reason.text);
    return EXIT_WRONG_USE;
}
