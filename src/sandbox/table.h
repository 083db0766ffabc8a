#pragma once
/*
 * table: a hash table from byte strings to fixed-size values, which it stores itself.
 *
 * A value stays where it is until it is swept or the table is freed. Not safe from several threads:
 * the owner's lock guards it.
 */
#include <stdbool.h>
#include <stddef.h>

#include "sandbox/text.h"

struct table;

/* An empty table of values of `value_size` bytes; NULL when memory is out. */
struct table *table_new(size_t value_size) __attribute__((warn_unused_result));

/* Frees the table; `drop` (may be NULL) is called with each value first. */
void table_free(struct table *table, void (*drop)(void *value));

/* The value of the key; NULL when there is none. */
void *table_find(struct table *table, struct text key);

/* The value of the key, made of zeroes when there was none; NULL when memory is out. */
void *table_take(struct table *table, struct text key) __attribute__((warn_unused_result));

size_t table_count(const struct table *table);

/* Calls `visit` with each key and value; an entry for which it returns false is removed. */
void table_sweep(struct table *table, bool (*visit)(struct text key, void *value, void *context),
                 void *context);
