#pragma once
/*
 * redis_courier: delivers what the shared store does not have yet, and then opens the gate.
 *
 * One client of the process at a time does it. Before it delivers it looks whether the store takes
 * writes, and whether the last call it was given is still there: if not, the store has come back
 * empty or behind, and everything in the journal is delivered again.
 *
 * It also gives up the reservations, whoever made them, that nobody ended in time: their owner is
 * gone. The client's thread. Private to this room.
 */
#include "store/redis_client.h"

/* Begins where there is something to do and nobody does it. */
void redis_courier_start(struct redis_client *client);

/* Reservations that have lapsed. */
void redis_courier_sweep(struct redis_client *client);
