#pragma once
/*
 * secret_watch: notices that files from which secrets were read have changed, so that a rotated
 * secret of a container or of systemd is taken without a signal.
 *
 * A change is told when it has stayed the same for two looks, since a file may be written in
 * pieces, and is not told again until the files change once more. The main thread.
 */
#include <uv.h>

#include "runtime/config.h"

struct secret_watch {
    uv_timer_t timer;
    void (*changed)(void *arg);
    void *arg;
    struct watched_file *files_owned;
    int count;
};

/* `changed` is called on the loop. Nothing is watched before secret_watch_set. */
void secret_watch_init(struct secret_watch *watch, uv_loop_t *loop, void (*changed)(void *arg),
                       void *arg);

/* Watches the files that this config was read from, from how they were then, as often as it says.
 * The config is copied from, and not kept. */
void secret_watch_set(struct secret_watch *watch, const struct config *config);

/* Watches nothing any more. The loop must run once more. */
void secret_watch_end(struct secret_watch *watch);
