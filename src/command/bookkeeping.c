#include "command/bookkeeping.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "money/audit.h"
#include "runtime/log.h"

#define LOOK_MS        2000
#define FIRST_RETRY_MS 1000
#define MOST_RETRY_MS  600000

#define HOST_SIZE      65
#define INSTANCE_BYTES 4
#define INSTANCE_SIZE  (HOST_SIZE + 2 * INSTANCE_BYTES + 2)

/* The main loop remembers no answers. */
static void on_changed(void *arg, const struct digest *triple) {
    (void)arg;
    (void)triple;
}

static void describe(const struct digest_key *key, const struct config_credential *credential,
                     struct directory_credential *out) {
    const struct digest digest = digest_secret(key, credential->appcode);
    snprintf(out->id, sizeof out->id, "%s", credential->id);
    digest_short(&digest, out->appcode);
    out->provider = credential->provider;
}

/* In the order of their providers: that is the order in which they are drawn from. One whose
 * provider is not in use is left out. The caller frees them. NULL: no memory. */
static struct directory_credential *list_credentials(const struct digest_key *key,
                                                     const struct config *config, int *count) {
    struct directory_credential *credentials =
        calloc((size_t)config->credential_count + 1, sizeof *credentials);
    *count = 0;
    for (int provider = 0; credentials != NULL && provider < config->provider_count; provider++) {
        for (int i = 0; i < config->credential_count; i++) {
            if (config->credentials[i].provider == provider)
                describe(key, &config->credentials[i], &credentials[(*count)++]);
        }
    }
    return credentials;
}

static bool has_client(const struct directory_snapshot *snapshot) {
    for (int i = 0; i < snapshot->client_count; i++) {
        if (!snapshot->clients[i].client.removed)
            return true;
    }
    return false;
}

/* What an operator would wonder at, said once when the store could first be read. */
static void on_first_read(void *arg, bool read) {
    const struct bookkeeping *books = arg;
    const struct directory_snapshot *snapshot = directory_now(books->directory);
    if (!read || snapshot->version < 0)
        return;
    if (books->config->auth == CONFIG_AUTH_KEYS && !has_client(snapshot))
        log_warn("auth is \"keys\" and there are no clients: every question is refused until "
                 "`sanyao client add`");
    if (!directory_is_metered(snapshot))
        log_warn("no package is registered: the balance is unmetered");
}

/* The same at each start, and another one for each process on a store: no two have one journal. */
static void name_instance(const struct config *config, char name[INSTANCE_SIZE]) {
    uint8_t hash[crypto_generichash_BYTES_MIN];
    char suffix[2 * INSTANCE_BYTES + 1];
    char path[PATH_MAX];
    const char *own = realpath(".", path) != NULL ? path : "";
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    const char *const parts[] = {own, config->journal_path, config->listen[0]};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i] != NULL)
            crypto_generichash_update(&state, (const unsigned char *)parts[i],
                                      strlen(parts[i]) + 1);
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(suffix, sizeof suffix, hash, INSTANCE_BYTES);
    char host[HOST_SIZE] = "host";
    gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    snprintf(name, INSTANCE_SIZE, "%s-%s", host, suffix);
}

static bool begin_alerting(struct bookkeeping *books, struct metrics_row *metrics,
                           struct complaint *complaint) {
    char instance[INSTANCE_SIZE];
    name_instance(books->config, instance);
    if (!novelty_init(&books->novelty))
        return complain(complaint, "no resources for the alerts");
    const struct alerting_parts parts = {
        .loop = books->loop,
        .clock = &clock_system,
        .store = books->store,
        .directory = books->directory,
        .novelty = &books->novelty,
        .breakers = books->breakers.board,
        .config = books->config,
        .metrics = metrics,
        .instance = instance,
        .period_ms = LOOK_MS,
        .first_retry_ms = FIRST_RETRY_MS,
        .most_retry_ms = MOST_RETRY_MS,
    };
    books->alerting = alerting_new(&parts, complaint);
    if (books->alerting == NULL)
        novelty_destroy(&books->novelty);
    return books->alerting != NULL;
}

static bool begin_directory(struct bookkeeping *books, struct complaint *complaint) {
    const struct config *config = books->config;
    int count = 0;
    struct directory_credential *credentials = list_credentials(books->key, config, &count);
    if (credentials == NULL)
        return complain(complaint, "no memory for the credentials");
    const struct directory_parts parts = {.loop = books->loop,
                                          .clock = &clock_system,
                                          .store = books->store,
                                          .marked = breakers_marked,
                                          .arg = &books->breakers};
    if (breakers_begin(&books->breakers, &clock_system, config, credentials, count, complaint))
        books->directory = directory_new(&parts, complaint);
    if (books->directory != NULL)
        directory_set_credentials(books->directory, credentials, count,
                                  config->upstream_refused_for_ms);
    free(credentials);
    return books->directory != NULL;
}

bool bookkeeping_begin(struct bookkeeping *books, uv_loop_t *loop, struct store *store,
                       const struct digest_key *key, struct config *config,
                       struct metrics_row *metrics, struct complaint *complaint) {
    *books = (struct bookkeeping){.loop = loop, .key = key, .config = config};
    books->store = store_attach(store, loop, on_changed, books, complaint);
    if (books->store == NULL)
        return false;
    store_measure(books->store, metrics);
    if (!begin_directory(books, complaint))
        return false;
    directory_refresh(books->directory, on_first_read, books);
    return begin_alerting(books, metrics, complaint);
}

void bookkeeping_set_config(struct bookkeeping *books, struct config *config) {
    int count = 0;
    books->config = config;
    struct directory_credential *credentials = list_credentials(books->key, config, &count);
    if (credentials != NULL) {
        directory_set_credentials(books->directory, credentials, count,
                                  config->upstream_refused_for_ms);
        breakers_set(&books->breakers, config, credentials, count);
    } else {
        log_error("no memory for the credentials; the old ones go on");
    }
    free(credentials);
    directory_clear_marks(books->directory, NULL);
    alerting_set_config(books->alerting, config);
}

struct note {
    struct store_write_document write; /* first */
    struct bookkeeping *books;
    char *audit_owned;
};

static void on_noted(struct store_op *op) {
    struct note *note = (struct note *)op;
    note->books->notes--;
    if (note->write.outcome != STORE_DONE)
        log_warn("a reload is not in the audit");
    free(note->audit_owned);
    free(note);
}

void bookkeeping_note_reload(struct bookkeeping *books, const char *token, const cJSON *changes) {
    const struct audit_entry entry = {
        .at_ms = clock_unix_ms(&clock_system),
        .token = token,
        .action = "reload",
        .kind = "settings",
        .id = "",
        .after = changes,
    };
    struct note *note = calloc(1, sizeof *note);
    char *audit = note != NULL ? audit_encode(&entry) : NULL;
    if (audit == NULL) {
        log_warn("a reload is not in the audit");
        free(note);
        return;
    }
    note->books = books;
    note->audit_owned = audit;
    note->write.op.done = on_noted;
    note->write.audit = audit;
    books->notes++;
    store_write_document(books->store, &note->write);
}

static void on_ended(void *arg) {
    struct bookkeeping *books = arg;
    books->ended = true;
}

static void turn_until_ended(struct bookkeeping *books) {
    while (!books->ended)
        uv_run(books->loop, UV_RUN_ONCE);
    books->ended = false;
}

void bookkeeping_end(struct bookkeeping *books) {
    if (books->alerting != NULL) {
        alerting_end(books->alerting, on_ended, books);
        turn_until_ended(books);
        alerting_free(books->alerting);
        novelty_destroy(&books->novelty);
    }
    if (books->directory != NULL) {
        directory_end(books->directory, on_ended, books);
        turn_until_ended(books);
        directory_free(books->directory);
    }
    while (books->notes > 0)
        uv_run(books->loop, UV_RUN_ONCE);
    if (books->store != NULL)
        store_detach(books->store);
    breakers_end(&books->breakers);
}
