#pragma once
/*
 * usage: what clients and packages have used, read from the store for one reply.
 *
 * On the main loop; it lies in the request's work.
 */
#include <stdbool.h>
#include <stdint.h>

#include "http/request.h"
#include "http/service.h"
#include "store/records.h"

#define USAGE_SCOPES_MOST 16

struct usage_scope {
    char name[STORE_SCOPE_SIZE];
    struct store_counter *counters_owned;
    int count;
};

struct usage {
    struct store_read_counters read; /* first: what the store gives back */
    struct service *service;
    struct request *request;
    struct usage_scope scopes[USAGE_SCOPES_MOST];
    int count; /* of them */
    int next;  /* to be read */
    /* Answers, now or later; then usage_free. */
    void (*known)(struct usage *usage);
};

/* Reads the first `count` scopes, whose names are set, and calls `known`; when the store is away,
 * the request is answered (503) and it is not called. */
void usage_read(struct usage *usage);

int64_t usage_of(const struct usage *usage, int scope, const char *name);
/* Of all names in the scope. */
int64_t usage_sum(const struct usage *usage, int scope);

void usage_free(struct usage *usage);
