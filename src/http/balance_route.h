#pragma once
/*
 * balance_route: GET /admin/v1/balance: what was bought, what is left, and how sure that is.
 */
#include "http/request.h"
#include "http/service.h"

void balance_get(struct request *request, struct service *service);
