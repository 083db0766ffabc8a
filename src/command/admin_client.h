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
 * GET of `target` (a path, perhaps with a query). Only the body of a 200 is handed on. False with a
 * complaint: the service does not run or refuses, or the reply broke off; then what was handed on
 * is not whole.
 */
bool admin_get(const struct config *config, const char *target, admin_take *take, void *arg,
               struct complaint *complaint) __attribute__((warn_unused_result));

/* Appends "&name=value" ("?" before the first) to a target; the caller frees the new one. NULL
 * without memory; `target` is freed in any case. */
char *admin_add_parameter(char *target, const char *name, const char *value);
