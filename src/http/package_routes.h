#pragma once
/*
 * package_routes: packages under /admin/v1/packages: list, add, change.
 */
#include "http/request.h"
#include "http/service.h"

void packages_get(struct request *request, struct service *service);
void packages_post(struct request *request, struct service *service);
void package_patch(struct request *request, struct service *service);
