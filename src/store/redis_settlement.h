#pragma once
/*
 * redis_settlement: the end of a call: on this process's own disk first, then in the shared store.
 *
 * What cannot be delivered now is the courier's from then on. The client's thread. Private to this
 * room.
 */
#include "store/redis_client.h"

/* `settle->op.done` is called later, never before this returns: STORE_DONE when the shared store
 * has it, else STORE_AWAY. */
void redis_settle_call(struct redis_client *client, struct store_settle *settle);

/* Ends as released the call of an admission that came to nothing, so that it does not count. Nobody
 * waits for it. */
void redis_settle_unsent(struct redis_client *client, const struct store_admit *admit);
