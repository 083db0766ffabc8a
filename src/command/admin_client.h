#pragma once
/*
 * admin_client: asks the running service's admin API, for commands.
 *
 * The address is `admin.listen` and the token `admin.token` of the same settings that the service
 * has. Blocks; the main thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/complaint.h"
#include "runtime/config.h"

/* A part of a good reply's body, in order. False: no more is wanted, and the asking fails. */
typedef bool admin_take(void *arg, const char *bytes, size_t size);

/*
 * GET of `target` (a path, perhaps with a query), however long the reply. Only the body of a 200 is
 * handed on. False with a complaint: the service does not run or refuses, or the reply broke off;
 * then what was handed on is not whole.
 */
bool admin_get(const struct config *config, const char *target, admin_take *take, void *arg,
               struct complaint *complaint) __attribute__((warn_unused_result));

struct admin_request {
    const char *method;
    const char *target;
    const char *type; /* of the body; NULL: there is none */
    const char *body;
    size_t size;
    const char *header; /* one more, "Idempotency-Key: …"; NULL: none */
    bool again; /* sent a second time when its reply was lost; doing it twice does no harm */
};

struct admin_reply {
    long status; /* 0: none came */
    char *body;  /* ends with a zero; may hold a key */
    size_t size;
    bool again; /* it is that to the second sending */
};

/*
 * False with a complaint when the status is not 2xx, or no whole reply came. The reply is to be
 * freed in any case.
 */
bool admin_send(const struct config *config, const struct admin_request *request,
                struct admin_reply *reply, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* The body is wiped. */
void admin_reply_free(struct admin_reply *reply);

/* Appends "&name=value" ("?" before the first) to a target; the caller frees the new one. NULL
 * without memory; `target` is freed in any case, and may be NULL. */
char *admin_add_parameter(char *target, const char *name, const char *value);

/* Appends "/word", which may be anything. As admin_add_parameter. */
char *admin_add_word(char *target, const char *word);
