#include "http/verify_routes.h"

#include <stdlib.h>
#include <string.h>

#include "http/body.h"
#include "http/caller.h"
#include "http/inquiry.h"
#include "http/measure.h"
#include "http/problem.h"
#include "http/question.h"
#include "http/response.h"
#include "http/service.h"
#include "runtime/text.h"

/* How a verdict reads in the body. */
struct form {
    void (*write)(const struct triple *triple, const struct verdict *verdict,
                  const char *request_id, struct text *json);
    const char *end;
};

static const struct form ours = {inquiry_write_verdict, "}\n"};
static const struct form drop_in = {inquiry_write_drop_in, "}"};

/* What a question keeps while it waits: request->work. */
struct question {
    struct asker asker;
    struct request *request;
    struct service *service;
    struct caller caller;
    const struct form *form;
    struct inquiry_terms terms;
};

/* --- the reply --- */

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

static void note(const struct question *question, const struct verdict *verdict) {
    struct access *access = &question->request->access;
    const struct answer *answer = &verdict->answer;
    access->digest = question->asker.digest;
    access->billed = verdict->billed;
    if (verdict->failure != FAILURE_NONE)
        return;
    access->called = verdict->source == SOURCE_UPSTREAM;
    access->source = source_name[verdict->source];
    access->result = result_name(verdict->kind, answer->virtual_operator);
    memcpy(access->status, answer->status, sizeof access->status);
}

static void answer_with(const struct question *question, const struct verdict *verdict,
                        int64_t now) {
    struct request *request = question->request;
    char body[INQUIRY_VERDICT_SIZE];
    struct text json = text_over(body, sizeof body);
    text_add(&json, "{");
    question->form->write(&question->asker.triple, verdict, request->id, &json);
    text_add(&json, question->form->end);
    struct MHD_Response *response =
        response_new(request, "application/json; charset=utf-8", body, json.size);
    add_cache_status(response, verdict, now);
    if (verdict->forward == FORWARD_NONE) {
        int64_t age = now - verdict->answer.checked_at;
        response_add_number(response, "Age", age > 0 ? age : 0);
    }
    if (verdict->retry_after_s > 0)
        response_add_number(response, "Retry-After", verdict->retry_after_s);
    inquiry_tell_terms(response, &question->terms);
    measure_answer(request, verdict);
    request_answer(request, MHD_HTTP_OK, response);
}

static void answer_with_problem(const struct question *question, const struct verdict *verdict) {
    const struct problem_report report = inquiry_report(question->service->config, verdict);
    problem_answer_report(question->request, &report);
}

static void conclude(struct question *question, const struct verdict *verdict) {
    int64_t now_ms = clock_unix_ms(question->service->clock);
    note(question, verdict);
    caller_tell_limit(question->request, &question->caller, now_ms);
    if (verdict->failure == FAILURE_NONE)
        answer_with(question, verdict, now_ms / 1000);
    else
        answer_with_problem(question, verdict);
}

static void on_answered(struct asker *asker, const struct verdict *verdict) {
    conclude((struct question *)asker, verdict);
}

/* --- the question --- */

static void ask(struct question *question) {
    struct verdict verdict;
    if (!inquiry_read_terms(question->request, question->service->config, question->caller.refresh,
                            &question->terms))
        return;
    question->asker.wish = question->terms.wish;
    question->asker.wait_ms = question->terms.wait_ms;
    question->asker.answered = on_answered;
    if (verifier_ask(question->service->verifier, &question->asker, &verdict))
        conclude(question, &verdict);
}

/* Kept by the request and freed with it. */
static struct question *new_question(struct request *request, struct service *service,
                                     const struct caller *caller, const struct form *form) {
    struct question *question = request_pool_work(request, sizeof *question);
    if (question == NULL) {
        problem_answer(request, PROBLEM_OVERLOADED, NULL, BILLED_NO);
        return NULL;
    }
    question->request = request;
    question->service = service;
    question->caller = *caller;
    question->asker.client = caller->account;
    question->asker.request_id = request->id;
    question->asker.trace_id = request->trace_id;
    question->form = form;
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
    struct question *question = new_question(request, service, &caller, &ours);
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
                         const struct caller *caller, const struct form *form, bool strict) {
    struct question *question = new_question(request, service, caller, form);
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
        ask_by_query(request, service, &caller, &ours, true);
    else
        problem_answer(request, PROBLEM_GET_DISABLED, NULL, BILLED_NO);
}

void verify_drop_in(struct request *request, struct service *service) {
    struct caller caller;
    if (caller_admit(request, service, &caller))
        ask_by_query(request, service, &caller, &drop_in, false);
}
