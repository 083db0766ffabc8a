#pragma once
/*
 * redis_documents: documents and the audit in the shared store. What is read and written is also
 * kept in this process's journal, so that a store that has lost it can be given it again.
 *
 * `done` is called later, never before these return; with STORE_AWAY where any reply is missing.
 * The client's thread. Private to this room.
 */
#include "store/redis_client.h"

/* In pieces: of memory the server takes a piece at a time. */
void redis_documents_read(struct redis_client *client, struct store_read_documents *read);

/* All clients of all replicas are told, by notice. */
void redis_documents_write(struct redis_client *client, struct store_write_document *write);

void redis_documents_read_audit(struct redis_client *client, struct store_read_audit *read);
