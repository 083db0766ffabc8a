#pragma once
/*
 * call: one paid question to upstream, on the worker's loop.
 *
 * Which seller is asked, how, and what the reply means is decided by the provider whose credential
 * the call bears (upstream/provider).
 *
 * Each worker has one `struct upstream`: a curl multi handle on its libuv loop. A call is sent at
 * most once: libcurl's own resending on a connection that died is stopped before the second sending
 * (CURLOPT_PREREQFUNCTION). Nor is it sent on a kept connection on which something came unasked:
 * the peer closed it, or a reply waits there that belongs to no question. No redirect is followed,
 * no proxy taken from the environment, no cookie kept, and the certificate is always verified.
 */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/triple.h"
#include "runtime/complaint.h"
#include "runtime/metrics.h"
#include "upstream/provider.h"
#include "upstream/reply.h"

struct upstream;

struct upstream_credential {
    const char *id;
    const char *appcode;
    int provider; /* whose it is: an index into the settings' providers */
};

/* Borrowed while upstream_new or upstream_set runs. */
struct upstream_settings {
    const struct provider *providers; /* a CA file of theirs is read for each connection */
    int provider_count;
    const struct upstream_credential *credentials;
    int credential_count; /* 0: no calls can be made */
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* of the whole call */
    int64_t keepalive_ms;
    bool refuse_contradiction; /* a reply that repeats another question is REPLY_INVALID */
    int64_t max_connections;   /* of this worker */
    int64_t max_waiting;       /* calls beyond max_connections that may wait for one */
};

enum upstream_end {
    UPSTREAM_REPLIED,   /* a whole reply, or one that cannot be read: too long, or in an encoding
                         * nobody knows; see `reply` */
    UPSTREAM_NOT_SENT,  /* not a byte of the request left: certainly not billed */
    UPSTREAM_TIMED_OUT, /* sent, no reply in time */
    UPSTREAM_BROKEN,    /* sent, the connection died */
};

struct upstream_outcome {
    enum upstream_end end;
    int http_status; /* 0: none seen */
    int64_t latency_ms;
    int64_t retry_after_ms; /* with REPLY_THROTTLED, what the gateway asks for; 0: nothing */
    const char *cause;      /* for the log: libcurl's words; static */
    struct reply reply;     /* with UPSTREAM_REPLIED */
    bool priced;            /* with REPLY_ANSWER: by the provider's rule it was paid for */
};

/* Owned by the caller; in place until `done`. */
struct upstream_call {
    void (*done)(struct upstream_call *call, const struct upstream_outcome *outcome);
    struct triple triple; /* what is asked; wiped before `done` */
    const char
        *credential;    /* whose code it bears, by its id, until `done`; NULL, empty: the first */
    int64_t timeout_ms; /* of this call; 0: that of the settings */
    const char *cause;  /* out, where it could not be begun: why, for the log; static */
};

/* `loop` and `row`, which counts, are borrowed for the upstream's life. NULL with a complaint. */
struct upstream *upstream_new(uv_loop_t *loop, const struct upstream_settings *settings,
                              struct metrics_row *row, struct complaint *complaint);

/* No call may be under way. The loop must run once more for libuv to let go. */
void upstream_free(struct upstream *upstream);

/*
 * Other providers, codes and times for the calls that begin from now on; those under way keep what
 * they began with. Its bounds stay. False: no memory, and nothing has changed.
 */
bool upstream_set(struct upstream *upstream, const struct upstream_settings *settings)
    __attribute__((warn_unused_result));

/* Is there any? */
bool upstream_has_credential(const struct upstream *upstream);

/* Calls that were begun and have not ended. */
int64_t upstream_under_way(const struct upstream *upstream);

/* Would one more call have to wait beyond the bound? Ask before reserving. */
bool upstream_is_full(const struct upstream *upstream);

/*
 * `done` is called later, once, never before this returns. False when the call could not be begun
 * (no such credential, no memory): nothing was sent, `done` is not called, and `cause` says why.
 */
bool upstream_start(struct upstream *upstream, struct upstream_call *call)
    __attribute__((warn_unused_result));
