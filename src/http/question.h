#pragma once
/*
 * question: the bytes of a request's body, or of one of its lines, as a triple.
 *
 * Strict where money follows: one JSON object by the letter of RFC 8259, in UTF-8 without a byte
 * order mark, exactly the members name, idCard and mobile, each once, each a string of at most 256
 * bytes without U+0000. An empty string is well-formed: it is answered like any impossible value.
 * What is refused names the field and never its value; an unknown member's name may itself be
 * somebody's data and is not repeated. Pure; no threads.
 */
#include <stdbool.h>
#include <stddef.h>

#include "core/triple.h"
#include "runtime/complaint.h"
#include "runtime/json_scan.h"

/* The names of the three fields in JSON and in queries, indexed by enum triple_field. */
extern const char *const question_field_name[3];

/* `body` need not be zero-terminated. On false the triple is wiped. */
bool question_read_json(const char *body, size_t size, struct triple *triple,
                        struct complaint *complaint) __attribute__((warn_unused_result));

/* Of the id of a line, as it is written there, a string's quotes not counted. */
#define QUESTION_ID_MAX 128

/*
 * The same for one line of many, which may have a fourth member: its "id", a string or a number of
 * at most QUESTION_ID_MAX bytes. `id` is then its text as it stands in the line, which it borrows,
 * also where the line is refused for another reason; else it is empty.
 */
bool question_read_line(const char *line, size_t size, struct triple *triple, struct json_span *id,
                        struct complaint *complaint) __attribute__((warn_unused_result));

/*
 * One field of a query, already percent-decoded; `seen` is a set of bits by enum triple_field. The
 * triple begins zeroed, and is the caller's to wipe.
 */
bool question_add(struct triple *triple, unsigned *seen, enum triple_field field, const char *value,
                  size_t size, struct complaint *complaint) __attribute__((warn_unused_result));

/* Are all three there? Names the first that is missing. */
bool question_complete(unsigned seen, struct complaint *complaint)
    __attribute__((warn_unused_result));
