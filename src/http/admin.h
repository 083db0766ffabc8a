#pragma once
/*
 * admin: who may use the routes under /admin/v1: whoever has the token (setting `admin.token`).
 */
#include <stdbool.h>

#include "http/request.h"
#include "http/service.h"

/* False: it was answered, with 401, or with 403 where no token is set. */
bool admin_admit(struct request *request, const struct service *service)
    __attribute__((warn_unused_result));
