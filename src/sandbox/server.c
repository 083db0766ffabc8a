#include "sandbox/server.h"

#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox/answer.h"
#include "sandbox/control.h"
#include "sandbox/form.h"
#include "sandbox/listener.h"

enum {
    CONNECTIONS_MAX = 4096,
    DESCRIPTORS_SPARE = 32,
    STACK_BYTES = 1024 * 1024,
    BODY_MAX = 1024 * 1024,
    TLS_FILE_MAX = 1024 * 1024,
};

struct server {
    const struct options *options;
    struct world *world;
    struct MHD_Daemon *daemon;
    char *certificate; /* PEM; NULL without TLS */
    char *key;
    char url[OPTIONS_HOST_SIZE + 64];
};

/* Used by its connection's thread alone. */
struct connection {
    uint64_t number;
    uint64_t calls;
};

struct request {
    char *uri; /* as received */
    bool begun;
    char *body;
    size_t body_size;
    bool body_too_large;
    bool arrived; /* `plan` holds */
    struct plan plan;
};

static int socket_of(struct MHD_Connection *connection) {
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void set_idle_timeout(struct MHD_Connection *connection, unsigned seconds) {
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

struct header_names {
    char *text;
    size_t size;
    bool failed;
};

static enum MHD_Result add_header_name(void *context, enum MHD_ValueKind kind, const char *key,
                                       const char *value) {
    (void)kind;
    (void)value;
    struct header_names *names = context;
    size_t length = strlen(key);
    char *grown = realloc(names->text, names->size + length + 2);
    if (grown == NULL) {
        names->failed = true;
        return MHD_NO;
    }
    if (names->size > 0) {
        grown[names->size++] = '\n';
    }
    memcpy(grown + names->size, key, length + 1);
    names->text = grown;
    names->size += length;
    return MHD_YES;
}

static char *header_names_of(struct MHD_Connection *connection) {
    struct header_names names = {.text = strdup("")};
    if (names.text == NULL) {
        return NULL;
    }
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header_name, &names);
    if (names.failed) {
        free(names.text);
        return NULL;
    }
    return names.text;
}

static bool take_parameters(struct MHD_Connection *connection, const struct request *request,
                            struct call *call) {
    size_t size = request->body_too_large ? 0 : request->body_size;
    return form_take(connection, call->method, request->body, size, call);
}

static void take_path(const char *path, struct call *call) {
    for (enum call_shape shape = 0; shape < CALL_SHAPES; shape++) {
        if (strcmp(path, call_shape_path(shape)) == 0) {
            call->shape = shape;
            call->path_is_right = true;
        }
    }
}

/* What follows "APPCODE " in the Authorization header; NULL where nothing does. */
static const char *appcode_of(struct MHD_Connection *connection) {
    static const char scheme[] = "APPCODE ";
    const char *value =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (value == NULL || strncmp(value, scheme, sizeof scheme - 1) != 0) {
        return NULL;
    }
    value += sizeof scheme - 1;
    return *value == '\0' ? NULL : value;
}

static struct call *make_call(struct MHD_Connection *connection, struct request *request,
                              const char *method, const char *path) {
    struct connection *carrier =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct call *call = carrier == NULL ? NULL : calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    const char *appcode = appcode_of(connection);
    call->uri = request->uri;
    request->uri = NULL;
    call->method = strdup(method);
    call->header_names = header_names_of(connection);
    call->appcode = appcode == NULL ? NULL : strdup(appcode);
    take_path(path, call);
    call->connection = carrier->number;
    call->nth = carrier->calls + 1;
    if (call->method == NULL || call->header_names == NULL ||
        (appcode != NULL && call->appcode == NULL) || !take_parameters(connection, request, call)) {
        call_free(call);
        return NULL;
    }
    carrier->calls++;
    return call;
}

static enum MHD_Result answer_call(struct server *server, struct MHD_Connection *connection,
                                   struct request *request, const char *method, const char *path) {
    struct call *call = make_call(connection, request, method, path);
    if (call == NULL) {
        return MHD_NO;
    }
    world_arrive(server->world, call, &request->plan);
    request->arrived = true;
    int socket = socket_of(connection);
    bool waits = request->plan.hang || request->plan.latency_ms > 0;
    if (waits) {
        /* Versions of libmicrohttpd differ in whether they take the wait for idleness. */
        set_idle_timeout(connection, 0);
    }
    if (!world_wait(server->world, &request->plan, socket)) {
        return MHD_NO;
    }
    if (waits) {
        set_idle_timeout(connection, (unsigned)server->options->idle_timeout_s);
    }
    return answer_send(connection, &request->plan, socket);
}

static void collect_body(struct request *request, const char *data, size_t size) {
    if (size > BODY_MAX - request->body_size) {
        request->body_too_large = true;
        return;
    }
    char *grown = realloc(request->body, request->body_size + size);
    if (grown == NULL) {
        request->body_too_large = true;
        return;
    }
    memcpy(grown + request->body_size, data, size);
    request->body = grown;
    request->body_size += size;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *upload, size_t *upload_size, void **state) {
    (void)version;
    struct server *server = context;
    struct request *request = *state;
    if (request == NULL || request->uri == NULL) {
        return MHD_NO;
    }
    if (!request->begun) {
        request->begun = true;
        return MHD_YES;
    }
    bool control = control_owns(path);
    if (*upload_size > 0) {
        collect_body(request, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (!control) {
        return answer_call(server, connection, request, method, path);
    }
    if (request->body_too_large) {
        return control_refuse_size(connection);
    }
    return control_answer(connection, server->world, server->key != NULL, method, path,
                          request->body, request->body_size);
}

/* Called with the request target as received; what it returns is the request's state from then on.
 */
static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection) {
    (void)context;
    (void)connection;
    struct request *request = calloc(1, sizeof *request);
    if (request != NULL) {
        request->uri = strdup(uri);
    }
    return request;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how) {
    (void)connection;
    (void)how;
    struct server *server = context;
    struct request *request = *state;
    *state = NULL;
    if (request == NULL) {
        return;
    }
    if (request->arrived) {
        world_leave(server->world, &request->plan);
    }
    free(request->uri);
    free(request->body);
    free(request);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode what) {
    (void)connection;
    struct server *server = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *opened = calloc(1, sizeof *opened);
        if (opened != NULL) {
            opened->number = world_connect(server->world);
        }
        *state = opened;
        return;
    }
    struct connection *closed = *state;
    *state = NULL;
    if (closed != NULL) {
        world_disconnect(server->world, closed->calls > 0);
        free(closed);
    }
}

static enum MHD_Result on_accept(void *context, const struct sockaddr *address, socklen_t size) {
    (void)address;
    (void)size;
    struct server *server = context;
    return world_refuses_connection(server->world) ? MHD_NO : MHD_YES;
}

/* The whole file, zero-terminated; NULL with the reason. */
static char *read_file(const char *name, struct reason *reason) {
    FILE *file = fopen(name, "re");
    char *text = calloc(1, TLS_FILE_MAX + 1);
    size_t size = file == NULL || text == NULL ? 0 : fread(text, 1, TLS_FILE_MAX, file);
    if (file != NULL) {
        fclose(file);
    }
    if (size == 0) {
        refuse(reason, "cannot read %s", name);
        free(text);
        return NULL;
    }
    return text;
}

/* Raises the limit of open files as far as allowed; returns how many connections fit. */
static unsigned connection_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0) {
        return CONNECTIONS_MAX / 8;
    }
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur >= CONNECTIONS_MAX + DESCRIPTORS_SPARE) {
        return CONNECTIONS_MAX;
    }
    return files.rlim_cur > 2 * DESCRIPTORS_SPARE ? (unsigned)files.rlim_cur - DESCRIPTORS_SPARE
                                                  : DESCRIPTORS_SPARE;
}

static bool start_daemon(struct server *server, int socket) {
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    flags |= server->key != NULL ? (unsigned)MHD_USE_TLS : 0;
    server->daemon =
        MHD_start_daemon(flags, 0, on_accept, server, on_request, server, MHD_OPTION_LISTEN_SOCKET,
                         socket, MHD_OPTION_CONNECTION_LIMIT, connection_limit(),
                         MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)server->options->idle_timeout_s,
                         MHD_OPTION_URI_LOG_CALLBACK, on_uri, server, MHD_OPTION_NOTIFY_COMPLETED,
                         on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
                         MHD_OPTION_ARRAY, server->key != NULL ? tls : &tls[2], MHD_OPTION_END);
    return server->daemon != NULL;
}

static bool read_tls_files(struct server *server, struct reason *reason) {
    if (server->options->tls_key == NULL) {
        return true;
    }
    server->certificate = read_file(server->options->tls_certificate, reason);
    server->key = server->certificate == NULL ? NULL : read_file(server->options->tls_key, reason);
    return server->key != NULL;
}

static bool open_server(struct server *server, struct reason *reason) {
    char address[OPTIONS_HOST_SIZE + 16];
    if (!read_tls_files(server, reason)) {
        return false;
    }
    int socket = listener_open(server->options, address, sizeof address, reason);
    if (socket < 0) {
        return false;
    }
    if (!start_daemon(server, socket)) {
        close(socket);
        return refuse(reason, "the server does not start%s",
                      server->key == NULL ? "" : "; are certificate and key a pair, in PEM?");
    }
    snprintf(server->url, sizeof server->url, "%s://%s%s", server->key == NULL ? "http" : "https",
             address, call_shape_path(CALL_GUIDE));
    return true;
}

static void free_server(struct server *server) {
    free(server->certificate);
    free(server->key);
    free(server);
}

struct server *server_start(const struct options *options, struct world *world,
                            struct reason *reason) {
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        refuse(reason, "out of memory");
        return NULL;
    }
    server->options = options;
    server->world = world;
    if (!open_server(server, reason)) {
        free_server(server);
        return NULL;
    }
    return server;
}

const char *server_url(const struct server *server) {
    return server->url;
}

void server_stop(struct server *server) {
    if (server == NULL) {
        return;
    }
    world_stop(server->world);
    MHD_stop_daemon(server->daemon);
    free_server(server);
}
