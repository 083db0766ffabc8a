#pragma once
/*
 * redis_page: reads the shared store's ledger, a page at a time.
 *
 * Rows lie in hashes of ten minutes. It walks them in order of time: the ids in one, and then the
 * rows of those that the page has room for. Where nothing lies it looks at ever more hashes at
 * once, a week of them at most, and halves its way back to the first that is there.
 *
 * A client reads one page at a time and has one command for it under way, so that a long export
 * delays others by one command only; further pages wait in line. A hash is looked through in pieces
 * of about a millisecond, once for each page that begins in it. Of memory it takes a piece and a
 * page. The client's thread. Private to this room.
 */
#include "store/redis_client.h"

/* Calls `done` on a later turn of the loop, with STORE_AWAY where any reply is missing. */
void redis_page_read(struct redis_client *client, struct store_page *page);
