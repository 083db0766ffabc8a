#pragma once
/*
 * log_repeat: what is said again and again is counted and not written.
 *
 * A line is known by its level and its event. In LOG_REPEAT_MS from the first one on,
 * LOG_REPEAT_MOST are written; the others are counted, and one line tells how many they were. A
 * table of fixed size; with LOG_REPEAT_ROWS different ones at a time, further ones are not
 * counted but written, and so are those whose event is too long. Value type; whoever has it sees
 * to the threads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/log.h"

#define LOG_REPEAT_MOST       10
#define LOG_REPEAT_MS         10000
#define LOG_REPEAT_ROWS       128
#define LOG_REPEAT_EVENT_SIZE 256

/* What was counted and is to be told. */
struct log_repeat_sum {
    enum log_level level;
    char event[LOG_REPEAT_EVENT_SIZE];
    int64_t count; /* 0: nothing */
};

struct log_repeat {
    int rows;
    struct log_repeat_row {
        struct log_repeat_sum sum;
        int64_t until_ms;
        int written;
    } row[LOG_REPEAT_ROWS];
};

/* True: the line is to be written. `sum` is what is to be told before it. */
bool log_repeat_admit(struct log_repeat *repeat, enum log_level level, const char *event,
                      int64_t now_ms, struct log_repeat_sum *sum);

/* Takes out a sum whose time is over, one at a time. INT64_MAX: any. False: there is none. */
bool log_repeat_take(struct log_repeat *repeat, int64_t now_ms, struct log_repeat_sum *sum);
