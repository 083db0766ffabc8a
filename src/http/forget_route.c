#include "http/forget_route.h"

#include <string.h>

#include "http/admin.h"
#include "http/body.h"
#include "http/problem.h"
#include "http/question.h"

struct forgetting {
    struct store_forget forget; /* first: what the store gives back */
    struct request *request;
    struct service *service;
    struct triple triple; /* wiped with the request */
};

static void on_forgotten(struct store_op *op) {
    struct forgetting *forgetting = (struct forgetting *)op;
    admin_waited(forgetting->service);
    if (forgetting->forget.outcome != STORE_DONE) {
        admin_refuse(forgetting->request, PROBLEM_STORE_UNAVAILABLE,
                     "Nobody knows whether it was forgotten; ask again.");
        return;
    }
    cJSON *json = cJSON_CreateObject();
    admin_add_number(json, "answers", forgetting->forget.answers);
    admin_answer(forgetting->request, MHD_HTTP_OK, json);
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
    const struct digest_key *key = forgetting->service->key;
    forgetting->forget.op.done = on_forgotten;
    forgetting->forget.number = digest_number(key, &forgetting->triple);
    forgetting->forget.triple = digest_triple(key, &forgetting->triple);
    triple_wipe(&forgetting->triple);
    admin_wait(forgetting->service);
    store_forget(forgetting->service->store_client, &forgetting->forget);
}

void forget_post(struct request *request, struct service *service) {
    struct complaint complaint = {""};
    cJSON *body = admin_begin(request, service) ? body_read_object(request, false) : NULL;
    struct forgetting *forgetting = body != NULL ? admin_work(request, sizeof *forgetting) : NULL;
    if (forgetting == NULL) {
        body_free(body);
        return;
    }
    forgetting->request = request;
    forgetting->service = service;
    bool good = take_question(body, forgetting, &complaint);
    body_free(body);
    if (good)
        begin(forgetting);
    else
        admin_refuse(request, PROBLEM_MALFORMED_REQUEST, complaint.text);
}
