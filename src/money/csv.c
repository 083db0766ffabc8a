#include "money/csv.h"

#include <stdbool.h>
#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";

struct csv csv_over(char *bytes, size_t size) {
    struct csv csv = {.at = bytes, .end = bytes + size, .line = 1};
    size_t mark = sizeof byte_order_mark - 1;
    if (size >= mark && memcmp(bytes, byte_order_mark, mark) == 0)
        csv.at += mark;
    return csv;
}

/* How many bytes of a line's end stand here; 0: none. A CR alone is one only at the very end. */
static size_t line_end(const struct csv *csv) {
    size_t left = (size_t)(csv->end - csv->at);
    if (left > 0 && csv->at[0] == '\n')
        return 1;
    if (left == 0 || csv->at[0] != '\r')
        return 0;
    if (left == 1)
        return 1;
    return csv->at[1] == '\n' ? 2 : 0;
}

static bool at_field_end(const struct csv *csv) {
    return csv->at == csv->end || *csv->at == ',' || line_end(csv) > 0;
}

static bool skip_line_end(struct csv *csv) {
    size_t size = line_end(csv);
    if (size == 0)
        return false;
    csv->at += size;
    csv->line++;
    return true;
}

/* Moves what stands between quotes to `*write`. False when the closing quote is missing. */
static bool read_quoted(struct csv *csv, char **write) {
    csv->at++;
    while (csv->at < csv->end) {
        char c = *csv->at++;
        if (c == '"') {
            if (csv->at == csv->end || *csv->at != '"')
                return true;
            csv->at++;
        }
        if (c == '\n')
            csv->line++;
        *(*write)++ = c;
    }
    return false;
}

static bool read_field(struct csv *csv, struct csv_field *field) {
    char *begin = csv->at;
    char *write = begin;
    if (csv->at < csv->end && *csv->at == '"' && !read_quoted(csv, &write))
        return false;
    while (!at_field_end(csv))
        *write++ = *csv->at++;
    *field = (struct csv_field){begin, (size_t)(write - begin)};
    return true;
}

enum csv_step csv_next(struct csv *csv, struct csv_row *row, struct complaint *complaint) {
    while (skip_line_end(csv)) {
    }
    if (csv->at == csv->end)
        return CSV_END;
    row->line = csv->line;
    row->count = 0;
    for (;;) {
        struct csv_field field;
        size_t line = csv->line;
        if (!read_field(csv, &field)) {
            (void)complain(complaint, "line %zu: a quote is opened here and never closed", line);
            return CSV_BROKEN;
        }
        if (row->count < CSV_FIELDS_MAX)
            row->fields[row->count] = field;
        row->count++;
        if (csv->at == csv->end || *csv->at != ',')
            break;
        csv->at++;
    }
    (void)skip_line_end(csv);
    return CSV_ROW;
}
