#pragma once
/*
 * csv: comma-separated values in memory, row by row (RFC 4180).
 *
 * Fields with and without quotes, doubled quotes, commas and line ends within quotes; lines end in
 * LF or CRLF, the last one need not end. A byte order mark is skipped, and so are empty lines. What
 * the RFC does not allow is read as spreadsheet programs read it: a quote inside a field that does
 * not begin with one stands for itself, and what follows a closing quote belongs to the field.
 *
 * The encoding is any in which commas, quotes and line ends are the bytes of ASCII and no part of
 * another character: UTF-8, but not GBK. Value type over borrowed bytes, which are written to:
 * doubled quotes are made single in place. No threads.
 */
#include <stddef.h>

#include "runtime/complaint.h"

#define CSV_FIELDS_MAX 64

struct csv {
    char *at; /* borrowed: what is not read yet */
    char *end;
    size_t line; /* of `at`, from 1 */
};

/* Without its quotes; not zero-terminated. Lives as long as the bytes. */
struct csv_field {
    const char *at;
    size_t size;
};

struct csv_row {
    size_t line;  /* where the row begins */
    size_t count; /* of all its fields; only the first CSV_FIELDS_MAX are kept */
    struct csv_field fields[CSV_FIELDS_MAX];
};

enum csv_step {
    CSV_ROW,
    CSV_END,   /* no further row */
    CSV_BROKEN /* a quote is never closed: `complaint` has its line, `row` means nothing */
};

struct csv csv_over(char *bytes, size_t size);

/* The next row. After CSV_BROKEN there is nothing left. */
enum csv_step csv_next(struct csv *csv, struct csv_row *row, struct complaint *complaint)
    __attribute__((warn_unused_result));
