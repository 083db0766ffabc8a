#include "sandbox/gateway.h"

#include <string.h>

static const struct gateway_refusal refusals[] = {
    {GATEWAY_MISSING_APPCODE, 400, "A400MA",
     "Need authorization, `Authorization: APPCODE` is missing"},
    {GATEWAY_INVALID_APPCODE, 400, "A400AC", "Invalid AppCode `not exists`"},
    {"invalid-appcode-401", 401, "A401AC", "Invalid AppCode"},
    {GATEWAY_INVALID_PATH, 400, "I400PA", "Invalid Path or Method"},
    {GATEWAY_INVALID_METHOD, 400, "I400PA", "Invalid HttpMethod"},
    {GATEWAY_MISSING_PARAMETER, 400, "I400MP", "Invalid Param Location"},
    {"unauthorized", 403, "I403AA", "Unauthorized"},
    {"authorization-expired", 403, "A403EP", "App authorization expired"},
    {GATEWAY_QUOTA_EXHAUSTED, 403, "B403MQ", "Quota Exhausted"},
    {"subscription-exhausted", 403, "B403MQ", "Api Market Subscription quota exhausted"},
    {"quota-expired", 403, "B403ME", "Quota Expired"},
    {"subscription-invalid", 403, "B403MI", "Api Market Subscription invalid"},
    {"user-arrears", 403, "B403OD", "User Arrears"},
    {"provider-overdue", 403, "B403MO", "Provider Account Overdue"},
    {GATEWAY_THROTTLED, 429, "T429PR", "Throttled by USER Flow Control"},
    {GATEWAY_THROTTLED_CLASSIC, 403, "", "Throttled by USER Flow Control"},
    {"internal-error", 500, "X500ER", "Internal Error"},
    {"backend-failed", 502, "D502FC", "Failed To Call Backend Service"},
    {"service-unavailable", 503, "D503BB", "Service Unavailable"},
    {"service-busy", 503, "X503BZ", "Service Busy"},
    {"backend-connect", 504, "D504CO", "Backend service connect failed"},
    {"backend-timeout", 504, "D504TO", "Backend service request timeout"},
};

const struct gateway_refusal *gateway_find(const char *name) {
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (strcmp(refusals[i].name, name) == 0) {
            return &refusals[i];
        }
    }
    return NULL;
}

const struct gateway_refusal *gateway_all(size_t *count) {
    *count = sizeof refusals / sizeof *refusals;
    return refusals;
}
