/*
 * Arbitrary bytes as the file of a batch. Every line is told once, in order, as many as were
 * counted; one that has a fault has no person; and a second reading tells the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "command/batch_input.h"
#include "runtime/utf8.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

struct told {
    int64_t rows;
    int64_t faults;
    int64_t last;
};

static void check_line(const struct batch_line *line, struct told *told) {
    MUST(line->number > told->last);
    MUST(utf8_valid(line->id, strlen(line->id)));
    if (line->fault != NULL)
        MUST(line->triple.name[0] == '\0' && line->triple.id_card[0] == '\0' &&
             line->triple.mobile[0] == '\0');
    told->last = line->number;
    told->rows++;
    told->faults += line->fault != NULL;
}

static struct told read_all(struct batch_input *input, struct complaint *complaint) {
    struct told told = {0};
    struct batch_line line;
    enum batch_step step;
    while ((step = batch_input_next(input, &line, complaint)) == BATCH_LINE)
        check_line(&line, &told);
    MUST(step == BATCH_END || complaint->text[0] != '\0');
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct batch_input input;
    struct complaint complaint = {""};
    char path[64];
    int fd = memfd_create("batch", 0);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (batch_input_open(&input, path, &complaint)) {
        struct told first = read_all(&input, &complaint);
        MUST(first.rows == input.rows);
        MUST(batch_input_rewind(&input, &complaint));
        struct told second = read_all(&input, &complaint);
        MUST(first.rows == second.rows && first.faults == second.faults);
        batch_input_close(&input);
    } else {
        MUST(complaint.text[0] != '\0');
    }
    close(fd);
    return 0;
}
