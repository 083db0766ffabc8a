#pragma once
/*
 * explain: the rows of the ledger that make a figure, printed under it, and whether there are as
 * many as it says.
 */
#include <stdbool.h>
#include <stdint.h>

#include "command/run.h"

struct explain {
    const char *what; /* "package p-1" */
    char *target;     /* the question for the rows, in NDJSON; freed */
    bool unpackaged;  /* only rows of no package: no parameter can say so */
    int64_t figure;
    /* The same figure as it is by now; -1 with a complaint. It may use the run's reply. */
    int64_t (*again)(struct run *run, const void *arg);
    const void *arg;
};

/*
 * False with a complaint: the rows could not be read. `differs` is set where their count is another
 * than the figure, and the figure did not move meanwhile.
 */
bool explain_figure(struct run *run, const struct explain *explain, bool *differs)
    __attribute__((warn_unused_result));

/* After the last one: exit code, and complaint. */
int explain_end(struct run *run, bool differs);

/* The number in a span; 0 where there is none. */
int64_t explain_number(struct json_span value);

/* Is the span a string with just this text, which needs no escapes? */
bool explain_is(struct json_span value, const char *text);
