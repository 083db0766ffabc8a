#pragma once
/*
 * refusal: did the gateway in front of the seller answer, and what does it refuse?
 *
 * From the gateway's documentation of error codes and captures; two generations are in use, classic
 * messages and newer six-character codes. Pure.
 */
#include "upstream/reply.h"

/*
 * The class of what the gateway said, its message before its code. REPLY_ANSWER when it said
 * nothing, or nothing known under HTTP 200: then the reply is the seller's.
 */
enum reply_class refusal_of_gateway(const struct reply_bytes *bytes);

/* The class of a status that came without a word from the gateway and without an answer. */
enum reply_class refusal_of_status(int http_status);
