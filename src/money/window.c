#include "money/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/civil.h"

#define OFFSET_MS  INT64_C(1000) /* past the ten-minute mark */
#define FIRST_ROOM 64

int64_t window_begin(int64_t unix_ms) {
    int64_t into = (unix_ms - OFFSET_MS) % WINDOW_MS;
    return unix_ms - (into >= 0 ? into : into + WINDOW_MS);
}

bool window_counts(const struct store_row *row) {
    const struct ledger_outcome *outcome = &row->outcome;
    return outcome->state == LEDGER_UNKNOWN ||
           (outcome->state == LEDGER_SETTLED && outcome->billed == BILLED_YES);
}

static bool make_room(struct window_list *list) {
    if (list->count < list->room)
        return true;
    size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
    struct window *grown = realloc(list->windows, room * sizeof *grown);
    if (grown == NULL)
        return false;
    list->windows = grown;
    list->room = room;
    return true;
}

/* Calls come nearly in the order of time: the place is near the end. */
bool window_add(struct window_list *list, int64_t unix_ms) {
    int64_t begin_ms = window_begin(unix_ms);
    size_t at = list->count;
    while (at > 0 && list->windows[at - 1].begin_ms > begin_ms)
        at--;
    if (at > 0 && list->windows[at - 1].begin_ms == begin_ms) {
        list->windows[at - 1].calls++;
        return true;
    }
    if (!make_room(list))
        return false;
    struct window *place = &list->windows[at];
    memmove(place + 1, place, (list->count - at) * sizeof *place);
    *place = (struct window){begin_ms, 1};
    list->count++;
    return true;
}

void window_list_free(struct window_list *list) {
    free(list->windows);
    *list = (struct window_list){0};
}

void window_format(const struct window *window, char text[WINDOW_TEXT_SIZE]) {
    char begin[CIVIL_SIZE];
    char end[CIVIL_SIZE];
    civil_format_plain(window->begin_ms, begin);
    civil_format_plain(window->begin_ms + WINDOW_MS, end);
    snprintf(text, WINDOW_TEXT_SIZE, "%s - %s", begin, end);
}
