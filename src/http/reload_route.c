#include "http/reload_route.h"

#include "http/admin.h"
#include "http/change.h"
#include "http/problem.h"

struct reloading {
    struct change change; /* first */
    cJSON *changes_owned;
};

static enum change_step apply(struct change *change, const struct store_document *document) {
    (void)document;
    change->after_owned = cJSON_Duplicate(((struct reloading *)change)->changes_owned, true);
    return CHANGE_WRITE;
}

static void answer(struct change *change, bool changed) {
    struct reloading *reloading = (struct reloading *)change;
    cJSON *json = cJSON_CreateObject();
    (void)changed;
    cJSON_AddItemToObject(json, "changes", reloading->changes_owned);
    reloading->changes_owned = NULL;
    admin_answer(change->request, MHD_HTTP_OK, json);
}

void reload_post(struct request *request, struct service *service) {
    struct complaint complaint = {""};
    cJSON *changes = NULL;
    if (!admin_begin(request, service))
        return;
    struct reloading *reloading = admin_work(request, sizeof *reloading);
    if (reloading == NULL)
        return;
    if (!service->reload(service->reload_arg, &changes, &complaint)) {
        admin_refuse(request, PROBLEM_CONFLICT, complaint.text);
        return;
    }
    reloading->changes_owned = changes;
    reloading->change.request = request;
    reloading->change.service = service;
    reloading->change.optional = true; /* the settings are in force already */
    reloading->change.action = "reload";
    reloading->change.audit_kind = "settings";
    reloading->change.apply = apply;
    reloading->change.written = answer;
    change_begin(&reloading->change);
}
