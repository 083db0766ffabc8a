#pragma once
/*
 * log_line: an event as one line of text, JSON or for a person's eyes.
 *
 * Whatever the fields hold, the line is valid UTF-8 of at most LOG_LINE_SIZE bytes, and its end is
 * its only control character: others, and what turns text around, are escaped in both forms. A
 * value over LOG_VALUE_MAX bytes is cut, and fields that find no room are left out, which the
 * member `cut` says. What looks like a mobile number or an ID number is replaced by stars. Pure; no
 * threads.
 */
#include <stddef.h>
#include <stdint.h>

#include "runtime/log.h"

#define LOG_LINE_SIZE ((size_t)16 * 1024)
#define LOG_VALUE_MAX ((size_t)2048)

enum log_style { LOG_STYLE_JSON, LOG_STYLE_HUMAN, LOG_STYLE_COLOR };

struct log_line {
    int64_t unix_ms;
    enum log_level level;
    const char *event;
    const struct log_field *fields;
    int count;
};

/* Returns the size, with the newline at the end; not zero-terminated. `room` is that of the buffer,
 * at least 512 and at most LOG_LINE_SIZE. */
size_t log_line_format(const struct log_line *line, enum log_style style, char *buffer,
                       size_t room);
