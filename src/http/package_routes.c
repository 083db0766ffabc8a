#include "http/package_routes.h"

#include <string.h>

#include "http/admin.h"
#include "http/body.h"
#include "http/change.h"
#include "http/package_view.h"
#include "money/client_key.h"
#include "money/package.h"
#include "upstream/breaker.h"

#define NO_PACKAGE    "There is no package of this id."
#define OTHER_PACKAGE "There is another package of this id."

static void begin_usage(struct usage *usage, struct request *request, struct service *service,
                        void (*known)(struct usage *usage)) {
    usage->request = request;
    usage->service = service;
    usage->known = known;
    usage->count = 1;
    memcpy(usage->scopes[0].name, PACKAGE_SCOPE, sizeof PACKAGE_SCOPE);
    usage_read(usage);
}

static struct package_view view_of(const struct usage *usage) {
    return (struct package_view){
        .snapshot = directory_now(usage->service->directory),
        .usage = usage,
        .now_ms = clock_unix_ms(usage->service->clock),
    };
}

/* --- showing --- */

static void answer_list(struct usage *usage) {
    const struct package_view view = view_of(usage);
    cJSON *json = cJSON_CreateObject();
    cJSON *packages = cJSON_AddArrayToObject(json, "packages");
    for (int i = 0; i < view.snapshot->package_count; i++)
        cJSON_AddItemToArray(packages, package_view_show(&view, &view.snapshot->packages[i]));
    usage_free(usage);
    admin_answer(usage->request, MHD_HTTP_OK, json);
}

void packages_get(struct request *request, struct service *service) {
    struct usage *usage = admin_begin(request, service) ? admin_work(request, sizeof *usage) : NULL;
    if (usage != NULL)
        begin_usage(usage, request, service, answer_list);
}

/* --- changing --- */

struct package_write {
    struct usage usage; /* first: what was used, for the answer */
    struct change change;
    struct package package; /* as it becomes, or is */
    unsigned http_status;   /* of the answer */
};

static struct package_write *write_of(struct change *change) {
    return (struct package_write *)((char *)change - offsetof(struct package_write, change));
}

static void answer_written(struct usage *usage) {
    struct package_write *write = (struct package_write *)usage;
    const struct package_view view = view_of(usage);
    cJSON *json = package_view_show(&view, &write->package);
    usage_free(usage);
    admin_answer(usage->request, write->http_status, json);
}

static void show_written(struct package_write *write) {
    begin_usage(&write->usage, write->change.request, write->change.service, answer_written);
}

static void on_cleared(void *arg, bool read) {
    struct package_write *write = arg;
    (void)read;
    admin_waited(write->change.service);
    show_written(write);
}

/* Whoever buys, or says what was bought, says that the credential may be tried again. */
static void on_written(struct change *change, bool changed) {
    struct package_write *write = write_of(change);
    struct directory *directory = change->service->directory;
    if (!changed) {
        write->http_status = MHD_HTTP_OK;
        show_written(write);
        return;
    }
    breaker_close(change->service->breakers, BREAKER_CREDENTIAL, write->package.credential);
    directory_clear_marks(directory, write->package.credential);
    admin_wait(change->service);
    directory_refresh(directory, on_cleared, write);
}

static enum change_step refuse(struct change *change, enum problem problem, const char *detail) {
    admin_refuse(change->request, problem, detail);
    return CHANGE_REFUSED;
}

static enum change_step write_package(struct package_write *write, const struct package *before) {
    write->change.before_owned = before != NULL ? package_show(before) : NULL;
    write->change.after_owned = package_show(&write->package);
    write->change.body_owned = package_encode(&write->package);
    return CHANGE_WRITE;
}

static enum change_step apply_create(struct change *change, const struct store_document *document) {
    struct package_write *create = write_of(change);
    struct complaint complaint = {""};
    struct package found;
    package_init(&create->package, change->id, clock_unix_ms(change->service->clock));
    if (!package_change(&create->package, change->wish_owned, &complaint))
        return refuse(change, PROBLEM_MALFORMED_REQUEST, complaint.text);
    if (document == NULL)
        return write_package(create, NULL);
    if (!package_decode(document->body_owned, &found))
        return refuse(change, PROBLEM_CONFLICT, OTHER_PACKAGE);
    /* Bought "now" was another moment the first time. */
    if (!cJSON_GetObjectItemCaseSensitive(change->wish_owned, "purchasedAt"))
        create->package.purchased_at_ms = found.purchased_at_ms;
    if (!package_is_same(&found, &create->package))
        return refuse(change, PROBLEM_CONFLICT, OTHER_PACKAGE);
    create->package = found;
    return CHANGE_UNCHANGED;
}

static enum change_step apply_patch(struct change *change, const struct store_document *document) {
    struct package_write *patch = write_of(change);
    struct complaint complaint = {""};
    struct package before;
    if (document == NULL || !package_decode(document->body_owned, &before))
        return refuse(change, PROBLEM_NOT_FOUND, NO_PACKAGE);
    patch->package = before;
    if (!package_change(&patch->package, change->wish_owned, &complaint))
        return refuse(change, PROBLEM_MALFORMED_REQUEST, complaint.text);
    if (package_is_same(&before, &patch->package))
        return CHANGE_UNCHANGED;
    return write_package(patch, &before);
}

/* --- requests --- */

static void begin_write(struct request *request, struct service *service, const char *id,
                        cJSON *wish_owned, struct change how) {
    struct package_write *write = admin_work(request, sizeof *write);
    if (write == NULL) {
        body_free(wish_owned);
        return;
    }
    write->change = how;
    write->change.service = service;
    write->change.request = request;
    write->change.kind = STORE_PACKAGE;
    write->change.written = on_written;
    write->change.wish_owned = wish_owned;
    write->http_status = strcmp(how.action, "create") == 0 ? MHD_HTTP_CREATED : MHD_HTTP_OK;
    memcpy(write->change.id, id, strlen(id) + 1);
    change_begin(&write->change);
}

/* NULL: all that a new one must have is there. */
static const char *find_missing(const cJSON *wish) {
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(wish, "id");
    if (!cJSON_IsString(id) || !client_id_is_valid(id->valuestring))
        return "The member \"id\" must be 1 to 40 of a-z, 0-9 and hyphens, not beginning with a "
               "hyphen.";
    if (cJSON_GetObjectItemCaseSensitive(wish, "calls") == NULL)
        return "The member \"calls\" is missing.";
    if (cJSON_GetObjectItemCaseSensitive(wish, "priceCny") == NULL)
        return "The member \"priceCny\" is missing.";
    return NULL;
}

void packages_post(struct request *request, struct service *service) {
    cJSON *wish = admin_begin(request, service) ? body_read_object(request, false) : NULL;
    if (wish == NULL)
        return;
    const char *missing = find_missing(wish);
    if (missing != NULL) {
        body_free(wish);
        admin_refuse(request, PROBLEM_MALFORMED_REQUEST, missing);
        return;
    }
    begin_write(request, service, cJSON_GetObjectItemCaseSensitive(wish, "id")->valuestring, wish,
                (struct change){.action = "create", .apply = apply_create});
}

void package_patch(struct request *request, struct service *service) {
    cJSON *wish = admin_begin(request, service) ? body_read_object(request, false) : NULL;
    if (wish != NULL)
        begin_write(request, service, request->parameter, wish,
                    (struct change){.action = "change", .apply = apply_patch});
}
