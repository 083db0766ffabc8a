#pragma once
/*
 * text: writing into a buffer that is never overrun.
 *
 * What does not fit is cut off and remembered in `cut`. Always zero-terminated. Value type over a
 * borrowed buffer; no threads.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *bytes; /* borrowed */
    size_t size; /* written, without the zero */
    size_t room; /* of the buffer */
    bool cut;
};

struct text text_over(char *buffer, size_t room);

/* What fits of it, for text_add_bytes. */
void text_add_cut(struct text *text, const char *bytes, size_t size);

/* Here, as text_add, so that the size of a literal is known when it is compiled. */
static inline void text_add_bytes(struct text *text, const char *bytes, size_t size) {
    if (size >= text->room - text->size) {
        text_add_cut(text, bytes, size);
        return;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

static inline void text_add(struct text *text, const char *string) {
    text_add_bytes(text, string, strlen(string));
}

void text_add_number(struct text *text, int64_t number);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For a query or a form: every byte but RFC 3986's unreserved ones as %XX. */
void text_add_percent(struct text *text, const char *string);

/* A JSON string with its quotes (RFC 8259, 7). `string` is UTF-8. */
void text_add_json(struct text *text, const char *string);
