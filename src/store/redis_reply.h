#pragma once
/*
 * redis_reply: reading what a Redis replied, and saying it in a reason.
 *
 * Pure functions over hiredis's replies; nothing is kept.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

/* Room for "HOST:PORT: what is wrong". */
#define REDIS_REASON_SIZE 512

/* Is it an error whose first words are `code`? */
bool redis_reply_says(const redisReply *reply, const char *code);

/* Does it say that this server, or this connection, is of no use any more? */
bool redis_reply_is_farewell(const redisReply *reply);

/* What TIME replied, in Unix milliseconds; 0: it did not say. NULL is accepted. */
int64_t redis_reply_time(const redisReply *reply);

/* Its first 100 characters into `text`, whatever does not print as a question mark. */
void redis_reply_text(const redisReply *reply, char *text, size_t room);

/* The same up to the first quotation mark: a server that does not know AUTH would quote the
 * password. */
void redis_reply_text_unquoted(const redisReply *reply, char *text, size_t room);
