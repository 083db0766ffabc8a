#pragma once
/*
 * redis_counters: the counters beside the shared store's ledger: all of a scope, and those that are
 * added to by hand. The scripts on rows keep the others.
 *
 * `done` is called later, never before these return; with STORE_AWAY where the reply is missing.
 * The client's thread. Private to this room.
 */
#include "store/redis_client.h"

void redis_counters_read(struct redis_client *client, struct store_read_counters *read);

void redis_counters_add(struct redis_client *client, struct store_add_counters *add);
