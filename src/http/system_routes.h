#pragma once
/*
 * system_routes: what operators and machines ask: health, readiness, the contract.
 */
#include <stdbool.h>

#include "http/request.h"

struct service;

void system_healthz(struct request *request, struct service *service);
void system_readyz(struct request *request, struct service *service);
void system_openapi(struct request *request, struct service *service);

/* What system_readyz would say. */
bool system_is_ready(const struct service *service);
