#pragma once
/*
 * reconcile_route: POST /admin/v1/reconcile: the seller's usage export against the ledger.
 */
#include "http/request.h"
#include "http/service.h"

#define RECONCILE_BODY_MAX ((size_t)8 * 1024 * 1024)

void reconcile_post(struct request *request, struct service *service);
