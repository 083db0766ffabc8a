#include "runtime/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include "core/verifier.h"
#include "http/batch.h"
#include "http/server.h"
#include "http/service.h"
#include "http/system_routes.h"
#include "http/verify_routes.h"
#include "runtime/log.h"
#include "store/memory.h"
#include "upstream/call.h"

#define DRAIN_WATCH_MS 5

/* Beyond the longest turn of a loop. */
#define RELOAD_WAIT_NS UINT64_C(2000000000)

#define UPSTREAM_CREDENTIALS_MOST 64

static const struct route service_routes[] = {
    {"POST", "/verify", verify_post, 0, NULL, ROUTE_VERIFY_POST},
    {"GET", "/verify", verify_get, 0, NULL, ROUTE_VERIFY_GET},
    {"POST", "/verify/batch", batch_post, BATCH_BODY_MAX, batch_admit, ROUTE_VERIFY_BATCH},
    {"GET", "/carrieroperator", verify_drop_in, 0, NULL, ROUTE_CARRIEROPERATOR},
    {"GET", "/healthz", system_healthz, 0, NULL, ROUTE_OTHER},
    {"HEAD", "/healthz", system_healthz, 0, NULL, ROUTE_OTHER},
    {"GET", "/readyz", system_readyz, 0, NULL, ROUTE_OTHER},
    {"HEAD", "/readyz", system_readyz, 0, NULL, ROUTE_OTHER},
    {"GET", "/openapi.yaml", system_openapi, 0, NULL, ROUTE_OTHER},
    {"HEAD", "/openapi.yaml", system_openapi, 0, NULL, ROUTE_OTHER},
    {NULL, NULL, NULL, 0, NULL, ROUTE_OTHER},
};

struct worker {
    struct worker_settings settings;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t drain;
    uv_async_t reload;
    uv_prepare_t gauge;
    uv_mutex_t mutex;
    uv_cond_t reloaded;
    struct config *pending; /* under the mutex: settings to be taken */
    uv_timer_t watch;       /* while draining: is everything done? */
    struct store_client *store;
    struct directory_reader *directory;
    struct memory *memory;
    struct upstream *upstream;
    struct verifier *verifier;
    struct service service;
    struct server **servers;
    int server_count;
};

static void on_changed(void *arg, const struct digest *triple) {
    struct worker *worker = arg;
    if (triple != NULL)
        memory_drop(worker->memory, triple);
    else
        memory_drop_all(worker->memory);
}

/* It may come before there is a verifier. */
static void on_directory_changed(void *arg) {
    struct worker *worker = arg;
    if (worker->verifier != NULL)
        verifier_directory_changed(worker->verifier);
}

/* Just before the loop may sleep, so that what is shown of an idle worker is so. */
static void on_gauge(uv_prepare_t *gauge) {
    const struct worker *worker = gauge->data;
    struct metrics_row *row = &worker->settings.metrics[worker->settings.row];
    size_t waiters = verifier_waiters(worker->verifier);
    size_t leases = verifier_leases(worker->verifier);
    size_t connections = 0;
    for (int i = 0; i < worker->server_count; i++)
        connections += server_connections(worker->servers[i]);
    metrics_set(row, GAUGE_CACHE_ENTRIES, memory_count(worker->memory));
    metrics_set(row, GAUGE_CONNECTIONS, connections);
    metrics_set(row, GAUGE_WAITING, waiters);
    metrics_set(row, GAUGE_LEASES, leases);
    metrics_set(row, GAUGE_FOLLOWERS, waiters > leases ? waiters - leases : 0);
    metrics_set(row, GAUGE_CALLS, (uint64_t)upstream_under_way(worker->upstream));
}

/* --- the end --- */

static void free_parts(struct worker *worker) {
    for (int i = 0; i < worker->server_count; i++)
        server_free(worker->servers[i]);
    free(worker->servers);
    verifier_free(worker->verifier);
    upstream_free(worker->upstream);
    if (worker->directory != NULL)
        directory_detach(worker->directory);
    if (worker->store != NULL)
        store_detach(worker->store);
    memory_free(worker->memory);
    uv_close((uv_handle_t *)&worker->drain, NULL);
    uv_close((uv_handle_t *)&worker->reload, NULL);
    uv_close((uv_handle_t *)&worker->gauge, NULL);
    uv_close((uv_handle_t *)&worker->watch, NULL);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    uv_loop_close(&worker->loop);
}

/* When everybody was answered, only our own calls are worth waiting for. */
static bool is_done(const struct worker *worker) {
    for (int i = 0; i < worker->server_count; i++) {
        if (server_active(worker->servers[i]) > 0)
            return false;
    }
    store_stop_following(worker->store);
    return verifier_is_idle(worker->verifier);
}

static void on_watch(uv_timer_t *watch) {
    struct worker *worker = watch->data;
    if (is_done(worker))
        uv_stop(&worker->loop);
}

static void on_drain(uv_async_t *drain) {
    struct worker *worker = drain->data;
    for (int i = 0; i < worker->server_count; i++)
        server_stop_listening(worker->servers[i]);
    verifier_drain(worker->verifier);
    uv_timer_start(&worker->watch, on_watch, 0, DRAIN_WATCH_MS);
}

static void *run(void *arg) {
    struct worker *worker = arg;
    /* The turn in which it was done still reads what had come: perhaps one more request. */
    do
        uv_run(&worker->loop, UV_RUN_DEFAULT);
    while (!is_done(worker));
    free_parts(worker);
    worker->settings.ended(worker->settings.arg);
    return NULL;
}

static void free_worker(struct worker *worker) {
    config_release(worker->pending);
    config_release(worker->settings.config);
    uv_cond_destroy(&worker->reloaded);
    uv_mutex_destroy(&worker->mutex);
    free(worker);
}

void worker_drain(struct worker *worker) {
    uv_async_send(&worker->drain);
}

void worker_join(struct worker *worker) {
    pthread_join(worker->thread, NULL);
    free_worker(worker);
}

/* --- the beginning --- */

/* A bound on the whole process, shared out; at least one each. */
static int64_t share(int64_t whole, int workers) {
    int64_t part = (whole + workers - 1) / workers;
    return part > 0 || whole == 0 ? part : 1;
}

/* As upstream wants the settings; `credentials` has room for them. They stand in the order of their
 * providers; one whose provider is not in use is left out. */
static struct upstream_settings upstream_settings_of(const struct worker *worker,
                                                     const struct config *config,
                                                     struct upstream_credential *credentials) {
    int count = 0;
    for (int provider = 0; provider < config->provider_count; provider++) {
        for (int i = 0; i < config->credential_count && count < UPSTREAM_CREDENTIALS_MOST; i++) {
            const struct config_credential *credential = &config->credentials[i];
            if (credential->provider == provider)
                credentials[count++] = (struct upstream_credential){
                    credential->id, credential->appcode, credential->provider};
        }
    }
    return (struct upstream_settings){
        .providers = config->providers,
        .provider_count = config->provider_count,
        .credentials = credentials,
        .credential_count = count,
        .connect_timeout_ms = config->upstream_connect_timeout_ms,
        .timeout_ms = config->upstream_timeout_ms,
        .keepalive_ms = config->upstream_keepalive_ms,
        .refuse_contradiction = config->upstream_echo == CONFIG_ECHO_REFUSE,
        .max_connections = share(config->upstream_max_connections, worker->settings.rows),
        .max_waiting = share(config->upstream_max_waiting, worker->settings.rows),
    };
}

static bool start_upstream(struct worker *worker, struct complaint *complaint) {
    struct upstream_credential credentials[UPSTREAM_CREDENTIALS_MOST];
    const struct upstream_settings settings =
        upstream_settings_of(worker, worker->settings.config, credentials);
    worker->upstream = upstream_new(&worker->loop, &settings,
                                    &worker->settings.metrics[worker->settings.row], complaint);
    return worker->upstream != NULL;
}

static bool start_verifier(struct worker *worker, struct complaint *complaint) {
    const struct worker_settings *settings = &worker->settings;
    worker->memory =
        memory_new((size_t)share(settings->config->cache_memory_entries, settings->rows));
    worker->store = store_attach(settings->store, &worker->loop, on_changed, worker, complaint);
    if (worker->store == NULL)
        return false;
    store_measure(worker->store, &settings->metrics[settings->row]);
    worker->directory = directory_attach(settings->directory, &worker->loop, on_directory_changed,
                                         worker, complaint);
    if (worker->directory == NULL || !start_upstream(worker, complaint))
        return false;
    const struct verifier_parts parts = {
        .loop = &worker->loop,
        .clock = settings->clock,
        .config = settings->config,
        .key = settings->key,
        .store = worker->store,
        .directory = worker->directory,
        .memory = worker->memory,
        .upstream = worker->upstream,
        .breakers = worker->settings.breakers,
        .metrics = &settings->metrics[settings->row],
        .novelty = settings->novelty,
    };
    worker->verifier = verifier_new(&parts);
    if (worker->memory == NULL || worker->verifier == NULL)
        return complain(complaint, "no memory for a worker");
    return true;
}

static void close_rest(const struct worker_settings *settings, int from) {
    for (int i = from; i < settings->fd_count; i++)
        close(settings->fds[i]);
}

static bool start_servers(struct worker *worker, struct complaint *complaint) {
    const struct worker_settings *settings = &worker->settings;
    const struct config *config = settings->config;
    worker->service = (struct service){
        .config = config,
        .clock = settings->clock,
        .store = settings->store,
        .verifier = worker->verifier,
        .clients = worker->directory,
        .metrics = settings->metrics,
        .row = &settings->metrics[settings->row],
        .breakers = settings->breakers,
        .draining = settings->draining,
    };
    worker->servers = calloc((size_t)settings->fd_count, sizeof(struct server *));
    if (worker->servers == NULL) {
        close_rest(settings, 0);
        return complain(complaint, "no memory for a worker");
    }
    for (int i = 0; i < settings->fd_count; i++) {
        const struct server_settings server = {
            .fd = settings->fds[i],
            .max_connections = (unsigned)share(config->max_connections, settings->rows),
            .idle_timeout_s = (unsigned)((config->idle_timeout_ms + 999) / 1000),
            .routes = service_routes,
            .service = &worker->service,
        };
        worker->servers[i] = server_new(&worker->loop, &server, complaint);
        if (worker->servers[i] == NULL) {
            close_rest(settings, i + 1);
            return false;
        }
        worker->server_count++;
    }
    return true;
}

static bool start_parts(struct worker *worker, struct complaint *complaint) {
    if (!start_verifier(worker, complaint)) {
        close_rest(&worker->settings, 0);
        return false;
    }
    return start_servers(worker, complaint);
}

/* --- other settings --- */

static void take_config(struct worker *worker, struct config *config) {
    struct upstream_credential credentials[UPSTREAM_CREDENTIALS_MOST];
    const struct upstream_settings settings = upstream_settings_of(worker, config, credentials);
    if (!upstream_set(worker->upstream, &settings))
        log_error("no memory for upstream's new settings; a worker goes on with the old ones",
                  LOG_NUMBER("worker", worker->settings.row));
    verifier_set_config(worker->verifier, config);
    worker->service.config = config;
    config_release(worker->settings.config);
    worker->settings.config = config;
}

static void on_reload(uv_async_t *reload) {
    struct worker *worker = reload->data;
    uv_mutex_lock(&worker->mutex);
    struct config *config = worker->pending;
    if (config != NULL)
        take_config(worker, config);
    worker->pending = NULL;
    uv_cond_signal(&worker->reloaded);
    uv_mutex_unlock(&worker->mutex);
}

void worker_reload(struct worker *worker, struct config *config) {
    uv_mutex_lock(&worker->mutex);
    config_release(worker->pending);
    worker->pending = config_retain(config);
    uv_mutex_unlock(&worker->mutex);
    uv_async_send(&worker->reload);
}

bool worker_has_reloaded(struct worker *worker) {
    bool in_time = true;
    uv_mutex_lock(&worker->mutex);
    while (worker->pending != NULL && in_time)
        in_time = uv_cond_timedwait(&worker->reloaded, &worker->mutex, RELOAD_WAIT_NS) == 0;
    bool reloaded = worker->pending == NULL;
    uv_mutex_unlock(&worker->mutex);
    return reloaded;
}

/* --- start --- */

struct worker *worker_start(const struct worker_settings *settings, struct complaint *complaint) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        complain(complaint, "no memory for a worker");
        close_rest(settings, 0);
        return NULL;
    }
    worker->settings = *settings;
    config_retain(worker->settings.config);
    uv_mutex_init(&worker->mutex);
    uv_cond_init(&worker->reloaded);
    uv_loop_init(&worker->loop);
    uv_async_init(&worker->loop, &worker->drain, on_drain);
    uv_async_init(&worker->loop, &worker->reload, on_reload);
    uv_prepare_init(&worker->loop, &worker->gauge);
    uv_timer_init(&worker->loop, &worker->watch);
    worker->drain.data = worker;
    worker->reload.data = worker;
    worker->gauge.data = worker;
    worker->watch.data = worker;
    /* Of several, libuv calls the one that was started first last: behind the servers'. */
    uv_prepare_start(&worker->gauge, on_gauge);
    bool built = start_parts(worker, complaint);
    if (built && pthread_create(&worker->thread, NULL, run, worker) == 0)
        return worker;
    if (built)
        complain(complaint,
                 "no thread for a worker; is the limit of processes (ulimit -u) too low?");
    free_parts(worker);
    free_worker(worker);
    return NULL;
}
