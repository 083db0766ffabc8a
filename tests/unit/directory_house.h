#pragma once
/* A directory with a played store and a clock that is turned by hand, for the tests of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "money/directory.h"
#include "money/period.h"
#include "played_store.h"
#include "runtime/log.h"

#define NOW_MS   INT64_C(1795485600000) /* 2026-11-24 10:00 in China */
#define DAY_MS   INT64_C(86400000)
#define CODE     "0123456789abcdef"
#define NEW_CODE "fedcba9876543210"
#define LONG_MS  3600000
#define IDS_SIZE 512

/* --- the clock, turned by hand --- */

#define REFUSED_FOR_MS 60000

static _Atomic int64_t test_now_ms;

static inline int64_t read_clock(const struct clock *clock) {
    (void)clock;
    return test_now_ms;
}

static const struct clock test_clock = {read_clock, read_clock};

/* --- a house --- */

struct house {
    uv_loop_t loop;
    struct played store;
    struct directory *directory;
    void (*marked)(void *arg, const char *credential, enum credential_mark mark);
    void *told;
    bool ended;
    int refreshes;
    int failures;
    int changes;
};

static inline void open_with(struct house *house, int64_t poll_ms, int64_t look_ms) {
    struct complaint complaint = {""};
    const struct directory_parts parts = {
        .loop = &house->loop,
        .clock = &test_clock,
        .store = &house->store.client,
        .marked = house->marked,
        .arg = house->told,
        .poll_ms = poll_ms,
        .look_ms = look_ms,
    };
    const struct directory_credential credentials[] = {{"main", CODE, 0}, {"second", CODE, 0}};
    house->directory = directory_new(&parts, &complaint);
    assert_non_null(house->directory);
    directory_set_credentials(house->directory, credentials, 2, REFUSED_FOR_MS);
}

static inline int set_up(void **state) {
    struct house *house = calloc(1, sizeof *house);
    test_now_ms = NOW_MS;
    uv_loop_init(&house->loop);
    house->store.client.backend = &played_backend;
    uv_async_init(&house->loop, &house->store.turn, on_turn);
    house->store.turn.data = &house->store;
    *state = house;
    return 0;
}

static inline void on_ended(void *arg) {
    ((struct house *)arg)->ended = true;
}

static inline void end_directory(struct house *house) {
    directory_end(house->directory, on_ended, house);
    while (!house->ended)
        uv_run(&house->loop, UV_RUN_ONCE);
    directory_free(house->directory);
    house->directory = NULL;
}

static inline int tear_down(void **state) {
    struct house *house = *state;
    if (house->directory != NULL)
        end_directory(house);
    assert_null(house->store.first);
    lose_everything(&house->store);
    for (int i = 0; i < house->store.audit_count; i++)
        free(house->store.audit[i]);
    uv_close((uv_handle_t *)&house->store.turn, NULL);
    uv_run(&house->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&house->loop), 0);
    free(house);
    return 0;
}

static inline void on_refreshed(void *arg, bool read) {
    struct house *house = arg;
    house->refreshes++;
    house->failures += !read;
}

static inline void refresh(struct house *house) {
    int before = house->refreshes;
    directory_refresh(house->directory, on_refreshed, house);
    assert_int_equal(house->refreshes, before);
    while (house->refreshes == before)
        uv_run(&house->loop, UV_RUN_ONCE);
}

static inline void turn_until_version(struct house *house, int64_t version) {
    while (directory_now(house->directory)->version < version)
        uv_run(&house->loop, UV_RUN_ONCE);
}

static inline void begin(struct house *house) {
    open_with(house, LONG_MS, LONG_MS);
    refresh(house);
}

/* --- documents --- */

static inline void write_client(struct house *house, const char *id) {
    struct client client;
    client_init(&client, id, NOW_MS);
    char *body = client_encode(&client);
    put(&house->store, STORE_CLIENT, id, body, house->store.version + 1);
    free(body);
}

static inline struct package package_of(const char *id, const char *credential, int64_t calls,
                                        int64_t expires_at_ms) {
    struct package package;
    package_init(&package, id, NOW_MS - DAY_MS);
    snprintf(package.credential, sizeof package.credential, "%s", credential);
    package.calls = calls;
    package.price_fen = 28800;
    package.expires_at_ms = expires_at_ms;
    return package;
}

static inline void write_package(struct house *house, const struct package *package) {
    char *body = package_encode(package);
    put(&house->store, STORE_PACKAGE, package->id, body, house->store.version + 1);
    free(body);
}

static inline void add_package(struct house *house, const char *id, const char *credential,
                               int64_t calls, int64_t expires_at_ms) {
    struct package package = package_of(id, credential, calls, expires_at_ms);
    write_package(house, &package);
}

static inline void write_mark(struct played *store, const char *id, enum credential_mark mark,
                              const char *code) {
    struct credential credential = {.mark = mark, .since_ms = NOW_MS, .left = -1};
    snprintf(credential.id, sizeof credential.id, "%s", id);
    snprintf(credential.appcode, sizeof credential.appcode, "%s", code);
    char *body = credential_encode(&credential);
    put(store, STORE_CREDENTIAL, id, body, store->version + 1);
    free(body);
}

static inline struct credential mark_in(struct house *house, const char *id) {
    struct credential credential = {.mark = CREDENTIAL_GOOD};
    const struct store_document *document = find_document(&house->store, STORE_CREDENTIAL, id);
    if (document != NULL)
        assert_true(credential_decode(document->body_owned, &credential));
    return credential;
}

/* "p1:main p2:second", as the plan is now. */
static inline void assert_plan(const struct house *house, const char *expected) {
    char text[512] = "";
    const struct budget_plan *plan = directory_now(house->directory)->plan;
    assert_int_equal(plan->version, directory_now(house->directory)->version);
    for (int i = 0; i < plan->count; i++) {
        size_t size = strlen(text);
        snprintf(text + size, sizeof text - size, "%s%s:%s", i > 0 ? " " : "",
                 plan->lines[i].package, plan->lines[i].credential);
    }
    assert_string_equal(text, expected);
}

static inline void go_away(struct played *store) {
    store->away = true;
}

/* --- marks --- */

static inline void turn_until_marked(struct house *house, const char *id) {
    for (;;) {
        const struct directory_snapshot *snapshot = directory_now(house->directory);
        for (int i = 0; i < snapshot->credential_count; i++) {
            if (strcmp(snapshot->credentials[i].id, id) == 0 &&
                snapshot->credentials[i].mark != CREDENTIAL_GOOD)
                return;
        }
        uv_run(&house->loop, UV_RUN_ONCE);
    }
}

static inline void mark_code(struct directory *directory, const char *id,
                             enum credential_mark mark) {
    struct directory_credential credential = {.appcode = CODE};
    snprintf(credential.id, sizeof credential.id, "%s", id);
    directory_mark(directory, &credential, mark);
}
