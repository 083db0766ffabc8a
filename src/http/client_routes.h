#pragma once
/*
 * client_routes: clients under /admin/v1/clients: list, add, show, change, remove, rotate the key.
 */
#include "http/request.h"
#include "http/service.h"

void clients_get(struct request *request, struct service *service);
void clients_post(struct request *request, struct service *service);
void client_get(struct request *request, struct service *service);
void client_patch(struct request *request, struct service *service);
void client_delete(struct request *request, struct service *service);
void client_keys_post(struct request *request, struct service *service);
