#include "upstream/call.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "runtime/log.h"
#include "upstream/easy.h"
#include "upstream/sockets.h"
#include "upstream/terms.h"

#define RETRY_AFTER_MOST_S 3600
#define SPARES_MOST        64 /* of each code, to be used again */

struct upstream {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct metrics_row *row;
    struct terms *terms; /* of the calls that begin now */
    struct sockets sockets;
    int64_t most; /* calls under way at once */
    int64_t under_way;
    bool timer_closed;
};

/* One request of libcurl's. `sendings` counts how often libcurl wanted to send it. */
struct transfer {
    struct transfer *next; /* among the spare ones */
    struct upstream *upstream;
    struct terms *terms;
    struct terms_code *code;
    struct upstream_call *call;
    CURL *easy; /* set once for all calls with this code, but for what is asked */
    int sendings;
    bool stale;    /* not sent, since something waited on its connection */
    bool has_head; /* the reply's head came to its end */
    bool too_large;
    size_t size;
    struct provider_request request; /* libcurl reads a body from here */
    char body[REPLY_BODY_MAX];
};

static void finish_transfers(struct upstream *upstream);

/* --- libcurl's sockets and timer on the loop --- */

static void release_if_closed(void *arg) {
    struct upstream *upstream = arg;
    if (!upstream->timer_closed || upstream->sockets.handles > 0)
        return;
    terms_release(upstream->terms);
    sockets_free(&upstream->sockets);
    free(upstream);
}

static void on_socket_ready(void *arg, curl_socket_t fd, int flags) {
    struct upstream *upstream = arg;
    int running = 0;
    curl_multi_socket_action(upstream->multi, fd, flags, &running);
    finish_transfers(upstream);
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
static bool is_clean(const struct transfer *transfer, int local_port) {
    struct sockets *sockets = &transfer->upstream->sockets;
    long connects = 1;
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (connects == 0)
        return !sockets_have_input(sockets, local_port);
    sockets_note_connected(sockets, local_port);
    return true;
}

/* Runs before every sending, libcurl's own second one on a dead connection included. */
static int on_before_sending(void *arg, char *remote_ip, char *local_ip, int remote_port,
                             int local_port) {
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    struct transfer *transfer = arg;
    if (transfer->sendings == 0 && !is_clean(transfer, local_port)) {
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
    free(transfer);
}

/* Sent as it is, so that what is asked is in no address that libcurl takes apart and puts together
 * again. libcurl keeps a copy of a target, and none of a body. */
static bool set_question(struct transfer *transfer) {
    const struct terms_seller *seller = transfer->code->seller;
    struct provider_request *request = &transfer->request;
    const char *path = seller->path != NULL ? seller->path : "";
    CURL *easy = transfer->easy;
    bool set = provider_request_make(&seller->provider, path, &transfer->call->triple, request);
#define SET(option, value) set = set && curl_easy_setopt(easy, (option), (value)) == CURLE_OK
    if (seller->provider.method == PROVIDER_GET) {
        SET(CURLOPT_REQUEST_TARGET, request->bytes);
        provider_request_wipe(request);
        return set;
    }
    SET(CURLOPT_POSTFIELDSIZE, (long)request->size);
    SET(CURLOPT_POSTFIELDS, request->bytes);
#undef SET
    return set;
}

static bool set_address(CURL *easy, const struct terms_seller *seller) {
    if (seller->address != NULL)
        return curl_easy_setopt(easy, CURLOPT_CURLU, seller->address) == CURLE_OK;
    return curl_easy_setopt(easy, CURLOPT_URL, seller->provider.url) == CURLE_OK;
}

/* All but what is asked, and for how long. */
static bool set_options(struct transfer *transfer) {
    const struct terms *terms = transfer->upstream->terms;
    const struct terms_seller *seller = transfer->code->seller;
    CURL *easy = transfer->easy;
    bool set = easy_secure(easy) && set_address(easy, seller);
#define SET(option, value) set = set && curl_easy_setopt(easy, (option), (value)) == CURLE_OK
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_HTTPHEADER, transfer->code->headers);
    /* Asks for none; what is encoded all the same is decoded, into the same bounds. */
    SET(CURLOPT_ACCEPT_ENCODING, "identity");
    if (seller->provider.ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, seller->provider.ca_file);
        /* Its content may be replaced. A libcurl that keeps none refuses this. */
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    }
    /* With a session that is taken up again, no certificate is looked at. */
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    /* A resolver that hangs is left behind; without this its thread is joined, on the loop. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, terms->connect_timeout_ms);
    SET(CURLOPT_MAXAGE_CONN, terms->keepalive_s);
    SET(CURLOPT_OPENSOCKETFUNCTION, sockets_open);
    SET(CURLOPT_OPENSOCKETDATA, &transfer->upstream->sockets);
    SET(CURLOPT_CLOSESOCKETFUNCTION, sockets_close);
    SET(CURLOPT_CLOSESOCKETDATA, &transfer->upstream->sockets);
    SET(CURLOPT_PREREQFUNCTION, on_before_sending);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, transfer);
#undef SET
    return set;
}

static struct transfer *new_transfer(struct upstream *upstream, struct terms_code *code) {
    struct transfer *transfer = malloc(sizeof *transfer);
    if (transfer == NULL)
        return NULL;
    memset(transfer, 0, offsetof(struct transfer, request.bytes));
    transfer->upstream = upstream;
    transfer->code = code;
    transfer->easy = curl_easy_init();
    if (transfer->easy != NULL && set_options(transfer))
        return transfer;
    free_transfer(transfer);
    return NULL;
}

static struct transfer *take_transfer(struct upstream *upstream, struct terms_code *code) {
    struct transfer *spare = code->spares;
    if (spare == NULL)
        return new_transfer(upstream, code);
    code->spares = spare->next;
    code->spare_count--;
    return spare;
}

static void clear_transfer(struct transfer *transfer) {
    curl_easy_setopt(transfer->easy, CURLOPT_REQUEST_TARGET, NULL);
    provider_request_wipe(&transfer->request);
    sodium_memzero(transfer->body, transfer->size);
    transfer->call = NULL;
    transfer->terms = NULL;
    transfer->size = 0;
    transfer->sendings = 0;
    transfer->stale = transfer->has_head = transfer->too_large = false;
}

/* Kept, unless its end was unclean or its terms are those of yesterday. */
static void end_transfer(struct transfer *transfer, bool clean) {
    struct terms *terms = transfer->terms;
    struct terms_code *code = transfer->code;
    bool kept = clean && terms == transfer->upstream->terms && code->spare_count < SPARES_MOST;
    clear_transfer(transfer);
    if (kept) {
        transfer->next = code->spares;
        code->spares = transfer;
        code->spare_count++;
    } else {
        free_transfer(transfer);
    }
    terms_release(terms);
}

static struct transfer *begin_transfer(struct upstream *upstream, struct upstream_call *call,
                                       struct terms_code *code) {
    struct transfer *transfer = take_transfer(upstream, code);
    if (transfer == NULL)
        return NULL;
    transfer->terms = upstream->terms;
    transfer->terms->refs++;
    transfer->call = call;
    long timeout_ms = call->timeout_ms > 0 ? (long)call->timeout_ms : transfer->terms->timeout_ms;
    if (curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
        set_question(transfer) &&
        curl_multi_add_handle(upstream->multi, transfer->easy) == CURLM_OK)
        return transfer;
    end_transfer(transfer, false);
    return NULL;
}

static void free_spares(struct terms *terms) {
    for (int i = 0; terms != NULL && i < terms->code_count; i++) {
        struct terms_code *code = &terms->codes[i];
        while (code->spares != NULL) {
            struct transfer *spare = code->spares;
            code->spares = spare->next;
            free_transfer(spare);
        }
        code->spare_count = 0;
    }
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
    provider_read(&transfer->code->seller->provider, &bytes, &transfer->call->triple,
                  &outcome->reply, &outcome->priced);
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
    end_transfer(transfer, code == CURLE_OK);
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
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, sockets_watch);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &upstream->sockets);
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
    upstream->most = settings->max_connections + settings->max_waiting;
    upstream->terms = terms_new(settings);
    upstream->multi = curl_multi_init();
    upstream->sockets = (struct sockets){.loop = loop,
                                         .multi = upstream->multi,
                                         .arg = upstream,
                                         .ready = on_socket_ready,
                                         .closed = release_if_closed};
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
    struct upstream *upstream = handle->data;
    upstream->timer_closed = true;
    release_if_closed(upstream);
}

void upstream_free(struct upstream *upstream) {
    if (upstream == NULL)
        return;
    free_spares(upstream->terms);
    /* Its clean-up still calls the socket and timer functions. */
    curl_multi_cleanup(upstream->multi);
    uv_close((uv_handle_t *)&upstream->timer, on_timer_closed);
}

bool upstream_set(struct upstream *upstream, const struct upstream_settings *settings) {
    struct terms *terms = terms_new(settings);
    if (terms == NULL)
        return false;
    free_spares(upstream->terms);
    terms_release(upstream->terms);
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
    struct terms_code *code = terms_find(upstream->terms, call->credential);
    call->cause = "no AppCode is set for the credential";
    if (code == NULL)
        return false;
    call->cause = "no memory to begin the call";
    if (begin_transfer(upstream, call, code) == NULL)
        return false;
    upstream->under_way++;
    return true;
}
