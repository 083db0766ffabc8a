#pragma once
/*
 * body: a request's body as one JSON object, for the admin API.
 *
 * As strict as a question's: by the letter of RFC 8259, in UTF-8, no member twice, U+0000 nowhere.
 * What the members may be is for those who take them.
 */
#include <cjson/cJSON.h>

#include "http/request.h"
#include "runtime/complaint.h"

/* Is it of that media type, with parameters or without? NULL is none. */
bool body_is_type(const char *content_type, const char *wanted);

/* application/json, or application/merge-patch+json (RFC 7396), with parameters or without. */
bool body_is_json(const char *content_type);

/* `optional`: an empty body is an object without members. NULL: it was answered. Free it with
 * body_free, which erases what was in it. */
cJSON *body_read_object(struct request *request, bool optional);
void body_free(cJSON *object);

/* The names of all members are among `known` (ended by NULL). False with a complaint that names
 * those that are. */
bool body_knows_members(const cJSON *object, const char *const *known, struct complaint *complaint)
    __attribute__((warn_unused_result));
