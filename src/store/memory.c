#include "store/memory.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

/* An ordinary answer takes 26 bytes, and an entry so 48: one without a value, and a piece of the
 * heap for that, take 80. */
#define VALUE_ROOM 29

/*
 * The entries lie side by side, round which the hand goes; an index with open addressing, at most
 * half full, finds them. They are kept apart on purpose: a hand that goes round the hash table
 * itself leaves it empty behind and crowded ahead. Both grow with what is kept.
 */
struct entry {
    struct digest triple;
    uint8_t value[VALUE_ROOM]; /* a longer one: where it lies */
    bool used;                 /* since the hand passed */
    uint16_t size;
};

_Static_assert(sizeof(struct entry) == 48, "no gaps");

struct memory {
    struct entry *entries;
    size_t count;
    size_t room;
    size_t most;
    size_t hand;
    uint32_t *index; /* of an entry, plus one; 0: nothing here */
    size_t mask;     /* the index's size, a power of two, less one */
};

/* --- an entry's value --- */

static uint8_t *value_elsewhere(const struct entry *entry) {
    uint8_t *value;
    memcpy(&value, entry->value, sizeof value);
    return value;
}

static const uint8_t *value_of(const struct entry *entry) {
    return entry->size > VALUE_ROOM ? value_elsewhere(entry) : entry->value;
}

static void free_value(struct entry *entry) {
    if (entry->size > VALUE_ROOM)
        free(value_elsewhere(entry));
}

/* False when memory is out. */
static bool set_value(struct entry *entry, const uint8_t *bytes, size_t size) {
    uint8_t *value = size > VALUE_ROOM ? malloc(size) : entry->value;
    if (!value)
        return false;
    memcpy(value, bytes, size);
    if (size > VALUE_ROOM)
        memcpy(entry->value, &value, sizeof value);
    entry->size = (uint16_t)size;
    return true;
}

/* --- finding it --- */

static size_t index_size(size_t room) {
    size_t size = 2 * FIRST_ROOM;
    while (size < 2 * room)
        size *= 2;
    return size;
}

static size_t home(const struct memory *memory, const struct digest *triple) {
    uint64_t hash;
    memcpy(&hash, triple->bytes, sizeof hash);
    return (size_t)hash & memory->mask;
}

static struct entry *entry_at(const struct memory *memory, size_t place) {
    return &memory->entries[memory->index[place] - 1];
}

/* The place in the index that holds the triple's entry, or the empty one where it would go. */
static size_t seek(const struct memory *memory, const struct digest *triple) {
    size_t place = home(memory, triple);
    while (memory->index[place] && !digest_equal(&entry_at(memory, place)->triple, triple))
        place = (place + 1) & memory->mask;
    return place;
}

/* Closes the gap, so that searching may go on stopping at the first empty place. */
static void vacate(struct memory *memory, size_t gap) {
    size_t mask = memory->mask;
    for (size_t place = (gap + 1) & mask; memory->index[place]; place = (place + 1) & mask) {
        size_t wanted = home(memory, &entry_at(memory, place)->triple);
        if (((place - wanted) & mask) < ((place - gap) & mask))
            continue;
        memory->index[gap] = memory->index[place];
        gap = place;
    }
    memory->index[gap] = 0;
}

/* False when memory is out; all stays as it was. */
static bool grow(struct memory *memory, size_t room) {
    size_t size = index_size(room);
    uint32_t *index = calloc(size, sizeof *index);
    if (!index)
        return false;
    struct entry *entries = realloc(memory->entries, room * sizeof *entries);
    if (!entries) {
        free(index);
        return false;
    }
    free(memory->index);
    memory->entries = entries;
    memory->room = room;
    memory->index = index;
    memory->mask = size - 1;
    for (size_t i = 0; i < memory->count; i++)
        index[seek(memory, &entries[i].triple)] = (uint32_t)(i + 1);
    return true;
}

struct memory *memory_new(size_t entries) {
    struct memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return NULL;
    memory->most = entries;
    if (grow(memory, FIRST_ROOM))
        return memory;
    free(memory);
    return NULL;
}

void memory_free(struct memory *memory) {
    for (size_t i = 0; i < memory->count; i++)
        free_value(&memory->entries[i]);
    free(memory->entries);
    free(memory->index);
    free(memory);
}

static void leave(struct memory *memory, size_t place) {
    struct entry *entry = entry_at(memory, place);
    free_value(entry);
    vacate(memory, place);
    /* The last one closes the row. */
    struct entry *last = &memory->entries[--memory->count];
    if (entry == last)
        return;
    memory->index[seek(memory, &last->triple)] = (uint32_t)(entry - memory->entries + 1);
    *entry = *last;
}

/* The next entry that was not used since the hand passed it; the hand goes beyond. */
static struct entry *pick_victim(struct memory *memory) {
    for (;;) {
        if (memory->hand >= memory->count)
            memory->hand = 0;
        struct entry *entry = &memory->entries[memory->hand++];
        if (!entry->used)
            return entry;
        entry->used = false;
    }
}

static bool has_room(struct memory *memory) {
    if (memory->count == memory->most)
        return false;
    size_t twice = memory->room * 2;
    return memory->count < memory->room ||
           grow(memory, twice < memory->most ? twice : memory->most);
}

static void enter(struct memory *memory, const struct entry *entry) {
    struct entry *slot;
    if (has_room(memory)) {
        slot = &memory->entries[memory->count++];
    } else {
        slot = pick_victim(memory);
        vacate(memory, seek(memory, &slot->triple));
        free_value(slot);
    }
    memory->index[seek(memory, &entry->triple)] = (uint32_t)(slot - memory->entries + 1);
    *slot = *entry;
}

void memory_put(struct memory *memory, const struct digest *triple, const struct answer *answer) {
    if (memory->most == 0)
        return;
    uint8_t bytes[ANSWER_ENCODED_MAX];
    size_t size = answer_encode(answer, bytes);
    struct entry entry = {.triple = *triple};
    if (!set_value(&entry, bytes, size)) {
        memory_drop(memory, triple);
        return;
    }
    size_t place = seek(memory, triple);
    if (!memory->index[place]) {
        enter(memory, &entry);
        return;
    }
    struct entry *former = entry_at(memory, place);
    entry.used = former->used;
    free_value(former);
    *former = entry;
}

bool memory_get(struct memory *memory, const struct digest *triple, struct answer *answer) {
    size_t place = seek(memory, triple);
    if (!memory->index[place])
        return false;
    struct entry *entry = entry_at(memory, place);
    entry->used = true;
    return answer_decode(value_of(entry), entry->size, answer);
}

void memory_drop(struct memory *memory, const struct digest *triple) {
    size_t place = seek(memory, triple);
    if (memory->index[place])
        leave(memory, place);
}

void memory_drop_all(struct memory *memory) {
    for (size_t i = 0; i < memory->count; i++)
        free_value(&memory->entries[i]);
    memory->count = 0;
    memset(memory->index, 0, (memory->mask + 1) * sizeof *memory->index);
}

size_t memory_count(const struct memory *memory) {
    return memory->count;
}
