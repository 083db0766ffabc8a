#pragma once
/*
 * echo: does what upstream repeats of a question contradict it?
 *
 * Sellers repeat the three values masked, by rules that differ and change. So only what is
 * certainly no mask is compared, from both ends up to the first character that may be one: digits
 * of ID and mobile numbers (an X only as an ID's last character), Han and Latin letters of names,
 * without those that stand for something left out (某, 〇, x). Where nothing is masked the echo may
 * also be cut short at one end. Spelling is brought to canonical form first (core/triple). Pure.
 */
#include <stdbool.h>

#include "core/triple.h"

/* `echo` is zero-terminated UTF-8. One that is empty, all masked, or unreadable contradicts
 * nothing. */
bool echo_contradicts(const struct triple *asked, enum triple_field field, const char *echo);
