#pragma once
/*
 * redis_arguments: a command's arguments, gathered: texts and bytes where they lie, numbers written
 * here. Whoever gathers knows how many there will be. Private to this room.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/text.h"
#include "store/redis_keys.h"
#include "store/redis_link.h"
#include "store/redis_scripts.h"

#define REDIS_ARGUMENTS_MOST 24
#define REDIS_NUMBERS_MOST   12
#define REDIS_NUMBER_SIZE    24 /* of a decimal number's text */

struct redis_arguments {
    const char *values[REDIS_ARGUMENTS_MOST];
    size_t sizes[REDIS_ARGUMENTS_MOST];
    int count;
    char numbers[REDIS_NUMBERS_MOST][REDIS_NUMBER_SIZE];
    int number_count;
};

static inline void redis_add(struct redis_arguments *arguments, const void *bytes, size_t size) {
    arguments->values[arguments->count] = bytes;
    arguments->sizes[arguments->count++] = size;
}

static inline void redis_add_text(struct redis_arguments *arguments, const char *text) {
    redis_add(arguments, text, strlen(text));
}

static inline void redis_add_number(struct redis_arguments *arguments, int64_t number) {
    struct text text = text_over(arguments->numbers[arguments->number_count++], REDIS_NUMBER_SIZE);
    text_add_number(&text, number);
    redis_add(arguments, text.bytes, text.size);
}

static inline void redis_add_flag(struct redis_arguments *arguments, bool flag) {
    redis_add(arguments, flag ? "1" : "0", 1);
}

static inline void redis_add_id(struct redis_arguments *arguments, const struct ledger_id *id) {
    redis_add(arguments, id->bytes, sizeof id->bytes);
}

static inline void redis_add_keys(struct redis_arguments *arguments, const struct redis_key *keys,
                                  int count) {
    for (int i = 0; i < count; i++)
        redis_add(arguments, keys[i].text, keys[i].size);
}

/* False, and `replied` is never called, when the link (which may be NULL) does not take it. */
static inline bool redis_send(struct redis_link *link, redis_replied *replied, void *arg,
                              const struct redis_arguments *arguments) {
    return link && redis_link_send(link, replied, arg, arguments->count, arguments->values,
                                   arguments->sizes);
}

static inline bool redis_eval(struct redis_link *link, redis_replied *replied, void *arg,
                              enum redis_script_index script, int keys,
                              const struct redis_arguments *arguments) {
    return link && redis_link_eval(link, replied, arg, (int)script, keys, arguments->count,
                                   arguments->values, arguments->sizes);
}
