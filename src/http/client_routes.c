#include "http/client_routes.h"

#include <string.h>

#include "http/admin.h"
#include "http/body.h"
#include "http/change.h"
#include "http/usage.h"
#include "money/client.h"
#include "money/period.h"
#include "runtime/text.h"

#define ANONYMOUS    "anonymous" /* of auth off, and nobody's id */
#define GRACE_MOST   (INT64_C(90) * 24 * 60 * 60 * 1000)
#define NO_CLIENT    "There is no client of this id."
#define OTHER_CLIENT "There is another client of this id, or there was one, which was removed."

/* --- showing --- */

enum usage_of_client { DAY, MONTH };

struct client_view {
    struct usage usage;        /* first */
    char id[LEDGER_NAME_SIZE]; /* empty: all of them */
    int64_t now_ms;
};

static void add_period(cJSON *usage, const char *name, struct period period, int64_t used,
                       int64_t limit) {
    cJSON *one = cJSON_AddObjectToObject(usage, name);
    cJSON_AddStringToObject(one, "period", period.label);
    admin_add_number(one, "used", used);
    if (limit >= 0)
        admin_add_number(one, "limit", limit);
    else
        cJSON_AddNullToObject(one, "limit");
    admin_add_time(one, "resetsAt", period.end_ms);
}

static cJSON *show_with_usage(const struct client_view *view, const struct client *client) {
    const struct usage *read = &view->usage;
    cJSON *shown = client_show(client);
    cJSON *usage = cJSON_AddObjectToObject(shown, "usage");
    add_period(usage, "day", period_day(view->now_ms), usage_of(read, DAY, client->id),
               client->limits.day_calls);
    add_period(usage, "month", period_month(view->now_ms), usage_of(read, MONTH, client->id),
               client->limits.month_calls);
    return shown;
}

static void answer_list(const struct client_view *view) {
    const struct directory_snapshot *snapshot = directory_now(view->usage.service->directory);
    cJSON *json = cJSON_CreateObject();
    cJSON *clients = cJSON_AddArrayToObject(json, "clients");
    for (int i = 0; i < snapshot->client_count; i++) {
        const struct client *client = &snapshot->clients[i].client;
        if (!client->removed)
            cJSON_AddItemToArray(clients, show_with_usage(view, client));
    }
    admin_answer(view->usage.request, MHD_HTTP_OK, json);
}

static void answer_one(const struct client_view *view) {
    const struct directory_client *found =
        directory_find_client(directory_now(view->usage.service->directory), view->id);
    if (found != NULL)
        admin_answer(view->usage.request, MHD_HTTP_OK, show_with_usage(view, &found->client));
    else
        admin_refuse(view->usage.request, PROBLEM_NOT_FOUND, NO_CLIENT);
}

static void on_known(struct usage *usage) {
    struct client_view *view = (struct client_view *)usage;
    if (view->id[0] == '\0')
        answer_list(view);
    else
        answer_one(view);
    usage_free(usage);
}

static void set_scope(struct usage *usage, int scope, const char *prefix, struct period period) {
    struct text name = text_over(usage->scopes[scope].name, sizeof usage->scopes[scope].name);
    text_addf(&name, "%s:%s", prefix, period.label);
}

static void show(struct request *request, struct service *service, const char *id) {
    struct client_view *view = admin_work(request, sizeof *view);
    if (view == NULL)
        return;
    view->now_ms = clock_unix_ms(service->clock);
    memcpy(view->id, id, strlen(id) + 1);
    view->usage.service = service;
    view->usage.request = request;
    view->usage.known = on_known;
    view->usage.count = 2;
    set_scope(&view->usage, DAY, "day", period_day(view->now_ms));
    set_scope(&view->usage, MONTH, "month", period_month(view->now_ms));
    usage_read(&view->usage);
}

void clients_get(struct request *request, struct service *service) {
    if (admin_begin(request, service))
        show(request, service, "");
}

void client_get(struct request *request, struct service *service) {
    if (admin_begin(request, service))
        show(request, service, request->parameter);
}

/* --- changing --- */

struct client_change {
    struct change change; /* first */
    struct client client; /* as it becomes, or is */
    char key[CLIENT_KEY_TEXT_SIZE];
    char idempotency[CLIENT_REQUEST_SIZE]; /* empty: none */
    int64_t grace_ms;
};

static struct client_change *new_change(struct request *request, struct service *service,
                                        const char *action) {
    struct client_change *change = admin_work(request, sizeof *change);
    if (change == NULL)
        return NULL;
    change->change.service = service;
    change->change.request = request;
    change->change.kind = STORE_CLIENT;
    change->change.action = action;
    return change;
}

static enum change_step refuse(struct change *change, enum problem problem, const char *detail) {
    admin_refuse(change->request, problem, detail);
    return CHANGE_REFUSED;
}

static enum change_step write_client(struct client_change *change, const struct client *before) {
    change->change.before_owned = before != NULL ? client_show(before) : NULL;
    change->change.after_owned = client_show(&change->client);
    change->change.body_owned = client_encode(&change->client);
    return CHANGE_WRITE;
}

/* As it is in the store. False: there is none, or it was removed. */
static bool read_client(const struct store_document *document, struct client *client) {
    return document != NULL && client_decode(document->body_owned, client) && !client->removed;
}

static void add_new_key(struct client_change *change) {
    struct client_key key = {.created_at_ms = clock_unix_ms(change->change.service->clock)};
    client_key_make(change->client.id, change->key, &key.hash);
    memcpy(key.request, change->idempotency, sizeof key.request);
    client_add_key(&change->client, &key, change->grace_ms);
}

/* The key is told once; the work, and it with it, is wiped when the request is done. */
static void answer_with_key(struct change *change, unsigned http_status, const char *key) {
    const struct client_change *client = (const struct client_change *)change;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "client", client_show(&client->client));
    cJSON_AddItemToObject(json, "key", key != NULL ? cJSON_CreateString(key) : cJSON_CreateNull());
    admin_answer(change->request, http_status, json);
}

static void on_key_written(struct change *change, bool changed) {
    const struct client_change *client = (const struct client_change *)change;
    answer_with_key(change, changed ? MHD_HTTP_CREATED : MHD_HTTP_OK, changed ? client->key : NULL);
}

static void on_changed(struct change *change, bool changed) {
    (void)changed;
    const struct client_change *client = (const struct client_change *)change;
    admin_answer(change->request, MHD_HTTP_OK, client_show(&client->client));
}

static void on_removed(struct change *change, bool changed) {
    (void)changed;
    admin_answer_nothing(change->request);
}

static enum change_step apply_create(struct change *change, const struct store_document *document) {
    struct client_change *create = (struct client_change *)change;
    struct complaint complaint = {""};
    struct client found;
    client_init(&create->client, change->id, clock_unix_ms(change->service->clock));
    if (!client_change(&create->client, change->wish_owned, &complaint))
        return refuse(change, PROBLEM_MALFORMED_REQUEST, complaint.text);
    if (document == NULL) {
        add_new_key(create);
        return write_client(create, NULL);
    }
    if (!read_client(document, &found) || !client_is_same(&found, &create->client))
        return refuse(change, PROBLEM_CONFLICT, OTHER_CLIENT);
    create->client = found;
    return CHANGE_UNCHANGED;
}

static enum change_step apply_patch(struct change *change, const struct store_document *document) {
    struct client_change *patch = (struct client_change *)change;
    struct complaint complaint = {""};
    struct client before;
    if (!read_client(document, &before))
        return refuse(change, PROBLEM_NOT_FOUND, NO_CLIENT);
    patch->client = before;
    if (!client_change(&patch->client, change->wish_owned, &complaint))
        return refuse(change, PROBLEM_MALFORMED_REQUEST, complaint.text);
    if (client_is_same(&before, &patch->client))
        return CHANGE_UNCHANGED;
    return write_client(patch, &before);
}

static enum change_step apply_remove(struct change *change, const struct store_document *document) {
    struct client_change *removal = (struct client_change *)change;
    struct client before;
    if (document == NULL || !client_decode(document->body_owned, &before))
        return refuse(change, PROBLEM_NOT_FOUND, NO_CLIENT);
    if (before.removed)
        return CHANGE_UNCHANGED;
    removal->client = before;
    removal->client.removed = true;
    removal->client.key_count = 0;
    return write_client(removal, &before);
}

static bool was_made_by(const struct client *client, const char *idempotency) {
    for (int i = 0; i < client->key_count; i++) {
        if (idempotency[0] != '\0' && strcmp(client->keys[i].request, idempotency) == 0)
            return true;
    }
    return false;
}

static enum change_step apply_rotate(struct change *change, const struct store_document *document) {
    struct client_change *rotation = (struct client_change *)change;
    struct client before;
    if (!read_client(document, &before))
        return refuse(change, PROBLEM_NOT_FOUND, NO_CLIENT);
    rotation->client = before;
    if (was_made_by(&before, rotation->idempotency))
        return CHANGE_UNCHANGED;
    add_new_key(rotation);
    return write_client(rotation, &before);
}

/* --- requests --- */

static void begin(struct client_change *change, const char *id, cJSON *wish_owned) {
    memcpy(change->change.id, id, strlen(id) + 1);
    change->change.wish_owned = wish_owned;
    change_begin(&change->change);
}

static bool is_free_id(const cJSON *id) {
    return cJSON_IsString(id) && client_id_is_valid(id->valuestring) &&
           strcmp(id->valuestring, ANONYMOUS) != 0;
}

void clients_post(struct request *request, struct service *service) {
    cJSON *wish = admin_begin(request, service) ? body_read_object(request, false) : NULL;
    if (wish == NULL)
        return;
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(wish, "id");
    struct client_change *create = NULL;
    if (!is_free_id(id))
        admin_refuse(request, PROBLEM_MALFORMED_REQUEST,
                     "The member \"id\" must be 1 to 40 of a-z, 0-9 and hyphens, not beginning "
                     "with a hyphen, and not \"" ANONYMOUS "\".");
    else
        create = new_change(request, service, "create");
    if (create == NULL) {
        body_free(wish);
        return;
    }
    create->change.apply = apply_create;
    create->change.written = on_key_written;
    begin(create, id->valuestring, wish);
}

void client_patch(struct request *request, struct service *service) {
    cJSON *wish = admin_begin(request, service) ? body_read_object(request, false) : NULL;
    struct client_change *patch = wish != NULL ? new_change(request, service, "change") : NULL;
    if (patch == NULL) {
        body_free(wish);
        return;
    }
    patch->change.apply = apply_patch;
    patch->change.written = on_changed;
    begin(patch, request->parameter, wish);
}

void client_delete(struct request *request, struct service *service) {
    struct client_change *removal =
        admin_begin(request, service) ? new_change(request, service, "remove") : NULL;
    if (removal == NULL)
        return;
    removal->change.apply = apply_remove;
    removal->change.written = on_removed;
    begin(removal, request->parameter, NULL);
}

/* --- a new key --- */

static bool read_grace(const cJSON *wish, struct client_change *rotation,
                       struct complaint *complaint) {
    static const char *const known[] = {"grace", NULL};
    const cJSON *grace = cJSON_GetObjectItemCaseSensitive(wish, "grace");
    struct complaint why = {"must be a duration in quotes"};
    rotation->grace_ms = rotation->change.service->config->clients_grace_ms;
    if (!body_knows_members(wish, known, complaint))
        return false;
    if (grace == NULL)
        return true;
    return (cJSON_IsString(grace) &&
            config_duration_read(grace->valuestring, 0, GRACE_MOST, &rotation->grace_ms, &why)) ||
           complain(complaint, "The member \"grace\" %s.", why.text);
}

static bool read_idempotency(const struct request *request, struct client_change *rotation,
                             struct complaint *complaint) {
    const char *value =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Idempotency-Key");
    if (value == NULL)
        return true;
    size_t size = strlen(value);
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '!' || value[i] > '~')
            size = 0;
    }
    if (size == 0 || size >= sizeof rotation->idempotency)
        return complain(complaint, "Idempotency-Key must be 1 to %zu visible ASCII characters.",
                        sizeof rotation->idempotency - 1);
    memcpy(rotation->idempotency, value, size + 1);
    return true;
}

void client_keys_post(struct request *request, struct service *service) {
    struct complaint complaint = {""};
    cJSON *wish = admin_begin(request, service) ? body_read_object(request, true) : NULL;
    struct client_change *rotation = wish != NULL ? new_change(request, service, "rotate") : NULL;
    if (rotation == NULL) {
        body_free(wish);
        return;
    }
    if (!read_grace(wish, rotation, &complaint) ||
        !read_idempotency(request, rotation, &complaint)) {
        body_free(wish);
        admin_refuse(request, PROBLEM_MALFORMED_REQUEST, complaint.text);
        return;
    }
    rotation->change.apply = apply_rotate;
    rotation->change.written = on_key_written;
    begin(rotation, request->parameter, wish);
}
