#include "money/alert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "money/document.h"
#include "runtime/text.h"

#define CALLS_MOST    INT64_C(1000000000)
#define LEFT_MOST     INT64_C(1000000000000)
#define ATTEMPTS_MOST INT64_C(1000000)
#define AUDIT_ACTOR   "service" /* nobody's token */

const char *const alert_kind_name[ALERT_KINDS] = {
    [ALERT_PACKAGE] = "package",
    [ALERT_CREDENTIAL] = "credential",
    [ALERT_CONTRADICTION] = "contradiction",
    [ALERT_STATUS] = "status",
    [ALERT_STORE] = "store",
    [ALERT_BREAKER] = "breaker",
};

void alert_id(const struct alert *alert, char id[STORE_DOCUMENT_ID_SIZE]) {
    struct text text = text_over(id, STORE_DOCUMENT_ID_SIZE);
    text_addf(&text, "%s/%s", alert_kind_name[alert->kind], alert->subject);
    if (alert->kind == ALERT_PACKAGE)
        text_addf(&text, "/%d", alert->threshold);
}

const char *alert_provider(const struct alert *alert) {
    const char *slash = strrchr(alert->subject, '/');
    return slash != NULL ? slash + 1 : alert->subject;
}

/* --- what it says --- */

static void say_package(const struct alert *alert, struct text *text) {
    text_addf(text, "Package %s has %lld of %lld calls left", alert->subject,
              (long long)alert->left, (long long)alert->calls);
    if (alert->threshold > 0)
        text_addf(text, ", which is at most %d %%", alert->threshold);
    text_add(text, ".");
}

static void say_credential(const struct alert *alert, struct text *text) {
    text_addf(text, "Upstream refuses the AppCode of credential %s: %s.", alert->subject,
              credential_mark_name[alert->mark]);
}

static void say_contradiction(const struct alert *alert, struct text *text) {
    text_addf(text, "Upstream says that credential %s is %s", alert->subject,
              credential_mark_name[alert->mark]);
    if (alert->left < 0)
        text_add(text, "; no package of it is registered here.");
    else
        text_addf(text, "; by our books %lld calls were left.", (long long)alert->left);
}

static void say_status(const struct alert *alert, struct text *text) {
    text_addf(text, "Upstream answered with status %s, which is not in the seller's guide.",
              alert->subject);
}

static void say_store(const struct alert *alert, struct text *text) {
    text_addf(text, "Process %s could not reach its store.", alert->subject);
}

static void say_breaker(const struct alert *alert, struct text *text) {
    text_addf(text,
              "Process %.*s has stopped asking provider %s for a while: too many calls failed or "
              "were slow.",
              (int)strcspn(alert->subject, "/"), alert->subject, alert_provider(alert));
}

static void (*const sayings[ALERT_KINDS])(const struct alert *alert, struct text *text) = {
    [ALERT_PACKAGE] = say_package,
    [ALERT_CREDENTIAL] = say_credential,
    [ALERT_CONTRADICTION] = say_contradiction,
    [ALERT_STATUS] = say_status,
    [ALERT_STORE] = say_store,
    [ALERT_BREAKER] = say_breaker,
};

void alert_detail(const struct alert *alert, char detail[ALERT_DETAIL_SIZE]) {
    struct text text = text_over(detail, ALERT_DETAIL_SIZE);
    sayings[alert->kind](alert, &text);
}

/* --- JSON --- */

static bool add_threshold(cJSON *object, const struct alert *alert) {
    return document_add_limit(object, "threshold", alert->threshold, -1);
}

static bool add_shown(cJSON *object, const struct alert *alert) {
    char id[STORE_DOCUMENT_ID_SIZE];
    char detail[ALERT_DETAIL_SIZE];
    alert_id(alert, id);
    alert_detail(alert, detail);
    return document_add_text(object, "id", id) &&
           document_add_text(object, "kind", alert_kind_name[alert->kind]) &&
           document_add_text(object, "subject", alert->subject) && add_threshold(object, alert) &&
           document_add_text(object, "state", alert->firing ? "firing" : "resolved") &&
           document_add_time(object, "since", alert->since_ms) &&
           document_add_time(object, "resolvedAt", alert->resolved_at_ms) &&
           document_add_text(object, "detail", detail) &&
           cJSON_AddBoolToObject(object, "delivered", alert->delivered) != NULL;
}

static cJSON *show(const struct alert *alert) {
    cJSON *object = cJSON_CreateObject();
    if (object != NULL && add_shown(object, alert))
        return object;
    cJSON_Delete(object);
    return NULL;
}

cJSON *alert_show(const char *body) {
    struct alert alert;
    return alert_decode(body, &alert) ? show(&alert) : NULL;
}

static bool add_rest(cJSON *object, const struct alert *alert) {
    const char *mark = alert->mark != CREDENTIAL_GOOD ? credential_mark_name[alert->mark] : "";
    return document_add_limit(object, "calls", alert->calls, -1) &&
           document_add_limit(object, "left", alert->left, -1) &&
           document_add_text(object, "mark", mark) &&
           document_add_integer(object, "attempts", alert->attempts) &&
           document_add_text(object, "holder", alert->holder) &&
           document_add_time(object, "heldUntil", alert->held_until_ms) &&
           document_add_text(object, "reached", alert->reached);
}

char *alert_encode(const struct alert *alert) {
    cJSON *object = show(alert);
    if (object != NULL && add_rest(object, alert))
        return document_print(object);
    cJSON_Delete(object);
    return NULL;
}

static int name_index(const cJSON *item, const char *const *names, int count) {
    for (int i = 0; cJSON_IsString(item) && i < count; i++) {
        if (strcmp(item->valuestring, names[i]) == 0)
            return i;
    }
    return -1;
}

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* null is the empty text. */
static bool read_text(const cJSON *item, char *text, size_t room) {
    text[0] = '\0';
    return cJSON_IsNull(item) || document_text(item, text, room);
}

/* null is -1. */
static bool read_number(const cJSON *item, int64_t most, int64_t *number) {
    *number = -1;
    return cJSON_IsNull(item) || document_integer(item, 0, most, number);
}

static bool read_shown(const cJSON *object, struct alert *alert) {
    int kind = name_index(member(object, "kind"), alert_kind_name, ALERT_KINDS);
    static const char *const states[] = {"resolved", "firing"};
    int state = name_index(member(object, "state"), states, 2);
    int64_t threshold = -1;
    if (kind < 0 || state < 0 || !read_number(member(object, "threshold"), 100, &threshold))
        return false;
    alert->kind = (enum alert_kind)kind;
    alert->firing = state == 1;
    alert->threshold = (int)threshold;
    alert->delivered = cJSON_IsTrue(member(object, "delivered"));
    return document_text(member(object, "subject"), alert->subject, sizeof alert->subject) &&
           document_time(member(object, "since"), &alert->since_ms) &&
           document_time_or_none(member(object, "resolvedAt"), &alert->resolved_at_ms);
}

static bool read_rest(const cJSON *object, struct alert *alert) {
    int mark = CREDENTIAL_GOOD;
    if (!cJSON_IsNull(member(object, "mark")))
        mark = name_index(member(object, "mark"), credential_mark_name, CREDENTIAL_MARKS);
    if (mark < 0)
        return false;
    alert->mark = (enum credential_mark)mark;
    return read_number(member(object, "calls"), CALLS_MOST, &alert->calls) &&
           read_number(member(object, "left"), LEFT_MOST, &alert->left) &&
           document_integer(member(object, "attempts"), 0, ATTEMPTS_MOST, &alert->attempts) &&
           read_text(member(object, "holder"), alert->holder, sizeof alert->holder) &&
           document_time_or_none(member(object, "heldUntil"), &alert->held_until_ms) &&
           read_text(member(object, "reached"), alert->reached, sizeof alert->reached);
}

bool alert_decode(const char *body, struct alert *alert) {
    *alert = (struct alert){.threshold = -1};
    cJSON *object = document_parse(body);
    bool good = object != NULL && read_shown(object, alert) && read_rest(object, alert);
    cJSON_Delete(object);
    return good;
}

static bool add_side(cJSON *object, const char *name, const struct alert *alert) {
    cJSON *side = alert != NULL ? show(alert) : cJSON_CreateNull();
    if (side != NULL && cJSON_AddItemToObject(object, name, side))
        return true;
    cJSON_Delete(side);
    return false;
}

char *alert_audit(const struct alert *before, const struct alert *after, int64_t now_ms) {
    char id[STORE_DOCUMENT_ID_SIZE];
    alert_id(after, id);
    cJSON *object = cJSON_CreateObject();
    if (object != NULL && document_add_time(object, "at", now_ms) &&
        document_add_text(object, "token", AUDIT_ACTOR) &&
        document_add_text(object, "action", after->firing ? "fire" : "resolve") &&
        document_add_text(object, "kind", store_document_kind_name[STORE_ALERT]) &&
        document_add_text(object, "id", id) && add_side(object, "before", before) &&
        add_side(object, "after", after))
        return document_print(object);
    cJSON_Delete(object);
    return NULL;
}

/* --- delivery --- */

/* What was over before it was told is of no interest, but for a store: that is only known when it
 * is over. */
bool alert_is_wanted(const struct alert *alert, int64_t now_ms) {
    return !alert->delivered && (alert->firing || alert->kind == ALERT_STORE) &&
           now_ms - alert->since_ms < ALERT_DELIVER_MS;
}

bool alert_has_reached(const struct alert *alert, const char *webhook) {
    size_t size = strlen(webhook);
    for (const char *at = alert->reached; *at != '\0';) {
        size_t item = strcspn(at, ",");
        if (item == size && memcmp(at, webhook, size) == 0)
            return true;
        at += item + (at[item] == ',' ? 1 : 0);
    }
    return false;
}

bool alert_note_reached(struct alert *alert, const char *webhook) {
    size_t size = strlen(alert->reached);
    size_t more = strlen(webhook);
    if (size + more + 2 > sizeof alert->reached)
        return false;
    memcpy(alert->reached + size, webhook, more);
    memcpy(alert->reached + size + more, ",", 2);
    return true;
}

/* --- the state machine --- */

struct judgement {
    const struct alert_figures *figures;
    struct alert_change *changes;
    int count;
};

static bool is_same(const struct alert *a, const struct alert *b) {
    return a->kind == b->kind && a->threshold == b->threshold &&
           strcmp(a->subject, b->subject) == 0;
}

static const struct alert_known *find_known(const struct alert_figures *figures,
                                            const struct alert *alert) {
    for (int i = 0; i < figures->known_count; i++) {
        if (is_same(&figures->known[i].alert, alert))
            return &figures->known[i];
    }
    return NULL;
}

static void fire(struct judgement *judgement, const struct alert *alert) {
    const struct alert_known *known = find_known(judgement->figures, alert);
    if (known != NULL && known->alert.firing)
        return;
    struct alert_change *change = &judgement->changes[judgement->count++];
    *change = (struct alert_change){.alert = *alert, .before = known};
    change->alert.firing = true;
    change->alert.since_ms = judgement->figures->now_ms;
}

static void resolve(struct judgement *judgement, const struct alert_known *known) {
    struct alert_change *change = &judgement->changes[judgement->count++];
    *change = (struct alert_change){.alert = known->alert, .before = known};
    change->alert.firing = false;
    change->alert.resolved_at_ms = judgement->figures->now_ms;
}

static int64_t left_of(const struct alert_package *package) {
    return package->used < package->calls ? package->calls - package->used : 0;
}

static bool is_low(const struct alert_package *package, int threshold) {
    return left_of(package) * 100 <= package->calls * threshold;
}

/* A package without calls was never any fuller. */
static void judge_packages(struct judgement *judgement) {
    const struct alert_figures *figures = judgement->figures;
    for (int i = 0; i < figures->package_count; i++) {
        const struct alert_package *package = &figures->packages[i];
        if (!package->in_force || package->calls == 0)
            continue;
        struct alert alert = {
            .kind = ALERT_PACKAGE, .calls = package->calls, .left = left_of(package)};
        snprintf(alert.subject, sizeof alert.subject, "%s", package->id);
        for (int j = 0; j < figures->threshold_count; j++) {
            alert.threshold = figures->thresholds[j];
            if (is_low(package, alert.threshold))
                fire(judgement, &alert);
        }
    }
}

static bool is_refused(const struct credential *credential) {
    return credential->mark == CREDENTIAL_UNKNOWN || credential->mark == CREDENTIAL_UNAUTHORIZED ||
           credential->mark == CREDENTIAL_ARREARS;
}

static bool is_contradicted(const struct credential *credential) {
    return (credential->mark == CREDENTIAL_EXHAUSTED || credential->mark == CREDENTIAL_EXPIRED) &&
           credential->left != 0;
}

static void judge_credentials(struct judgement *judgement) {
    const struct alert_figures *figures = judgement->figures;
    for (int i = 0; i < figures->credential_count; i++) {
        const struct credential *credential = &figures->credentials[i];
        struct alert alert = {
            .threshold = -1, .calls = -1, .left = credential->left, .mark = credential->mark};
        snprintf(alert.subject, sizeof alert.subject, "%s", credential->id);
        alert.kind = is_refused(credential) ? ALERT_CREDENTIAL : ALERT_CONTRADICTION;
        if (is_refused(credential) || is_contradicted(credential))
            fire(judgement, &alert);
    }
}

static void judge_statuses(struct judgement *judgement) {
    const struct alert_figures *figures = judgement->figures;
    for (int i = 0; i < figures->status_count; i++) {
        struct alert alert = {.kind = ALERT_STATUS, .threshold = -1, .calls = -1, .left = -1};
        snprintf(alert.subject, sizeof alert.subject, "%s", figures->statuses[i]);
        fire(judgement, &alert);
    }
}

/* The subject of a breaker of this process. */
static void name_breaker(const struct alert_figures *figures, const struct breaker_view *breaker,
                         char subject[ALERT_SUBJECT_SIZE]) {
    snprintf(subject, ALERT_SUBJECT_SIZE, "%s/%s/%s", figures->instance,
             breaker_kind_name[breaker->kind], breaker->name);
}

/* One that was open between two looks counts as well. */
static bool was_open(const struct breaker_view *breaker) {
    return breaker->state != BREAKER_CLOSED ||
           (breaker->opened > 0 && breaker->for_ms < ALERT_CLOSED_MS);
}

static void judge_breakers(struct judgement *judgement) {
    const struct alert_figures *figures = judgement->figures;
    for (int i = 0; i < figures->breaker_count; i++) {
        const struct breaker_view *breaker = &figures->breakers[i];
        if (breaker->kind != BREAKER_PROVIDER || !was_open(breaker))
            continue;
        struct alert alert = {.kind = ALERT_BREAKER, .threshold = -1, .calls = -1, .left = -1};
        name_breaker(figures, breaker, alert.subject);
        fire(judgement, &alert);
    }
}

static const struct alert_package *find_package(const struct alert_figures *figures,
                                                const char *id) {
    for (int i = 0; i < figures->package_count; i++) {
        if (strcmp(figures->packages[i].id, id) == 0)
            return &figures->packages[i];
    }
    return NULL;
}

static bool is_package_over(const struct alert_figures *figures, const struct alert *alert) {
    const struct alert_package *package = find_package(figures, alert->subject);
    if (package == NULL || !package->in_force)
        return true;
    return package->calls != alert->calls && !is_low(package, alert->threshold);
}

static bool is_mark_over(const struct alert_figures *figures, const struct alert *alert) {
    for (int i = 0; i < figures->credential_count; i++) {
        const struct credential *credential = &figures->credentials[i];
        if (strcmp(credential->id, alert->subject) == 0)
            return alert->kind == ALERT_CREDENTIAL ? !is_refused(credential)
                                                   : !is_contradicted(credential);
    }
    return true;
}

static bool is_own(const struct alert_figures *figures, const struct alert *alert) {
    size_t size = strlen(figures->instance);
    return strncmp(alert->subject, figures->instance, size) == 0 && alert->subject[size] == '/';
}

/* A process that has just begun has its breakers closed and has seen nothing yet. */
static bool is_breaker_over(const struct alert_figures *figures, const struct alert *alert) {
    if (!is_own(figures, alert))
        return figures->now_ms - alert->since_ms >= ALERT_GONE_MS;
    for (int i = 0; i < figures->breaker_count; i++) {
        const struct breaker_view *breaker = &figures->breakers[i];
        char subject[ALERT_SUBJECT_SIZE];
        name_breaker(figures, breaker, subject);
        if (strcmp(subject, alert->subject) == 0)
            return breaker->state == BREAKER_CLOSED && breaker->for_ms >= ALERT_CLOSED_MS;
    }
    return true;
}

static bool is_over(const struct alert_figures *figures, const struct alert *alert) {
    switch (alert->kind) {
    case ALERT_PACKAGE:
        return is_package_over(figures, alert);
    case ALERT_CREDENTIAL:
    case ALERT_CONTRADICTION:
        return is_mark_over(figures, alert);
    case ALERT_STATUS:
        return figures->now_ms - alert->since_ms >= ALERT_STATUS_MS;
    case ALERT_BREAKER:
        return is_breaker_over(figures, alert);
    case ALERT_STORE:
    case ALERT_KINDS:
        break;
    }
    return true;
}

int alert_changes_most(const struct alert_figures *figures) {
    return figures->package_count * figures->threshold_count + figures->credential_count +
           figures->status_count + figures->breaker_count + figures->known_count;
}

int alert_judge(const struct alert_figures *figures, struct alert_change *changes) {
    struct judgement judgement = {.figures = figures, .changes = changes};
    judge_packages(&judgement);
    judge_credentials(&judgement);
    judge_statuses(&judgement);
    judge_breakers(&judgement);
    for (int i = 0; i < figures->known_count; i++) {
        const struct alert_known *known = &figures->known[i];
        if (known->alert.firing && is_over(figures, &known->alert))
            resolve(&judgement, known);
    }
    return judgement.count;
}
