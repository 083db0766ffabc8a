#include "store/redis_dial.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"

/* A lookup outlives a dial that does not want to wait for it. */
struct redis_lookup {
    uv_getaddrinfo_t request;
    struct redis_dial *dial; /* NULL: given up */
};

static void try_next(struct redis_dial *dial);

int64_t redis_dial_now_ms(void) {
    return (int64_t)(uv_hrtime() / 1000000);
}

void redis_dial_init(struct redis_dial *dial, uv_loop_t *loop, int64_t timeout_ms,
                     const struct redis_dial_events *events, void *arg) {
    *dial =
        (struct redis_dial){.loop = loop, .timeout_ms = timeout_ms, .events = events, .arg = arg};
}

void redis_dial_stop(struct redis_dial *dial) {
    if (dial->lookup != NULL) {
        dial->lookup->dial = NULL;
        uv_cancel((uv_req_t *)&dial->lookup->request);
        dial->lookup = NULL;
    }
    redis_wire_close(dial->wire);
    dial->wire = NULL;
    uv_freeaddrinfo(dial->found);
    dial->found = NULL;
    dial->next = NULL;
}

static void note_failure(struct redis_dial *dial, const char *why) {
    struct text reason = text_over(dial->reason, sizeof dial->reason);
    if (dial->port != 0)
        text_addf(&reason, "%s:%d: %s", dial->host, dial->port, why);
    else
        text_addf(&reason, "%s: %s", dial->host, why);
}

static void fail(struct redis_dial *dial) {
    char reason[REDIS_REASON_SIZE];
    memcpy(reason, dial->reason, sizeof reason);
    redis_dial_stop(dial);
    dial->events->failed(dial->arg, reason);
}

/* --- the wire --- */

static void on_connected(void *arg) {
    struct redis_dial *dial = arg;
    struct redis_wire *wire = dial->wire;
    dial->wire = NULL;
    redis_dial_stop(dial);
    dial->events->connected(dial->arg, wire);
}

static void on_replied(void *arg, const redisReply *reply) {
    (void)arg;
    (void)reply;
}

static void on_lost(void *arg, const char *reason) {
    struct redis_dial *dial = arg;
    dial->wire = NULL;
    note_failure(dial, reason);
    try_next(dial);
}

static const struct redis_wire_events wire_events = {on_connected, on_replied, on_lost};

static bool open_wire(struct redis_dial *dial, const struct redis_wire_target *target) {
    char why[REDIS_REASON_SIZE];
    dial->wire = redis_wire_open(dial->loop, target, &wire_events, dial, why);
    if (dial->wire == NULL) {
        note_failure(dial, why);
        return false;
    }
    dial->due_ms = redis_dial_now_ms() + dial->timeout_ms;
    return true;
}

static void try_next(struct redis_dial *dial) {
    while (dial->next != NULL) {
        const struct addrinfo *address = dial->next;
        dial->next = address->ai_next;
        char host[NI_MAXHOST];
        int error = getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof host, NULL, 0,
                                NI_NUMERICHOST);
        if (error != 0) {
            note_failure(dial, gai_strerror(error));
            continue;
        }
        const struct redis_wire_target target = {
            .host = host, .port = dial->port, .tls = dial->tls, .server_name = dial->host};
        if (open_wire(dial, &target))
            return;
    }
    fail(dial);
}

/* --- the name --- */

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct redis_lookup *lookup = request->data;
    struct redis_dial *dial = lookup->dial;
    free(lookup);
    if (dial == NULL) {
        uv_freeaddrinfo(found);
        return;
    }
    dial->lookup = NULL;
    if (status != 0) {
        note_failure(dial, uv_strerror(status));
        fail(dial);
        return;
    }
    dial->found = found;
    dial->next = found;
    try_next(dial);
}

static void look_up(struct redis_dial *dial) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct redis_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        note_failure(dial, "no memory to look it up");
        fail(dial);
        return;
    }
    lookup->dial = dial;
    lookup->request.data = lookup;
    int error =
        uv_getaddrinfo(dial->loop, &lookup->request, on_looked_up, dial->host, NULL, &hints);
    if (error != 0) {
        free(lookup);
        note_failure(dial, uv_strerror(error));
        fail(dial);
        return;
    }
    dial->lookup = lookup;
    int64_t wait_ms = dial->timeout_ms > REDIS_LOOKUP_MS ? dial->timeout_ms : REDIS_LOOKUP_MS;
    dial->due_ms = redis_dial_now_ms() + wait_ms;
}

/* --- the public part --- */

void redis_dial_host(struct redis_dial *dial, const char *host, int port, struct redis_tls *tls) {
    struct text copy = text_over(dial->host, sizeof dial->host);
    text_add(&copy, host);
    dial->port = port;
    dial->tls = tls;
    /* An address needs no thread to be looked up on. */
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC, .ai_flags = AI_NUMERICHOST};
    if (getaddrinfo(dial->host, NULL, &hints, &dial->found) != 0) {
        dial->found = NULL;
        look_up(dial);
        return;
    }
    dial->next = dial->found;
    try_next(dial);
}

void redis_dial_path(struct redis_dial *dial, const char *path) {
    struct text copy = text_over(dial->host, sizeof dial->host);
    text_add(&copy, path);
    dial->port = 0;
    const struct redis_wire_target target = {.path = dial->host};
    if (!open_wire(dial, &target))
        fail(dial);
}

void redis_dial_late(struct redis_dial *dial) {
    char why[64];
    struct text text = text_over(why, sizeof why);
    if (dial->lookup != NULL) {
        note_failure(dial, "the name is still being looked up");
        fail(dial);
        return;
    }
    text_add(&text, "no connection within ");
    text_add_number(&text, dial->timeout_ms);
    text_add(&text, " ms");
    redis_wire_close(dial->wire);
    dial->wire = NULL;
    note_failure(dial, why);
    try_next(dial);
}
