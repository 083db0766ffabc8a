#pragma once
/*
 * memory: a worker's own cache of answers, in front of the store.
 *
 * Bounded by count, CLOCK replacement (an entry that was used since the hand passed stays), keyed
 * by triple digest. It keeps encoded answers and judges nothing: freshness is the caller's. One
 * thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "core/answer.h"
#include "core/digest.h"

struct memory;

/* `entries` 0: a cache that keeps nothing. NULL only when memory is out. */
struct memory *memory_new(size_t entries);
void memory_free(struct memory *memory);

/* Replaces what was kept for the digest. Keeps nothing when memory is out. */
void memory_put(struct memory *memory, const struct digest *triple, const struct answer *answer);

bool memory_get(struct memory *memory, const struct digest *triple, struct answer *answer)
    __attribute__((warn_unused_result));

void memory_drop(struct memory *memory, const struct digest *triple);

void memory_drop_all(struct memory *memory);

size_t memory_count(const struct memory *memory);
