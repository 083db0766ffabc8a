#include "money/client.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "money/document.h"

#define CALLS_MOST INT64_C(1000000000)
#define RATE_MOST  100000
#define BURST_MOST 1000000

#define HASH_HEX         (CLIENT_KEY_HASH_SIZE * 2)
#define FINGERPRINT_SIZE 8

void client_init(struct client *client, const char *id, int64_t now_ms) {
    *client = (struct client){.limits = BUDGET_NO_LIMITS, .created_at_ms = now_ms};
    snprintf(client->id, sizeof client->id, "%s", id);
}

/* --- what can be set --- */

enum field_type { FIELD_NAME, FIELD_NUMBER, FIELD_LIMIT, FIELD_FLAG };

static const struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    int64_t least;
    int64_t most;
    int64_t none; /* of a limit: what stands for null */
} fields[] = {
    {"name", FIELD_NAME, offsetof(struct client, name), 0, 0, 0},
    {"dailyCalls", FIELD_LIMIT, offsetof(struct client, limits.day_calls), 0, CALLS_MOST, -1},
    {"monthlyCalls", FIELD_LIMIT, offsetof(struct client, limits.month_calls), 0, CALLS_MOST, -1},
    {"requestsPerSecond", FIELD_LIMIT, offsetof(struct client, requests_per_second), 1, RATE_MOST,
     0},
    {"burst", FIELD_LIMIT, offsetof(struct client, burst), 1, BURST_MOST, 0},
    {"reserve", FIELD_NUMBER, offsetof(struct client, limits.reserve_percent), 0, 100, 0},
    {"refresh", FIELD_FLAG, offsetof(struct client, refresh), 0, 0, 0},
    {"shadow", FIELD_FLAG, offsetof(struct client, limits.shadow), 0, 0, 0},
    {"disabled", FIELD_FLAG, offsetof(struct client, disabled), 0, 0, 0},
};

#define FIELDS (sizeof fields / sizeof fields[0])

static const struct field *find_field(const char *name) {
    for (size_t i = 0; name != NULL && i < FIELDS; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

static void *place_in(struct client *client, const struct field *field) {
    return (char *)client + field->offset;
}

static const void *value_in(const struct client *client, const struct field *field) {
    return (const char *)client + field->offset;
}

static bool set_field(struct client *client, const struct field *field, const cJSON *item) {
    void *place = place_in(client, field);
    switch (field->type) {
    case FIELD_NAME:
        return document_text(item, place, CLIENT_NAME_SIZE);
    case FIELD_LIMIT:
        if (cJSON_IsNull(item)) {
            *(int64_t *)place = field->none;
            return true;
        }
        return document_integer(item, field->least, field->most, place);
    case FIELD_NUMBER:
        return document_integer(item, field->least, field->most, place);
    case FIELD_FLAG:
        *(bool *)place = cJSON_IsTrue(item);
        return cJSON_IsBool(item);
    }
    return false;
}

static bool refuse_value(const struct field *field, struct complaint *complaint) {
    if (field->type == FIELD_NAME)
        return complain(complaint,
                        "The member \"%s\" must be a text of at most %d bytes in one line.",
                        field->name, CLIENT_NAME_SIZE - 1);
    if (field->type == FIELD_FLAG)
        return complain(complaint, "The member \"%s\" must be true or false.", field->name);
    return complain(
        complaint, "The member \"%s\" must be a whole number from %" PRId64 " to %" PRId64 "%s.",
        field->name, field->least, field->most, field->type == FIELD_LIMIT ? ", or null" : "");
}

static bool change_member(struct client *client, const cJSON *item, struct complaint *complaint) {
    if (item->string != NULL && strcmp(item->string, "id") == 0) {
        bool own = cJSON_IsString(item) && strcmp(item->valuestring, client->id) == 0;
        return own || complain(complaint, "The member \"id\" must be the client's own.");
    }
    const struct field *field = find_field(item->string);
    if (field == NULL)
        return document_refuse_member(item->string, complaint);
    return set_field(client, field, item) || refuse_value(field, complaint);
}

/* Without a rate no burst; with one, the burst is a second's worth where nobody named it. */
static bool agree_on_burst(struct client *client, const cJSON *change,
                           struct complaint *complaint) {
    if (client->requests_per_second > 0) {
        if (client->burst == 0)
            client->burst = client->requests_per_second;
        return true;
    }
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(change, "burst")))
        return complain(complaint, "The member \"burst\" needs \"requestsPerSecond\".");
    client->burst = 0;
    return true;
}

bool client_change(struct client *client, const cJSON *change, struct complaint *complaint) {
    struct client changed = *client;
    if (!cJSON_IsObject(change))
        return complain(complaint, "A client is a JSON object.");
    for (const cJSON *item = change->child; item != NULL; item = item->next) {
        if (!change_member(&changed, item, complaint))
            return false;
    }
    if (!agree_on_burst(&changed, change, complaint))
        return false;
    *client = changed;
    return true;
}

static bool is_same_field(const struct client *a, const struct client *b,
                          const struct field *field) {
    const void *first = value_in(a, field);
    const void *second = value_in(b, field);
    if (field->type == FIELD_NAME)
        return strcmp(first, second) == 0;
    if (field->type == FIELD_FLAG)
        return *(const bool *)first == *(const bool *)second;
    return *(const int64_t *)first == *(const int64_t *)second;
}

bool client_is_same(const struct client *a, const struct client *b) {
    for (size_t i = 0; i < FIELDS; i++) {
        if (!is_same_field(a, b, &fields[i]))
            return false;
    }
    return true;
}

/* --- keys --- */

void client_add_key(struct client *client, const struct client_key *key, int64_t grace_ms) {
    if (client->key_count > 0) {
        struct client_key old = client->keys[0];
        int64_t ends_ms = key->created_at_ms + grace_ms;
        if (old.expires_at_ms == 0 || old.expires_at_ms > ends_ms)
            old.expires_at_ms = ends_ms;
        client->keys[1] = old;
    }
    client->keys[0] = *key;
    client->key_count = client->key_count > 0 ? CLIENT_KEYS_MOST : 1;
}

bool client_has_key(const struct client *client, const struct client_key_hash *hash,
                    int64_t now_ms) {
    bool found = false;
    for (int i = 0; i < client->key_count; i++) {
        const struct client_key *key = &client->keys[i];
        bool lives = key->expires_at_ms == 0 || now_ms < key->expires_at_ms;
        bool equal = client_key_equal(&key->hash, hash);
        found = found || (equal && lives);
    }
    return found;
}

/* --- as JSON --- */

static bool add_field(const struct client *client, const struct field *field, cJSON *object) {
    const void *value = value_in(client, field);
    switch (field->type) {
    case FIELD_NAME:
        return cJSON_AddStringToObject(object, field->name, value) != NULL;
    case FIELD_LIMIT:
        return document_add_limit(object, field->name, *(const int64_t *)value, field->none);
    case FIELD_NUMBER:
        return document_add_integer(object, field->name, *(const int64_t *)value);
    case FIELD_FLAG:
        return cJSON_AddBoolToObject(object, field->name, *(const bool *)value) != NULL;
    }
    return false;
}

static bool add_key(cJSON *keys, const struct client_key *key, bool whole) {
    char hex[HASH_HEX + 1];
    cJSON *object = cJSON_CreateObject();
    if (object == NULL || !cJSON_AddItemToArray(keys, object)) {
        cJSON_Delete(object);
        return false;
    }
    sodium_bin2hex(hex, sizeof hex, key->hash.bytes, sizeof key->hash.bytes);
    if (!whole)
        hex[FINGERPRINT_SIZE] = '\0';
    return cJSON_AddStringToObject(object, whole ? "sha256" : "fingerprint", hex) != NULL &&
           document_add_time(object, "createdAt", key->created_at_ms) &&
           document_add_time(object, "expiresAt", key->expires_at_ms) &&
           (!whole || document_add_text(object, "request", key->request));
}

/* `whole`: the document, else what may be shown. */
static bool add_members(const struct client *client, bool whole, cJSON *object) {
    bool added = cJSON_AddStringToObject(object, "id", client->id) != NULL;
    for (size_t i = 0; i < FIELDS && added; i++)
        added = add_field(client, &fields[i], object);
    if (whole || client->removed)
        added = added && cJSON_AddBoolToObject(object, "removed", client->removed) != NULL;
    added = added && document_add_time(object, "createdAt", client->created_at_ms);
    cJSON *keys = added ? cJSON_AddArrayToObject(object, "keys") : NULL;
    added = keys != NULL;
    for (int i = 0; i < client->key_count && added; i++)
        added = add_key(keys, &client->keys[i], whole);
    return added;
}

static cJSON *to_json(const struct client *client, bool whole) {
    cJSON *object = cJSON_CreateObject();
    if (object != NULL && add_members(client, whole, object))
        return object;
    cJSON_Delete(object);
    return NULL;
}

char *client_encode(const struct client *client) {
    return document_print(to_json(client, true));
}

cJSON *client_show(const struct client *client) {
    return to_json(client, false);
}

static bool read_hash(const cJSON *item, struct client_key_hash *hash) {
    size_t size = 0;
    return cJSON_IsString(item) && strlen(item->valuestring) == HASH_HEX &&
           sodium_hex2bin(hash->bytes, sizeof hash->bytes, item->valuestring, HASH_HEX, NULL, &size,
                          NULL) == 0 &&
           size == sizeof hash->bytes;
}

static bool read_key(const cJSON *object, struct client_key *key) {
    const cJSON *request = cJSON_GetObjectItemCaseSensitive(object, "request");
    return read_hash(cJSON_GetObjectItemCaseSensitive(object, "sha256"), &key->hash) &&
           document_time(cJSON_GetObjectItemCaseSensitive(object, "createdAt"),
                         &key->created_at_ms) &&
           document_time_or_none(cJSON_GetObjectItemCaseSensitive(object, "expiresAt"),
                                 &key->expires_at_ms) &&
           (cJSON_IsNull(request) || document_text(request, key->request, sizeof key->request));
}

static bool read_keys(const cJSON *array, struct client *client) {
    if (!cJSON_IsArray(array))
        return false;
    for (const cJSON *item = array->child; item != NULL; item = item->next) {
        if (client->key_count == CLIENT_KEYS_MOST ||
            !read_key(item, &client->keys[client->key_count++]))
            return false;
    }
    return true;
}

static bool read_fields(const cJSON *object, struct client *client) {
    for (size_t i = 0; i < FIELDS; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, fields[i].name);
        if (item == NULL || !set_field(client, &fields[i], item))
            return false;
    }
    return (client->requests_per_second > 0) == (client->burst > 0);
}

static bool read_members(const cJSON *object, struct client *client) {
    const cJSON *removed = cJSON_GetObjectItemCaseSensitive(object, "removed");
    client->removed = cJSON_IsTrue(removed);
    return document_text(cJSON_GetObjectItemCaseSensitive(object, "id"), client->id,
                         sizeof client->id) &&
           client_id_is_valid(client->id) && read_fields(object, client) && cJSON_IsBool(removed) &&
           document_time(cJSON_GetObjectItemCaseSensitive(object, "createdAt"),
                         &client->created_at_ms) &&
           read_keys(cJSON_GetObjectItemCaseSensitive(object, "keys"), client);
}

bool client_decode(const char *body, struct client *client) {
    struct client read = {.limits = BUDGET_NO_LIMITS};
    cJSON *object = document_parse(body);
    bool good = object != NULL && read_members(object, &read);
    cJSON_Delete(object);
    if (good)
        *client = read;
    return good;
}
