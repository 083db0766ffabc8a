#pragma once
/*
 * call: one request for the seller's API as it arrived, decoded but unjudged.
 *
 * Owns its strings. It is made by the connection's thread and handed to the world, whose journal
 * keeps it; only the sandbox's memory ever holds it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/seller.h"
#include "sandbox/text.h"

enum call_parameter { CALL_ID_CARD, CALL_MOBILE, CALL_NAME, CALL_PARAMETERS };

/* In which shape the seller is asked and answers: by the path. */
enum call_shape { CALL_GUIDE, CALL_SECOND, CALL_SHAPES };

struct call {
    char *uri;          /* request target, byte for byte as received, zero-terminated */
    char *header_names; /* as received, in order, joined by line feeds */
    char *method;       /* GET, … */
    char *appcode;      /* what follows `Authorization: APPCODE `; NULL without such a header */
    enum call_shape shape;
    bool path_is_right;
    uint64_t connection; /* number of the TCP connection, from 1 */
    uint64_t nth;        /* this is the nth call on its connection, from 1 */
    struct {
        char *data; /* decoded, zero-terminated beyond `size`; NULL when not given */
        size_t size;
    } parameters[CALL_PARAMETERS];
};

/* A shape's name for people, and its path. */
const char *call_shape_name(enum call_shape shape);
const char *call_shape_path(enum call_shape shape);

/* How a parameter is called in a shape. */
const char *call_parameter_name(enum call_shape shape, enum call_parameter parameter);

/* Copies what was given for it, in place of what was. False: no memory. */
bool call_keep(struct call *call, enum call_parameter parameter, const char *value, size_t size);

struct text call_value(const struct call *call, enum call_parameter parameter);

/* The question as the seller sees it; borrows from `call`. */
struct seller_question call_question(const struct call *call);

/* Frees the call and what it owns; NULL is fine. */
void call_free(struct call *call);
