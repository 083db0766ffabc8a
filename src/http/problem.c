#include "http/problem.h"

#include "http/measure.h"
#include "http/response.h"
#include "http/server.h"
#include "http/service.h"
#include "runtime/clock.h"
#include "runtime/text.h"

const struct problem_info problem_table[PROBLEMS] = {
    [PROBLEM_MALFORMED_REQUEST] = {"malformed_request", 400, "The request cannot be read",
                                   "The request is malformed.", false, 0},
    [PROBLEM_UNAUTHENTICATED] = {"unauthenticated", 401, "A valid key or token is needed",
                                 "Send a client key as Authorization: Bearer, as X-API-Key or as "
                                 "Authorization: APPCODE.",
                                 false, 0},
    [PROBLEM_CLIENT_DISABLED] = {"client_disabled", 403, "This client is switched off",
                                 "The operator has disabled the client that the key belongs to.",
                                 false, 0},
    [PROBLEM_REFRESH_NOT_ALLOWED] = {"refresh_not_allowed", 403,
                                     "This client may not force a new call",
                                     "Cache-Control: no-cache and max-age=0 need the permission to "
                                     "refresh.",
                                     false, 0},
    [PROBLEM_GET_DISABLED] = {"get_disabled", 403, "Questions by GET are switched off",
                              "Use POST /verify; the setting `get` is false.", false, 0},
    [PROBLEM_ADMIN_DISABLED] = {"admin_disabled", 403, "Administration is switched off",
                                "Set admin.token (SANYAO_ADMIN_TOKEN_FILE) and start again.", false,
                                0},
    [PROBLEM_NOT_FOUND] = {"not_found", 404, "No such resource",
                           "See /openapi.yaml for what there is.", false, 0},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405,
                                    "The resource does not know this method",
                                    "The Allow header lists the methods it knows.", false, 0},
    [PROBLEM_CONFLICT] = {"conflict", 409, "It is not as the request takes it to be",
                          "There is another one under this id, or it was changed meanwhile.", false,
                          0},
    [PROBLEM_BODY_TOO_LARGE] = {"body_too_large", 413, "The body is too large",
                                "The body has at most 16 KiB.", false, 0},
    [PROBLEM_URI_TOO_LONG] = {"uri_too_long", 414, "The address is too long",
                              "The address has at most 4096 bytes.", false, 0},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415,
                                        "The body must be application/json",
                                        "Send Content-Type: application/json in UTF-8.", false, 0},
    [PROBLEM_RATE_LIMITED] = {"rate_limited", 429, "This client asks too fast",
                              "More requests came than the client's rate and burst allow.", true,
                              1},
    [PROBLEM_CLIENT_QUOTA_EXHAUSTED] = {"client_quota_exhausted", 429,
                                        "This client has used up what it may spend",
                                        "Answers that are known already are still served.", true,
                                        60},
    [PROBLEM_UPSTREAM_INVALID_REPLY] = {"upstream_invalid_reply", 502,
                                        "Upstream's reply makes no sense",
                                        "The reply had no readable status and was not kept.", true,
                                        0},
    [PROBLEM_UPSTREAM_REFUSED_CREDENTIAL] = {"upstream_refused_credential", 502,
                                             "Upstream refuses our credential",
                                             "The AppCode is missing, unknown or not entitled; the "
                                             "operator must mend it.",
                                             false, 0},
    [PROBLEM_PACKAGE_EXHAUSTED] = {"package_exhausted", 503, "No paid calls are left",
                                   "The package is used up or expired; the operator must buy one.",
                                   true, 60},
    [PROBLEM_UPSTREAM_UNAVAILABLE] = {"upstream_unavailable", 503, "Upstream cannot be asked now",
                                      "Upstream could not be reached, failed, or asked for fewer "
                                      "calls.",
                                      true, 5},
    [PROBLEM_STORE_UNAVAILABLE] = {"store_unavailable", 503, "The store cannot be used now",
                                   "Nothing is spent while calls cannot be accounted for.", true,
                                   1},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, "Too many calls are under way",
                            "Upstream is asked as often as is allowed; try again shortly.", true,
                            1},
    [PROBLEM_SHUTTING_DOWN] = {"shutting_down", 503, "This process is shutting down",
                               "Ask again; another process will answer.", true, 1},
    [PROBLEM_UPSTREAM_TIMEOUT] = {"upstream_timeout", 504, "Upstream did not answer in time",
                                  "If the call was sent it goes on, and its answer will be kept.",
                                  true, 0},
    [PROBLEM_NOT_CACHED] = {"not_cached", 504, "There is no kept answer",
                            "Only a kept answer was wanted (only-if-cached), and there is none.",
                            true, 0},
};

enum problem problem_of(enum failure failure) {
    static const enum problem by_failure[] = {
        [FAILURE_NOT_CACHED] = PROBLEM_NOT_CACHED,
        [FAILURE_STORE_UNAVAILABLE] = PROBLEM_STORE_UNAVAILABLE,
        [FAILURE_PACKAGE_EXHAUSTED] = PROBLEM_PACKAGE_EXHAUSTED,
        [FAILURE_UPSTREAM_REFUSED_CREDENTIAL] = PROBLEM_UPSTREAM_REFUSED_CREDENTIAL,
        [FAILURE_UPSTREAM_INVALID_REPLY] = PROBLEM_UPSTREAM_INVALID_REPLY,
        [FAILURE_UPSTREAM_UNAVAILABLE] = PROBLEM_UPSTREAM_UNAVAILABLE,
        [FAILURE_UPSTREAM_TIMEOUT] = PROBLEM_UPSTREAM_TIMEOUT,
        [FAILURE_OVERLOADED] = PROBLEM_OVERLOADED,
        [FAILURE_SHUTTING_DOWN] = PROBLEM_SHUTTING_DOWN,
        [FAILURE_CLIENT_QUOTA_EXHAUSTED] = PROBLEM_CLIENT_QUOTA_EXHAUSTED,
    };
    return by_failure[failure];
}

static void add_finding(struct text *json, const struct budget_finding *finding) {
    char resets_at[CLOCK_RFC3339_SIZE];
    text_add(json, ",\"limit\":");
    text_add_number(json, finding->limit);
    text_add(json, ",\"used\":");
    text_add_number(json, finding->used);
    text_add(json, ",\"resetsAt\":");
    if (finding->resets_at_ms == 0) {
        text_add(json, "null");
        return;
    }
    clock_format_rfc3339(finding->resets_at_ms / 1000, resets_at);
    text_add_json(json, resets_at);
}

/* What is known of it here, beyond its kind. */
struct refusal {
    const char *detail; /* NULL: the table's */
    enum billed billed;
    const struct budget_finding *finding; /* NULL: none */
    int64_t retry_after_s;                /* 0: nothing better than the finding or the table */
};

/* In seconds; 0: nobody can say. */
static int64_t retry_after(const struct request *request, enum problem problem,
                           const struct refusal *refusal) {
    const struct budget_finding *finding = refusal->finding;
    if (refusal->retry_after_s > 0 && problem_table[problem].retryable)
        return refusal->retry_after_s;
    if (finding == NULL || finding->resets_at_ms == 0)
        return problem_table[problem].retry_after_s;
    const struct clock *clock = server_service(request->server)->clock;
    int64_t left_ms = finding->resets_at_ms - clock_unix_ms(clock);
    return left_ms > 0 ? (left_ms + 999) / 1000 : 1;
}

static struct MHD_Response *make_response(struct request *request, enum problem problem,
                                          const struct refusal *refusal) {
    static const char *const billed_json[] = {"false", "true", "\"unknown\""};
    const struct problem_info *info = &problem_table[problem];
    char body[2048];
    struct text json = text_over(body, sizeof body);
    text_addf(&json, "{\"type\":\"urn:sanyao:problem:%s\",\"title\":", info->code);
    text_add_json(&json, info->title);
    text_addf(&json, ",\"status\":%u,\"detail\":", info->http_status);
    text_add_json(&json, refusal->detail != NULL ? refusal->detail : info->detail);
    text_addf(&json, ",\"code\":\"%s\",\"requestId\":", info->code);
    text_add_json(&json, request->id);
    text_addf(&json, ",\"billed\":%s,\"retryable\":%s", billed_json[refusal->billed],
              info->retryable ? "true" : "false");
    if (refusal->finding != NULL)
        add_finding(&json, refusal->finding);
    text_add(&json, "}\n");
    struct MHD_Response *response =
        response_new(request, "application/problem+json", body, json.size);
    int64_t retry_after_s = retry_after(request, problem, refusal);
    if (retry_after_s > 0)
        response_add_number(response, "Retry-After", retry_after_s);
    if (problem == PROBLEM_UNAUTHENTICATED)
        response_add(response, "WWW-Authenticate", "Bearer realm=\"sanyao\"");
    return response;
}

static void answer(struct request *request, enum problem problem, const struct refusal *refusal) {
    measure_problem(request, (int)problem);
    request_answer(request, problem_table[problem].http_status,
                   make_response(request, problem, refusal));
}

void problem_answer(struct request *request, enum problem problem, const char *detail,
                    enum billed billed) {
    answer(request, problem, &(struct refusal){.detail = detail, .billed = billed});
}

void problem_answer_later(struct request *request, enum problem problem, const char *detail,
                          enum billed billed, int64_t retry_after_s) {
    answer(request, problem,
           &(struct refusal){.detail = detail, .billed = billed, .retry_after_s = retry_after_s});
}

void problem_answer_quota(struct request *request, enum problem problem, const char *detail,
                          const struct budget_finding *finding) {
    answer(request, problem, &(struct refusal){.detail = detail, .finding = finding});
}

void problem_answer_not_allowed(struct request *request, const char *allowed) {
    struct MHD_Response *response =
        make_response(request, PROBLEM_METHOD_NOT_ALLOWED, &(struct refusal){0});
    response_add(response, "Allow", allowed);
    measure_problem(request, PROBLEM_METHOD_NOT_ALLOWED);
    request_answer(request, problem_table[PROBLEM_METHOD_NOT_ALLOWED].http_status, response);
}
