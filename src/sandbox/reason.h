#pragma once
/*
 * reason: why something was refused, in words for the person who asked for it.
 *
 * A function that can refuse takes a `struct reason *`, fills it where the cause is known and
 * returns false. Value type, owned by the caller; no threads involved.
 */
#include <stdbool.h>

struct reason {
    char text[512];
};

/* Fills `reason` (cut off at its size) and returns false, so that `return refuse(...)` reads well.
 */
bool refuse(struct reason *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));
