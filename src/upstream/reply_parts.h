#pragma once
/*
 * reply_parts: what the reading of every seller's reply shares (upstream/reply,
 * upstream/provider_reply).
 */
#include <cjson/cJSON.h>

#include "upstream/reply.h"

/* The whole body as one JSON value; the caller frees it. NULL: it is none, or must not be read. */
cJSON *reply_body(const struct reply_bytes *bytes);

/* Copies a text that may be kept, cut to what fits; leaves `kept` alone when it may not. */
void reply_keep_text(const char *text, const struct triple *asked, char *kept, size_t capacity);
