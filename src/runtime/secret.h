#pragma once
/*
 * secret: reads a secret from a file into memory that is locked, guarded and wiped.
 *
 * Files are what systemd's credentials, container secrets and _FILE variables have in common. Only
 * the text leaves here; no message holds any of it. sodium_init() must have been called.
 */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/complaint.h"

#define SECRET_SIZE_MAX 4096 /* bytes of a secret, its trailing newline not counted */

struct secret {
    char *text;   /* ends with zero; free with secret_free */
    bool exposed; /* every user of the machine may read the file, or others may write it */
};

enum secret_outcome {
    SECRET_READ,
    SECRET_ABSENT,  /* no such file; the complaint says so too */
    SECRET_REFUSED, /* the complaint says why, beginning with the path */
};

/*
 * Reads `path`: a regular file (a pipe could block a reload), not empty, without NUL, of at most
 * SECRET_SIZE_MAX bytes. One trailing newline ("\n" or "\r\n") is taken off.
 */
enum secret_outcome secret_read(const char *path, struct secret *secret,
                                struct complaint *complaint) __attribute__((warn_unused_result));

/* What tells one state of a file from another. Links are followed, so that a link that leads
 * elsewhere is another state. */
struct secret_mark {
    bool there;
    uint64_t device, inode;
    int64_t size, changed_s, changed_ns;
};

struct secret_mark secret_mark_of(const char *path);
bool secret_mark_equal(const struct secret_mark *a, const struct secret_mark *b);

/* A guarded copy of `text`; NULL without memory. Free with secret_free. */
char *secret_copy(const char *text);

/* Wipes and frees. NULL is accepted. */
void secret_free(char *text);
