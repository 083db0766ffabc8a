#pragma once
/*
 * complaint: the one message a failure carries to a person.
 *
 * A function that can fail for a reason an operator must read takes a `struct complaint *`, fills
 * it once, where the cause is known, and returns false. The text says what is wrong and what to do;
 * it never holds a secret or a person's data. Value type, owned by the caller; no threads involved.
 */
#include <stdbool.h>

struct complaint {
    char text[768];
};

/* Fills `complaint` (cut off at its size) and returns false, so that `return complain(...)` reads
 * well. */
bool complain(struct complaint *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
