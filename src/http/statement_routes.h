#pragma once
/*
 * statement_routes: GET /admin/v1/statement.
 */
#include "http/request.h"
#include "http/service.h"

void statement_get(struct request *request, struct service *service);
