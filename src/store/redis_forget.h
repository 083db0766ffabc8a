#pragma once
/*
 * redis_forget: makes the shared store, all clients' memories and all journals forget answers.
 *
 * First this process's journal, then the store (all answers of a number are found by looking
 * through its keys, a piece at a time), then everybody is told: whoever hears it drops what it
 * remembers, and each process what its journal could deliver once more. A replica that is down
 * meanwhile does not hear it. The client's thread. Private to this room.
 */
#include "store/redis_client.h"

/* `done` is called later, never before this returns. After STORE_AWAY some may be forgotten: ask
 * again. */
void redis_forget_answers(struct redis_client *client, struct store_forget *forget);

/* Somebody forgot answers. */
void redis_forget_notice(struct redis_client *client, const struct redis_notice *notice);
