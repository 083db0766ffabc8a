#pragma once
/*
 * hash_key: the key under which people are hashed, from the settings or made once beside the store.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/digest.h"
#include "runtime/complaint.h"
#include "runtime/config.h"

/*
 * The key of `hash.key` if given. Otherwise, for an embedded store, that of the file STORE.hash-key
 * beside it, which is made (mode 0600) when there is none; a log line says so. Losing the file
 * loses the answers kept under it, not the ledger. False with a complaint.
 */
bool hash_key_load(const struct config *config, struct digest_key *key, struct complaint *complaint)
    __attribute__((warn_unused_result));
