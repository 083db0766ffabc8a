/*
 * Load at a constant rate, whatever the server does: a request is due at a fixed time, and its
 * latency counts from then on. So a server that stands still is charged for all whom it kept
 * waiting. (h2load --rps counts from the sending, and wrk holds no rate.)
 *
 *   steady PORT REQUESTS CONNECTIONS RATE SECONDS
 *
 * REQUESTS is a file of bench/load.py's, asked over and over. Never sleeps: give it a core of its
 * own. Prints what came of it as JSON. A reply other than 200, or none within ten seconds, fails
 * the run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MOST ((size_t)16 * 1024)
#define EVENTS     256
#define PATIENCE   10000000000 /* ns */

struct request {
    char *bytes;
    size_t size;
};

struct connection {
    int fd;
    int64_t due; /* of the request under way, in ns */
    size_t size; /* of the reply so far */
    char reply[REPLY_MOST + 1];
};

struct run {
    struct request *requests;
    size_t count;
    struct connection *connections;
    size_t *idle; /* indices of those without a request, a stack */
    size_t idle_count;
    int epoll;
    double rate;
    int64_t begin;
    size_t wanted, sent, done;
    int64_t *latencies; /* ns */
};

static void give_up(const char *why) {
    fprintf(stderr, "steady: %s\n", why);
    exit(1);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        give_up("no memory");
    return memory;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* --- what is asked, and of whom --- */

static bool read_request(FILE *file, struct request *request) {
    char line[32];
    if (fgets(line, sizeof line, file) == NULL)
        return false;
    request->size = strtoul(line, NULL, 10);
    request->bytes = allocate(request->size, 1);
    return fread(request->bytes, 1, request->size, file) == request->size;
}

static void read_requests(struct run *run, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        give_up("the requests cannot be read");
    struct request request;
    for (size_t room = 0; read_request(file, &request); run->count++) {
        if (run->count == room) {
            room = room * 2 + 1024;
            run->requests = realloc(run->requests, room * sizeof *run->requests);
            if (run->requests == NULL)
                give_up("no memory");
        }
        run->requests[run->count] = request;
    }
    fclose(file);
    if (run->count == 0)
        give_up("there are no requests");
}

static void open_connection(const struct run *run, size_t index, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event);
    run->connections[index].fd = fd;
}

static void open_connections(struct run *run, size_t count, uint16_t port) {
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->connections = allocate(count, sizeof *run->connections);
    run->idle = allocate(count, sizeof *run->idle);
    for (size_t i = 0; i < count; i++) {
        open_connection(run, i, port);
        run->idle[run->idle_count++] = i;
    }
}

/* --- asking --- */

static void send_request(struct run *run, int64_t due) {
    const struct request *request = &run->requests[run->sent % run->count];
    struct connection *connection = &run->connections[run->idle[--run->idle_count]];
    connection->due = due;
    connection->size = 0;
    if (send(connection->fd, request->bytes, request->size, MSG_NOSIGNAL) != (ssize_t)request->size)
        give_up("a request could not be sent");
    run->sent++;
}

/* Those that find no idle connection wait, and their latency grows. */
static void send_due(struct run *run) {
    int64_t time = now();
    while (run->sent < run->wanted && run->idle_count > 0) {
        int64_t due = run->begin + (int64_t)((double)run->sent * 1e9 / run->rate);
        if (due > time)
            return;
        send_request(run, due);
    }
}

static bool is_whole(struct connection *connection) {
    connection->reply[connection->size] = '\0';
    const char *end = strstr(connection->reply, "\r\n\r\n");
    if (end == NULL)
        return false;
    const char *length = strcasestr(connection->reply, "\r\nContent-Length:");
    if (strncmp(connection->reply, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end)
        give_up("a reply is not 200 or has no length");
    size_t head = (size_t)(end + 4 - connection->reply);
    return connection->size >= head + strtoul(length + 17, NULL, 10);
}

static void read_reply(struct run *run, size_t index) {
    struct connection *connection = &run->connections[index];
    ssize_t size = recv(connection->fd, connection->reply + connection->size,
                        REPLY_MOST - connection->size, 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0)
        give_up("a connection was closed, or a reply is too long");
    connection->size += (size_t)size;
    if (!is_whole(connection))
        return;
    run->latencies[run->done++] = now() - connection->due;
    run->idle[run->idle_count++] = index;
}

static void ask_all(struct run *run) {
    struct epoll_event events[EVENTS];
    run->begin = now();
    int64_t latest = run->begin + (int64_t)((double)run->wanted * 1e9 / run->rate) + PATIENCE;
    while (run->done < run->wanted) {
        send_due(run);
        int count = epoll_wait(run->epoll, events, EVENTS, 0);
        for (int i = 0; i < count; i++)
            read_reply(run, events[i].data.u64);
        if (count == 0 && now() > latest)
            give_up("replies are missing");
    }
}

/* --- telling --- */

static int compare(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a;
    int64_t other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

static double percentile_us(const struct run *run, double part) {
    return (double)run->latencies[(size_t)(part * (double)(run->done - 1))] / 1e3;
}

static void tell(struct run *run, double seconds) {
    qsort(run->latencies, run->done, sizeof *run->latencies, compare);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": "
           "0}\n",
           run->done, seconds, percentile_us(run, 0.5), percentile_us(run, 0.99));
}

int main(int argc, char **argv) {
    static struct run run;
    if (argc != 6)
        give_up("use: steady PORT REQUESTS CONNECTIONS RATE SECONDS");
    read_requests(&run, argv[2]);
    run.rate = strtod(argv[4], NULL);
    run.wanted = (size_t)(run.rate * strtod(argv[5], NULL));
    if (run.wanted == 0)
        give_up("RATE and SECONDS make no request");
    run.latencies = allocate(run.wanted, sizeof *run.latencies);
    open_connections(&run, strtoul(argv[3], NULL, 10), (uint16_t)strtoul(argv[1], NULL, 10));
    ask_all(&run);
    tell(&run, (double)(now() - run.begin) / 1e9);
    return 0;
}
