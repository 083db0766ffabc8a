#include "store/memory.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

/*
 * Open addressing, at most four fifths full; the table is also the ring the hand goes round.
 * An entry with no value is empty. The table grows with what is kept, up to what `most` needs.
 */
struct entry {
    struct digest triple;
    uint8_t *value;
    uint16_t size;
    bool used; /* since the hand passed */
};

struct memory {
    struct entry *entries;
    size_t size; /* a power of two */
    size_t count;
    size_t most;
    size_t hand;
};

struct memory *memory_new(size_t entries) {
    struct memory *memory = malloc(sizeof *memory);
    if (!memory)
        return NULL;
    *memory = (struct memory){.size = FIRST_SIZE, .most = entries};
    memory->entries = calloc(memory->size, sizeof(struct entry));
    if (memory->entries)
        return memory;
    free(memory);
    return NULL;
}

void memory_free(struct memory *memory) {
    for (size_t i = 0; i < memory->size; i++)
        free(memory->entries[i].value);
    free(memory->entries);
    free(memory);
}

static size_t home(const struct memory *memory, const struct digest *triple) {
    uint64_t hash;
    memcpy(&hash, triple->bytes, sizeof hash);
    return (size_t)hash & (memory->size - 1);
}

/* The entry of the triple, or the empty one where it would go. */
static struct entry *seek(const struct memory *memory, const struct digest *triple) {
    size_t i = home(memory, triple);
    while (memory->entries[i].value && !digest_equal(&memory->entries[i].triple, triple))
        i = (i + 1) & (memory->size - 1);
    return &memory->entries[i];
}

/* Empties an entry and closes the gap, so that searching may stop at the first empty one. */
static void vacate(struct memory *memory, struct entry *entry) {
    free(entry->value);
    memory->count--;
    size_t mask = memory->size - 1;
    size_t gap = (size_t)(entry - memory->entries);
    for (size_t i = (gap + 1) & mask; memory->entries[i].value; i = (i + 1) & mask) {
        size_t wanted = home(memory, &memory->entries[i].triple);
        if (((i - wanted) & mask) < ((i - gap) & mask))
            continue;
        memory->entries[gap] = memory->entries[i];
        gap = i;
    }
    memory->entries[gap] = (struct entry){0};
}

static void evict(struct memory *memory) {
    for (;;) {
        struct entry *entry = &memory->entries[memory->hand];
        if (entry->value && !entry->used) {
            vacate(memory, entry);
            return;
        }
        entry->used = false;
        memory->hand = (memory->hand + 1) & (memory->size - 1);
    }
}

static bool is_full(const struct memory *memory) {
    return memory->count + 1 > memory->size / 5 * 4;
}

/* False when memory is out; all stays as it was. */
static bool grow(struct memory *memory) {
    struct entry *former = memory->entries;
    size_t former_size = memory->size;
    struct entry *entries = calloc(former_size * 2, sizeof *entries);
    if (!entries)
        return false;
    memory->entries = entries;
    memory->size = former_size * 2;
    memory->hand = 0;
    for (size_t i = 0; i < former_size; i++) {
        if (former[i].value)
            *seek(memory, &former[i].triple) = former[i];
    }
    free(former);
    return true;
}

static void make_room(struct memory *memory) {
    if (memory->count == memory->most || (is_full(memory) && !grow(memory)))
        evict(memory);
}

void memory_put(struct memory *memory, const struct digest *triple, const struct answer *answer) {
    if (memory->most == 0)
        return;
    uint8_t bytes[ANSWER_ENCODED_MAX];
    size_t size = answer_encode(answer, bytes);
    uint8_t *value = malloc(size);
    if (!value) {
        memory_drop(memory, triple);
        return;
    }
    memcpy(value, bytes, size);

    struct entry *entry = seek(memory, triple);
    if (entry->value) {
        free(entry->value);
    } else {
        make_room(memory);
        entry = seek(memory, triple);
        *entry = (struct entry){.triple = *triple};
        memory->count++;
    }
    entry->value = value;
    entry->size = (uint16_t)size;
}

bool memory_get(struct memory *memory, const struct digest *triple, struct answer *answer) {
    struct entry *entry = seek(memory, triple);
    if (!entry->value)
        return false;
    entry->used = true;
    return answer_decode(entry->value, entry->size, answer);
}

void memory_drop(struct memory *memory, const struct digest *triple) {
    struct entry *entry = seek(memory, triple);
    if (entry->value)
        vacate(memory, entry);
}

size_t memory_count(const struct memory *memory) {
    return memory->count;
}
