#include "http/verify_routes.h"

#include <stdlib.h>
#include <string.h>

#include "http/body.h"
#include "http/caller.h"
#include "http/measure.h"
#include "http/problem.h"
#include "http/question.h"
#include "http/response.h"
#include "http/service.h"
#include "runtime/text.h"

/* All members at their longest, with every byte escaped. */
#define BODY_SIZE ((size_t)8 * 1024)

/* A caller may wait this much longer than the call may take, and no more. */
#define WAIT_SLACK_MS 1000

/* How a verdict reads in the body. */
typedef void (*form)(const struct request *request, const struct triple *triple,
                     const struct verdict *verdict, struct text *json);

/* What a question keeps while it waits: request->work. */
struct question {
    struct asker asker;
    struct request *request;
    struct service *service;
    struct caller caller;
    form write;
    int64_t preferred_wait_s; /* -1: none was preferred */
};

/* --- the reply --- */

static const char *trace_id_of(const struct request *request, const struct verdict *verdict) {
    return verdict->forward == FORWARD_BYPASS ? request->id : verdict->answer.trace_id;
}

static void add_member(struct text *json, const char *name, const char *value) {
    text_addf(json, "%s\"%s\":", json->size > 1 ? "," : "", name);
    text_add_json(json, value);
}

static void add_time(struct text *json, const char *name, int64_t unix_s) {
    char time[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(unix_s, time);
    add_member(json, name, time);
}

static void write_ours(const struct request *request, const struct triple *triple,
                       const struct verdict *verdict, struct text *json) {
    const struct answer *answer = &verdict->answer;
    struct triple_echo echo;
    triple_mask(triple, &echo);
    text_add(json, "{");
    add_member(json, "status", answer->status);
    add_member(json, "msg", answer_msg(answer));
    add_member(json, "result", result_name(verdict->kind, answer->virtual_operator));
    add_member(json, "mobileType", answer->mobile_type);
    add_member(json, "idCard", echo.id_card);
    add_member(json, "mobile", echo.mobile);
    add_member(json, "name", echo.name);
    add_member(json, "traceId", trace_id_of(request, verdict));
    add_member(json, "source", source_name[verdict->source]);
    text_add(json, verdict->billed == BILLED_NO ? ",\"billed\":false" : ",\"billed\":true");
    add_time(json, "checkedAt", answer->checked_at);
    if (verdict->kept)
        add_time(json, "expiresAt", answer->expires_at);
    text_add(json, "}\n");
}

/* Upstream's own seven fields in its own order, then what it sent beyond them. */
static void write_drop_in(const struct request *request, const struct triple *triple,
                          const struct verdict *verdict, struct text *json) {
    const struct answer *answer = &verdict->answer;
    struct triple_echo echo;
    triple_mask(triple, &echo);
    text_add(json, "{");
    add_member(json, "status", answer->status);
    add_member(json, "msg", answer_msg(answer));
    add_member(json, "idCard", echo.id_card);
    add_member(json, "mobile", echo.mobile);
    add_member(json, "mobileType", answer->mobile_type);
    add_member(json, "name", echo.name);
    add_member(json, "traceId", trace_id_of(request, verdict));
    if (answer->extra[0] != '\0')
        text_addf(json, ",%s", answer->extra);
    text_add(json, "}");
}

/* RFC 9211. */
static void add_cache_status(struct MHD_Response *response, const struct verdict *verdict,
                             int64_t now) {
    static const char *const forward_name[] = {
        [FORWARD_NONE] = "",           [FORWARD_MISS] = "miss",     [FORWARD_STALE] = "stale",
        [FORWARD_REQUEST] = "request", [FORWARD_BYPASS] = "bypass",
    };
    char value[96];
    struct text text = text_over(value, sizeof value);
    text_add(&text, "sanyao; ");
    if (verdict->forward == FORWARD_NONE) {
        text_add(&text, "hit; ttl=");
        text_add_number(&text, verdict->answer.expires_at - now);
    } else {
        text_addf(&text, "fwd=%s", forward_name[verdict->forward]);
    }
    if (verdict->forward == FORWARD_BYPASS)
        text_addf(&text, "; detail=%s", source_name[verdict->source]);
    if (verdict->stored)
        text_add(&text, "; stored");
    if (verdict->collapsed)
        text_add(&text, "; collapsed");
    response_add(response, "Cache-Status", value);
}

static void add_preference(struct MHD_Response *response, const struct question *question) {
    if (question->preferred_wait_s < 0)
        return;
    char value[32];
    struct text text = text_over(value, sizeof value);
    text_add(&text, "wait=");
    text_add_number(&text, question->preferred_wait_s);
    response_add(response, "Preference-Applied", value);
}

static void answer_with(const struct question *question, const struct verdict *verdict) {
    struct request *request = question->request;
    int64_t now = clock_unix_ms(question->service->clock) / 1000;
    char body[BODY_SIZE];
    struct text json = text_over(body, sizeof body);
    question->write(request, &question->asker.triple, verdict, &json);
    struct MHD_Response *response =
        response_new(request, "application/json; charset=utf-8", body, json.size);
    add_cache_status(response, verdict, now);
    if (verdict->forward == FORWARD_NONE) {
        int64_t age = now - verdict->answer.checked_at;
        response_add_number(response, "Age", age > 0 ? age : 0);
    }
    if (verdict->retry_after_s > 0)
        response_add_number(response, "Retry-After", verdict->retry_after_s);
    add_preference(response, question);
    measure_answer(request, verdict->kind, verdict->answer.virtual_operator, verdict->source);
    request_answer(request, MHD_HTTP_OK, response);
}

/* Failures whose general words would mislead. */
static const char *detail_of(const struct service *service, const struct verdict *verdict) {
    if (verdict->failure == FAILURE_UPSTREAM_REFUSED_CREDENTIAL &&
        service->config->credential_count == 0)
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

static void answer_with_problem(const struct question *question, const struct verdict *verdict) {
    const char *detail = detail_of(question->service, verdict);
    enum problem problem = problem_of(verdict->failure);
    if (is_quota(verdict))
        problem_answer_quota(question->request, problem, detail, &verdict->finding);
    else
        problem_answer_later(question->request, problem, detail, verdict->billed,
                             verdict->retry_after_s);
}

static void conclude(struct question *question, const struct verdict *verdict) {
    caller_tell_limit(question->request, question->service, &question->caller);
    if (verdict->failure == FAILURE_NONE)
        answer_with(question, verdict);
    else
        answer_with_problem(question, verdict);
    triple_wipe(&question->asker.triple);
}

static void on_answered(struct asker *asker, const struct verdict *verdict) {
    conclude((struct question *)asker, verdict);
}

/* --- the question --- */

static bool refuse(struct request *request, enum problem problem, const char *detail) {
    problem_answer(request, problem, detail, BILLED_NO);
    return false;
}

static bool read_directives(struct question *question) {
    struct request *request = question->request;
    const struct config *config = question->service->config;
    struct freshness_wish *wish = &question->asker.wish;
    int64_t longest_s = (config->upstream_timeout_ms + WAIT_SLACK_MS) / 1000;
    int64_t wait_s = 0;
    if (request->lists_too_long)
        return refuse(request, PROBLEM_MALFORMED_REQUEST,
                      "Cache-Control and Prefer have at most 511 bytes each.");
    if (!freshness_parse(request->cache_control, wish))
        return refuse(request, PROBLEM_MALFORMED_REQUEST,
                      "Cache-Control holds a directive whose value is not a number of seconds.");
    if ((wish->no_cache || wish->max_age == 0) && !wish->only_if_cached &&
        !question->caller.refresh)
        return refuse(request, PROBLEM_REFRESH_NOT_ALLOWED, NULL);
    question->asker.wait_ms = config->request_timeout_ms;
    question->preferred_wait_s = -1;
    if (freshness_parse_wait(request->prefer, &wait_s)) {
        question->preferred_wait_s = wait_s < longest_s ? wait_s : longest_s;
        question->asker.wait_ms = question->preferred_wait_s * 1000;
    }
    return true;
}

static void ask(struct question *question) {
    struct verdict verdict;
    if (!read_directives(question))
        return;
    question->asker.answered = on_answered;
    if (verifier_ask(question->service->verifier, &question->asker, &verdict))
        conclude(question, &verdict);
}

/* Kept by the request and freed with it. */
static struct question *new_question(struct request *request, struct service *service,
                                     const struct caller *caller, form write) {
    struct question *question = malloc(sizeof *question);
    if (question == NULL) {
        problem_answer(request, PROBLEM_OVERLOADED, NULL, BILLED_NO);
        return NULL;
    }
    question->request = request;
    question->service = service;
    question->caller = *caller;
    question->asker.client = caller->account;
    question->write = write;
    request->work = question;
    request->work_size = sizeof *question;
    return question;
}

void verify_post(struct request *request, struct service *service) {
    struct complaint complaint;
    struct caller caller;
    if (!caller_admit(request, service, &caller))
        return;
    if (!body_is_type(request->content_type, "application/json")) {
        problem_answer(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL, BILLED_NO);
        return;
    }
    struct question *question = new_question(request, service, &caller, write_ours);
    if (question == NULL)
        return;
    if (question_read_json(request->body != NULL ? request->body : "", request->body_size,
                           &question->asker.triple, &complaint))
        ask(question);
    else
        problem_answer(request, PROBLEM_MALFORMED_REQUEST, complaint.text, BILLED_NO);
}

struct query {
    struct triple *triple;
    unsigned seen;
    bool strict; /* are unknown parameters refused? */
    struct complaint complaint;
};

static enum MHD_Result on_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
                                    size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    struct query *query = arg;
    for (int field = TRIPLE_NAME; field <= TRIPLE_MOBILE; field++) {
        const char *known = question_field_name[field];
        if (strlen(known) != name_size || memcmp(known, name, name_size) != 0)
            continue;
        bool added = question_add(query->triple, &query->seen, (enum triple_field)field,
                                  value != NULL ? value : "", value_size, &query->complaint);
        return added ? MHD_YES : MHD_NO;
    }
    if (!query->strict)
        return MHD_YES;
    complain(&query->complaint, "The query holds an unknown parameter.");
    return MHD_NO;
}

static void ask_by_query(struct request *request, struct service *service,
                         const struct caller *caller, form write, bool strict) {
    struct question *question = new_question(request, service, caller, write);
    if (question == NULL)
        return;
    struct query query = {.triple = &question->asker.triple, .strict = strict};
    query.complaint.text[0] = '\0';
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &query);
    if (query.complaint.text[0] == '\0' && question_complete(query.seen, &query.complaint))
        ask(question);
    else
        problem_answer(request, PROBLEM_MALFORMED_REQUEST, query.complaint.text, BILLED_NO);
}

void verify_get(struct request *request, struct service *service) {
    struct caller caller;
    if (!caller_admit(request, service, &caller))
        return;
    if (service->config->get)
        ask_by_query(request, service, &caller, write_ours, true);
    else
        problem_answer(request, PROBLEM_GET_DISABLED, NULL, BILLED_NO);
}

void verify_drop_in(struct request *request, struct service *service) {
    struct caller caller;
    if (caller_admit(request, service, &caller))
        ask_by_query(request, service, &caller, write_drop_in, false);
}
