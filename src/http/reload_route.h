#pragma once
/*
 * reload_route: POST /admin/v1/reload: the settings and secrets are taken anew, as by SIGHUP.
 */
#include "http/request.h"
#include "http/service.h"

void reload_post(struct request *request, struct service *service);
