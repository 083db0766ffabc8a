#include "command/bookkeeping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"

/* The main loop remembers no answers. */
static void on_changed(void *arg, const struct digest *triple) {
    (void)arg;
    (void)triple;
}

static void set_credentials(struct bookkeeping *books) {
    const struct config *config = books->config;
    struct directory_credential *credentials =
        calloc((size_t)config->credential_count + 1, sizeof *credentials);
    if (credentials == NULL) {
        log_error("no memory for the credentials");
        return;
    }
    for (int i = 0; i < config->credential_count; i++) {
        const struct digest digest = digest_secret(books->key, config->credentials[i].appcode);
        snprintf(credentials[i].id, sizeof credentials[i].id, "%s", config->credentials[i].id);
        digest_short(&digest, credentials[i].appcode);
    }
    directory_set_credentials(books->directory, credentials, config->credential_count);
    free(credentials);
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

bool bookkeeping_begin(struct bookkeeping *books, uv_loop_t *loop, struct store *store,
                       const struct digest_key *key, const struct config *config,
                       struct complaint *complaint) {
    *books = (struct bookkeeping){.loop = loop, .key = key, .config = config};
    books->store = store_attach(store, loop, on_changed, books, complaint);
    if (books->store == NULL)
        return false;
    const struct directory_parts parts = {
        .loop = loop, .clock = &clock_system, .store = books->store};
    books->directory = directory_new(&parts, complaint);
    if (books->directory == NULL)
        return false;
    set_credentials(books);
    directory_refresh(books->directory, on_first_read, books);
    return true;
}

void bookkeeping_set_config(struct bookkeeping *books, const struct config *config) {
    books->config = config;
    set_credentials(books);
    directory_clear_marks(books->directory, NULL);
}

static void on_ended(void *arg) {
    struct bookkeeping *books = arg;
    books->ended = true;
}

void bookkeeping_end(struct bookkeeping *books) {
    if (books->directory != NULL) {
        directory_end(books->directory, on_ended, books);
        while (!books->ended)
            uv_run(books->loop, UV_RUN_ONCE);
        directory_free(books->directory);
    }
    if (books->store != NULL)
        store_detach(books->store);
}
