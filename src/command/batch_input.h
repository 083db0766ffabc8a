#pragma once
/*
 * batch_input: the questions of a batch, read line by line from a file of any length.
 *
 * The file is CSV (UTF-8, with or without a byte order mark, or GBK) whose first row has the
 * headings, or NDJSON; which of them is found by its content. It is read twice: once to count, once
 * to ask. Only one line is in memory at a time; it is wiped. Main thread.
 */
#include <iconv.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/triple.h"
#include "runtime/complaint.h"

#define BATCH_ID_SIZE     129 /* of a line's own id, with its zero */
#define BATCH_RECORD_MOST ((size_t)16 * 1024)

enum batch_format { BATCH_CSV, BATCH_NDJSON };

struct batch_line {
    int64_t number;         /* of the line in the file where it begins, from 1 */
    char id[BATCH_ID_SIZE]; /* "": none, or one that would tell who is meant */
    const char *fault;      /* what is wrong with it; NULL: nothing. A constant */
    struct triple triple;   /* in canonical form; empty where there is a fault */
};

enum batch_column {
    BATCH_NAME, /* as enum triple_field */
    BATCH_ID_CARD,
    BATCH_MOBILE,
    BATCH_ID,
    BATCH_COLUMNS
};

struct batch_input {
    FILE *file;
    enum batch_format format;
    bool gbk;
    iconv_t converter;          /* for GBK; else (iconv_t)-1 */
    int columns[BATCH_COLUMNS]; /* of a CSV's fields; -1: it has none */
    int64_t size;               /* of the file, in bytes */
    int64_t rows;               /* questions in it */
    int64_t lines;              /* the number of the last line */
    int64_t next_line;          /* the number of the line to be read next */
    size_t record_size;
    bool too_long; /* the record is longer than what is kept of it */
    char record[BATCH_RECORD_MOST + 1];
    char text[2 * BATCH_RECORD_MOST + 1]; /* of the record, as UTF-8 */
    char buffer[BATCH_RECORD_MOST];       /* the file's */
};

/* Opens, finds out what it is, and counts. False with a complaint; then nothing is to be closed. */
bool batch_input_open(struct batch_input *input, const char *path, struct complaint *complaint)
    __attribute__((warn_unused_result));

enum batch_step {
    BATCH_LINE,
    BATCH_END,
    BATCH_UNREADABLE, /* the complaint says why */
};

/* The next question. */
enum batch_step batch_input_next(struct batch_input *input, struct batch_line *line,
                                 struct complaint *complaint) __attribute__((warn_unused_result));

/* Back to the first question. */
bool batch_input_rewind(struct batch_input *input, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* Wipes what was read. */
void batch_input_close(struct batch_input *input);
