#pragma once
/*
 * redis_tls: TLS on hiredis's connections, where hiredis has it (1.0 and newer).
 *
 * The server's certificate must come from a known authority and be for the host that was asked for;
 * hiredis by itself checks only the former. One thread.
 */
#include <stdbool.h>

#include <hiredis/hiredis.h>

#include "runtime/text.h"

struct redis_tls;         /* what all connections share */
struct redis_tls_session; /* one connection's */

bool redis_tls_is_built_in(void);

/* `ca_file`: the authorities to trust; NULL or empty: the system's. NULL with a reason. */
struct redis_tls *redis_tls_new(const char *ca_file, struct text *reason);

/* Sessions may outlive it. */
void redis_tls_free(struct redis_tls *tls);

/* Begins TLS on a context that is connecting. The session is the context's. NULL with a reason. */
struct redis_tls_session *redis_tls_start(struct redis_tls *tls, redisContext *context,
                                          const char *server_name, struct text *reason);

/* Before hiredis is called for a connection with TLS: other users of the library on this thread may
 * have left their errors, which would be taken for this connection's. */
void redis_tls_begin_turn(void);

/* Says why the certificate was refused; false when it was not. */
bool redis_tls_reason(struct redis_tls_session *session, struct text *reason);
