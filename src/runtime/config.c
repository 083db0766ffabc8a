#include "runtime/config_parts.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "runtime/secret.h"

#define SETTINGS_PATH    "/etc/sanyao/sanyao.jsonc"
#define RUN_SECRETS      "/run/secrets"
#define WORKERS_MOST     256
#define NOTE_SIZE        512
#define CREDENTIALS_NAME "CREDENTIALS_DIRECTORY"

static bool no_memory(struct complaint *complaint) {
    return complain(complaint, "no memory for the settings");
}

bool config_warn(struct config_loader *loader, const char *format, ...) {
    char text[NOTE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return config_list_add(&loader->config->warnings, text, strlen(text)) ||
           no_memory(loader->complaint);
}

/* Gives row `i` its value and says where it came from. */
__attribute__((format(printf, 4, 5))) static bool
take(struct config_loader *loader, size_t i, union config_value value, const char *format, ...) {
    char text[NOTE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    config_value_store(&config_table[i], loader->config, value);
    loader->config->source[i] = strdup(text);
    return loader->config->source[i] != NULL || no_memory(loader->complaint);
}

/* ---- values from files of their own ---- */

static bool is_below(const char *path, const char *directory) {
    size_t size = directory != NULL ? strlen(directory) : 0;
    return size > 0 && strncmp(path, directory, size) == 0 && path[size] == '/';
}

/* Those directories belong to the container or to systemd, and so do their modes. */
static bool mode_is_ours(const struct config_loader *loader, const char *path) {
    return !is_below(path, loader->sources->run_secrets) &&
           !is_below(path, config_variable(loader->sources->environment, CREDENTIALS_NAME));
}

bool config_warn_exposed(struct config_loader *loader, const char *key, const char *path) {
    return !mode_is_ours(loader, path) ||
           config_warn(loader,
                       "%s: %s holds a secret, but other users may read or change it; chmod 600",
                       key, path);
}

static bool take_text(struct config_loader *loader, size_t i, const char *path, const char *place,
                      const struct secret *secret) {
    const struct config_setting *setting = &config_table[i];
    union config_value value = {0};
    struct complaint why;
    if (!config_value_from_text(setting, secret->text, &value, &why))
        return complain(loader->complaint, "%s: %s: what the file %s holds %s", place, setting->key,
                        path, why.text);
    bool is_secret = config_value_is_secret(setting, value);
    if (!take(loader, i, value, "%s (%s)", path, place))
        return false;
    return !is_secret || !secret->exposed || config_warn_exposed(loader, setting->key, path);
}

/* How it was before it was read: what changes in between is seen as a change. */
static bool remember(struct config_loader *loader, const char *path) {
    struct config *config = loader->config;
    size_t count = (size_t)config->secret_file_count;
    struct config_secret_file *files =
        realloc(config->secret_files, (count + 1) * sizeof *config->secret_files);
    if (files == NULL)
        return no_memory(loader->complaint);
    config->secret_files = files;
    files[count].path = strdup(path);
    files[count].mark = secret_mark_of(path);
    if (files[count].path == NULL)
        return no_memory(loader->complaint);
    config->secret_file_count++;
    return true;
}

bool config_read_secret(struct config_loader *loader, const char *path, struct secret *secret,
                        enum secret_outcome *outcome, struct complaint *why) {
    if (!remember(loader, path))
        return false;
    *outcome = secret_read(path, secret, why);
    return true;
}

/* `place` is where the path was named. */
static bool take_file(struct config_loader *loader, size_t i, const char *path, const char *place) {
    struct secret secret;
    struct complaint why;
    enum secret_outcome outcome = SECRET_ABSENT;
    if (!config_read_secret(loader, path, &secret, &outcome, &why))
        return false;
    if (outcome != SECRET_READ)
        return complain(loader->complaint, "%s: %s: %s", place, config_table[i].key, why.text);
    bool good = take_text(loader, i, path, place, &secret);
    secret_free(secret.text);
    return good;
}

static bool from_directory(struct config_loader *loader, size_t i, const char *directory,
                           const char *place, bool *found) {
    char name[CONFIG_NAME_SIZE];
    char path[4096];
    if (config_table[i].type != CONFIG_SECRET || directory == NULL || directory[0] == '\0')
        return true;
    config_credential_name(&config_table[i], name);
    snprintf(path, sizeof path, "%s/%s", directory, name);

    struct secret secret;
    struct complaint why;
    enum secret_outcome outcome = SECRET_ABSENT;
    if (!config_read_secret(loader, path, &secret, &outcome, &why))
        return false;
    if (outcome == SECRET_ABSENT)
        return true;
    if (outcome == SECRET_REFUSED)
        return complain(loader->complaint, "%s: %s: %s", place, config_table[i].key, why.text);
    *found = true;
    bool good = take_text(loader, i, path, place, &secret);
    secret_free(secret.text);
    return good;
}

/* ---- the places, in their order ---- */

static bool from_environment(struct config_loader *loader, size_t i, bool *found) {
    char variable[CONFIG_NAME_SIZE];
    char file_variable[CONFIG_NAME_SIZE + 8];
    config_variable_name(&config_table[i], variable);
    snprintf(file_variable, sizeof file_variable, "%s_FILE", variable);
    const char *text = config_variable(loader->sources->environment, variable);
    const char *path = config_variable(loader->sources->environment, file_variable);
    if (text == NULL && path == NULL)
        return true;

    *found = true;
    if (text != NULL && path != NULL)
        return complain(loader->complaint, "%s and %s are both set; unset one of them", variable,
                        file_variable);
    if (path != NULL)
        return path[0] != '\0'
                   ? take_file(loader, i, path, file_variable)
                   : complain(loader->complaint, "%s is set but empty; unset it", file_variable);
    union config_value value = {0};
    struct complaint why;
    if (config_value_from_text(&config_table[i], text, &value, &why))
        return take(loader, i, value, "%s", variable);
    return complain(loader->complaint, "%s: %s%s", variable, why.text,
                    text[0] == '\0' ? " (it is set but empty; unset it for the default)" : "");
}

static bool from_file(struct config_loader *loader, size_t i, bool *found) {
    char place[NOTE_SIZE];
    if (!loader->file.rows[i].present)
        return true;
    *found = true;
    snprintf(place, sizeof place, "%s:%zu", loader->config->path, loader->file.rows[i].line);
    if (config_table[i].type == CONFIG_SECRET)
        return take_file(loader, i, loader->file.rows[i].value.text, place);
    union config_value value = loader->file.rows[i].value;
    loader->file.rows[i].value = (union config_value){0};
    return take(loader, i, value, "%s", place);
}

static bool from_credentials(struct config_loader *loader, size_t i, bool *found) {
    const char *directory = config_variable(loader->sources->environment, CREDENTIALS_NAME);
    return from_directory(loader, i, directory, CREDENTIALS_NAME, found);
}

static bool from_run_secrets(struct config_loader *loader, size_t i, bool *found) {
    const char *directory = loader->sources->run_secrets;
    return from_directory(loader, i, directory, directory, found);
}

static bool from_default(struct config_loader *loader, size_t i, bool *found) {
    union config_value value = {0};
    struct complaint why;
    *found = true;
    if (config_table[i].fallback != NULL &&
        !config_value_from_text(&config_table[i], config_table[i].fallback, &value, &why))
        return complain(loader->complaint, "%s: the default %s", config_table[i].key, why.text);
    return take(loader, i, value, "default");
}

static bool load_row(struct config_loader *loader, size_t i) {
    static bool (*const places[])(struct config_loader *, size_t, bool *) = {
        from_environment, from_file, from_credentials, from_run_secrets, from_default};
    bool found = false;
    for (size_t place = 0; !found; place++) {
        if (!places[place](loader, i, &found))
            return false;
    }
    return true;
}

/* ---- what must hold between settings ---- */

const char *config_source_at(const struct config *config, size_t offset) {
    size_t i = 0;
    while (config_table[i].offset != offset)
        i++;
    return config->source[i];
}

/* Port 0 is another port each time. */
static bool is_same_address(const char *a, const char *b) {
    size_t size = strlen(a);
    bool any_port = size >= 2 && strcmp(a + size - 2, ":0") == 0;
    return strcmp(a, b) == 0 && !any_port;
}

static bool check_listeners(struct config_loader *loader) {
    const struct config *config = loader->config;
    for (size_t i = 0; config->listen[i] != NULL; i++) {
        const char *address = config->listen[i];
        if (config->auth == CONFIG_AUTH_OFF && !config_is_local(address))
            return complain(loader->complaint,
                            "auth (%s): \"off\" is accepted only when every address of listen (%s) "
                            "is loopback or a Unix socket; item %zu is neither",
                            CONFIG_SOURCE(config, auth), CONFIG_SOURCE(config, listen), i + 1);
        bool repeated = is_same_address(address, config->admin_listen) ||
                        is_same_address(address, config->metrics_listen);
        for (size_t j = 0; j < i; j++)
            repeated = repeated || is_same_address(address, config->listen[j]);
        if (repeated)
            return complain(loader->complaint,
                            "listen (%s): item %zu is the same address as another item's or as "
                            "admin.listen (%s) or metrics.listen (%s)",
                            CONFIG_SOURCE(config, listen), i + 1,
                            CONFIG_SOURCE(config, admin_listen),
                            CONFIG_SOURCE(config, metrics_listen));
    }
    if (config->admin_listen[0] != '\0' && !config_is_local(config->admin_listen))
        return complain(loader->complaint,
                        "admin.listen (%s): must be loopback or a Unix socket: its metrics ask for "
                        "no token",
                        CONFIG_SOURCE(config, admin_listen));
    if (config->metrics_listen[0] != '\0' &&
        is_same_address(config->metrics_listen, config->admin_listen))
        return complain(loader->complaint,
                        "metrics.listen (%s): is the same address as admin.listen (%s), which "
                        "serves the metrics already",
                        CONFIG_SOURCE(config, metrics_listen), CONFIG_SOURCE(config, admin_listen));
    return true;
}

static bool check_upstream(struct config_loader *loader) {
    const struct config *config = loader->config;
    if (config->upstream_timeout_ms <= config->upstream_connect_timeout_ms)
        return complain(loader->complaint,
                        "upstream.timeout (%s): must be longer than upstream.connect_timeout (%s), "
                        "which is a part of it",
                        CONFIG_SOURCE(config, upstream_timeout_ms),
                        CONFIG_SOURCE(config, upstream_connect_timeout_ms));
    if (config->upstream_ca_file[0] != '\0' && access(config->upstream_ca_file, R_OK) != 0)
        return complain(loader->complaint, "upstream.ca_file (%s): the file cannot be read: %s",
                        CONFIG_SOURCE(config, upstream_ca_file), strerror(errno));
    if (config_url_is_plain(config->upstream_url) && !config_url_is_local(config->upstream_url))
        return config_warn(loader,
                           "upstream.url (%s): http:// sends the AppCode and people's data "
                           "unencrypted; use https://",
                           CONFIG_SOURCE(config, upstream_url));
    return true;
}

static bool check_appcode(struct config_loader *loader) {
    return loader->config->credential_count > 0 ||
           config_warn(loader, "appcode: none is set, so upstream cannot be asked; give one with "
                               "SANYAO_APPCODE_FILE");
}

static bool check_shared_store(struct config_loader *loader) {
    const struct config *config = loader->config;
    bool shared = config_store_is_shared(config->store_url);
    if (config->store_ledger_url[0] != '\0' && !shared)
        return complain(loader->complaint,
                        "store.ledger_url (%s): only beside a Redis can the ledger be elsewhere, "
                        "and store.url (%s) is the embedded store",
                        CONFIG_SOURCE(config, store_ledger_url), CONFIG_SOURCE(config, store_url));
    if (shared && config->hash_key == NULL)
        return complain(loader->complaint,
                        "hash.key: must be given when store.url (%s) is a Redis, the same to all "
                        "who share it; give it with SANYAO_HASH_KEY_FILE",
                        CONFIG_SOURCE(config, store_url));
    /* A lost window is restored from the journals. */
    if (shared && config->journal_keep_ms < config->number_limit_window_ms)
        return complain(loader->complaint,
                        "journal.keep (%s): must not be shorter than number_limit.window (%s)",
                        CONFIG_SOURCE(config, journal_keep_ms),
                        CONFIG_SOURCE(config, number_limit_window_ms));
    return true;
}

static bool check_store(struct config_loader *loader) {
    const struct config *config = loader->config;
    if (!check_shared_store(loader))
        return false;
    if (config->store_ca_file[0] != '\0' && access(config->store_ca_file, R_OK) != 0)
        return complain(loader->complaint, "store.ca_file (%s): the file cannot be read: %s",
                        CONFIG_SOURCE(config, store_ca_file), strerror(errno));
    const char *warning = config_store_warning(config->store_url);
    if (warning != NULL &&
        !config_warn(loader, "store.url (%s): %s", CONFIG_SOURCE(config, store_url), warning))
        return false;
    warning = config_store_warning(config->store_ledger_url);
    return warning == NULL || config_warn(loader, "store.ledger_url (%s): %s",
                                          CONFIG_SOURCE(config, store_ledger_url), warning);
}

static bool check_together(struct config_loader *loader) {
    return check_listeners(loader) && check_store(loader) && check_upstream(loader) &&
           check_appcode(loader);
}

/* ---- loading ---- */

static int64_t processors(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    /* More processors than a cpu_set_t has room for. */
    if (count < 1)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > WORKERS_MOST ? WORKERS_MOST : count;
}

static bool choose_path(struct config_loader *loader) {
    const char *variable = config_variable(loader->sources->environment, "SANYAO_CONFIG");
    const char *path = loader->sources->path;
    if (path == NULL && variable != NULL && variable[0] == '\0')
        return complain(loader->complaint, "SANYAO_CONFIG is set but empty; unset it");
    if (path == NULL)
        path = variable;
    if (path == NULL && loader->sources->default_path != NULL) {
        bool absent = access(loader->sources->default_path, F_OK) != 0 &&
                      (errno == ENOENT || errno == ENOTDIR);
        path = absent ? NULL : loader->sources->default_path;
    }
    if (path == NULL)
        return true;
    loader->config->path = strdup(path);
    return loader->config->path != NULL || no_memory(loader->complaint);
}

static bool load(struct config_loader *loader) {
    if (!choose_path(loader) ||
        !config_environment_check(loader->sources->environment, loader->complaint))
        return false;
    const char *path = loader->config->path;
    if (path != NULL && !config_file_read(path, &loader->file, loader->complaint))
        return false;
    for (size_t i = 0; i < config_table_count; i++) {
        if (!load_row(loader, i))
            return false;
    }
    loader->config->workers_counted = loader->config->workers == 0;
    if (loader->config->workers_counted)
        loader->config->workers = processors();
    return config_secrets_load(loader) && config_providers_load(loader) && check_together(loader);
}

struct config *config_load_from(const struct config_sources *sources, struct complaint *complaint) {
    struct config_loader loader = {.sources = sources, .complaint = complaint};
    if (sodium_init() < 0) {
        complain(complaint, "libsodium found no source of randomness");
        return NULL;
    }
    loader.config = calloc(1, sizeof *loader.config);
    if (loader.config == NULL) {
        no_memory(complaint);
        return NULL;
    }
    atomic_init(&loader.config->refs, 1);
    bool good = load(&loader);
    config_file_free(&loader.file);
    if (good)
        return loader.config;
    config_release(loader.config);
    return NULL;
}

struct config *config_load(const char *path, char *const *environment,
                           struct complaint *complaint) {
    const struct config_sources sources = {.path = path,
                                           .default_path = SETTINGS_PATH,
                                           .run_secrets = RUN_SECRETS,
                                           .environment = (const char *const *)environment};
    return config_load_from(&sources, complaint);
}

static void free_config(struct config *config) {
    for (size_t i = 0; i < config_table_count; i++) {
        union config_value value = config_value_of(&config_table[i], config);
        config_value_free(&config_table[i], &value);
        free(config->source[i]);
    }
    config_secrets_free(config);
    free(config->providers);
    for (int i = 0; i < config->secret_file_count; i++)
        free(config->secret_files[i].path);
    free(config->secret_files);
    config_list_free(config->warnings);
    free(config->path);
    free(config);
}

struct config *config_retain(struct config *config) {
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void config_release(struct config *config) {
    if (config != NULL && atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) == 1)
        free_config(config);
}
