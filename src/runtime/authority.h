#pragma once
/*
 * authority: host and port, as they stand in an address or behind a URL's `//`.
 *
 * Value type; no threads.
 */
#include <stdbool.h>
#include <stddef.h>

#define AUTHORITY_HOST_SIZE 254

struct authority {
    char host[AUTHORITY_HOST_SIZE]; /* a name, or an IP address without brackets */
    bool v6;
    int port; /* 0 to 65535; -1: none is given */
};

/* `host`, `host:port`, `[v6]` or `[v6]:port`. False when it is none of them. */
bool authority_parse(const char *text, size_t size, struct authority *authority)
    __attribute__((warn_unused_result));

/* Does the host lead to this machine? A name other than localhost does not. */
bool authority_is_loopback(const char *host);
