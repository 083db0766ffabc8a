#include "http/forget_route.h"

#include <string.h>

#include "http/admin.h"
#include "http/body.h"
#include "http/change.h"
#include "http/problem.h"
#include "http/question.h"

struct forgetting {
    struct change change; /* first: the line in the audit, which names nobody */
    struct store_forget forget;
    struct triple triple; /* wiped with the request */
};

static struct forgetting *of_forget(struct store_op *op) {
    return (struct forgetting *)((char *)op - offsetof(struct forgetting, forget));
}

static cJSON *show(const struct change *change) {
    cJSON *json = cJSON_CreateObject();
    admin_add_number(json, "answers", ((const struct forgetting *)change)->forget.answers);
    return json;
}

static enum change_step note(struct change *change, const struct store_document *document) {
    (void)document;
    change->after_owned = show(change);
    return CHANGE_WRITE;
}

static void answer(struct change *change, bool changed) {
    (void)changed;
    admin_answer(change->request, MHD_HTTP_OK, show(change));
}

static void on_forgotten(struct store_op *op) {
    struct forgetting *forgetting = of_forget(op);
    struct change *change = &forgetting->change;
    admin_waited(change->service);
    if (forgetting->forget.outcome != STORE_DONE) {
        admin_refuse(change->request, PROBLEM_STORE_UNAVAILABLE,
                     "Nobody knows whether it was forgotten; ask again.");
        return;
    }
    change->optional = true; /* it is forgotten already */
    change->action = "forget";
    change->audit_kind = "answers";
    change->apply = note;
    change->written = answer;
    change_begin(change);
}

static bool take_field(struct triple *triple, unsigned *seen, const cJSON *member,
                       struct complaint *complaint) {
    for (int field = TRIPLE_NAME; field <= TRIPLE_MOBILE; field++) {
        if (strcmp(member->string, question_field_name[field]) == 0)
            return (cJSON_IsString(member) ||
                    complain(complaint, "The member \"%s\" must be a string.", member->string)) &&
                   question_add(triple, seen, (enum triple_field)field, member->valuestring,
                                strlen(member->valuestring), complaint);
    }
    return complain(complaint, "There is an unknown member: only name, idCard and mobile are "
                               "known.");
}

/* Either the mobile alone, or all three. */
static bool take_question(const cJSON *body, struct forgetting *forgetting,
                          struct complaint *complaint) {
    unsigned seen = 0;
    const cJSON *member = NULL;
    cJSON_ArrayForEach(member, body) {
        if (!take_field(&forgetting->triple, &seen, member, complaint))
            return false;
    }
    forgetting->forget.whole_number = seen == 1u << TRIPLE_MOBILE;
    return forgetting->forget.whole_number || question_complete(seen, complaint);
}

static void begin(struct forgetting *forgetting) {
    const struct service *service = forgetting->change.service;
    const struct digest_key *key = service->key;
    forgetting->forget.op.done = on_forgotten;
    forgetting->forget.number = digest_number(key, &forgetting->triple);
    forgetting->forget.triple = digest_triple(key, &forgetting->triple);
    triple_wipe(&forgetting->triple);
    admin_wait(forgetting->change.service);
    store_forget(service->store_client, &forgetting->forget);
}

void forget_post(struct request *request, struct service *service) {
    struct complaint complaint = {""};
    cJSON *body = admin_begin(request, service) ? body_read_object(request, false) : NULL;
    struct forgetting *forgetting = body != NULL ? admin_work(request, sizeof *forgetting) : NULL;
    if (forgetting == NULL) {
        body_free(body);
        return;
    }
    forgetting->change.request = request;
    forgetting->change.service = service;
    bool good = take_question(body, forgetting, &complaint);
    body_free(body);
    if (good)
        begin(forgetting);
    else
        admin_refuse(request, PROBLEM_MALFORMED_REQUEST, complaint.text);
}
