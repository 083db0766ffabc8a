#pragma once
/*
 * envelope: the reply of the second shape, in which the same findings have other words.
 *
 * A finding is a code of 0 with a result, a refusal of the question a code of its own:
 * docs/sandbox.md has the table. Functions over constant data; safe from any thread.
 */
#include <cjson/cJSON.h>

#include "sandbox/world.h"

/* The reply to a call that the seller answers; the caller deletes it. */
cJSON *envelope_json(const struct plan *plan) __attribute__((warn_unused_result));
