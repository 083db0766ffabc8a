#include "http/system_routes.h"

#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "http/service.h"
#include "runtime/log.h"
#include "runtime/text.h"
#include "upstream/breaker.h"

extern const char openapi_yaml[];
extern const size_t openapi_yaml_size;

#define JSON_TYPE   "application/json; charset=utf-8"
#define CLOCK_FAR_S 10
#define READY_SIZE  ((size_t)8 * 1024) /* with every breaker open */

void system_healthz(struct request *request, struct service *service) {
    (void)service;
    static const char body[] = "{\"status\":\"ok\"}\n";
    request_answer(request, MHD_HTTP_OK,
                   response_new_static(request, JSON_TYPE, body, sizeof body - 1));
}

static void add_check(struct text *json, const char *name, const char *found) {
    text_addf(json, ",\"%s\":", name);
    text_add_json(json, found);
}

/* "ok", or why nothing can be sent whatever was bought. */
static const char *credential_state(const struct service *service,
                                    const struct directory_snapshot *snapshot) {
    if (service->config->credential_count == 0)
        return "no AppCode is set";
    if (snapshot->version >= 0 && snapshot->plan->count == 0 &&
        snapshot->no_plan == FAILURE_UPSTREAM_REFUSED_CREDENTIAL)
        return "upstream refuses every AppCode";
    return "ok";
}

static const char *balance_state(const struct directory_snapshot *snapshot) {
    if (snapshot->version < 0)
        return "unknown";
    return directory_is_metered(snapshot) ? "metered" : "unmetered";
}

static void add_breaker(struct text *json, const struct breaker_view *view) {
    text_addf(json, "{\"kind\":\"%s\",\"name\":", breaker_kind_name[view->kind]);
    text_add_json(json, view->name);
    text_addf(json, ",\"state\":\"%s\"", breaker_state_name[view->state]);
    if (view->state == BREAKER_OPEN && view->wait_ms >= 0)
        text_addf(json, ",\"retryInSeconds\":%lld", (long long)(view->wait_ms + 999) / 1000);
    text_add(json, "}");
}

/* Those that are not closed. What is known is served whatever they say, so they are no reason not
 * to be ready. */
static void add_breakers(struct text *json, const struct breaker_board *board) {
    struct breaker_view views[BREAKER_MOST];
    int count = breaker_look(board, views, BREAKER_MOST);
    const char *comma = "";
    text_add(json, ",\"breakers\":[");
    for (int i = 0; i < count; i++) {
        if (views[i].state == BREAKER_CLOSED)
            continue;
        text_add(json, comma);
        add_breaker(json, &views[i]);
        comma = ",";
    }
    text_add(json, "]");
}

/* It stops nothing: calls are made and counted by the time that is kept. */
static void add_clock(struct text *json) {
    char found[96];
    struct text text = text_over(found, sizeof found);
    int64_t apart_s = clock_apart_ms() / 1000;
    int64_t store_s = clock_store_apart_ms() / 1000;
    bool ours = llabs(apart_s) >= CLOCK_FAR_S;
    if (ours || llabs(store_s) >= CLOCK_FAR_S)
        text_addf(&text, "the clock of %s is %lld s ahead of the time that is kept",
                  ours ? "this machine" : "the store", (long long)(ours ? apart_s : store_s));
    add_check(json, "clock", text.size > 0 ? found : "ok");
}

struct readiness {
    bool store_works;
    struct complaint store_says;
    const char *credential;
    bool draining;
};

/* Is it ready? */
static bool look(const struct service *service, const struct directory_snapshot *snapshot,
                 struct readiness *found) {
    *found = (struct readiness){.store_says = {"ok"}};
    found->store_works = store_ready(service->store, &found->store_says);
    if (found->store_works && snapshot->version < 0)
        found->store_works =
            complain(&found->store_says, "clients and packages have not been read yet");
    found->credential = credential_state(service, snapshot);
    found->draining = service_is_draining(service);
    return found->store_works && strcmp(found->credential, "ok") == 0 && !found->draining;
}

static const struct directory_snapshot *snapshot_of(const struct service *service) {
    return service->clients != NULL ? directory_read(service->clients)
                                    : directory_now(service->directory);
}

bool system_is_ready(const struct service *service) {
    struct readiness unused;
    return look(service, snapshot_of(service), &unused);
}

void system_readyz(struct request *request, struct service *service) {
    const struct directory_snapshot *snapshot = snapshot_of(service);
    struct readiness found;
    bool ready = look(service, snapshot, &found);
    char body[READY_SIZE];
    struct text json = text_over(body, sizeof body);
    text_addf(&json, "{\"status\":\"%s\",\"checks\":{\"process\":\"%s\"",
              ready ? "ready" : "not_ready", found.draining ? "draining" : "ok");
    add_check(&json, "store", found.store_works ? "ok" : found.store_says.text);
    add_check(&json, "credential", found.credential);
    add_clock(&json);
    text_addf(&json, "},\"balance\":\"%s\"", balance_state(snapshot));
    add_breakers(&json, service->breakers);
    text_add(&json, "}\n");
    struct MHD_Response *response = response_new(request, JSON_TYPE, body, json.size);
    if (!ready)
        response_add_number(response, "Retry-After", 1);
    request_answer(request, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, response);
}

void system_openapi(struct request *request, struct service *service) {
    (void)service;
    request_answer(
        request, MHD_HTTP_OK,
        response_new_static(request, "application/yaml", openapi_yaml, openapi_yaml_size));
}
