/*
 * Arbitrary text as the document of a client, a package, a credential, and as a change of the first
 * two. What is taken is within its bounds and comes back from its own document; what is refused is
 * named and changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "money/client.h"
#include "money/credential.h"
#include "money/package.h"
#include "runtime/utf8.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

#define NOW_MS INT64_C(1795485600000)

static void check_complaint(const struct complaint *complaint) {
    MUST(complaint->text[0] != '\0');
    for (const char *at = complaint->text; *at != '\0'; at++)
        MUST(*at >= ' ' && *at <= '~');
}

static void check_client(const struct client *client) {
    struct client again;
    char *body = client_encode(client);
    MUST(body != NULL && client_decode(body, &again));
    MUST(strcmp(client->id, again.id) == 0 && client_is_same(client, &again));
    MUST(client->removed == again.removed && client->created_at_ms == again.created_at_ms);
    MUST(client->key_count == again.key_count);
    for (int i = 0; i < client->key_count; i++) {
        MUST(client_key_equal(&client->keys[i].hash, &again.keys[i].hash));
        MUST(client->keys[i].expires_at_ms == again.keys[i].expires_at_ms);
        MUST(strcmp(client->keys[i].request, again.keys[i].request) == 0);
    }
    MUST(client->limits.reserve_percent >= 0 && client->limits.reserve_percent <= 100);
    MUST(client->limits.day_calls >= -1 && client->limits.month_calls >= -1);
    MUST((client->requests_per_second > 0) == (client->burst > 0));
    MUST(utf8_valid(client->name, strlen(client->name)));
    free(body);
}

static void check_package(const struct package *package) {
    struct package again;
    char *body = package_encode(package);
    MUST(body != NULL && package_decode(body, &again));
    MUST(strcmp(package->id, again.id) == 0 && package_is_same(package, &again));
    MUST(package_compare(package, &again) == 0);
    MUST(package->price_fen >= 0 && package->calls >= 0);
    MUST(package->calls == 0 || package_cost_fen(package, package->calls) == package->price_fen);
    free(body);
}

static void decode(const char *body) {
    struct client client;
    struct package package;
    struct credential credential;
    if (client_decode(body, &client))
        check_client(&client);
    if (package_decode(body, &package))
        check_package(&package);
    if (credential_decode(body, &credential)) {
        struct credential again;
        char *text = credential_encode(&credential);
        MUST(text != NULL && credential_decode(text, &again));
        MUST(credential.mark == again.mark && credential.left == again.left);
        MUST(credential.since_ms == again.since_ms);
        MUST(strcmp(credential.appcode, again.appcode) == 0);
        free(text);
    }
}

static void change(const cJSON *json) {
    struct client client;
    struct package package;
    struct complaint complaint = {""};
    client_init(&client, "shop", NOW_MS);
    struct client client_before = client;
    if (!client_change(&client, json, &complaint)) {
        check_complaint(&complaint);
        MUST(memcmp(&client, &client_before, sizeof client) == 0);
    }
    check_client(&client);
    complaint.text[0] = '\0';
    package_init(&package, "p1", NOW_MS);
    struct package package_before = package;
    if (!package_change(&package, json, &complaint)) {
        check_complaint(&complaint);
        MUST(memcmp(&package, &package_before, sizeof package) == 0);
    }
    check_package(&package);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    decode(text);
    cJSON *json = cJSON_Parse(text);
    if (json != NULL)
        change(json);
    cJSON_Delete(json);
    free(text);
    return 0;
}
