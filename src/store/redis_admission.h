#pragma once
/*
 * redis_admission: an asker's way to a call over the shared store, from the question to its
 * outcome.
 *
 *   asked ─ admit ─┬─ kept, closed, inferred ─────────────────────────────→ finished
 *                  ├─ wait ─ the leader's notice, or its lease ran out ─┬─→ finished
 *                  │                                                    └─→ asked again
 *                  └─ lead ─ reserve ─┬─ refused, outdated ─ withdrawn ──→ finished
 *                    next             └─ intent in the journal ─┬────────→ finished: STORE_LEAD
 *                                                               └─ pass ─→ finished: STORE_LEAD
 *
 * `next`: the call's lease is held by the one before it, and is passed on only when nothing can
 * refuse the call any more. So there is nothing to be given back: who is refused leaves the lease
 * where it is, and so does a crash.
 *
 * Where a step on the way to a call fails, what the steps before it wrote is taken back: withdrawn
 * where the ledger knows nothing of it yet, else released, through the journal, so that it is done
 * even when the store has gone.
 *
 * Those under way are found by their triple, since the notice of a leader's end can come before the
 * reply that says who leads: it is remembered till then. The client's thread. Private to this room.
 */
#include "store/redis_client.h"

/* Begins with `admit`, which may be admitted now (redis_client_may_admit). Its `done` is called
 * later, never before this returns. */
void redis_admission_begin(struct redis_client *client, struct store_admit *admit);

/* A call has ended: its followers end with it. Or its lease is another's: they follow that. */
void redis_admission_notice(struct redis_client *client, const struct redis_notice *notice);

/* Followers whose leader's lease ran out ask again. */
void redis_admission_tick(struct redis_client *client, int64_t now_ms);

/* Nobody will tell the followers anything now: they ask again (notices may have been missed), or
 * end away (the store is gone). */
void redis_admission_ask_again(struct redis_client *client);
void redis_admission_give_up(struct redis_client *client);
