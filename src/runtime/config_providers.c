#include "runtime/config_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "upstream/provider.h"

#define UNCLAIMED (-1)

/* The descriptions of upstream.providers, read one by one, and whose the credentials are. */
struct reader {
    struct config_loader *loader;
    struct provider *described;
    int count;
    int *owners; /* of each credential, an index into `described` */
};

static bool no_memory(const struct reader *reader) {
    return complain(reader->loader->complaint, "no memory for the settings");
}

static bool refuse(const struct reader *reader, const char *id, const char *reason) {
    const struct config *config = reader->loader->config;
    char shown[CONFIG_NAME_SIZE];
    config_name_show(id, strlen(id), shown);
    return complain(reader->loader->complaint, "upstream.providers (%s): %s: %s",
                    CONFIG_SOURCE(config, upstream_providers), shown, reason);
}

static int find_described(const struct reader *reader, const char *id) {
    for (int i = 0; i < reader->count; i++) {
        if (strcmp(reader->described[i].id, id) == 0)
            return i;
    }
    return -1;
}

/* ---- one description ---- */

static bool check_place(struct reader *reader, const struct provider *provider) {
    const struct config *config = reader->loader->config;
    char reason[256];
    const char *fault = config_check_url(provider->url);
    if (fault != NULL) {
        snprintf(reason, sizeof reason, "url: %s", fault);
        return refuse(reader, provider->id, reason);
    }
    if (provider->ca_file[0] != '\0' && access(provider->ca_file, R_OK) != 0) {
        snprintf(reason, sizeof reason, "ca_file: the file cannot be read: %s", strerror(errno));
        return refuse(reader, provider->id, reason);
    }
    if (config_url_is_plain(provider->url) && !config_url_is_local(provider->url))
        return config_warn(reader->loader,
                           "upstream.providers (%s): %s: http:// sends the AppCode and people's "
                           "data unencrypted; use https://",
                           CONFIG_SOURCE(config, upstream_providers), provider->id);
    return true;
}

static int find_credential(const struct config *config, const char *id) {
    for (int i = 0; i < config->credential_count; i++) {
        if (strcmp(config->credentials[i].id, id) == 0)
            return i;
    }
    return -1;
}

/* An AppCode must not be sent to a seller it was not bought from. */
static bool claim_credentials(struct reader *reader, int owner, const cJSON *list) {
    const char *id = reader->described[owner].id;
    char reason[128];
    int number = 0;
    for (const cJSON *item = list != NULL ? list->child : NULL; item != NULL; item = item->next) {
        int credential = find_credential(reader->loader->config, item->valuestring);
        bool taken = credential >= 0 && reader->owners[credential] != UNCLAIMED;
        number++;
        if (credential >= 0 && !taken) {
            reader->owners[credential] = owner;
            continue;
        }
        snprintf(reason, sizeof reason, "credentials: item %d %s", number,
                 taken ? "is named a second time; a credential belongs to one provider"
                       : "names none of the credentials (that of appcode is main)");
        return refuse(reader, id, reason);
    }
    return true;
}

static bool read_provider(struct reader *reader, const cJSON *json) {
    struct provider *provider = &reader->described[reader->count];
    struct complaint why;
    if (strcmp(json->string, PROVIDER_GUIDE) == 0)
        return refuse(reader, json->string,
                      "is the built-in one, which upstream.url and billed_statuses describe");
    if (find_described(reader, json->string) >= 0)
        return refuse(reader, json->string, "stands here a second time");
    if (!provider_parse(json->string, json, provider, &why))
        return refuse(reader, json->string, why.text);
    int owner = reader->count++;
    return check_place(reader, provider) &&
           claim_credentials(reader, owner, cJSON_GetObjectItemCaseSensitive(json, "credentials"));
}

static bool read_all(struct reader *reader, const cJSON *root) {
    const struct config *config = reader->loader->config;
    reader->described = calloc((size_t)cJSON_GetArraySize(root) + 1, sizeof *reader->described);
    reader->owners = calloc((size_t)config->credential_count + 1, sizeof *reader->owners);
    if (root == NULL || reader->described == NULL || reader->owners == NULL)
        return no_memory(reader);
    for (int i = 0; i < config->credential_count; i++)
        reader->owners[i] = UNCLAIMED;
    for (const cJSON *item = root->child; item != NULL; item = item->next) {
        if (!read_provider(reader, item))
            return false;
    }
    return true;
}

/* ---- the order ---- */

static bool refuse_order(const struct reader *reader, size_t item, const char *reason) {
    const struct config *config = reader->loader->config;
    return complain(reader->loader->complaint, "upstream.order (%s): item %zu %s",
                    CONFIG_SOURCE(config, upstream_order), item + 1, reason);
}

static int find_ordered(const struct config *config, const char *id) {
    for (int i = 0; i < config->provider_count; i++) {
        if (strcmp(config->providers[i].id, id) == 0)
            return i;
    }
    return -1;
}

static bool put_in_order(struct reader *reader, size_t item) {
    struct config *config = reader->loader->config;
    const char *id = config->upstream_order[item];
    struct provider *provider = &config->providers[config->provider_count];
    bool guide = strcmp(id, PROVIDER_GUIDE) == 0;
    int described = find_described(reader, id);
    if (find_ordered(config, id) >= 0)
        return refuse_order(reader, item, "is named a second time");
    if (!guide && described < 0)
        return refuse_order(reader, item, "is none of upstream.providers, nor \"guide\"");
    if (!guide)
        *provider = reader->described[described];
    else if (!provider_set_guide(provider, config->upstream_url, config->upstream_ca_file,
                                 (const char *const *)config->billed_statuses))
        return refuse_order(reader, item, "is too long");
    config->provider_count++;
    return true;
}

static void give_credentials(const struct reader *reader) {
    struct config *config = reader->loader->config;
    for (int i = 0; i < config->credential_count; i++) {
        int owner = reader->owners[i];
        config->credentials[i].provider =
            find_ordered(config, owner == UNCLAIMED ? PROVIDER_GUIDE : reader->described[owner].id);
    }
}

/* Where there is no credential at all, that is said elsewhere. */
static bool warn_of_idle(const struct reader *reader) {
    const struct config *config = reader->loader->config;
    for (int i = 0; i < config->provider_count && config->credential_count > 0; i++) {
        bool served = false;
        for (int j = 0; j < config->credential_count; j++)
            served = served || config->credentials[j].provider == i;
        if (!served &&
            !config_warn(reader->loader,
                         "upstream.order (%s): %s has no credential, so it cannot be asked",
                         CONFIG_SOURCE(config, upstream_order), config->providers[i].id))
            return false;
    }
    return true;
}

static bool warn_of_unused(const struct reader *reader) {
    const struct config *config = reader->loader->config;
    for (int i = 0; i < config->credential_count; i++) {
        const struct config_credential *credential = &config->credentials[i];
        if (credential->provider < 0 &&
            !config_warn(reader->loader,
                         "upstream.order (%s): the credential %s is not used, since its provider "
                         "is not in the order",
                         CONFIG_SOURCE(config, upstream_order), credential->id))
            return false;
    }
    return true;
}

static bool arrange(struct reader *reader) {
    struct config *config = reader->loader->config;
    size_t count = config_list_count((const char *const *)config->upstream_order);
    config->providers = calloc(count + 1, sizeof *config->providers);
    if (config->providers == NULL)
        return no_memory(reader);
    for (size_t i = 0; i < count; i++) {
        if (!put_in_order(reader, i))
            return false;
    }
    give_credentials(reader);
    return warn_of_idle(reader) && warn_of_unused(reader);
}

bool config_providers_load(struct config_loader *loader) {
    struct reader reader = {.loader = loader};
    cJSON *root = cJSON_Parse(loader->config->upstream_providers);
    bool good = read_all(&reader, root) && arrange(&reader);
    cJSON_Delete(root);
    free(reader.described);
    free(reader.owners);
    return good;
}
