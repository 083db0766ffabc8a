#pragma once
/*
 * metrics_route: GET /metrics, for Prometheus. The page is written bit by bit while it is sent, in
 * the same memory however many clients there are. The admin listener's loop.
 */
#include "http/request.h"
#include "http/service.h"

void metrics_get(struct request *request, struct service *service);
