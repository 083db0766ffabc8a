#pragma once
/*
 * verify_routes: the questions of the service API: POST and GET /verify, and GET /carrieroperator,
 * the drop-in for upstream's own address.
 */
#include "http/request.h"

struct service;

void verify_post(struct request *request, struct service *service);
void verify_get(struct request *request, struct service *service);
void verify_drop_in(struct request *request, struct service *service);
