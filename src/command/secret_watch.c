#include "command/secret_watch.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"

struct watched_file {
    char *path;
    struct secret_mark taken; /* when the settings were loaded */
    struct secret_mark seen;  /* at the last look */
    struct secret_mark told;  /* when `changed` was last called */
};

static bool look_at(struct secret_watch *watch) {
    bool still = true;
    for (int i = 0; i < watch->count; i++) {
        struct watched_file *file = &watch->files_owned[i];
        const struct secret_mark now = secret_mark_of(file->path);
        still = still && secret_mark_equal(&now, &file->seen);
        file->seen = now;
    }
    return still;
}

/* Is something neither as it was taken nor, all in all, as it was told? */
static bool is_news(const struct secret_watch *watch) {
    bool changed = false;
    bool untold = false;
    for (int i = 0; i < watch->count; i++) {
        const struct watched_file *file = &watch->files_owned[i];
        changed = changed || !secret_mark_equal(&file->seen, &file->taken);
        untold = untold || !secret_mark_equal(&file->seen, &file->told);
    }
    return changed && untold;
}

/* On this thread: a stat of a local file takes microseconds, and the main loop carries no caller's
 * question. */
static void on_look(uv_timer_t *timer) {
    struct secret_watch *watch = timer->data;
    if (!look_at(watch) || !is_news(watch))
        return;
    for (int i = 0; i < watch->count; i++)
        watch->files_owned[i].told = watch->files_owned[i].seen;
    watch->changed(watch->arg);
}

void secret_watch_init(struct secret_watch *watch, uv_loop_t *loop, void (*changed)(void *arg),
                       void *arg) {
    *watch = (struct secret_watch){.changed = changed, .arg = arg};
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
}

static void forget_files(struct secret_watch *watch) {
    for (int i = 0; i < watch->count; i++)
        free(watch->files_owned[i].path);
    free(watch->files_owned);
    watch->files_owned = NULL;
    watch->count = 0;
}

static bool copy_files(struct secret_watch *watch, const struct config *config) {
    watch->files_owned = calloc((size_t)config->secret_file_count + 1, sizeof *watch->files_owned);
    for (int i = 0; watch->files_owned != NULL && i < config->secret_file_count; i++) {
        struct watched_file *file = &watch->files_owned[i];
        file->path = strdup(config->secret_files[i].path);
        if (file->path == NULL)
            return false;
        file->taken = file->seen = file->told = config->secret_files[i].mark;
        watch->count++;
    }
    return watch->files_owned != NULL;
}

void secret_watch_set(struct secret_watch *watch, const struct config *config) {
    uint64_t period_ms = (uint64_t)config->secrets_watch_ms;
    forget_files(watch);
    if (!copy_files(watch, config))
        log_error("no memory to watch the files of secrets; send SIGHUP when one was changed");
    if (period_ms == 0)
        uv_timer_stop(&watch->timer);
    else if (!uv_is_active((uv_handle_t *)&watch->timer) ||
             uv_timer_get_repeat(&watch->timer) != period_ms)
        uv_timer_start(&watch->timer, on_look, period_ms, period_ms);
}

void secret_watch_end(struct secret_watch *watch) {
    uv_close((uv_handle_t *)&watch->timer, NULL);
    forget_files(watch);
}
