#pragma once
/*
 * gateway: the refusals of the API gateway that stands in front of the seller.
 *
 * A refusal has an HTTP status, X-Ca-Error-Code (empty for the classic ones that carry a message
 * alone) and X-Ca-Error-Message, and an empty body. Constant data; safe from any thread.
 */
#include <stddef.h>

struct gateway_refusal {
    const char *name; /* what the control endpoint calls it */
    unsigned http;
    const char *code;    /* "" where the gateway sends none */
    const char *message; /* as X-Ca-Error-Message */
};

/* Names of the refusals the sandbox comes to by itself. */
#define GATEWAY_MISSING_APPCODE   "missing-appcode"
#define GATEWAY_INVALID_APPCODE   "invalid-appcode"
#define GATEWAY_INVALID_PATH      "invalid-path"
#define GATEWAY_INVALID_METHOD    "invalid-method"
#define GATEWAY_MISSING_PARAMETER "missing-parameter"
#define GATEWAY_QUOTA_EXHAUSTED   "quota-exhausted"
#define GATEWAY_THROTTLED         "throttled"
#define GATEWAY_THROTTLED_CLASSIC "throttled-classic"

/* The refusal of that name, or NULL. */
const struct gateway_refusal *gateway_find(const char *name);

/* All of them, in the order of the documentation. */
const struct gateway_refusal *gateway_all(size_t *count);
