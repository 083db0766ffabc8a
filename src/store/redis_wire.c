#include "store/redis_wire.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/async.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <sys/socket.h>

#include "runtime/text.h"

#define KEEPALIVE_IDLE_S     5
#define KEEPALIVE_INTERVAL_S 2
#define KEEPALIVE_COUNT      3

/* What is said at login: AUTH USER PASSWORD is the longest. */
#define SAY_MOST 4

/* After so many commands it is written without waiting for the turn's end: the server has something
 * to do while we go on. */
#define WRITTEN_AT_ONCE 32

#define LENGTH_SIZE 24 /* of "$123\r\n" */

struct redis_wire {
    redisAsyncContext *context; /* NULL: hiredis has freed it, or is about to */
    const struct redis_wire_events *events;
    void *arg;
    struct redis_tls_session *session; /* hiredis's, with the context */
    uv_poll_t poll;
    uv_idle_t flush; /* active: there is something to be written at the next turn */
    int open_handles;
    int mask;      /* what the poll handle waits for */
    int unwritten; /* commands since the last try */
    bool connected;
    bool told_connected;
    bool busy;    /* hiredis is on the stack */
    bool writing; /* … and is writing */
    bool closed;
    char reason[REDIS_REASON_SIZE];
};

/* --- hiredis's hooks. They are called for every command: only changes reach libuv. --- */

static void on_ready(uv_poll_t *poll, int status, int events);
static void on_flush(uv_idle_t *idle);

static void wait_for(struct redis_wire *wire, int mask) {
    if (wire->mask == mask || wire->context == NULL)
        return;
    wire->mask = mask;
    if (mask == 0)
        uv_poll_stop(&wire->poll);
    else
        uv_poll_start(&wire->poll, mask, on_ready);
}

static void add_read(void *data) {
    struct redis_wire *wire = data;
    wait_for(wire, wire->mask | UV_READABLE);
}

static void del_read(void *data) {
    struct redis_wire *wire = data;
    wait_for(wire, wire->mask & ~UV_READABLE);
}

/* A socket is nearly always writable, so one try a turn saves asking the kernel for it twice. */
static void add_write(void *data) {
    struct redis_wire *wire = data;
    if (!wire->connected || wire->writing)
        wait_for(wire, wire->mask | UV_WRITABLE);
    else if (!(wire->mask & UV_WRITABLE) && wire->context != NULL)
        uv_idle_start(&wire->flush, on_flush);
}

static void del_write(void *data) {
    struct redis_wire *wire = data;
    wait_for(wire, wire->mask & ~UV_WRITABLE);
    if (wire->context != NULL)
        uv_idle_stop(&wire->flush);
}

static void tell_loss(struct redis_wire *wire) {
    wire->closed = true;
    wire->events->lost(wire->arg, wire->reason);
}

/* Who was sending when it was lost could not be told then. */
static void on_handle_closed(uv_handle_t *handle) {
    struct redis_wire *wire = handle->data;
    if (--wire->open_handles > 0)
        return;
    if (!wire->closed)
        tell_loss(wire);
    free(wire);
}

/* The last thing hiredis calls before it closes the socket, more than once in some versions. It is
 * the one place where every kind of loss comes by. */
static void clean_up(void *data) {
    struct redis_wire *wire = data;
    redisAsyncContext *context = wire->context;
    if (context == NULL)
        return;
    wire->context = NULL;
    struct text reason = text_over(wire->reason, sizeof wire->reason);
    if (wire->session == NULL || !redis_tls_reason(wire->session, &reason))
        text_add(&reason, context->c.errstr);
    uv_close((uv_handle_t *)&wire->poll, on_handle_closed);
    uv_close((uv_handle_t *)&wire->flush, on_handle_closed);
}

static void on_connect(const redisAsyncContext *context, int status) {
    struct redis_wire *wire = context->data;
    if (status == REDIS_OK)
        wire->connected = true;
}

/* --- in and out of hiredis --- */

static void enter(struct redis_wire *wire) {
    wire->busy = true;
    if (wire->session != NULL)
        redis_tls_begin_turn();
}

/* Hiredis is off the stack: what its callbacks only noted can be acted upon. */
static void leave(struct redis_wire *wire) {
    wire->busy = false;
    if (wire->closed) {
        if (wire->context != NULL)
            redisAsyncFree(wire->context);
        return;
    }
    if (wire->context == NULL) {
        tell_loss(wire);
        return;
    }
    if (wire->connected && !wire->told_connected) {
        wire->told_connected = true;
        wire->events->connected(wire->arg);
    }
}

static void write_now(struct redis_wire *wire) {
    wire->unwritten = 0;
    wire->writing = true;
    redisAsyncHandleWrite(wire->context);
    wire->writing = false;
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct redis_wire *wire = poll->data;
    /* An error on the socket (a refused connection, too) makes libuv stop the handle and report no
     * event. Only hiredis can find out which error. */
    if (status < 0) {
        wire->mask = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    enter(wire);
    if (events & UV_READABLE)
        redisAsyncHandleRead(wire->context);
    if (wire->context != NULL && !wire->closed && (events & UV_WRITABLE))
        write_now(wire);
    leave(wire);
}

static void on_flush(uv_idle_t *idle) {
    struct redis_wire *wire = idle->data;
    uv_idle_stop(idle);
    enter(wire);
    write_now(wire);
    leave(wire);
}

static void on_reply(redisAsyncContext *context, void *reply, void *data) {
    (void)context;
    struct redis_wire *wire = data;
    if (reply != NULL && !wire->closed && wire->context != NULL)
        wire->events->replied(wire->arg, reply);
}

/* --- the public part --- */

static void set_socket_options(int fd) {
    const int on = 1;
    const int idle = KEEPALIVE_IDLE_S;
    const int interval = KEEPALIVE_INTERVAL_S;
    const int count = KEEPALIVE_COUNT;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static redisAsyncContext *connect_context(const struct redis_wire_target *target,
                                          struct redis_tls_session **session, struct text *reason) {
    redisAsyncContext *context = target->host != NULL
                                     ? redisAsyncConnect(target->host, target->port)
                                     : redisAsyncConnectUnix(target->path);
    if (context == NULL) {
        text_add(reason, "no memory for a connection");
        return NULL;
    }
    if (context->err != 0) {
        text_add(reason, context->c.errstr);
        redisAsyncFree(context);
        return NULL;
    }
    if (target->host != NULL)
        set_socket_options(context->c.fd);
    if (target->tls != NULL) {
        *session = redis_tls_start(target->tls, &context->c, target->server_name, reason);
        if (*session == NULL) {
            redisAsyncFree(context);
            return NULL;
        }
    }
    return context;
}

static bool attach(struct redis_wire *wire, uv_loop_t *loop) {
    if (uv_poll_init(loop, &wire->poll, wire->context->c.fd) != 0)
        return false;
    uv_idle_init(loop, &wire->flush);
    wire->poll.data = wire;
    wire->flush.data = wire;
    wire->open_handles = 2;
    redisAsyncContext *context = wire->context;
    context->data = wire;
    context->ev.data = wire;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = clean_up;
    /* It asks for the first write event, so the hooks must be there. */
    redisAsyncSetConnectCallback(context, on_connect);
    return true;
}

struct redis_wire *redis_wire_open(uv_loop_t *loop, const struct redis_wire_target *target,
                                   const struct redis_wire_events *events, void *arg,
                                   char reason[REDIS_REASON_SIZE]) {
    struct text why = text_over(reason, REDIS_REASON_SIZE);
    struct redis_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        text_add(&why, "no memory for a connection");
        return NULL;
    }
    wire->events = events;
    wire->arg = arg;
    wire->context = connect_context(target, &wire->session, &why);
    if (wire->context == NULL) {
        free(wire);
        return NULL;
    }
    if (!attach(wire, loop)) {
        text_add(&why, "cannot watch the connection");
        redisAsyncFree(wire->context);
        free(wire);
        return NULL;
    }
    return wire;
}

void redis_wire_close(struct redis_wire *wire) {
    if (wire == NULL || wire->closed)
        return;
    wire->closed = true;
    if (!wire->busy && wire->context != NULL)
        redisAsyncFree(wire->context);
}

void redis_wire_hand_over(struct redis_wire *wire, const struct redis_wire_events *events,
                          void *arg) {
    wire->events = events;
    wire->arg = arg;
}

static char *put_length(char *at, char kind, size_t length) {
    char digits[LENGTH_SIZE];
    char *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + length % 10);
        length /= 10;
    } while (length > 0);
    size_t size = (size_t)(digits + sizeof digits - first);
    *at++ = kind;
    memcpy(at, first, size);
    memcpy(at + size, "\r\n", 2);
    return at + size + 2;
}

/* RESP, as hiredis writes it; its own way of doing so, text by text into a growing string, takes
 * several times as long. With a zero behind it: hiredis looks for the next argument, as in a text.
 * NULL: no memory. */
static char *format_owned(int argc, const char *const *argv, const size_t *sizes, size_t *size) {
    size_t room = LENGTH_SIZE + 1;
    for (int i = 0; i < argc; i++)
        room += LENGTH_SIZE + sizes[i] + 2;
    char *command = malloc(room);
    if (command == NULL)
        return NULL;
    char *at = put_length(command, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        at = put_length(at, '$', sizes[i]);
        memcpy(at, argv[i], sizes[i]);
        memcpy(at + sizes[i], "\r\n", 2);
        at += sizes[i] + 2;
    }
    *at = '\0';
    *size = (size_t)(at - command);
    return command;
}

/* From within hiredis, or before there is a connection, it is written later anyway. */
static void write_early(struct redis_wire *wire) {
    if (++wire->unwritten < WRITTEN_AT_ONCE || wire->busy || !wire->connected)
        return;
    enter(wire);
    write_now(wire);
    wire->busy = false;
}

bool redis_wire_send(struct redis_wire *wire, int argc, const char *const *argv,
                     const size_t *sizes) {
    if (wire->context == NULL)
        return false;
    size_t size = 0;
    char *command = format_owned(argc, argv, sizes, &size);
    if (command == NULL)
        return false;
    bool sent =
        redisAsyncFormattedCommand(wire->context, on_reply, wire, command, size) == REDIS_OK;
    free(command);
    if (sent)
        write_early(wire);
    return sent;
}

bool redis_wire_say(struct redis_wire *wire, int argc, const char *const *argv) {
    const char *arguments[SAY_MOST];
    if (wire->context == NULL || argc > SAY_MOST)
        return false;
    memcpy(arguments, argv, (size_t)argc * sizeof *argv);
    char *command = NULL;
    long long size = redisFormatCommandArgv(&command, argc, arguments, NULL);
    if (size < 0)
        return false;
    int said = redisAsyncFormattedCommand(wire->context, on_reply, wire, command, (size_t)size);
    sodium_memzero(command, (size_t)size);
    redisFreeCommand(command);
    return said == REDIS_OK;
}

void redis_wire_read(struct redis_wire *wire) {
    enter(wire);
    redisAsyncHandleRead(wire->context);
    leave(wire);
}
