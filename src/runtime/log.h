#pragma once
/*
 * log: one line per event, JSON or for a person's eyes, to one file descriptor.
 *
 * At the last step, where the line is formatted, whatever looks like a mobile number or an ID
 * number is replaced by stars: a guard behind the rule that nobody logs them. The logger is the
 * process's one global besides the metrics; any thread may log.
 */
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_JSON, LOG_HUMAN }; /* AUTO: human on a terminal, else JSON */

struct log_field {
    const char *key;
    const char *text; /* NULL: the value is `number` */
    int64_t number;
};

#define LOG_TEXT(key, value)   ((struct log_field){(key), (value), 0})
#define LOG_NUMBER(key, value) ((struct log_field){(key), NULL, (int64_t)(value)})

/* Before the first thread starts; without it the level is info, the format auto, the output stdout.
 */
void log_init(enum log_level level, enum log_format format, int fd);

/* The same two later on, on any thread; the output stays. */
void log_change(enum log_level level, enum log_format format);

bool log_enabled(enum log_level level);

/* `event` is a fixed phrase; what varies is in the fields. A line over 4 KiB is cut off. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, int count);

#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                           \
            log_write((level), (event), log_fields_ + 1,                                           \
                      (int)(sizeof log_fields_ / sizeof log_fields_[0]) - 1);                      \
        }                                                                                          \
    } while (0)

#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, ##__VA_ARGS__)
