#pragma once
/*
 * batch_results: what came of each line of a batch, kept in a file from which it can be resumed.
 *
 * CSV or NDJSON, as the input is; one row for each line, each written whole as its answer comes.
 * The heading says of which input it is (its size and rows). A torn last row is cut off when the
 * file is opened; rows of lines that are to be asked again are taken out. One process at a time,
 * by flock. Nobody's data is in it. Main thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "command/batch_input.h"
#include "runtime/complaint.h"

#define BATCH_TALLY_ROWS 24
#define BATCH_WORD_SIZE  48

#define BATCH_MALFORMED  "malformed_request" /* a line that cannot be asked */
#define BATCH_REPLY_LOST "reply_lost"        /* asked, and no reply came */

struct batch_result {
    int64_t line;
    char id[BATCH_ID_SIZE];
    char status[BATCH_WORD_SIZE];
    char result[BATCH_WORD_SIZE];
    char source[BATCH_WORD_SIZE];
    char billed[BATCH_WORD_SIZE]; /* "true", "false", "unknown" */
    char checked_at[BATCH_WORD_SIZE];
    char code[BATCH_WORD_SIZE]; /* of a problem; "": there is an answer */
};

/* How often which word came. What finds no row is in `others`. */
struct batch_tally {
    struct {
        char word[BATCH_WORD_SIZE];
        int64_t count;
    } rows[BATCH_TALLY_ROWS];
    int count;
    int64_t others;
};

struct batch_results {
    int fd;
    const char *path; /* borrowed */
    enum batch_format format;
    bool retry_unknown;
    int64_t lines;
    uint8_t *done;    /* a bit for each line of the input */
    int64_t answered; /* in the whole file */
    int64_t failed;
    int64_t doubtful; /* without an answer, and perhaps paid for */
    struct batch_tally by_result;
    struct batch_tally by_source;
    struct batch_tally by_code;
    bool broken; /* a row could not be written whole: nothing may stand behind it */
    bool unsynced;
    int64_t synced_ms;
};

/* Makes the file or goes on with it. False with a complaint: it is another input's, in use, or
 * cannot be written; then nothing is to be closed. `path` is borrowed. */
bool batch_results_open(struct batch_results *results, const char *path,
                        const struct batch_input *input, bool retry_unknown,
                        struct complaint *complaint) __attribute__((warn_unused_result));

bool batch_results_has(const struct batch_results *results, int64_t line);

/* Writes the row. After one that failed none is written. */
bool batch_results_add(struct batch_results *results, const struct batch_result *result,
                       struct complaint *complaint) __attribute__((warn_unused_result));

/* Brings rows to the disk, once a second. */
bool batch_results_sync(struct batch_results *results, int64_t now_ms, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* Brings the last rows to the disk. */
bool batch_results_close(struct batch_results *results, struct complaint *complaint)
    __attribute__((warn_unused_result));

void batch_tally_add(struct batch_tally *tally, const char *word);
