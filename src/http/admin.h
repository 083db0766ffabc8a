#pragma once
/*
 * admin: what the routes under /admin/v1 have in common.
 *
 * Who may use them: whoever has the token (setting `admin.token`). They run on the main loop. A
 * route that must wait for the store keeps what it needs in the request's work, counts itself with
 * admin_wait, and says admin_waited once nothing of it is under way; its connection is suspended
 * meanwhile, so that the request stays, also when the caller has left.
 */
#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "http/problem.h"
#include "http/request.h"
#include "http/service.h"

/* False: it was answered, with 401, or with 403 where no token is set. Fills request->token. */
bool admin_admit(struct request *request, const struct service *service)
    __attribute__((warn_unused_result));

/* As admin_admit; also false (503) when the process ends, or has not read yet what money is
 * arranged by. */
bool admin_begin(struct request *request, const struct service *service)
    __attribute__((warn_unused_result));

/* `size` zeroed bytes that are wiped and freed with the request. NULL: it was answered. */
void *admin_work(struct request *request, size_t size);

void admin_wait(struct service *service);
void admin_waited(struct service *service);

/* Takes the JSON, and erases it; NULL ends the connection, as there was no memory. */
void admin_answer(struct request *request, unsigned http_status, cJSON *json_owned);

/* 204. */
void admin_answer_nothing(struct request *request);

/* A problem that costs nothing; `detail` NULL: the table's. Returns false. */
bool admin_refuse(struct request *request, enum problem problem, const char *detail);

/* Numbers beyond 2^53 are of no use to anybody here. */
void admin_add_number(cJSON *object, const char *name, int64_t number);
/* RFC 3339 in UTC. */
void admin_add_time(cJSON *object, const char *name, int64_t unix_ms);
/* The same; null where it is 0. */
void admin_add_time_or_null(cJSON *object, const char *name, int64_t unix_ms);
