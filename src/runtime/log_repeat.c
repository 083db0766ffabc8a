#include "runtime/log_repeat.h"

#include <string.h>

static struct log_repeat_row *find(struct log_repeat *repeat, enum log_level level,
                                   const char *event) {
    for (int i = 0; i < repeat->rows; i++) {
        struct log_repeat_row *row = &repeat->row[i];
        if (row->sum.level == level && strcmp(row->sum.event, event) == 0)
            return row;
    }
    return NULL;
}

/* A new row, or one that has nothing to tell any more. NULL: there is no room. */
static struct log_repeat_row *make(struct log_repeat *repeat, int64_t now_ms) {
    if (repeat->rows < LOG_REPEAT_ROWS)
        return &repeat->row[repeat->rows++];
    for (int i = 0; i < repeat->rows; i++) {
        struct log_repeat_row *row = &repeat->row[i];
        if (row->sum.count == 0 && now_ms >= row->until_ms)
            return row;
    }
    return NULL;
}

static void begin(struct log_repeat_row *row, int64_t now_ms) {
    row->sum.count = 0;
    row->until_ms = now_ms + LOG_REPEAT_MS;
    row->written = 1;
}

bool log_repeat_admit(struct log_repeat *repeat, enum log_level level, const char *event,
                      int64_t now_ms, struct log_repeat_sum *sum) {
    sum->count = 0;
    size_t size = strlen(event);
    if (size >= LOG_REPEAT_EVENT_SIZE)
        return true;
    struct log_repeat_row *row = find(repeat, level, event);
    if (row == NULL) {
        row = make(repeat, now_ms);
        if (row == NULL)
            return true;
        row->sum.level = level;
        memcpy(row->sum.event, event, size + 1);
        begin(row, now_ms);
        return true;
    }
    if (now_ms >= row->until_ms) {
        *sum = row->sum;
        begin(row, now_ms);
        return true;
    }
    if (row->written < LOG_REPEAT_MOST) {
        row->written++;
        return true;
    }
    row->sum.count++;
    return false;
}

bool log_repeat_take(struct log_repeat *repeat, int64_t now_ms, struct log_repeat_sum *sum) {
    for (int i = 0; i < repeat->rows; i++) {
        struct log_repeat_row *row = &repeat->row[i];
        if (row->sum.count == 0 || now_ms < row->until_ms)
            continue;
        *sum = row->sum;
        row->sum.count = 0;
        return true;
    }
    return false;
}
