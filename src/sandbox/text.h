#pragma once
/*
 * text: UTF-8 as it comes in from outside, right or wrong. Pure functions; no threads involved.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes with a length; `data` is NULL for a text that was not given at all. Not owned. */
struct text {
    const char *data;
    size_t size;
};

/*
 * Decodes the character at `data` (of `size` bytes, at least one) and returns its length in bytes;
 * 0 when the bytes there are not UTF-8 (RFC 3629: no overlong forms, no surrogates).
 */
size_t text_decode(const char *data, size_t size, uint32_t *character);

/*
 * A zero-terminated copy fit for JSON: bytes that are not UTF-8, and zero bytes, become U+FFFD.
 * NULL when memory is out; to be freed with free().
 */
char *text_presentable(struct text text) __attribute__((warn_unused_result));

/* Equal byte for byte; a text not given equals only one not given. */
bool text_equal(struct text one, struct text other);

/* A zero-terminated string as a text; NULL is a text not given. */
struct text text_of(const char *string);
