#include "money/credential.h"

#include <string.h>

#include "money/client_key.h"
#include "money/document.h"

#define LEFT_MOST ((int64_t)1 << 52)

const char *const credential_mark_name[CREDENTIAL_MARKS] = {
    [CREDENTIAL_GOOD] = "good",
    [CREDENTIAL_UNKNOWN] = "unknown",
    [CREDENTIAL_UNAUTHORIZED] = "unauthorized",
    [CREDENTIAL_ARREARS] = "arrears",
    [CREDENTIAL_EXHAUSTED] = "exhausted",
    [CREDENTIAL_EXPIRED] = "expired",
};

static bool add_members(const struct credential *credential, cJSON *object) {
    const char *mark =
        credential->mark != CREDENTIAL_GOOD ? credential_mark_name[credential->mark] : "";
    return cJSON_AddStringToObject(object, "id", credential->id) != NULL &&
           document_add_text(object, "mark", mark) &&
           document_add_time(object, "since", credential->since_ms) &&
           cJSON_AddStringToObject(object, "appcode", credential->appcode) != NULL &&
           document_add_limit(object, "left", credential->left, -1);
}

char *credential_encode(const struct credential *credential) {
    cJSON *object = cJSON_CreateObject();
    if (object != NULL && add_members(credential, object))
        return document_print(object);
    cJSON_Delete(object);
    return NULL;
}

static bool read_mark(const cJSON *item, enum credential_mark *mark) {
    if (cJSON_IsNull(item)) {
        *mark = CREDENTIAL_GOOD;
        return true;
    }
    if (!cJSON_IsString(item))
        return false;
    for (int i = CREDENTIAL_GOOD + 1; i < CREDENTIAL_MARKS; i++) {
        *mark = (enum credential_mark)i;
        if (strcmp(item->valuestring, credential_mark_name[i]) == 0)
            return true;
    }
    return false;
}

static bool read_left(const cJSON *item, int64_t *left) {
    if (!cJSON_IsNull(item))
        return document_integer(item, 0, LEFT_MOST, left);
    *left = -1;
    return true;
}

static bool read_members(const cJSON *object, struct credential *credential) {
    return document_text(cJSON_GetObjectItemCaseSensitive(object, "id"), credential->id,
                         sizeof credential->id) &&
           client_id_is_valid(credential->id) &&
           read_mark(cJSON_GetObjectItemCaseSensitive(object, "mark"), &credential->mark) &&
           document_time_or_none(cJSON_GetObjectItemCaseSensitive(object, "since"),
                                 &credential->since_ms) &&
           document_text(cJSON_GetObjectItemCaseSensitive(object, "appcode"), credential->appcode,
                         sizeof credential->appcode) &&
           read_left(cJSON_GetObjectItemCaseSensitive(object, "left"), &credential->left);
}

bool credential_decode(const char *body, struct credential *credential) {
    struct credential read = {.mark = CREDENTIAL_GOOD};
    cJSON *object = document_parse(body);
    bool good = object != NULL && read_members(object, &read);
    cJSON_Delete(object);
    if (good)
        *credential = read;
    return good;
}
