#include "http/inquiry.h"

#include "http/response.h"
#include "runtime/clock.h"

/* A caller may wait this much longer than the call may take, and no more. */
#define WAIT_SLACK_MS 1000

/* --- the terms --- */

static bool refuse(struct request *request, enum problem problem, const char *detail) {
    problem_answer(request, problem, detail, BILLED_NO);
    return false;
}

bool inquiry_read_terms(struct request *request, const struct config *config, bool refresh,
                        struct inquiry_terms *terms) {
    struct freshness_wish *wish = &terms->wish;
    int64_t longest_s = (config->upstream_timeout_ms + WAIT_SLACK_MS) / 1000;
    int64_t wait_s = 0;
    if (request->lists_too_long)
        return refuse(request, PROBLEM_MALFORMED_REQUEST,
                      "Cache-Control and Prefer have at most 511 bytes each.");
    if (!freshness_parse(request->cache_control, wish))
        return refuse(request, PROBLEM_MALFORMED_REQUEST,
                      "Cache-Control holds a directive whose value is not a number of seconds.");
    if ((wish->no_cache || wish->max_age == 0) && !wish->only_if_cached && !refresh)
        return refuse(request, PROBLEM_REFRESH_NOT_ALLOWED, NULL);
    terms->wait_ms = config->request_timeout_ms;
    terms->preferred_wait_s = -1;
    if (freshness_parse_wait(request->prefer, &wait_s)) {
        terms->preferred_wait_s = wait_s < longest_s ? wait_s : longest_s;
        terms->wait_ms = terms->preferred_wait_s * 1000;
    }
    return true;
}

void inquiry_tell_terms(struct MHD_Response *response, const struct inquiry_terms *terms) {
    if (terms->preferred_wait_s < 0)
        return;
    char value[32];
    struct text text = text_over(value, sizeof value);
    text_add(&text, "wait=");
    text_add_number(&text, terms->preferred_wait_s);
    response_add(response, "Preference-Applied", value);
}

/* --- an answer --- */

static const char *trace_id_of(const struct verdict *verdict, const char *request_id) {
    return verdict->forward == FORWARD_BYPASS ? request_id : verdict->answer.trace_id;
}

/* `begin` is what stands before the value: the member's name, quoted, and what is around it. */
static inline void add_member(struct text *json, const char *begin, const char *value) {
    text_add(json, begin);
    text_add_json(json, value);
}

/* Of our own making: there is nothing in it to be escaped. */
static inline void add_plain(struct text *json, const char *begin, const char *value) {
    text_add(json, begin);
    text_add(json, value);
    text_add_bytes(json, "\"", 1);
}

static inline void add_time(struct text *json, const char *begin, int64_t unix_s) {
    char time[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(unix_s, time);
    add_plain(json, begin, time);
}

void inquiry_write_verdict(const struct triple *triple, const struct verdict *verdict,
                           const char *request_id, struct text *json) {
    const struct answer *answer = &verdict->answer;
    struct triple_echo echo;
    triple_mask(triple, &echo);
    add_member(json, "\"status\":", answer->status);
    add_member(json, ",\"msg\":", answer_msg(answer));
    add_plain(json, ",\"result\":\"", result_name(verdict->kind, answer->virtual_operator));
    add_member(json, ",\"mobileType\":", answer->mobile_type);
    add_member(json, ",\"idCard\":", echo.id_card);
    add_member(json, ",\"mobile\":", echo.mobile);
    add_member(json, ",\"name\":", echo.name);
    add_member(json, ",\"traceId\":", trace_id_of(verdict, request_id));
    add_plain(json, ",\"source\":\"", source_name[verdict->source]);
    text_add(json, verdict->billed == BILLED_NO ? ",\"billed\":false" : ",\"billed\":true");
    add_time(json, ",\"checkedAt\":\"", answer->checked_at);
    if (verdict->kept)
        add_time(json, ",\"expiresAt\":\"", answer->expires_at);
}

void inquiry_write_drop_in(const struct triple *triple, const struct verdict *verdict,
                           const char *request_id, struct text *json) {
    const struct answer *answer = &verdict->answer;
    struct triple_echo echo;
    triple_mask(triple, &echo);
    add_member(json, "\"status\":", answer->status);
    add_member(json, ",\"msg\":", answer_msg(answer));
    add_member(json, ",\"idCard\":", echo.id_card);
    add_member(json, ",\"mobile\":", echo.mobile);
    add_member(json, ",\"mobileType\":", answer->mobile_type);
    add_member(json, ",\"name\":", echo.name);
    add_member(json, ",\"traceId\":", trace_id_of(verdict, request_id));
    if (answer->extra[0] != '\0')
        text_addf(json, ",%s", answer->extra);
}

/* --- none --- */

/* Failures whose general words would mislead. */
static const char *detail_of(const struct config *config, const struct verdict *verdict) {
    if (verdict->failure == FAILURE_UPSTREAM_REFUSED_CREDENTIAL && config->credential_count == 0)
        return "No AppCode is set; the operator must set `appcode`.";
    if (verdict->failure == FAILURE_CLIENT_QUOTA_EXHAUSTED &&
        verdict->finding.bound == BUDGET_RESERVED)
        return "What is left of the balance is kept for other clients.";
    return NULL;
}

static bool is_quota(const struct verdict *verdict) {
    return verdict->failure == FAILURE_CLIENT_QUOTA_EXHAUSTED ||
           (verdict->failure == FAILURE_PACKAGE_EXHAUSTED && verdict->finding.bound != BUDGET_FITS);
}

struct problem_report inquiry_report(const struct config *config, const struct verdict *verdict) {
    struct problem_report report = {
        .problem = problem_of(verdict->failure),
        .detail = detail_of(config, verdict),
    };
    if (is_quota(verdict)) {
        report.finding = &verdict->finding;
    } else {
        report.billed = verdict->billed;
        report.retry_after_s = verdict->retry_after_s;
    }
    return report;
}
