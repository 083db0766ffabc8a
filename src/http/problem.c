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
                                        "The body must be of another media type",
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

/* In seconds; 0: nobody can say. */
static int64_t retry_after(const struct problem_report *report, int64_t now_ms) {
    const struct problem_info *info = &problem_table[report->problem];
    const struct budget_finding *finding = report->finding;
    if (report->retry_after_s > 0 && info->retryable)
        return report->retry_after_s;
    if (finding == NULL || finding->resets_at_ms == 0)
        return info->retry_after_s;
    int64_t left_ms = finding->resets_at_ms - now_ms;
    return left_ms > 0 ? (left_ms + 999) / 1000 : 1;
}

/* `request_id` NULL: none is told. */
static void add_members(const struct problem_report *report, const char *request_id,
                        struct text *json) {
    static const char *const billed_json[] = {"false", "true", "\"unknown\""};
    const struct problem_info *info = &problem_table[report->problem];
    text_addf(json, "\"type\":\"urn:sanyao:problem:%s\",\"title\":", info->code);
    text_add_json(json, info->title);
    text_addf(json, ",\"status\":%u,\"detail\":", info->http_status);
    text_add_json(json, report->detail != NULL ? report->detail : info->detail);
    text_addf(json, ",\"code\":\"%s\"", info->code);
    if (request_id != NULL) {
        text_add(json, ",\"requestId\":");
        text_add_json(json, request_id);
    }
    text_addf(json, ",\"billed\":%s,\"retryable\":%s", billed_json[report->billed],
              info->retryable ? "true" : "false");
    if (report->finding != NULL)
        add_finding(json, report->finding);
}

void problem_write(const struct problem_report *report, int64_t now_ms, struct text *json) {
    add_members(report, NULL, json);
    int64_t retry_after_s = retry_after(report, now_ms);
    if (retry_after_s > 0) {
        text_add(json, ",\"retryAfter\":");
        text_add_number(json, retry_after_s);
    }
}

static struct MHD_Response *make_response(struct request *request,
                                          const struct problem_report *report) {
    char body[2048];
    struct text json = text_over(body, sizeof body);
    text_add(&json, "{");
    add_members(report, request->id, &json);
    text_add(&json, "}\n");
    struct MHD_Response *response =
        response_new(request, "application/problem+json", body, json.size);
    const struct clock *clock = server_service(request->server)->clock;
    int64_t retry_after_s = retry_after(report, clock_unix_ms(clock));
    if (retry_after_s > 0)
        response_add_number(response, "Retry-After", retry_after_s);
    if (report->problem == PROBLEM_UNAUTHENTICATED)
        response_add(response, "WWW-Authenticate", "Bearer realm=\"sanyao\"");
    return response;
}

/* That nothing is kept is no failure of ours. */
static void note(struct request *request, const struct problem_report *report) {
    const struct problem_info *info = &problem_table[report->problem];
    struct access *access = &request->access;
    access->code = info->code;
    access->failed = info->http_status >= 500 && report->problem != PROBLEM_NOT_CACHED;
    access->billed = report->billed;
    measure_problem(request, (int)report->problem);
}

void problem_answer_report(struct request *request, const struct problem_report *report) {
    note(request, report);
    request_answer(request, problem_table[report->problem].http_status,
                   make_response(request, report));
}

void problem_answer(struct request *request, enum problem problem, const char *detail,
                    enum billed billed) {
    problem_answer_report(
        request, &(struct problem_report){.problem = problem, .detail = detail, .billed = billed});
}

void problem_answer_not_allowed(struct request *request, const char *allowed) {
    const struct problem_report report = {.problem = PROBLEM_METHOD_NOT_ALLOWED};
    struct MHD_Response *response = make_response(request, &report);
    response_add(response, "Allow", allowed);
    note(request, &report);
    request_answer(request, problem_table[PROBLEM_METHOD_NOT_ALLOWED].http_status, response);
}
