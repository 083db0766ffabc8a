#pragma once
/*
 * redis_login: what is said on a new connection before it is used. One thread.
 *
 * All in one pipeline: password, name, database, time, role, what the server says of itself,
 * scripts. A server that is no master, or still loads its data, is refused. What only informs
 * (INFO, CONFIG, TIME, ROLE, the connection's name) may be forbidden to our user.
 */
#include <stdint.h>

#include "store/redis_link.h"
#include "store/redis_wire.h"

#define REDIS_SHA_SIZE 41 /* with the zero */

enum redis_login_state { REDIS_LOGIN_GOES_ON, REDIS_LOGIN_DONE, REDIS_LOGIN_REFUSED };

/* Filled by redis_login_begin. */
struct redis_login {
    const struct redis_link_settings *settings;
    struct redis_wire *wire;
    int64_t due_ms; /* by redis_dial_now_ms; moves */
    int step;       /* whose reply is next */
    struct redis_server_facts facts;
    bool is_replica;
    bool is_loading;
    char (*shas)[REDIS_SHA_SIZE]; /* the owner's, one for each script */
};

/* False when memory is out. `shas` is filled by the time it is done. */
bool redis_login_begin(struct redis_login *login, const struct redis_link_settings *settings,
                       struct redis_wire *wire, char (*shas)[REDIS_SHA_SIZE])
    __attribute__((warn_unused_result));

/* Takes the next reply. REDIS_LOGIN_REFUSED comes with a reason. */
enum redis_login_state redis_login_take(struct redis_login *login, const redisReply *reply,
                                        char reason[REDIS_REASON_SIZE])
    __attribute__((warn_unused_result));
