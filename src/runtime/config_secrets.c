#include "runtime/config_parts.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "runtime/secret.h"

#define LINES_MOST 2 /* of a webhook's file: the address, the signing secret */

/* An item of a list that names a file: "NAME=[KIND:]PATH", already checked. */
struct item {
    const char *key;    /* of the setting */
    const char *source; /* where its value came from */
    size_t number;      /* from 1 */
    char name[CONFIG_NAME_SIZE];
    const char *path;
};

static struct item item_of(const char *key, const char *source, config_list list, size_t i) {
    struct item item = {.key = key, .source = source, .number = i + 1};
    size_t size = strcspn(list[i], "=");
    snprintf(item.name, sizeof item.name, "%.*s", (int)size, list[i]);
    item.path = list[i] + size + 1;
    return item;
}

static bool refuse(struct config_loader *loader, const struct item *item, const char *reason) {
    return complain(loader->complaint, "%s (%s): item %zu (%s): %s", item->key, item->source,
                    item->number, item->name, reason);
}

/* What stands where a path belongs may be the secret itself: only a path that leads to something
 * is repeated. */
static bool read_item(struct config_loader *loader, const struct item *item,
                      struct secret *secret) {
    struct complaint why;
    enum secret_outcome outcome = SECRET_ABSENT;
    if (!config_read_secret(loader, item->path, secret, &outcome, &why))
        return false;
    if (outcome == SECRET_READ)
        return true;
    return refuse(loader, item, outcome == SECRET_ABSENT ? "its file is not there" : why.text);
}

static bool refuse_content(struct config_loader *loader, const struct item *item,
                           const char *fault) {
    char reason[512];
    snprintf(reason, sizeof reason, "what the file %s holds %s", item->path, fault);
    return refuse(loader, item, reason);
}

/* ---- credentials ---- */

static bool add_credential(struct config_loader *loader, const char *id, const char *appcode) {
    struct config *config = loader->config;
    struct config_credential *credential = &config->credentials[config->credential_count++];
    credential->id = strdup(id);
    credential->appcode = secret_copy(appcode);
    return (credential->id != NULL && credential->appcode != NULL) ||
           complain(loader->complaint, "no memory for the settings");
}

static bool has_credential(const struct config *config, const char *id) {
    for (int i = 0; i < config->credential_count; i++) {
        if (strcmp(config->credentials[i].id, id) == 0)
            return true;
    }
    return false;
}

static bool load_credential(struct config_loader *loader, const struct item *item) {
    struct secret secret;
    if (has_credential(loader->config, item->name))
        return refuse(loader, item,
                      strcmp(item->name, "main") == 0 && loader->config->appcode != NULL
                          ? "appcode is set, and is the one called main"
                          : "another item has this name");
    if (!read_item(loader, item, &secret))
        return false;
    const char *fault = config_check_appcode(secret.text);
    bool good = fault == NULL ? add_credential(loader, item->name, secret.text)
                              : refuse_content(loader, item, fault);
    secret_free(secret.text);
    return good && (!secret.exposed || config_warn_exposed(loader, item->key, item->path));
}

static bool load_credentials(struct config_loader *loader) {
    struct config *config = loader->config;
    size_t count = config_list_count((const char *const *)config->credential_files);
    config->credentials = calloc(count + 1, sizeof *config->credentials);
    if (config->credentials == NULL)
        return complain(loader->complaint, "no memory for the settings");
    if (config->appcode != NULL && !add_credential(loader, "main", config->appcode))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct item item = item_of("credentials", CONFIG_SOURCE(config, credential_files),
                                   config->credential_files, i);
        if (!load_credential(loader, &item))
            return false;
    }
    return true;
}

/* ---- webhooks ---- */

/* Splits the text in place; more lines than there may be: false. */
static bool split_lines(char *text, char *lines[LINES_MOST]) {
    for (int i = 0; i < LINES_MOST; i++) {
        lines[i] = text;
        if (text == NULL)
            continue;
        char *end = strchr(text, '\n');
        size_t size = end != NULL ? (size_t)(end - text) : strlen(text);
        bool carriage = size > 0 && text[size - 1] == '\r';
        text[carriage ? size - 1 : size] = '\0';
        text = end != NULL ? end + 1 : NULL;
    }
    return text == NULL;
}

static const char *check_signing_secret(const char *text) {
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            size = 0;
    }
    return size >= 1 && size <= 256
               ? NULL
               : "must have as its second line 1 to 256 visible ASCII characters, or none";
}

static bool take_webhook(struct config_loader *loader, const struct item *item, char *text) {
    struct config_webhook *webhook = &loader->config->webhooks[loader->config->webhook_count - 1];
    char *lines[LINES_MOST];
    const char *fault = split_lines(text, lines) ? config_check_webhook_url(lines[0])
                                                 : "must have one or two lines";
    if (fault == NULL && lines[1] != NULL)
        fault = check_signing_secret(lines[1]);
    if (fault != NULL)
        return refuse_content(loader, item, fault);
    webhook->name = strdup(item->name);
    webhook->url = secret_copy(lines[0]);
    webhook->secret = lines[1] != NULL ? secret_copy(lines[1]) : NULL;
    if (webhook->name == NULL || webhook->url == NULL ||
        (lines[1] != NULL && webhook->secret == NULL))
        return complain(loader->complaint, "no memory for the settings");
    if (config_url_is_plain(webhook->url) && !config_url_is_local(webhook->url))
        return config_warn(loader, "%s (%s): item %zu (%s) is sent to unencrypted (http://)",
                           item->key, item->source, item->number, item->name);
    return true;
}

static bool load_webhook(struct config_loader *loader, struct item *item) {
    struct config *config = loader->config;
    struct secret secret;
    for (int i = 0; i < config->webhook_count; i++) {
        if (strcmp(config->webhooks[i].name, item->name) == 0)
            return refuse(loader, item, "another item has this name");
    }
    size_t size = strcspn(item->path, ":");
    int kind = config_webhook_kind(item->path, size);
    item->path += size + 1;
    if (!read_item(loader, item, &secret))
        return false;
    config->webhooks[config->webhook_count++].kind = kind;
    bool good = take_webhook(loader, item, secret.text);
    secret_free(secret.text);
    return good && (!secret.exposed || config_warn_exposed(loader, item->key, item->path));
}

static bool load_webhooks(struct config_loader *loader) {
    struct config *config = loader->config;
    size_t count = config_list_count((const char *const *)config->webhook_files);
    config->webhooks = calloc(count + 1, sizeof *config->webhooks);
    if (config->webhooks == NULL)
        return complain(loader->complaint, "no memory for the settings");
    for (size_t i = 0; i < count; i++) {
        struct item item = item_of("alerts.webhooks", CONFIG_SOURCE(config, webhook_files),
                                   config->webhook_files, i);
        if (!load_webhook(loader, &item))
            return false;
    }
    return true;
}

bool config_secrets_load(struct config_loader *loader) {
    return load_credentials(loader) && load_webhooks(loader);
}

void config_secrets_free(struct config *config) {
    for (int i = 0; i < config->credential_count; i++) {
        free(config->credentials[i].id);
        secret_free(config->credentials[i].appcode);
    }
    for (int i = 0; i < config->webhook_count; i++) {
        free(config->webhooks[i].name);
        secret_free(config->webhooks[i].url);
        secret_free(config->webhooks[i].secret);
    }
    free(config->credentials);
    free(config->webhooks);
}
