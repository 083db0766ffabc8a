#pragma once
/*
 * forget_route: POST /admin/v1/forget: what is known of a number, or of one question, is erased.
 */
#include "http/request.h"
#include "http/service.h"

void forget_post(struct request *request, struct service *service);
