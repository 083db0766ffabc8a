#pragma once
/*
 * ledger_routes: GET /admin/v1/ledger.
 */
#include "http/request.h"
#include "http/service.h"

void ledger_get(struct request *request, struct service *service);
