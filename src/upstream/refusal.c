#include "upstream/refusal.h"

#include <fnmatch.h>
#include <string.h>
#include <strings.h>

struct rule {
    const char *pattern;
    enum reply_class class;
};

/* Beginnings of X-Ca-Error-Message, in any case. */
static const struct rule message_rules[] = {
    {"Invalid AppCode", REPLY_CREDENTIAL_UNKNOWN},
    {"Invalid Url", REPLY_WRONG_REQUEST},
    {"Invalid Path or Method", REPLY_WRONG_REQUEST},
    {"Invalid HttpMethod", REPLY_WRONG_REQUEST},
    {"Invalid Domain", REPLY_WRONG_REQUEST},
    {"Invalid Param Location", REPLY_WRONG_REQUEST},
    {"Empty Request Body", REPLY_WRONG_REQUEST},
    {"Invalid Request Body", REPLY_WRONG_REQUEST},
    {"Unauthorized", REPLY_UNAUTHORIZED},
    {"Expiry of Authorization", REPLY_UNAUTHORIZED},
    {"App authorization expired", REPLY_UNAUTHORIZED},
    {"Quota Exhausted", REPLY_QUOTA_EXHAUSTED},
    {"Api Market Subscription quota exhausted", REPLY_QUOTA_EXHAUSTED},
    {"Quota Expired", REPLY_QUOTA_EXPIRED},
    {"Api Market Subscription expired", REPLY_QUOTA_EXPIRED},
    {"Api Market Subscription invalid", REPLY_QUOTA_EXPIRED},
    {"User Arrears", REPLY_ARREARS},
    {"Provider Account Overdue", REPLY_ARREARS},
    {"Throttled by", REPLY_THROTTLED},
    {"Internal Error", REPLY_GATEWAY_FAILED},
    {"Failed To Call Backend Service", REPLY_GATEWAY_FAILED},
    {"Service Unavailable", REPLY_GATEWAY_FAILED},
    {"Async Service", REPLY_GATEWAY_FAILED},
    {"Backend service connect failed", REPLY_GATEWAY_FAILED},
    {"Backend service request timeout", REPLY_GATEWAY_FAILED},
    {"Service Busy", REPLY_GATEWAY_FAILED},
};

/* X-Ca-Error-Code as shell patterns, the first that fits. The digits are the HTTP status. */
static const struct rule code_rules[] = {
    {"I403AA", REPLY_UNAUTHORIZED},       {"A403??", REPLY_UNAUTHORIZED},
    {"A4????", REPLY_CREDENTIAL_UNKNOWN}, {"B403MQ", REPLY_QUOTA_EXHAUSTED},
    {"B403M[EI]", REPLY_QUOTA_EXPIRED},   {"B403[OM][DO]", REPLY_ARREARS},
    {"T429??", REPLY_THROTTLED},          {"[DNX]5????", REPLY_GATEWAY_FAILED},
    {"I4????", REPLY_WRONG_REQUEST},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static enum reply_class class_of_message(const char *message) {
    for (size_t i = 0; message != NULL && i < COUNT(message_rules); i++) {
        const char *prefix = message_rules[i].pattern;
        if (strncasecmp(message, prefix, strlen(prefix)) == 0)
            return message_rules[i].class;
    }
    return REPLY_ANSWER;
}

static enum reply_class class_of_code(const char *code) {
    for (size_t i = 0; code != NULL && i < COUNT(code_rules); i++) {
        if (fnmatch(code_rules[i].pattern, code, FNM_CASEFOLD) == 0)
            return code_rules[i].class;
    }
    return REPLY_ANSWER;
}

/* A code this program does not know: the HTTP status says what kind it is. */
static enum reply_class class_of_unknown_code(int http_status) {
    switch (http_status) {
    case 200:
        return REPLY_ANSWER;
    case 401:
        return REPLY_CREDENTIAL_UNKNOWN;
    case 403:
        return REPLY_UNAUTHORIZED;
    case 429:
        return REPLY_THROTTLED;
    default:
        return refusal_of_status(http_status);
    }
}

enum reply_class refusal_of_gateway(const struct reply_bytes *bytes) {
    enum reply_class class = class_of_message(bytes->ca_error_message);
    if (class == REPLY_ANSWER)
        class = class_of_code(bytes->ca_error_code);
    if (class == REPLY_ANSWER && bytes->ca_error_code != NULL && bytes->ca_error_code[0] != '\0')
        class = class_of_unknown_code(bytes->http_status);
    return class;
}

enum reply_class refusal_of_status(int http_status) {
    if (http_status >= 500 || http_status == 408 || http_status == 429)
        return REPLY_GATEWAY_FAILED;
    return http_status >= 400 ? REPLY_WRONG_REQUEST : REPLY_INVALID;
}
