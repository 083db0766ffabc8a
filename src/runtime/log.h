#pragma once
/*
 * log: one line per event, JSON or for a person's eyes, to one file descriptor.
 *
 * Until log_start, and in commands that never call it, whoever logs writes. After it, lines go
 * through a ring (log_ring.h): nobody is held up by who reads them, and warnings and errors that
 * are repeated are summed up (log_repeat.h).
 *
 * At the last step, where the line is formatted, whatever looks like a mobile number or an ID
 * number is replaced by stars: a guard behind the rule that nobody logs them. The logger is the
 * process's one global besides the metrics; any thread may log.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/text.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_JSON, LOG_HUMAN }; /* AUTO: human on a terminal, else JSON */

enum log_kind { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_MS };

struct log_field {
    const char *key;
    enum log_kind kind;
    const char *text;
    int64_t number;
};

#define LOG_TEXT(key, value)   ((struct log_field){(key), LOG_FIELD_TEXT, (value), 0}) /* or NULL */
#define LOG_NUMBER(key, value) ((struct log_field){(key), LOG_FIELD_NUMBER, NULL, (int64_t)(value)})
#define LOG_MS(key, us)        ((struct log_field){(key), LOG_FIELD_MS, NULL, (int64_t)(us)})

/* Before the first thread starts; without it the level is info, the format auto, the output stdout.
 */
void log_init(enum log_level level, enum log_format format, int fd);

/* The same two later on, on any thread; the output stays. */
void log_change(enum log_level level, enum log_format format);

/* From now on nobody waits for the output. Once. False: no memory, or no thread. */
bool log_start(void) __attribute__((warn_unused_result));

/* Writes what is left, as far as the output takes it within a second; what is logged afterwards is
 * lost. Without log_start it does nothing. */
void log_stop(void);

/* The counter of lost lines, in the metrics' format. */
void log_print(struct text *text);

bool log_enabled(enum log_level level);

/* `event` is a fixed phrase; what varies is in the fields. `each`: never summed up. */
void log_write(enum log_level level, bool each, const char *event, const struct log_field *fields,
               int count);

#define LOG_LINE(level, each, event, ...)                                                          \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                           \
            log_write((level), (each), (event), log_fields_ + 1,                                   \
                      (int)(sizeof log_fields_ / sizeof log_fields_[0]) - 1);                      \
        }                                                                                          \
    } while (0)

#define LOG_AT(level, event, ...) LOG_LINE(level, false, event, ##__VA_ARGS__)

#define log_debug(event, ...) LOG_AT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR, event, ##__VA_ARGS__)
