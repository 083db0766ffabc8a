#include "sandbox/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_AT_FIRST = 256 };

struct entry {
    struct entry *next;
    uint64_t hash;
    size_t key_size;
    max_align_t content[]; /* the value, then the key */
};

struct table {
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t entry_count;
    size_t value_size;
};

static uint64_t hash_of(struct text key) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.size; i++) {
        hash = (hash ^ (unsigned char)key.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 32;
}

static char *key_of(const struct table *table, struct entry *entry) {
    return (char *)entry->content + table->value_size;
}

struct table *table_new(size_t value_size) {
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    table->value_size = value_size;
    table->bucket_count = BUCKETS_AT_FIRST;
    table->buckets = calloc(table->bucket_count, sizeof *table->buckets);
    if (table->buckets == NULL) {
        free(table);
        return NULL;
    }
    return table;
}

void table_free(struct table *table, void (*drop)(void *value)) {
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct entry *entry = table->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            if (drop != NULL) {
                drop(entry->content);
            }
            free(entry);
        }
    }
    free(table->buckets);
    free(table);
}

static struct entry *find(struct table *table, struct text key, uint64_t hash) {
    struct entry *entry = table->buckets[hash & (table->bucket_count - 1)];
    for (; entry != NULL; entry = entry->next) {
        if (entry->hash == hash && entry->key_size == key.size &&
            memcmp(key_of(table, entry), key.data, key.size) == 0) {
            return entry;
        }
    }
    return NULL;
}

void *table_find(struct table *table, struct text key) {
    struct entry *entry = find(table, key, hash_of(key));
    return entry == NULL ? NULL : entry->content;
}

static void grow(struct table *table) {
    size_t count = table->bucket_count * 2;
    struct entry **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL) {
        return; /* Longer chains are slower, not wrong. */
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct entry *entry = table->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            struct entry **bucket = &buckets[entry->hash & (count - 1)];
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

void *table_take(struct table *table, struct text key) {
    uint64_t hash = hash_of(key);
    struct entry *entry = find(table, key, hash);
    if (entry != NULL) {
        return entry->content;
    }
    if (table->entry_count >= table->bucket_count) {
        grow(table);
    }
    entry = calloc(1, sizeof *entry + table->value_size + key.size);
    if (entry == NULL) {
        return NULL;
    }
    entry->hash = hash;
    entry->key_size = key.size;
    memcpy(key_of(table, entry), key.data, key.size);
    struct entry **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    entry->next = *bucket;
    *bucket = entry;
    table->entry_count++;
    return entry->content;
}

size_t table_count(const struct table *table) {
    return table->entry_count;
}

void table_sweep(struct table *table, bool (*visit)(struct text key, void *value, void *context),
                 void *context) {
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct entry **link = &table->buckets[i];
        while (*link != NULL) {
            struct entry *entry = *link;
            struct text key = {.data = key_of(table, entry), .size = entry->key_size};
            if (visit(key, entry->content, context)) {
                link = &entry->next;
                continue;
            }
            *link = entry->next;
            table->entry_count--;
            free(entry);
        }
    }
}
