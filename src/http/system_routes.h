#pragma once
/*
 * system_routes: what operators and machines ask: health, readiness, metrics, the contract.
 */
#include "http/request.h"

struct service;

void system_healthz(struct request *request, struct service *service);
void system_readyz(struct request *request, struct service *service);
void system_metrics(struct request *request, struct service *service);
void system_openapi(struct request *request, struct service *service);
