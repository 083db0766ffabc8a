#pragma once
/*
 * audit_routes: what was changed (GET /admin/v1/audit), and what is amiss (GET /admin/v1/alerts).
 */
#include "http/request.h"
#include "http/service.h"

void audit_get(struct request *request, struct service *service);
void alerts_get(struct request *request, struct service *service);
