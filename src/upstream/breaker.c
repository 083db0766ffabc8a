#include "upstream/breaker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/metrics.h"

#define PARTS         10
#define FOR_EVER      INT64_MAX
#define PROBE_WAIT_MS 1000 /* for the outcome of a probe that is out */

const char *const breaker_kind_name[BREAKER_KINDS] = {
    [BREAKER_PROVIDER] = "provider",
    [BREAKER_CREDENTIAL] = "credential",
};

const char *const breaker_state_name[BREAKER_STATES] = {
    [BREAKER_CLOSED] = "closed",
    [BREAKER_OPEN] = "open",
    [BREAKER_HALF_OPEN] = "half_open",
};

struct tally {
    int64_t calls;
    int64_t failures;
};

struct breaker {
    enum breaker_kind kind;
    char name[BREAKER_NAME_SIZE];
    enum breaker_state state;
    uint64_t generation; /* of the state; no two of a board are the same */
    bool told;           /* opened by breaker_open: one probe at a time, and not by the share */
    int64_t since_ms;    /* of the state */
    enum failure why;    /* what breaker_open was told */
    int64_t until_ms;    /* OPEN; FOR_EVER: until something changes */
    int64_t probes_out;  /* HALF_OPEN */
    int64_t probes_good;
    int64_t opened;
    int64_t part; /* the newest one's number */
    struct tally parts[PARTS];
};

struct breaker_board {
    pthread_mutex_t mutex;
    pthread_mutex_t *lock; /* it: whoever only looks must take it, too */
    const struct clock *clock;
    struct breaker_settings settings;
    struct breaker *breakers; /* a handful, in the order in which they were named */
    int count;
    uint64_t generation; /* the last one given */
};

/* --- the window --- */

static int64_t part_ms(const struct breaker_settings *settings) {
    int64_t length = (settings->window_ms + PARTS - 1) / PARTS;
    return length > 0 ? length : 1;
}

static void empty_window(struct breaker *breaker) {
    memset(breaker->parts, 0, sizeof breaker->parts);
}

/* Forward only. */
static void slide(struct breaker *breaker, int64_t part) {
    if (part - breaker->part >= PARTS) {
        empty_window(breaker);
        breaker->part = part;
    }
    while (breaker->part < part)
        breaker->parts[++breaker->part % PARTS] = (struct tally){0};
}

static struct tally sum(const struct breaker *breaker) {
    struct tally sum = {0};
    for (int i = 0; i < PARTS; i++) {
        sum.calls += breaker->parts[i].calls;
        sum.failures += breaker->parts[i].failures;
    }
    return sum;
}

/* --- the states; under the lock --- */

static void enter_state(struct breaker_board *board, struct breaker *breaker,
                        enum breaker_state state, int64_t now_ms) {
    breaker->state = state;
    breaker->since_ms = now_ms;
    breaker->generation = ++board->generation;
    breaker->probes_out = 0;
    breaker->probes_good = 0;
}

static void close_it(struct breaker_board *board, struct breaker *breaker, int64_t now_ms) {
    enter_state(board, breaker, BREAKER_CLOSED, now_ms);
    breaker->told = false;
    empty_window(breaker);
}

static int64_t after(int64_t now_ms, int64_t for_ms) {
    return for_ms < 0 || for_ms > FOR_EVER - now_ms ? FOR_EVER : now_ms + for_ms;
}

static void open_it(struct breaker_board *board, struct breaker *breaker, int64_t for_ms,
                    int64_t now_ms) {
    enter_state(board, breaker, BREAKER_OPEN, now_ms);
    breaker->until_ms = after(now_ms, for_ms);
    breaker->opened++;
}

/* What time alone does to it. */
static void catch_up(struct breaker_board *board, struct breaker *breaker, int64_t now_ms) {
    slide(breaker, now_ms / part_ms(&board->settings));
    if (breaker->state == BREAKER_OPEN && breaker->until_ms <= now_ms)
        enter_state(board, breaker, BREAKER_HALF_OPEN, breaker->until_ms);
}

static bool has_room(const struct breaker_board *board, const struct breaker *breaker) {
    if (breaker->state == BREAKER_HALF_OPEN)
        return breaker->probes_out < (breaker->told ? 1 : board->settings.probes);
    return breaker->state == BREAKER_CLOSED;
}

static int64_t wait_of(const struct breaker_board *board, const struct breaker *breaker,
                       int64_t now_ms) {
    if (breaker->state == BREAKER_OPEN)
        return breaker->until_ms == FOR_EVER ? -1 : breaker->until_ms - now_ms;
    int64_t open_for_ms = board->settings.open_for_ms;
    if (open_for_ms >= PROBE_WAIT_MS)
        return PROBE_WAIT_MS;
    return open_for_ms > 0 ? open_for_ms : 1;
}

static bool is_too_bad(const struct breaker_settings *settings, const struct breaker *breaker) {
    struct tally tally = sum(breaker);
    return settings->failures > 0 && tally.calls >= settings->least_calls &&
           tally.failures * 100 >= tally.calls * settings->failures;
}

static void count(struct breaker_board *board, struct breaker *breaker, bool bad, int64_t now_ms) {
    struct tally *part = &breaker->parts[breaker->part % PARTS];
    part->calls++;
    part->failures += bad;
    if (is_too_bad(&board->settings, breaker))
        open_it(board, breaker, board->settings.open_for_ms, now_ms);
}

static void end_probe(struct breaker_board *board, struct breaker *breaker, enum breaker_vote vote,
                      int64_t now_ms) {
    breaker->probes_out--;
    if (vote == BREAKER_BAD)
        open_it(board, breaker, board->settings.open_for_ms, now_ms);
    else if (vote == BREAKER_GOOD && ++breaker->probes_good >= board->settings.probes)
        close_it(board, breaker, now_ms);
}

/* --- the board --- */

static struct breaker *find_in(struct breaker *breakers, int count, enum breaker_kind kind,
                               const char *name) {
    for (int i = 0; i < count; i++) {
        if (breakers[i].kind == kind && strcmp(breakers[i].name, name) == 0)
            return &breakers[i];
    }
    return NULL;
}

static struct breaker *find(const struct breaker_board *board, enum breaker_kind kind,
                            const char *name) {
    return find_in(board->breakers, board->count, kind, name);
}

/* It may have moved since. */
static struct breaker *find_passed(const struct breaker_board *board,
                                   const struct breaker_pass *pass) {
    for (int i = 0; i < board->count; i++) {
        if (board->breakers[i].generation == pass->generation)
            return &board->breakers[i];
    }
    return NULL;
}

struct breaker_board *breaker_board_new(const struct breaker_settings *settings,
                                        const struct clock *clock) {
    struct breaker_board *board = calloc(1, sizeof *board);
    if (board == NULL)
        return NULL;
    if (pthread_mutex_init(&board->mutex, NULL) != 0) {
        free(board);
        return NULL;
    }
    board->lock = &board->mutex;
    board->settings = *settings;
    board->clock = clock;
    return board;
}

void breaker_board_free(struct breaker_board *board) {
    if (board == NULL)
        return;
    pthread_mutex_destroy(board->lock);
    free(board->breakers);
    free(board);
}

/* Parts of another length cannot be added to these; and who turns breakers off wants calls to be
 * made again. */
static void adapt(struct breaker_board *board, struct breaker *breaker,
                  const struct breaker_settings *settings, int64_t now_ms) {
    int64_t length_ms = part_ms(settings);
    if (length_ms != part_ms(&board->settings)) {
        empty_window(breaker);
        breaker->part = now_ms / length_ms;
    }
    if (settings->failures == 0 && breaker->state != BREAKER_CLOSED && !breaker->told)
        close_it(board, breaker, now_ms);
}

static void take_over(struct breaker_board *board, struct breaker *breaker,
                      const struct breaker_settings *settings, int64_t now_ms, bool forget) {
    const struct breaker *old = find(board, breaker->kind, breaker->name);
    breaker->generation = ++board->generation;
    breaker->part = now_ms / part_ms(settings);
    breaker->since_ms = now_ms;
    if (old == NULL)
        return;
    if (forget) {
        breaker->opened = old->opened;
        return;
    }
    *breaker = *old;
    adapt(board, breaker, settings, now_ms);
}

bool breaker_board_set(struct breaker_board *board, const struct breaker_settings *settings,
                       const struct breaker_name *names, int count) {
    struct breaker *breakers = calloc((size_t)count + 1, sizeof *breakers);
    if (breakers == NULL)
        return false;
    int number = 0;
    pthread_mutex_lock(board->lock);
    int64_t now_ms = clock_monotonic_ms(board->clock);
    for (int i = 0; i < count; i++) {
        struct breaker *breaker = &breakers[number];
        breaker->kind = names[i].kind;
        snprintf(breaker->name, sizeof breaker->name, "%s", names[i].name);
        if (find_in(breakers, number, breaker->kind, breaker->name) != NULL)
            continue;
        take_over(board, breaker, settings, now_ms, names[i].forget);
        number++;
    }
    struct breaker *old = board->breakers;
    board->breakers = breakers;
    board->count = number;
    board->settings = *settings;
    pthread_mutex_unlock(board->lock);
    free(old);
    return true;
}

bool breaker_enter(struct breaker_board *board, enum breaker_kind kind, const char *name,
                   struct breaker_pass *pass, int64_t *wait_ms) {
    *pass = (struct breaker_pass){.index = -1};
    *wait_ms = 0;
    bool may = true;
    pthread_mutex_lock(board->lock);
    struct breaker *breaker = find(board, kind, name);
    if (breaker != NULL) {
        int64_t now_ms = clock_monotonic_ms(board->clock);
        catch_up(board, breaker, now_ms);
        may = has_room(board, breaker);
        if (!may)
            *wait_ms = wait_of(board, breaker, now_ms);
    }
    if (breaker != NULL && may) {
        pass->index = (int)(breaker - board->breakers);
        pass->generation = breaker->generation;
        pass->probe = breaker->state == BREAKER_HALF_OPEN;
        breaker->probes_out += pass->probe;
    }
    pthread_mutex_unlock(board->lock);
    return may;
}

bool breaker_lets_pass(const struct breaker_board *board, enum breaker_kind kind, const char *name,
                       struct breaker_bar *bar) {
    pthread_mutex_lock(board->lock);
    int64_t now_ms = clock_monotonic_ms(board->clock);
    const struct breaker *breaker = find(board, kind, name);
    bool may = breaker == NULL || has_room(board, breaker) ||
               (breaker->state == BREAKER_OPEN && breaker->until_ms <= now_ms);
    if (!may) {
        bar->why = breaker->told ? breaker->why : FAILURE_UPSTREAM_UNAVAILABLE;
        bar->wait_ms = wait_of(board, breaker, now_ms);
    }
    pthread_mutex_unlock(board->lock);
    return may;
}

void breaker_leave(struct breaker_board *board, struct breaker_pass *pass, enum breaker_vote vote) {
    if (pass->index < 0)
        return;
    pthread_mutex_lock(board->lock);
    struct breaker *breaker = find_passed(board, pass);
    if (breaker != NULL) {
        int64_t now_ms = clock_monotonic_ms(board->clock);
        catch_up(board, breaker, now_ms);
        if (pass->probe)
            end_probe(board, breaker, vote, now_ms);
        else if (vote != BREAKER_NONE)
            count(board, breaker, vote == BREAKER_BAD, now_ms);
    }
    pthread_mutex_unlock(board->lock);
    pass->index = -1;
}

void breaker_open(struct breaker_board *board, enum breaker_kind kind, const char *name,
                  int64_t for_ms, enum failure why) {
    pthread_mutex_lock(board->lock);
    struct breaker *breaker = find(board, kind, name);
    if (breaker != NULL) {
        int64_t now_ms = clock_monotonic_ms(board->clock);
        catch_up(board, breaker, now_ms);
        if (breaker->state != BREAKER_OPEN)
            open_it(board, breaker, for_ms, now_ms);
        else if (after(now_ms, for_ms) > breaker->until_ms)
            breaker->until_ms = after(now_ms, for_ms);
        breaker->told = true;
        breaker->why = why;
    }
    pthread_mutex_unlock(board->lock);
}

void breaker_close(struct breaker_board *board, enum breaker_kind kind, const char *name) {
    pthread_mutex_lock(board->lock);
    int64_t now_ms = clock_monotonic_ms(board->clock);
    for (int i = 0; i < board->count; i++) {
        struct breaker *breaker = &board->breakers[i];
        if (breaker->kind == kind && breaker->state != BREAKER_CLOSED &&
            (name == NULL || strcmp(breaker->name, name) == 0))
            close_it(board, breaker, now_ms);
    }
    pthread_mutex_unlock(board->lock);
}

/* --- for those who look --- */

/* False: there are not so many. */
static bool look_at(const struct breaker_board *board, int index, struct breaker_view *view) {
    pthread_mutex_lock(board->lock);
    bool is_there = index < board->count;
    if (is_there) {
        struct breaker breaker = board->breakers[index];
        int64_t now_ms = clock_monotonic_ms(board->clock);
        slide(&breaker, now_ms / part_ms(&board->settings));
        bool is_open = breaker.state == BREAKER_OPEN && breaker.until_ms > now_ms;
        bool is_over = breaker.state == BREAKER_OPEN && !is_open;
        struct tally tally = sum(&breaker);
        *view = (struct breaker_view){
            .kind = breaker.kind,
            .state = is_over ? BREAKER_HALF_OPEN : breaker.state,
            .told = breaker.told,
            .calls = tally.calls,
            .failures = tally.failures,
            .opened = breaker.opened,
            .for_ms = now_ms - (is_over ? breaker.until_ms : breaker.since_ms),
            .wait_ms = is_open ? wait_of(board, &breaker, now_ms) : 0,
        };
        memcpy(view->name, breaker.name, sizeof view->name);
    }
    pthread_mutex_unlock(board->lock);
    return is_there;
}

int breaker_look(const struct breaker_board *board, struct breaker_view *views, int most) {
    int count = 0;
    while (count < most && look_at(board, count, &views[count]))
        count++;
    return count;
}

static void print_sample(const struct breaker_view *view, const char *family, int64_t value,
                         struct text *text) {
    text_addf(text, "%s{kind=\"%s\",", family, breaker_kind_name[view->kind]);
    metrics_print_label("name", view->name, text);
    text_addf(text, "} %lld\n", (long long)value);
}

void breaker_print(const struct breaker_board *board, struct text *text) {
    static const int numbers[BREAKER_STATES] = {
        [BREAKER_CLOSED] = 0, [BREAKER_HALF_OPEN] = 1, [BREAKER_OPEN] = 2};
    struct breaker_view view;
    metrics_print_head("sanyao_breaker_state", "gauge",
                       "Whether upstream is asked: 0 closed, it is; 1 half open, a few calls try; "
                       "2 open, it is not",
                       text);
    for (int i = 0; look_at(board, i, &view); i++)
        print_sample(&view, "sanyao_breaker_state", numbers[view.state], text);
    metrics_print_head("sanyao_breaker_opened_total", "counter", "Times that it has opened", text);
    for (int i = 0; look_at(board, i, &view); i++)
        print_sample(&view, "sanyao_breaker_opened_total", view.opened, text);
}
