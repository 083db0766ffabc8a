#pragma once
/*
 * client: one of the company's services that asks: its keys, quotas and permissions.
 *
 * Its document (store/records.h) is
 *   {"id","name","dailyCalls"|null,"monthlyCalls"|null,"requestsPerSecond"|null,"burst"|null,
 *    "reserve","refresh","shadow","disabled","removed","createdAt",
 *    "keys":[{"sha256","createdAt","expiresAt"|null,"request"|null}]}
 * What the admin API shows is the same, but of a key only its "fingerprint" (8 characters of the
 * hash), "createdAt" and "expiresAt", and "removed" only where true. Times are RFC 3339 in UTC.
 * Pure; value types.
 */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "money/budget.h"
#include "money/client_key.h"
#include "runtime/complaint.h"

#define CLIENT_KEYS_MOST    2
#define CLIENT_NAME_SIZE    128
#define CLIENT_REQUEST_SIZE 80 /* an Idempotency-Key */

struct client_key {
    struct client_key_hash hash;
    int64_t created_at_ms;
    int64_t expires_at_ms;             /* 0: never */
    char request[CLIENT_REQUEST_SIZE]; /* the Idempotency-Key it was made by; empty: none */
};

struct client {
    char id[LEDGER_NAME_SIZE];
    char name[CLIENT_NAME_SIZE];
    struct budget_limits limits;
    int64_t requests_per_second; /* 0: any */
    int64_t burst;               /* where there is a rate: at least 1 */
    bool refresh;                /* may it force a new call? */
    bool disabled;
    bool removed; /* for good; its rows stay */
    int64_t created_at_ms;
    int key_count;
    struct client_key keys[CLIENT_KEYS_MOST]; /* the newest first */
};

/* A new one's defaults: no limits, no refresh. */
void client_init(struct client *client, const char *id, int64_t now_ms);

/*
 * Takes the members that a caller of the admin API may set: name, dailyCalls, monthlyCalls,
 * requestsPerSecond, burst, reserve (percent, 0 to 100), refresh, shadow, disabled; null takes a
 * limit away. What is not named stays. `id` is accepted where it is the client's own. False with a
 * complaint that names the member, and nothing changed: unknown members, other types, values out of
 * bounds, a burst without a rate.
 */
bool client_change(struct client *client, const cJSON *change, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* The new key is the first, and the one that was lives for `grace_ms` more; a third one ends now.
 */
void client_add_key(struct client *client, const struct client_key *key, int64_t grace_ms);

/* Is the hash that of a key that is valid now? In constant time for each key. */
bool client_has_key(const struct client *client, const struct client_key_hash *hash,
                    int64_t now_ms);

/* Do both have what client_change can set the same? */
bool client_is_same(const struct client *a, const struct client *b);

/* The document. NULL without memory; the caller frees it. */
char *client_encode(const struct client *client);
bool client_decode(const char *body, struct client *client) __attribute__((warn_unused_result));

/* As the admin API and the audit show it. NULL without memory. */
cJSON *client_show(const struct client *client);
