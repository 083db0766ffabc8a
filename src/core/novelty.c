#include "core/novelty.h"

#include <stdio.h>
#include <string.h>

bool novelty_init(struct novelty *novelty) {
    novelty->count = 0;
    return uv_mutex_init(&novelty->mutex) == 0;
}

void novelty_destroy(struct novelty *novelty) {
    uv_mutex_destroy(&novelty->mutex);
}

/* It becomes part of a document's id and of messages. */
static bool looks_like_status(const char *status) {
    static const char good[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
    size_t size = strlen(status);
    return size > 0 && size < RESULT_STATUS_SIZE && strspn(status, good) == size;
}

static bool is_kept(const struct novelty *novelty, const char *status) {
    for (int i = 0; i < novelty->count; i++) {
        if (strcmp(novelty->statuses[i], status) == 0)
            return true;
    }
    return false;
}

void novelty_note(struct novelty *novelty, const char *status) {
    if (novelty == NULL)
        return;
    const char *kept = looks_like_status(status) ? status : "other";
    uv_mutex_lock(&novelty->mutex);
    if (novelty->count < NOVELTY_MOST && !is_kept(novelty, kept))
        snprintf(novelty->statuses[novelty->count++], RESULT_STATUS_SIZE, "%s", kept);
    uv_mutex_unlock(&novelty->mutex);
}

int novelty_take(struct novelty *novelty, char statuses[NOVELTY_MOST][RESULT_STATUS_SIZE]) {
    uv_mutex_lock(&novelty->mutex);
    int count = novelty->count;
    memcpy(statuses, novelty->statuses, sizeof novelty->statuses);
    novelty->count = 0;
    uv_mutex_unlock(&novelty->mutex);
    return count;
}
