#pragma once
/*
 * utf8: the little that is asked of bytes before they count as text.
 *
 * Pure functions over spans that need not be zero-terminated.
 */
#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (no overlong forms, no surrogates) without a zero byte? */
bool utf8_valid(const char *text, size_t size);

/* Is there a control character of ASCII in it? */
bool utf8_has_control(const char *text, size_t size);

/* The longest beginning of valid `text` that has at most `max` bytes and ends between characters.
 */
size_t utf8_cut(const char *text, size_t size, size_t max);
