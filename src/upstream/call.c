#include "upstream/call.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "runtime/log.h"
#include "runtime/text.h"
#include "upstream/easy.h"
#include "upstream/socket_list.h"

#define RETRY_AFTER_MOST_S 3600

struct code {
    char *id;
    const struct provider *provider;
    struct curl_slist *headers; /* the first bears the AppCode */
};

/* What a call begins with. Those under way keep it when there is another: libcurl copies no
 * headers. */
struct terms {
    int refs;
    struct provider *providers;
    long connect_timeout_ms;
    long timeout_ms;
    long keepalive_s;
    bool refuse_contradiction;
    int code_count;
    struct code codes[];
};

struct upstream {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct metrics_row *row;
    struct terms *terms; /* of the calls that begin now */
    struct socket_list sockets;
    int64_t most; /* calls under way at once */
    int64_t under_way;
    int open_handles; /* libuv handles not yet closed, the upstream itself among them */
};

/* One request of libcurl's. `sendings` counts how often libcurl wanted to send it. */
struct transfer {
    struct upstream *upstream;
    struct terms *terms;
    struct upstream_call *call;
    const struct provider *provider;
    CURL *easy;
    int sendings;
    bool stale;    /* not sent, since something waited on its connection */
    bool has_head; /* the reply's head came to its end */
    bool too_large;
    size_t size;
    struct provider_request request; /* libcurl reads a body from here */
    char body[REPLY_BODY_MAX];
};

struct watched_socket {
    uv_poll_t poll;
    struct upstream *upstream;
    curl_socket_t fd;
};

static void finish_transfers(struct upstream *upstream);

/* --- terms --- */

static void free_headers(struct curl_slist *headers) {
    if (headers != NULL)
        sodium_memzero(headers->data, strlen(headers->data));
    curl_slist_free_all(headers);
}

static void release_terms(struct terms *terms) {
    if (terms == NULL || --terms->refs > 0)
        return;
    for (int i = 0; i < terms->code_count; i++) {
        free(terms->codes[i].id);
        free_headers(terms->codes[i].headers);
    }
    free(terms->providers);
    free(terms);
}

/* One more line, behind the others. False: no memory. */
static bool add_header(struct curl_slist **headers, const char *line) {
    struct curl_slist *longer = curl_slist_append(*headers, line);
    if (longer != NULL)
        *headers = longer;
    return longer != NULL;
}

/* Without "Expect", since a gateway need not know what to say to it. */
static bool add_body_headers(struct curl_slist **headers, const char *type) {
    char line[96];
    struct text header = text_over(line, sizeof line);
    text_addf(&header, "Content-Type: %s", type);
    return add_header(headers, line) && add_header(headers, "Expect:");
}

static struct curl_slist *make_headers(const struct provider *provider, const char *appcode) {
    char line[PROVIDER_HEADER_SIZE + PROVIDER_CODE_SIZE_MAX];
    struct text header = text_over(line, sizeof line);
    const char *type = provider_body_type(provider);
    struct curl_slist *headers = NULL;
    bool made = provider_write_header(provider, appcode, &header) && add_header(&headers, line) &&
                add_header(&headers, "Accept: application/json") &&
                (type == NULL || add_body_headers(&headers, type));
    sodium_memzero(line, sizeof line);
    if (made)
        return headers;
    free_headers(headers);
    return NULL;
}

static bool copy_codes(struct terms *terms, const struct upstream_settings *settings) {
    for (int i = 0; i < settings->credential_count; i++) {
        const struct upstream_credential *credential = &settings->credentials[i];
        struct code *code = &terms->codes[terms->code_count++];
        code->id = strdup(credential->id);
        code->provider = &terms->providers[credential->provider];
        code->headers = make_headers(code->provider, credential->appcode);
        if (code->id == NULL || code->headers == NULL)
            return false;
    }
    return true;
}

static bool copy_providers(struct terms *terms, const struct upstream_settings *settings) {
    size_t count = (size_t)settings->provider_count;
    terms->providers = calloc(count + 1, sizeof *terms->providers);
    if (terms->providers != NULL && count > 0)
        memcpy(terms->providers, settings->providers, count * sizeof *terms->providers);
    return terms->providers != NULL;
}

/* NULL: no memory. */
static struct terms *new_terms(const struct upstream_settings *settings) {
    size_t count = (size_t)settings->credential_count;
    struct terms *terms = calloc(1, sizeof *terms + count * sizeof terms->codes[0]);
    if (terms == NULL)
        return NULL;
    terms->refs = 1;
    terms->connect_timeout_ms = (long)settings->connect_timeout_ms;
    terms->timeout_ms = (long)settings->timeout_ms;
    terms->keepalive_s = (long)((settings->keepalive_ms + 999) / 1000);
    terms->refuse_contradiction = settings->refuse_contradiction;
    if (copy_providers(terms, settings) && copy_codes(terms, settings))
        return terms;
    release_terms(terms);
    return NULL;
}

static const struct code *find_code(const struct terms *terms, const char *id) {
    bool any = id == NULL || id[0] == '\0';
    for (int i = 0; i < terms->code_count; i++) {
        if (any || strcmp(terms->codes[i].id, id) == 0)
            return &terms->codes[i];
    }
    return NULL;
}

/* --- libcurl's sockets and timer on the loop --- */

static void release_if_closed(struct upstream *upstream) {
    if (--upstream->open_handles > 0)
        return;
    release_terms(upstream->terms);
    socket_list_free(&upstream->sockets);
    free(upstream);
}

static void on_socket_closed(uv_handle_t *handle) {
    struct watched_socket *watched = handle->data;
    struct upstream *upstream = watched->upstream;
    free(watched);
    release_if_closed(upstream);
}

static void on_socket_ready(uv_poll_t *poll, int status, int events) {
    struct watched_socket *watched = poll->data;
    struct upstream *upstream = watched->upstream;
    int flags = 0;
    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    int running = 0;
    curl_multi_socket_action(upstream->multi, watched->fd, flags, &running);
    finish_transfers(upstream);
}

static struct watched_socket *watch_socket(struct upstream *upstream, curl_socket_t fd) {
    struct watched_socket *watched = calloc(1, sizeof *watched);
    if (watched == NULL)
        return NULL;
    watched->upstream = upstream;
    watched->fd = fd;
    if (uv_poll_init(upstream->loop, &watched->poll, fd) != 0) {
        free(watched);
        return NULL;
    }
    watched->poll.data = watched;
    upstream->open_handles++;
    curl_multi_assign(upstream->multi, fd, watched);
    return watched;
}

/* Returning -1 would abort every transfer (libcurl's documentation), so a socket that cannot be
 * watched is left to its transfer's own timeout. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned) {
    (void)easy;
    struct upstream *upstream = arg;
    struct watched_socket *watched = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            uv_poll_stop(&watched->poll);
            uv_close((uv_handle_t *)&watched->poll, on_socket_closed);
            curl_multi_assign(upstream->multi, fd, NULL);
        }
        return 0;
    }
    if (watched == NULL)
        watched = watch_socket(upstream, fd);
    if (watched == NULL)
        return 0;
    int events = 0;
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    uv_poll_start(&watched->poll, events, on_socket_ready);
    return 0;
}

static void on_timer(uv_timer_t *timer) {
    struct upstream *upstream = timer->data;
    int running = 0;
    curl_multi_socket_action(upstream->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_transfers(upstream);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg) {
    (void)multi;
    struct upstream *upstream = arg;
    if (timeout_ms < 0)
        uv_timer_stop(&upstream->timer);
    else
        uv_timer_start(&upstream->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* --- one transfer --- */

/* Before anything is asked on a kept connection nothing may come: the end of the connection, or a
 * reply to no question, which would be taken for the answer to this one. libcurl 7.88 sees the
 * former only, and both only when it takes the connection. */
static bool has_unasked_bytes(const struct transfer *transfer, int local_port) {
    long connects = 1;
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0 && socket_list_has_input(&transfer->upstream->sockets, local_port);
}

/* Runs before every sending, libcurl's own second one on a dead connection included. */
static int on_before_sending(void *arg, char *remote_ip, char *local_ip, int remote_port,
                             int local_port) {
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    struct transfer *transfer = arg;
    if (transfer->sendings == 0 && has_unasked_bytes(transfer, local_port)) {
        transfer->stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->sendings++;
    if (transfer->sendings == 1)
        return CURL_PREREQFUNC_OK;
    metrics_count(transfer->upstream->row, METRIC_RESENDS_PREVENTED);
    return CURL_PREREQFUNC_ABORT;
}

/* Every line of heads and trailers. A connection that ends within the head is a whole reply to
 * libcurl; but who knows what it would have said. */
static size_t on_head(char *bytes, size_t one, size_t size, void *arg) {
    struct transfer *transfer = arg;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    bool is_last_line = size > 0 && (bytes[0] == '\r' || bytes[0] == '\n');
    bool is_interim = status < 200 && status != 101;
    if (is_last_line && !is_interim)
        transfer->has_head = true;
    return one * size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *arg) {
    (void)one;
    struct transfer *transfer = arg;
    if (size > REPLY_BODY_MAX - transfer->size) {
        transfer->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    memcpy(transfer->body + transfer->size, bytes, size);
    transfer->size += size;
    return size;
}

static void free_transfer(struct transfer *transfer) {
    curl_easy_cleanup(transfer->easy);
    release_terms(transfer->terms);
    provider_request_wipe(&transfer->request);
    sodium_memzero(transfer->body, transfer->size);
    free(transfer);
}

/* libcurl keeps a copy of the address, and none of the body. */
static bool set_request(struct transfer *transfer) {
    const struct provider *provider = transfer->provider;
    struct provider_request *request = &transfer->request;
    CURL *easy = transfer->easy;
    bool set = provider_request_make(provider, &transfer->call->triple, request);
#define SET(option, value) set = set && curl_easy_setopt(easy, (option), (value)) == CURLE_OK
    if (provider->method == PROVIDER_GET) {
        SET(CURLOPT_URL, request->bytes);
        provider_request_wipe(request);
        return set;
    }
    SET(CURLOPT_URL, provider->url);
    SET(CURLOPT_POSTFIELDSIZE, (long)request->size);
    SET(CURLOPT_POSTFIELDS, request->bytes);
#undef SET
    return set;
}

static bool set_options(struct transfer *transfer, const struct code *code) {
    const struct terms *terms = transfer->terms;
    int64_t timeout_ms = transfer->call->timeout_ms;
    CURL *easy = transfer->easy;
    bool set = easy_secure(easy);
#define SET(option, value) set = set && curl_easy_setopt(easy, (option), (value)) == CURLE_OK
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_HTTPHEADER, code->headers);
    /* Asks for none; what is encoded all the same is decoded, into the same bounds. */
    SET(CURLOPT_ACCEPT_ENCODING, "identity");
    if (transfer->provider->ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, transfer->provider->ca_file);
        /* Its content may be replaced. A libcurl that keeps none refuses this. */
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    }
    SET(CURLOPT_NOSIGNAL, 1L);
    /* A resolver that hangs is left behind; without this its thread is joined, on the loop. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, terms->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? (long)timeout_ms : terms->timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, terms->keepalive_s);
    SET(CURLOPT_OPENSOCKETFUNCTION, socket_list_open);
    SET(CURLOPT_OPENSOCKETDATA, &transfer->upstream->sockets);
    SET(CURLOPT_CLOSESOCKETFUNCTION, socket_list_close);
    SET(CURLOPT_CLOSESOCKETDATA, &transfer->upstream->sockets);
    SET(CURLOPT_PREREQFUNCTION, on_before_sending);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, transfer);
#undef SET
    return set && set_request(transfer);
}

static struct transfer *new_transfer(struct upstream *upstream, struct upstream_call *call,
                                     const struct code *code) {
    struct transfer *transfer = malloc(sizeof *transfer);
    if (transfer == NULL)
        return NULL;
    memset(transfer, 0, offsetof(struct transfer, request.bytes));
    transfer->upstream = upstream;
    transfer->terms = upstream->terms;
    transfer->call = call;
    transfer->provider = code->provider;
    transfer->terms->refs++;
    transfer->easy = curl_easy_init();
    if (transfer->easy != NULL && set_options(transfer, code))
        return transfer;
    free_transfer(transfer);
    return NULL;
}

static const char *header_of(CURL *easy, const char *name) {
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

/* Only as a number of seconds; a date would be that of somebody else's clock. */
static int64_t read_retry_after(CURL *easy) {
    const char *text = header_of(easy, "Retry-After");
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    long seconds = strtol(text, &end, 10);
    if (*end != '\0')
        return 0;
    return (int64_t)(seconds < RETRY_AFTER_MOST_S ? seconds : RETRY_AFTER_MOST_S) * 1000;
}

static void judge_echo(const struct transfer *transfer, struct reply *reply) {
    if (!reply->contradicts)
        return;
    bool refuse = transfer->terms->refuse_contradiction;
    metrics_count(transfer->upstream->row, METRIC_ECHO_CONTRADICTED);
    log_warn("upstream's reply repeats another question than was asked",
             LOG_TEXT("answer", refuse ? "refused" : "served"));
    if (refuse)
        *reply = (struct reply){.class = REPLY_INVALID, .contradicts = true};
}

/* `whole`: is the body there? Where it cannot be read, its head still tells who refused what. */
static void read_reply(const struct transfer *transfer, bool whole,
                       struct upstream_outcome *outcome) {
    outcome->end = UPSTREAM_REPLIED;
    const struct reply_bytes bytes = {
        .http_status = outcome->http_status,
        .ca_error_code = header_of(transfer->easy, "X-Ca-Error-Code"),
        .ca_error_message = header_of(transfer->easy, "X-Ca-Error-Message"),
        .body = transfer->body,
        .body_size = whole ? transfer->size : 0,
    };
    provider_read(transfer->provider, &bytes, &transfer->call->triple, &outcome->reply,
                  &outcome->priced);
    judge_echo(transfer, &outcome->reply);
    if (outcome->reply.class == REPLY_THROTTLED)
        outcome->retry_after_ms = read_retry_after(transfer->easy);
}

static const char *cause_of(const struct transfer *transfer, CURLcode code) {
    if (transfer->stale)
        return "the kept connection was not clean";
    if (code == CURLE_OK && !transfer->has_head)
        return "the reply's head was cut";
    return curl_easy_strerror(code);
}

static void judge(const struct transfer *transfer, CURLcode code,
                  struct upstream_outcome *outcome) {
    long status = 0;
    curl_off_t total_us = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    outcome->http_status = (int)status;
    outcome->latency_ms = (int64_t)(total_us / 1000);
    outcome->cause = cause_of(transfer, code);
    if (transfer->sendings == 0)
        outcome->end = UPSTREAM_NOT_SENT;
    else if (code == CURLE_OK && transfer->has_head)
        read_reply(transfer, true, outcome);
    else if (transfer->too_large || code == CURLE_BAD_CONTENT_ENCODING)
        read_reply(transfer, false, outcome);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        outcome->end = UPSTREAM_TIMED_OUT;
    else
        outcome->end = UPSTREAM_BROKEN;
}

static void finish_transfer(struct transfer *transfer, CURLcode code) {
    struct upstream *upstream = transfer->upstream;
    struct upstream_call *call = transfer->call;
    struct upstream_outcome outcome = {0};
    judge(transfer, code, &outcome);
    curl_multi_remove_handle(upstream->multi, transfer->easy);
    free_transfer(transfer);
    triple_wipe(&call->triple);
    upstream->under_way--;
    call->done(call, &outcome);
}

static void finish_transfers(struct upstream *upstream) {
    int left = 0;
    for (;;) {
        CURLMsg *message = curl_multi_info_read(upstream->multi, &left);
        if (message == NULL)
            return;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        struct transfer *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        finish_transfer(transfer, code);
    }
}

/* --- the public part --- */

static void set_multi_options(struct upstream *upstream, long max_connections) {
    CURLM *multi = upstream->multi;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, upstream);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, upstream);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_connections);
}

struct upstream *upstream_new(uv_loop_t *loop, const struct upstream_settings *settings,
                              struct metrics_row *row, struct complaint *complaint) {
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (upstream == NULL) {
        complain(complaint, "no memory for the upstream client");
        return NULL;
    }
    upstream->loop = loop;
    upstream->row = row;
    upstream->open_handles = 1;
    upstream->most = settings->max_connections + settings->max_waiting;
    upstream->terms = new_terms(settings);
    upstream->multi = curl_multi_init();
    uv_timer_init(loop, &upstream->timer);
    upstream->timer.data = upstream;
    if (upstream->terms == NULL || upstream->multi == NULL) {
        complain(complaint, "no memory for the upstream client");
        upstream_free(upstream);
        return NULL;
    }
    set_multi_options(upstream, (long)settings->max_connections);
    return upstream;
}

static void on_timer_closed(uv_handle_t *handle) {
    release_if_closed(handle->data);
}

void upstream_free(struct upstream *upstream) {
    if (upstream == NULL)
        return;
    /* Its clean-up still calls the socket and timer functions. */
    curl_multi_cleanup(upstream->multi);
    uv_close((uv_handle_t *)&upstream->timer, on_timer_closed);
}

bool upstream_set(struct upstream *upstream, const struct upstream_settings *settings) {
    struct terms *terms = new_terms(settings);
    if (terms == NULL)
        return false;
    release_terms(upstream->terms);
    upstream->terms = terms;
    return true;
}

bool upstream_has_credential(const struct upstream *upstream) {
    return upstream->terms->code_count > 0;
}

int64_t upstream_under_way(const struct upstream *upstream) {
    return (int64_t)upstream->under_way;
}

bool upstream_is_full(const struct upstream *upstream) {
    return upstream->under_way >= upstream->most;
}

bool upstream_start(struct upstream *upstream, struct upstream_call *call) {
    const struct code *code = find_code(upstream->terms, call->credential);
    call->cause = "no AppCode is set for the credential";
    if (code == NULL)
        return false;
    call->cause = "no memory to begin the call";
    struct transfer *transfer = new_transfer(upstream, call, code);
    if (transfer == NULL)
        return false;
    if (curl_multi_add_handle(upstream->multi, transfer->easy) != CURLM_OK) {
        free_transfer(transfer);
        return false;
    }
    upstream->under_way++;
    return true;
}
