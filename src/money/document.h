#pragma once
/*
 * document: what the documents of money have in common as JSON: members, numbers, moments.
 *
 * Private to this room. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "runtime/complaint.h"

/* An object and nothing behind it, else NULL; the caller frees it. */
cJSON *document_parse(const char *body);

/* The text of what is printed, without blanks; `object` is freed. NULL without memory, also where
 * `object` is. */
char *document_print(cJSON *object);

/* False: the item is NULL, or is of another kind, or has no place. */
bool document_text(const cJSON *item, char *text, size_t room) __attribute__((warn_unused_result));
bool document_integer(const cJSON *item, int64_t least, int64_t most, int64_t *number)
    __attribute__((warn_unused_result));
/* RFC 3339 or a date (runtime/civil), in Unix milliseconds after 1970. */
bool document_time(const cJSON *item, int64_t *unix_ms) __attribute__((warn_unused_result));
/* The same, and null is 0. */
bool document_time_or_none(const cJSON *item, int64_t *unix_ms) __attribute__((warn_unused_result));

/* False: no memory. */
bool document_add_text(cJSON *object, const char *name, const char *text); /* empty: null */
/* RFC 3339 in UTC, with milliseconds where there are any; 0: null. */
bool document_add_time(cJSON *object, const char *name, int64_t unix_ms);
bool document_add_integer(cJSON *object, const char *name, int64_t number);
/* null where it is `none`. */
bool document_add_limit(cJSON *object, const char *name, int64_t number, int64_t none);

/* No member of this name can be set: returns false. What a stranger wrote is only repeated where it
 * is harmless. */
bool document_refuse_member(const char *name, struct complaint *complaint);
