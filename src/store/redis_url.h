#pragma once
/*
 * redis_url: where a Redis is and how to log in, as store.url says it.
 *
 *   redis://[user:password@]host[:port][/database]       rediss://… the same over TLS
 *   redis+unix:PATH[?database=N]
 *   redis+sentinel://[user:password@]host[:port],…/NAME[/database]
 *
 * `:password@` logs in as the default user. In user, password and the sentinels' name a special
 * character is written %XX; a path stands as it is. Ports default to 6379, and to 26379 for
 * sentinels; the database defaults to 0. Value type; no threads.
 */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/authority.h"

#define REDIS_URL_ADDRESSES 8

enum redis_transport { REDIS_TCP, REDIS_TLS, REDIS_UNIX, REDIS_SENTINEL };

struct redis_address {
    char host[AUTHORITY_HOST_SIZE]; /* a name or an address, IPv6 without brackets */
    int port;
};

/* Holds a secret: wipe it with sodium_memzero. */
struct redis_url {
    enum redis_transport transport;
    struct redis_address addresses[REDIS_URL_ADDRESSES]; /* more than one only for sentinels */
    int address_count;
    char path[108];        /* REDIS_UNIX */
    char master_name[128]; /* REDIS_SENTINEL */
    char user[128];        /* empty: the default user */
    char password[256];    /* empty: no login */
    int database;
};

/* Does `text` begin like an address of a Redis, good or bad? */
bool redis_url_is_one(const char *text);

/*
 * NULL when it is good. Otherwise what is wrong, to be read behind the setting's name ("must have a
 * host behind redis://"); never a part of the text itself, which may hold a password. `url` may be
 * NULL when only the judgement is wanted; it is all zero when the text is not good.
 */
const char *redis_url_parse(const char *text, struct redis_url *url)
    __attribute__((warn_unused_result));

/* Can somebody between here and there read along? Not over TLS, nor where all is on this machine.
 */
bool redis_url_is_exposed(const struct redis_url *url);

/*
 * Where the password stands in `text`, good or bad: between the user's `:` and the `@`. NULL: there
 * is none. What is shown of an address is shown without it.
 */
const char *redis_url_password(const char *text, size_t *size);
