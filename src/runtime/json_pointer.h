#pragma once
/*
 * json_pointer: a place in a JSON value, as RFC 6901 writes it ("/data/0/result").
 *
 * Of bounded length and depth, and never the whole value (""). Pure functions.
 */
#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#define JSON_POINTER_SIZE      128 /* with its zero */
#define JSON_POINTER_DEPTH_MAX 8

/* NULL when the text is such a pointer, else a phrase: "must begin with /". */
const char *json_pointer_check(const char *text);

/*
 * Takes the first step of a pointer that is good: `token` gets its name, without escapes, and
 * `rest` what follows. False when there is no further step.
 */
bool json_pointer_step(const char **rest, char token[JSON_POINTER_SIZE]);

/* Does every name on the way stand in its object once? Of two, either may be what was meant. */
bool json_pointer_is_single(const cJSON *root, const char *pointer);

/*
 * What stands there; NULL: nothing. Of members with the same name the first counts; steps into an
 * array are indices without leading zeros.
 */
const cJSON *json_pointer_find(const cJSON *root, const char *pointer);
