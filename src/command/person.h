#pragma once
/*
 * person: who a command is about, which must not stand on a command line that others can see.
 */
#include <stdbool.h>

#include "runtime/complaint.h"

#define PERSON_SIZE 4096

/* The whole of the file, or of standard input (NULL or "-"), as text; wipe it. */
bool person_read(const char *path, char person[PERSON_SIZE], struct complaint *complaint)
    __attribute__((warn_unused_result));

/* The text without the white space around it, cut within the buffer. */
char *person_trim(char *text);
