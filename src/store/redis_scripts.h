#pragma once
/*
 * redis_scripts: the steps that Redis takes whole, written in Lua under store/lua.
 *
 * The first six work on one number's slot and take its five keys (redis_keys.h), the others on
 * the ledger's: they take the keys of a row, or those of documents, in the order in which they
 * stand there, as many as they need. What each takes and returns stands at its top.
 * Read-only data.
 */
#include "store/redis_link.h"

enum redis_script_index {
    REDIS_ADMIT,
    REDIS_SETTLE,
    REDIS_PASS,
    REDIS_LET_GO,
    REDIS_WITHDRAW,
    REDIS_FORGET,
    REDIS_RESERVE,
    REDIS_BOOK,
    REDIS_LAPSED,
    REDIS_READ_DOCUMENTS,
    REDIS_WRITE_DOCUMENT,
    REDIS_READ_AUDIT,
    REDIS_ADD_COUNTERS,
    REDIS_SCRIPTS
};

extern const struct redis_script redis_scripts[REDIS_SCRIPTS];
