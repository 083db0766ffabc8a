#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>
#include <uv.h>

#include "command/bookkeeping.h"
#include "command/command.h"
#include "command/secret_watch.h"
#include "http/admin.h"
#include "http/audit_routes.h"
#include "http/balance_route.h"
#include "http/client_routes.h"
#include "http/forget_route.h"
#include "http/ledger_routes.h"
#include "http/listener.h"
#include "http/metrics_route.h"
#include "http/package_routes.h"
#include "http/reconcile_route.h"
#include "http/reload_route.h"
#include "http/server.h"
#include "http/service.h"
#include "http/statement_routes.h"
#include "http/system_routes.h"
#include "money/period.h"
#include "runtime/config.h"
#include "runtime/hash_key.h"
#include "runtime/log.h"
#include "runtime/worker.h"

#define ADMIN_CONNECTIONS    128
#define ADMIN_IDLE_TIMEOUT_S 60
#define LISTENERS_MAX        16
#define CLOCK_LOOK_MS        1000

static const struct route admin_routes[] = {
    {"GET", "/healthz", system_healthz, 0, NULL, ROUTE_OTHER},
    {"HEAD", "/healthz", system_healthz, 0, NULL, ROUTE_OTHER},
    {"GET", "/readyz", system_readyz, 0, NULL, ROUTE_OTHER},
    {"HEAD", "/readyz", system_readyz, 0, NULL, ROUTE_OTHER},
    {"GET", "/metrics", metrics_get, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/clients", clients_get, 0, NULL, ROUTE_OTHER},
    {"POST", "/admin/v1/clients", clients_post, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/clients/{id}", client_get, 0, NULL, ROUTE_OTHER},
    {"PATCH", "/admin/v1/clients/{id}", client_patch, 0, NULL, ROUTE_OTHER},
    {"DELETE", "/admin/v1/clients/{id}", client_delete, 0, NULL, ROUTE_OTHER},
    {"POST", "/admin/v1/clients/{id}/keys", client_keys_post, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/packages", packages_get, 0, NULL, ROUTE_OTHER},
    {"POST", "/admin/v1/packages", packages_post, 0, NULL, ROUTE_OTHER},
    {"PATCH", "/admin/v1/packages/{id}", package_patch, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/balance", balance_get, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/audit", audit_get, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/alerts", alerts_get, 0, NULL, ROUTE_OTHER},
    {"POST", "/admin/v1/reconcile", reconcile_post, RECONCILE_BODY_MAX, admin_admit, ROUTE_OTHER},
    {"POST", "/admin/v1/forget", forget_post, 0, NULL, ROUTE_OTHER},
    {"POST", "/admin/v1/reload", reload_post, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/ledger", ledger_get, 0, NULL, ROUTE_OTHER},
    {"GET", "/admin/v1/statement", statement_get, 0, NULL, ROUTE_OTHER},
    {NULL, NULL, NULL, 0, NULL, ROUTE_OTHER},
};

/* Of metrics.listen, which anybody on its network may read: nothing that asks for a token. */
static const struct route metrics_routes[] = {
    {"GET", "/healthz", system_healthz, 0, NULL, ROUTE_OTHER},
    {"HEAD", "/healthz", system_healthz, 0, NULL, ROUTE_OTHER},
    {"GET", "/readyz", system_readyz, 0, NULL, ROUTE_OTHER},
    {"HEAD", "/readyz", system_readyz, 0, NULL, ROUTE_OTHER},
    {"GET", "/metrics", metrics_get, 0, NULL, ROUTE_OTHER},
    {NULL, NULL, NULL, 0, NULL, ROUTE_OTHER},
};

/* Everything of a running service; on the main thread. */
struct serve {
    struct config *config;
    const char *path; /* of the settings, as it was given; NULL: it was not */
    struct digest_key key;
    struct store *store;
    struct metrics_row *metrics; /* each worker's, then the main loop's */
    atomic_bool draining;
    struct worker **workers;
    int worker_count;
    atomic_int ended_reports;
    struct bookkeeping books;
    struct service service; /* of the two listeners below */
    struct server *admin;
    struct server *metrics_server;
    uv_loop_t loop;
    uv_async_t on_ended;
    uv_timer_t drain_limit;
    uv_timer_t clock_look;
    struct secret_watch secrets;
    uv_signal_t signals[3];
};

/* --- the end --- */

/* A second signal, or the end of patience: what is under way is found as `unknown` at the next
 * start. Like _exit(), for which ThreadSanitizer would want all threads joined: those that have
 * ended by now, and others never will. */
static void end_at_once(const char *why) {
    log_warn("ended at once", LOG_TEXT("why", why));
    log_stop();
    quick_exit(1);
}

static void on_drain_limit(uv_timer_t *timer) {
    (void)timer;
    end_at_once("drain_timeout ran out before all calls were finished");
}

static void drain(struct serve *serve) {
    if (atomic_exchange(&serve->draining, true))
        return;
    log_info("draining");
    uv_timer_start(&serve->drain_limit, on_drain_limit, (uint64_t)serve->config->drain_timeout_ms,
                   0);
    for (int i = 0; i < serve->worker_count; i++)
        worker_drain(serve->workers[i]);
}

static void on_stop_signal(uv_signal_t *handle, int number) {
    (void)number;
    struct serve *serve = handle->data;
    if (atomic_load(&serve->draining))
        end_at_once("a second signal came");
    drain(serve);
}

/* On a worker's thread. */
static void report_ended(void *arg) {
    struct serve *serve = arg;
    atomic_fetch_add(&serve->ended_reports, 1);
    uv_async_send(&serve->on_ended);
}

static void on_worker_ended(uv_async_t *async) {
    struct serve *serve = async->data;
    if (atomic_load(&serve->ended_reports) == serve->worker_count)
        uv_stop(&serve->loop);
}

/* --- other settings --- */

static void log_config_warnings(const struct config *config) {
    for (size_t i = 0; config->warnings != NULL && config->warnings[i] != NULL; i++)
        log_warn(config->warnings[i]);
}

/* For what keeps a copy of settings of its own; after each reload. */
static void on_settings_changed(struct serve *serve) {
    bookkeeping_set_config(&serve->books, serve->config);
    secret_watch_set(&serve->secrets, serve->config);
}

/* Takes the reference. When it returns, no new question is answered by the old ones. */
static void take_config(struct serve *serve, struct config *config) {
    for (int i = 0; i < serve->worker_count; i++)
        worker_reload(serve->workers[i], config);
    for (int i = 0; i < serve->worker_count; i++) {
        if (!worker_has_reloaded(serve->workers[i]))
            log_warn("a worker is busy and takes the new settings later", LOG_NUMBER("worker", i));
    }
    log_change((enum log_level)config->log_level, (enum log_format)config->log_format);
    config_release(serve->config);
    serve->config = config;
    serve->service.config = config;
    log_config_warnings(config);
    on_settings_changed(serve);
}

/* service.reload */
static bool reload(void *arg, cJSON **changes_owned, struct complaint *complaint) {
    struct serve *serve = arg;
    if (atomic_load(&serve->draining))
        return complain(complaint, "the process is ending");
    struct config *config = config_load(serve->path, environ, complaint);
    if (config == NULL)
        return false;
    bool taken = config_can_reload(serve->config, config, complaint);
    if (taken) {
        *changes_owned = config_changes(serve->config, config);
        taken = *changes_owned != NULL || complain(complaint, "no memory for the changes");
    }
    if (!taken) {
        config_release(config);
        return false;
    }
    /* Whoever asks for a reload has seen to the clock, too, if that was what was wrong. */
    clock_take();
    store_poke(serve->store);
    take_config(serve, config);
    return true;
}

static void on_reload_signal(uv_signal_t *handle, int number) {
    (void)number;
    struct serve *serve = handle->data;
    struct complaint complaint = {""};
    cJSON *changes = NULL;
    if (!reload(serve, &changes, &complaint)) {
        log_error("settings not reloaded; the old ones go on", LOG_TEXT("reason", complaint.text));
        return;
    }
    log_info("settings reloaded", LOG_NUMBER("changes", cJSON_GetArraySize(changes)));
    bookkeeping_note_reload(&serve->books, "signal", changes);
    cJSON_Delete(changes);
}

/* --- other secrets --- */

/* Other files with the same in them change nothing, and nobody needs to be told. */
static void take_secrets(struct serve *serve, struct config *config, const cJSON *changes,
                         const char *kept) {
    if (kept[0] != '\0')
        log_warn("a file holds another value, and only a restart can take it",
                 LOG_TEXT("settings", kept));
    if (cJSON_GetArraySize(changes) == 0) {
        secret_watch_set(&serve->secrets, config);
        config_release(config);
    } else {
        take_config(serve, config);
        log_info("settings reloaded, since a file of a secret changed",
                 LOG_NUMBER("changes", cJSON_GetArraySize(changes)));
        bookkeeping_note_reload(&serve->books, "file", changes);
    }
}

/* As on SIGHUP, but that a secret which only a restart can take holds up no other. */
static void on_secrets_changed(void *arg) {
    struct serve *serve = arg;
    struct complaint complaint = {""};
    struct complaint kept = {""};
    if (atomic_load(&serve->draining))
        return;
    struct config *config = config_load(serve->path, environ, &complaint);
    bool good = config != NULL && (config_keep_secrets(serve->config, config, &kept) ||
                                   complain(&complaint, "no memory for the settings"));
    cJSON *changes = NULL;
    good = good && config_can_reload(serve->config, config, &complaint) &&
           ((changes = config_changes(serve->config, config)) != NULL ||
            complain(&complaint, "no memory for the changes"));
    if (good) {
        take_secrets(serve, config, changes, kept.text);
        cJSON_Delete(changes);
        return;
    }
    config_release(config);
    log_error("a file of a secret changed, and the settings were not reloaded; the old ones go on",
              LOG_TEXT("reason", complaint.text));
}

static void on_clock_look(uv_timer_t *timer) {
    (void)timer;
    clock_follow();
}

/* --- the beginning --- */

/* No core dump may hold a person's data or a secret. The sanitizers need what this forbids. */
static void forbid_core_dumps(void) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* A file that was given the number of a closed standard output would have the log written into it.
 */
static bool open_standard_files(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    }
    return true;
}

static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool prepare_process(struct complaint *complaint) {
    if (!open_standard_files())
        return complain(complaint, "no file stands for a closed standard output");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like any other */
    umask(0077);
    forbid_core_dumps();
    raise_file_limit();
    if (sodium_init() < 0)
        return complain(complaint, "libsodium could not be initialised");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return complain(complaint, "libcurl could not be initialised");
    return true;
}

static void close_all(const int *fds, int count) {
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

/* The sockets of one worker, one per address. `first`: those of the first worker, NULL for itself.
 */
static bool open_listeners(const struct config *config, const int *first, int fds[LISTENERS_MAX],
                           int *count, struct complaint *complaint) {
    bool shared = config->workers > 1;
    *count = 0;
    for (int i = 0; i < LISTENERS_MAX && config->listen[i] != NULL; i++) {
        const char *address = config->listen[i];
        if (first != NULL)
            fds[i] = listener_open_another(first[i], address, complaint);
        else
            fds[i] = listener_is_free(address, complaint)
                         ? listener_open(address, shared, complaint)
                         : -1;
        if (fds[i] < 0) {
            close_all(fds, *count);
            return false;
        }
        ++*count;
    }
    return true;
}

static bool start_worker(struct serve *serve, int row, int first[LISTENERS_MAX],
                         struct complaint *complaint) {
    int fds[LISTENERS_MAX];
    int count = 0;
    if (!open_listeners(serve->config, row > 0 ? first : NULL, fds, &count, complaint))
        return false;
    if (row == 0)
        memcpy(first, fds, sizeof fds);
    const struct worker_settings settings = {
        .config = serve->config,
        .clock = &clock_system,
        .key = &serve->key,
        .store = serve->store,
        .directory = serve->books.directory,
        .novelty = &serve->books.novelty,
        .breakers = serve->books.breakers.board,
        .draining = &serve->draining,
        .metrics = serve->metrics,
        .rows = (int)serve->config->workers,
        .row = row,
        .fds = fds,
        .fd_count = count,
        .ended = report_ended,
        .arg = serve,
    };
    serve->workers[row] = worker_start(&settings, complaint);
    if (serve->workers[row] == NULL)
        return false;
    serve->worker_count++;
    return true;
}

static void log_listeners(const struct config *config, const int *fds) {
    char name[LISTENER_NAME_SIZE];
    for (int i = 0; i < LISTENERS_MAX && config->listen[i] != NULL; i++) {
        listener_name(fds[i], config->listen[i], name);
        log_info("listening", LOG_TEXT("address", name));
    }
}

static bool start_workers(struct serve *serve, struct complaint *complaint) {
    int first[LISTENERS_MAX] = {0};
    int rows = (int)serve->config->workers;
    serve->workers = calloc((size_t)rows, sizeof *serve->workers);
    if (serve->workers == NULL)
        return complain(complaint, "no memory for the workers");
    for (int row = 0; row < rows; row++) {
        if (!start_worker(serve, row, first, complaint))
            return false;
    }
    log_listeners(serve->config, first);
    return true;
}

/* A listener on the main loop. `event` is logged with its address. */
static bool start_server(struct serve *serve, struct server **server, const char *address,
                         const struct route *routes, const char *event,
                         struct complaint *complaint) {
    char name[LISTENER_NAME_SIZE];
    if (address[0] == '\0')
        return true;
    int fd = listener_open(address, false, complaint);
    if (fd < 0)
        return false;
    listener_name(fd, address, name);
    const struct server_settings settings = {
        .fd = fd,
        .max_connections = ADMIN_CONNECTIONS,
        .idle_timeout_s = ADMIN_IDLE_TIMEOUT_S,
        .routes = routes,
        .service = &serve->service,
    };
    *server = server_new(&serve->loop, &settings, complaint);
    if (*server == NULL)
        return false;
    log_info(event, LOG_TEXT("address", name));
    return true;
}

static bool start_admin(struct serve *serve, struct complaint *complaint) {
    serve->service = (struct service){
        .config = serve->config,
        .clock = &clock_system,
        .store = serve->store,
        .store_client = serve->books.store,
        .directory = serve->books.directory,
        .key = &serve->key,
        .metrics = serve->metrics,
        .breakers = serve->books.breakers.board,
        .draining = &serve->draining,
        .reload = reload,
        .reload_arg = serve,
    };
    return start_server(serve, &serve->admin, serve->config->admin_listen, admin_routes,
                        "admin listening", complaint) &&
           start_server(serve, &serve->metrics_server, serve->config->metrics_listen,
                        metrics_routes, "metrics listening", complaint);
}

static void start_loop(struct serve *serve) {
    static const int stop_signals[] = {SIGTERM, SIGINT};
    uv_loop_init(&serve->loop);
    uv_async_init(&serve->loop, &serve->on_ended, on_worker_ended);
    uv_timer_init(&serve->loop, &serve->drain_limit);
    uv_timer_init(&serve->loop, &serve->clock_look);
    uv_timer_start(&serve->clock_look, on_clock_look, CLOCK_LOOK_MS, CLOCK_LOOK_MS);
    secret_watch_init(&serve->secrets, &serve->loop, on_secrets_changed, serve);
    serve->on_ended.data = serve;
    for (int i = 0; i < 3; i++) {
        uv_signal_init(&serve->loop, &serve->signals[i]);
        serve->signals[i].data = serve;
    }
    for (int i = 0; i < 2; i++)
        uv_signal_start(&serve->signals[i], on_stop_signal, stop_signals[i]);
    uv_signal_start(&serve->signals[2], on_reload_signal, SIGHUP);
}

/* What a crash left is said by store_open itself. */
static bool open_store(struct serve *serve, struct complaint *complaint) {
    const struct config *config = serve->config;
    if (!hash_key_load(config, &serve->key, complaint))
        return false;
    const struct store_settings settings = {
        .url = config->store_url,
        .ledger_url = config->store_ledger_url,
        .ca_file = config->store_ca_file,
        .journal_path = config->journal_path,
        .journal_keep_ms = config->journal_keep_ms,
        .timeout_ms = config->store_timeout_ms,
        .number_window_ms = config->number_limit_window_ms,
        .hear = clock_hear,
    };
    serve->store = store_open(&settings, &clock_system, complaint);
    if (serve->store == NULL)
        return false;
    serve->metrics = metrics_new((int)config->workers + 1);
    return serve->metrics != NULL || complain(complaint, "no memory for the metrics");
}

static bool start(struct serve *serve, struct complaint *complaint) {
    return open_store(serve, complaint) &&
           bookkeeping_begin(&serve->books, &serve->loop, serve->store, &serve->key, serve->config,
                             &serve->metrics[serve->config->workers], complaint) &&
           start_admin(serve, complaint) && start_workers(serve, complaint);
}

/* Who has handles of its own closes them when it may: the journal's thread still wakes this loop
 * with what it gives back. Meanwhile patience can run out, and a second signal come. */
static void end_loop(struct serve *serve) {
    uv_close((uv_handle_t *)&serve->on_ended, NULL);
    uv_close((uv_handle_t *)&serve->clock_look, NULL);
    uv_unref((uv_handle_t *)&serve->drain_limit);
    for (int i = 0; i < 3; i++)
        uv_unref((uv_handle_t *)&serve->signals[i]);
    uv_run(&serve->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&serve->drain_limit, NULL);
    for (int i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&serve->signals[i], NULL);
    uv_run(&serve->loop, UV_RUN_DEFAULT);
    uv_loop_close(&serve->loop);
}

/* A connection may not be suspended when its server goes, nor the store be left in the middle of a
 * page. */
static void stop_admin(struct serve *serve) {
    serve->service.ending = true;
    while (serve->service.pages > 0)
        uv_run(&serve->loop, UV_RUN_ONCE);
    uv_run(&serve->loop, UV_RUN_NOWAIT); /* what they were waited for can be sent */
    server_free(serve->admin);
    server_free(serve->metrics_server);
}

static void free_parts(struct serve *serve) {
    for (int i = 0; i < serve->worker_count; i++)
        worker_join(serve->workers[i]);
    free(serve->workers);
    stop_admin(serve);
    bookkeeping_end(&serve->books);
    secret_watch_end(&serve->secrets);
    end_loop(serve);
    if (serve->store != NULL)
        store_close(serve->store);
    metrics_free(serve->metrics);
    sodium_memzero(&serve->key, sizeof serve->key);
    config_release(serve->config);
    curl_global_cleanup();
}

static int run(struct config *config, const char *path, struct complaint *complaint) {
    struct serve serve = {.config = config, .path = path};
    log_info("sanyao starts", LOG_TEXT("version", SANYAO_VERSION),
             LOG_NUMBER("workers", config->workers));
    log_config_warnings(config);
    start_loop(&serve);
    bool started = start(&serve, complaint);
    if (started) {
        secret_watch_set(&serve.secrets, config);
        log_info("ready");
    } else {
        drain(&serve);
    }
    if (started || serve.worker_count > 0)
        uv_run(&serve.loop, UV_RUN_DEFAULT);
    free_parts(&serve);
    if (started)
        log_info("stopped");
    return started ? 0 : 1;
}

static int refuse_start(struct config *config, struct complaint *complaint) {
    config_release(config);
    complain(complaint, "no memory or no thread for the log");
    return 1;
}

static void print_help(void) {
    fputs("Usage: sanyao serve [--config FILE]\n"
          "\n"
          "Serves the API until SIGTERM or SIGINT, which finishes the calls under way and ends\n"
          "with exit code 0; a second one ends at once. SIGHUP takes the settings anew.\n"
          "\n"
          "  -c, --config FILE   the settings (default: $SANYAO_CONFIG, then\n"
          "                      /etc/sanyao/sanyao.jsonc, then the environment alone)\n"
          "  -h, --help          this text\n"
          "\n"
          "Every setting can be given as SANYAO_KEY in the environment; see\n"
          "`sanyao check-config --print`.\n",
          stdout);
}

int command_serve(int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = NULL;
    int option = 0;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'h') {
            print_help();
            return 0;
        }
        if (option != 'c')
            return 2;
        path = optarg;
    }
    if (optind < argc) {
        fprintf(stderr, "sanyao serve: '%s' is not expected here; see --help\n", argv[optind]);
        return 2;
    }
    struct complaint complaint = {""};
    if (!prepare_process(&complaint)) {
        fprintf(stderr, "sanyao: %s\n", complaint.text);
        return 1;
    }
    struct config *config = config_load(path, environ, &complaint);
    if (config == NULL) {
        fprintf(stderr, "sanyao: %s\n", complaint.text);
        return 1;
    }
    period_set_zone(config->timezone);
    log_init((enum log_level)config->log_level, (enum log_format)config->log_format, STDOUT_FILENO);
    int code = log_start() ? run(config, path, &complaint) : refuse_start(config, &complaint);
    log_stop();
    if (code != 0)
        fprintf(stderr, "sanyao: %s\n", complaint.text);
    return code;
}
