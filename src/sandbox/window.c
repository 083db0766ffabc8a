#include "sandbox/window.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/table.h"

static const int64_t day_ms = INT64_C(24) * 60 * 60 * 1000;

enum { NUMBERS_BEFORE_SWEEP = 4096 };

struct checks {
    int64_t *times_ms; /* oldest first */
    size_t count;
    size_t capacity;
};

struct window {
    struct table *numbers; /* of struct checks */
    size_t sweep_at;
};

static void drop_checks(void *value) {
    struct checks *checks = value;
    free(checks->times_ms);
}

struct window *window_new(void) {
    struct window *window = calloc(1, sizeof *window);
    if (window == NULL) {
        return NULL;
    }
    window->sweep_at = NUMBERS_BEFORE_SWEEP;
    window->numbers = table_new(sizeof(struct checks));
    if (window->numbers == NULL) {
        free(window);
        return NULL;
    }
    return window;
}

void window_free(struct window *window) {
    if (window == NULL) {
        return;
    }
    table_free(window->numbers, drop_checks);
    free(window);
}

static void forget_old(struct checks *checks, int64_t now_ms) {
    size_t old = 0;
    while (old < checks->count && checks->times_ms[old] <= now_ms - day_ms) {
        old++;
    }
    if (old == 0) {
        return;
    }
    checks->count -= old;
    memmove(checks->times_ms, checks->times_ms + old, checks->count * sizeof *checks->times_ms);
}

static bool keep_recent(struct text key, void *value, void *context) {
    (void)key;
    struct checks *checks = value;
    const int64_t *now_ms = context;
    forget_old(checks, *now_ms);
    if (checks->count > 0) {
        return true;
    }
    drop_checks(checks);
    return false;
}

/* Numbers not asked about for a day would pile up in a sandbox that runs for weeks. */
static void sweep_when_grown(struct window *window, int64_t now_ms) {
    if (table_count(window->numbers) < window->sweep_at) {
        return;
    }
    table_sweep(window->numbers, keep_recent, &now_ms);
    size_t left = table_count(window->numbers);
    window->sweep_at = left * 2 > NUMBERS_BEFORE_SWEEP ? left * 2 : NUMBERS_BEFORE_SWEEP;
}

static bool make_room(struct checks *checks) {
    if (checks->count < checks->capacity) {
        return true;
    }
    size_t capacity = checks->capacity == 0 ? 4 : checks->capacity * 2;
    int64_t *grown = realloc(checks->times_ms, capacity * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    checks->times_ms = grown;
    checks->capacity = capacity;
    return true;
}

bool window_admit(struct window *window, struct text mobile, int64_t now_ms, long limit) {
    sweep_when_grown(window, now_ms);
    struct checks *checks = table_take(window->numbers, mobile);
    if (checks == NULL) {
        return true;
    }
    forget_old(checks, now_ms);
    if (checks->count >= (size_t)limit) {
        return false;
    }
    if (make_room(checks)) {
        checks->times_ms[checks->count++] = now_ms;
    }
    return true;
}

static bool drop_all(struct text key, void *value, void *context) {
    (void)key;
    (void)context;
    drop_checks(value);
    return false;
}

void window_clear(struct window *window) {
    table_sweep(window->numbers, drop_all, NULL);
}
