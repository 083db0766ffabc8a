#include "runtime/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/text.h"

#define LINE_MAX_BYTES 4096

static struct {
    atomic_int level;
    int fd;
    atomic_bool json;
} logger = {.level = LOG_INFO, .fd = STDOUT_FILENO, .json = true};

static const char *const level_name[] = {"debug", "info", "warn", "error"};

void log_init(enum log_level level, enum log_format format, int fd) {
    logger.fd = fd;
    log_change(level, format);
}

void log_change(enum log_level level, enum log_format format) {
    atomic_store(&logger.level, (int)level);
    atomic_store(&logger.json, format == LOG_JSON || (format == LOG_AUTO && !isatty(logger.fd)));
}

bool log_enabled(enum log_level level) {
    return (int)level >= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_mobile(const char *run, size_t length) {
    return length == 11 && run[0] == '1' && run[1] >= '3';
}

/* 17 digits and a digit or X: an ID number by its shape. Nothing else that is logged has that
 * shape. */
static bool is_id_card(const char *run, size_t length) {
    if (length != 18)
        return false;
    for (size_t i = 0; i < 17; i++) {
        if (!is_digit(run[i]))
            return false;
    }
    return is_digit(run[17]) || run[17] == 'X' || run[17] == 'x';
}

static void redact(char *line, size_t size) {
    for (size_t begin = 0; begin < size;) {
        if (!is_digit(line[begin])) {
            begin++;
            continue;
        }
        bool inside_word = begin > 0 && is_word(line[begin - 1]);
        size_t end = begin;
        while (end < size && is_digit(line[end]))
            end++;
        size_t digits = end - begin;
        bool ends_in_x = digits == 17 && end < size && (line[end] == 'X' || line[end] == 'x');
        size_t length = ends_in_x ? 18 : digits;
        bool followed = begin + length < size && is_word(line[begin + length]);
        if (!inside_word && !followed &&
            (is_mobile(line + begin, length) || is_id_card(line + begin, length)))
            memset(line + begin, '*', length);
        begin = end;
    }
}

static void add_time(struct text *line) {
    int64_t now = clock_unix_ms(&clock_system);
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(now / 1000, text);
    text[strlen(text) - 1] = '\0';
    text_addf(line, "%s.%03dZ", text, (int)(now % 1000));
}

static void format_json(struct text *line, enum log_level level, const char *event,
                        const struct log_field *fields, int count) {
    text_add(line, "{\"time\":\"");
    add_time(line);
    text_addf(line, "\",\"level\":\"%s\",\"event\":", level_name[level]);
    text_add_json(line, event);
    for (int i = 0; i < count; i++) {
        text_add(line, ",");
        text_add_json(line, fields[i].key);
        text_add(line, ":");
        if (fields[i].text != NULL)
            text_add_json(line, fields[i].text);
        else
            text_add_number(line, fields[i].number);
    }
    text_add(line, "}");
}

static void format_human(struct text *line, enum log_level level, const char *event,
                         const struct log_field *fields, int count) {
    add_time(line);
    text_addf(line, " %-5s %s", level_name[level], event);
    for (int i = 0; i < count; i++) {
        text_addf(line, "  %s=", fields[i].key);
        if (fields[i].text != NULL)
            text_add(line, fields[i].text);
        else
            text_add_number(line, fields[i].number);
    }
}

/* Nobody is left to be told when the log itself cannot be written. */
static void write_whole(const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(logger.fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        size -= (size_t)written;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, int count) {
    char buffer[LINE_MAX_BYTES];
    struct text line = text_over(buffer, sizeof buffer - 1);
    if (atomic_load_explicit(&logger.json, memory_order_relaxed))
        format_json(&line, level, event, fields, count);
    else
        format_human(&line, level, event, fields, count);
    redact(buffer, line.size);
    buffer[line.size] = '\n';
    write_whole(buffer, line.size + 1);
}
