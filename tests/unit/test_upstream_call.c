/* Which code and which address a call bears, and what happens to both when they are replaced: the
 * real client against a listener of the test's own on the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <uv.h>

#include "sellers.h"
#include "upstream/call.h"

#define CALLS_MOST   8
#define REQUEST_SIZE 2048
#define DEADLINE_MS  10000

/* --- the gateway, played --- */

/* A connection. It is answered when the test says so. */
struct visitor {
    uv_tcp_t tcp;
    uv_write_t write;
    char bytes[REQUEST_SIZE];
    size_t size;
    bool asks; /* a request is there that was not answered */
};

struct house {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_timer_t deadline;
    struct visitor *visitors[CALLS_MOST];
    int visitor_count;
    char requests[CALLS_MOST][REQUEST_SIZE]; /* heads, in the order of their arrival */
    int request_count;
    char url[64];
    struct provider guide;
    struct metrics_row *metrics;
    struct upstream *upstream;
};

static void on_allocate(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    (void)wanted;
    struct visitor *visitor = (struct visitor *)handle;
    *buffer = uv_buf_init(visitor->bytes + visitor->size,
                          (unsigned)(sizeof visitor->bytes - 1 - visitor->size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    (void)buffer;
    struct visitor *visitor = (struct visitor *)stream;
    struct house *house = stream->loop->data;
    if (size < 0) {
        uv_read_stop(stream);
        return;
    }
    visitor->size += (size_t)size;
    visitor->bytes[visitor->size] = '\0';
    const char *head_end = strstr(visitor->bytes, "\r\n\r\n");
    const char *length = strstr(visitor->bytes, "\r\nContent-Length: ");
    if (head_end == NULL ||
        (length != NULL && strlen(head_end + 4) < strtoul(length + 18, NULL, 10)))
        return;
    assert_in_range(house->request_count, 0, CALLS_MOST - 1);
    snprintf(house->requests[house->request_count++], REQUEST_SIZE, "%s", visitor->bytes);
    visitor->size = 0;
    visitor->asks = true;
}

static void on_visitor(uv_stream_t *listener, int status) {
    struct house *house = listener->loop->data;
    assert_int_equal(status, 0);
    assert_in_range(house->visitor_count, 0, CALLS_MOST - 1);
    struct visitor *visitor = calloc(1, sizeof *visitor);
    house->visitors[house->visitor_count++] = visitor;
    uv_tcp_init(&house->loop, &visitor->tcp);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&visitor->tcp), 0);
    uv_read_start((uv_stream_t *)&visitor->tcp, on_allocate, on_read);
}

static void answer_all(struct house *house) {
    static char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    uv_buf_t buffer = uv_buf_init(reply, sizeof reply - 1);
    for (int i = 0; i < house->visitor_count; i++) {
        struct visitor *visitor = house->visitors[i];
        if (visitor->asks)
            uv_write(&visitor->write, (uv_stream_t *)&visitor->tcp, &buffer, 1, NULL);
        visitor->asks = false;
    }
}

/* --- a house of one upstream --- */

static const struct upstream_credential two[] = {{"main", "code-main", 0},
                                                 {"second", "code-second", 0}};
static const struct upstream_credential other[] = {{"main", "code-rotated", 0}};
static const char *const all_statuses[] = {"*", NULL};

static struct upstream_settings settings_of(struct house *house) {
    assert_true(provider_set_guide(&house->guide, house->url, "", all_statuses));
    return (struct upstream_settings){
        .providers = &house->guide,
        .provider_count = 1,
        .credentials = two,
        .credential_count = 2,
        .connect_timeout_ms = 2000,
        .timeout_ms = DEADLINE_MS,
        .keepalive_ms = 20000,
        .max_connections = 1,
        .max_waiting = 4,
    };
}

static void on_deadline(uv_timer_t *timer) {
    (void)timer;
    fail_msg("it did not happen in time");
}

static int open_house(void **state) {
    struct house *house = calloc(1, sizeof *house);
    struct sockaddr_in address;
    int size = sizeof address;
    uv_loop_init(&house->loop);
    house->loop.data = house;
    uv_tcp_init(&house->loop, &house->listener);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_bind(&house->listener, (const struct sockaddr *)&address, 0);
    uv_tcp_getsockname(&house->listener, (struct sockaddr *)&address, &size);
    snprintf(house->url, sizeof house->url, "http://127.0.0.1:%d/old", ntohs(address.sin_port));
    uv_listen((uv_stream_t *)&house->listener, 8, on_visitor);
    uv_timer_init(&house->loop, &house->deadline);
    uv_timer_start(&house->deadline, on_deadline, DEADLINE_MS, 0);
    house->metrics = metrics_new(1);
    struct complaint complaint;
    struct upstream_settings settings = settings_of(house);
    house->upstream = upstream_new(&house->loop, &settings, house->metrics, &complaint);
    assert_non_null(house->upstream);
    *state = house;
    return 0;
}

static int close_house(void **state) {
    struct house *house = *state;
    upstream_free(house->upstream);
    uv_close((uv_handle_t *)&house->listener, NULL);
    uv_close((uv_handle_t *)&house->deadline, NULL);
    for (int i = 0; i < house->visitor_count; i++)
        uv_close((uv_handle_t *)&house->visitors[i]->tcp, NULL);
    uv_run(&house->loop, UV_RUN_DEFAULT);
    for (int i = 0; i < house->visitor_count; i++)
        free(house->visitors[i]);
    int left = uv_loop_close(&house->loop);
    metrics_free(house->metrics);
    free(house);
    return left;
}

/* --- asking --- */

struct question {
    struct upstream_call call; /* first: `done` gets it */
    bool done;
    enum upstream_end end;
};

static void on_done(struct upstream_call *call, const struct upstream_outcome *outcome) {
    struct question *question = (struct question *)call;
    question->done = true;
    question->end = outcome->end;
}

static struct question question_of(const char *credential) {
    struct question question = {.call = {.done = on_done, .credential = credential}};
    snprintf(question.call.triple.name, sizeof question.call.triple.name, "某人");
    return question;
}

static void ask(struct house *house, struct question *question) {
    assert_true(upstream_start(house->upstream, &question->call));
}

static void wait_for_requests(struct house *house, int count) {
    while (house->request_count < count)
        uv_run(&house->loop, UV_RUN_ONCE);
}

static void wait_for_end(struct house *house, const struct question *question) {
    while (!question->done)
        uv_run(&house->loop, UV_RUN_ONCE);
}

static void assert_bears(const struct house *house, int request, const char *code,
                         const char *path) {
    char header[64];
    snprintf(header, sizeof header, "\r\nAuthorization: APPCODE %s\r\n", code);
    assert_non_null(strstr(house->requests[request], header));
    assert_int_equal(strncmp(house->requests[request], path, strlen(path)), 0);
}

static void test_a_call_bears_its_credentials_code(void **state) {
    static const struct {
        const char *credential, *code;
    } cases[] = {
        {"second", "code-second"}, {"main", "code-main"}, {"", "code-main"}, {NULL, "code-main"}};
    struct house *house = *state;
    for (int i = 0; i < 4; i++) {
        struct question question = question_of(cases[i].credential);
        ask(house, &question);
        wait_for_requests(house, i + 1);
        answer_all(house);
        wait_for_end(house, &question);
        assert_int_equal(question.end, UPSTREAM_REPLIED);
        assert_bears(house, i, cases[i].code, "GET /old?");
    }
}

static void test_an_unknown_credential_is_not_sent(void **state) {
    struct house *house = *state;
    struct question question = question_of("third");
    assert_false(upstream_start(house->upstream, &question.call));
    assert_string_equal(question.call.cause, "no AppCode is set for the credential");
    assert_false(question.done);
    assert_int_equal(house->visitor_count, 0);
}

/* libcurl sends the header of a waiting call long after it was told it. */
static void test_what_has_begun_keeps_its_code_and_address(void **state) {
    struct house *house = *state;
    struct question first = question_of("main");
    struct question waiting = question_of("second");
    struct question later = question_of("main");
    struct provider elsewhere;
    char url[80];
    ask(house, &first);
    wait_for_requests(house, 1);
    ask(house, &waiting);

    struct upstream_settings settings = settings_of(house);
    snprintf(url, sizeof url, "%.*s/new", (int)strlen(house->url) - 4, house->url);
    assert_true(provider_set_guide(&elsewhere, url, "", all_statuses));
    settings.providers = &elsewhere;
    settings.credentials = other;
    settings.credential_count = 1;
    assert_true(upstream_set(house->upstream, &settings));
    memset(&elsewhere, 'x', sizeof elsewhere);
    ask(house, &later);

    for (int i = 1; i <= 3; i++) {
        wait_for_requests(house, i);
        answer_all(house);
    }
    wait_for_end(house, &first);
    wait_for_end(house, &waiting);
    wait_for_end(house, &later);
    assert_bears(house, 0, "code-main", "GET /old?");
    assert_bears(house, 1, "code-second", "GET /old?");
    assert_bears(house, 2, "code-rotated", "GET /new?");
    struct question gone = question_of("second");
    assert_false(upstream_start(house->upstream, &gone.call));
}

static void test_codes_can_come_and_go(void **state) {
    struct house *house = *state;
    struct upstream_settings settings = settings_of(house);
    assert_true(upstream_has_credential(house->upstream));
    settings.credential_count = 0;
    assert_true(upstream_set(house->upstream, &settings));
    assert_false(upstream_has_credential(house->upstream));
    struct question question = question_of(NULL);
    assert_false(upstream_start(house->upstream, &question.call));
    settings.credential_count = 2;
    assert_true(upstream_set(house->upstream, &settings));
    assert_true(upstream_has_credential(house->upstream));
}

/* The lease that covers it was taken for that long. */
static void test_a_call_may_have_a_time_of_its_own(void **state) {
    struct house *house = *state;
    struct question question = question_of(NULL);
    question.call.timeout_ms = 50;
    ask(house, &question);
    wait_for_end(house, &question);
    assert_int_equal(question.end, UPSTREAM_TIMED_OUT);
}

static void test_other_times_are_taken(void **state) {
    struct house *house = *state;
    struct upstream_settings settings = settings_of(house);
    settings.timeout_ms = 50;
    assert_true(upstream_set(house->upstream, &settings));
    struct question question = question_of(NULL);
    ask(house, &question);
    wait_for_end(house, &question);
    assert_int_equal(question.end, UPSTREAM_TIMED_OUT);
}

static void answer_one(struct house *house, struct question *question) {
    int number = house->request_count + 1;
    ask(house, question);
    wait_for_requests(house, number);
    answer_all(house);
    wait_for_end(house, question);
    assert_int_equal(question->end, UPSTREAM_REPLIED);
}

static void assert_last_request(const struct house *house, const char *begin, const char *end) {
    const char *request = house->requests[house->request_count - 1];
    assert_int_equal(strncmp(request, begin, strlen(begin)), 0);
    assert_string_equal(request + strlen(request) - strlen(end), end);
}

/* On one connection, with what libcurl keeps of the call before. */
static void test_a_call_has_nothing_of_the_one_before(void **state) {
    struct house *house = *state;
    struct question first = question_of(NULL);
    struct question second = question_of(NULL);
    struct question late = question_of(NULL);
    snprintf(second.call.triple.name, sizeof second.call.triple.name, "甲");
    answer_one(house, &first);
    assert_last_request(house, "GET /old?idCard=&mobile=&name=%E6%9F%90%E4%BA%BA HTTP/1.1\r\n",
                        "\r\n\r\n");
    answer_one(house, &second);
    assert_last_request(house, "GET /old?idCard=&mobile=&name=%E7%94%B2 HTTP/1.1\r\n", "\r\n\r\n");
    late.call.timeout_ms = 50;
    ask(house, &late);
    wait_for_end(house, &late);
    assert_int_equal(late.end, UPSTREAM_TIMED_OUT);
    assert_int_equal(house->visitor_count, 1);
}

static void test_a_body_has_nothing_of_the_one_before(void **state) {
    struct house *house = *state;
    struct provider provider;
    struct complaint why;
    struct upstream_settings settings = settings_of(house);
    cJSON *json = seller_json(NULL, NULL);
    cJSON_AddStringToObject(json, "method", "POST");
    cJSON_AddStringToObject(json, "body", "form");
    assert_true(provider_parse("second", json, &provider, &why));
    cJSON_Delete(json);
    snprintf(provider.url, sizeof provider.url, "%s", house->url);
    settings.providers = &provider;
    assert_true(upstream_set(house->upstream, &settings));
    struct question first = question_of(NULL);
    struct question second = question_of(NULL);
    snprintf(second.call.triple.name, sizeof second.call.triple.name, "甲");
    answer_one(house, &first);
    assert_last_request(house, "POST /old HTTP/1.1\r\n",
                        "\r\n\r\nrealName=%E6%9F%90%E4%BA%BA&certNo=&phone=");
    answer_one(house, &second);
    assert_last_request(house, "POST /old HTTP/1.1\r\n",
                        "\r\n\r\nrealName=%E7%94%B2&certNo=&phone=");
    assert_int_equal(house->visitor_count, 1);
}

/* --- a socket's number is another's once it is closed --- */

static void on_readable(uv_poll_t *poll, int status, int events) {
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_READABLE);
    *(bool *)poll->data = true;
    uv_poll_stop(poll);
}

/* Not one more connection finds room there, nor is it refused. */
static int listen_and_fill(int fillers[2], char *url, size_t size) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 0), 0);
    getsockname(listener, (struct sockaddr *)&address, &length);
    for (int i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    snprintf(url, size, "http://127.0.0.1:%d/full", ntohs(address.sin_port));
    return listener;
}

static void test_a_socket_that_never_connected_is_let_go(void **state) {
    struct house *house = *state;
    int fillers[2];
    int ends[2];
    bool readable = false;
    uv_poll_t poll = {.data = &readable};
    int listener = listen_and_fill(fillers, house->url, sizeof house->url);
    struct upstream_settings settings = settings_of(house);
    settings.connect_timeout_ms = 50;
    assert_true(upstream_set(house->upstream, &settings));
    struct question question = question_of(NULL);
    ask(house, &question);
    wait_for_end(house, &question);
    assert_int_equal(question.end, UPSTREAM_NOT_SENT);

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_poll_init(&house->loop, &poll, ends[0]), 0);
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (!readable)
        uv_run(&house->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(&house->loop, UV_RUN_NOWAIT);
    close(ends[0]);
    close(ends[1]);
    close(listener);
    close(fillers[0]);
    close(fillers[1]);
}

/* Address, method, header, body and meaning are those of the credential's provider. */
static void test_a_credential_decides_who_is_asked(void **state) {
    static const struct upstream_credential credentials[] = {{"a", "code-a", 0},
                                                             {"b", "code-b", 1}};
    struct house *house = *state;
    struct provider providers[2];
    struct complaint why;
    struct upstream_settings settings = settings_of(house);
    cJSON *json = seller_json("header", "\"X-Key: k-{code}\"");
    cJSON_AddStringToObject(json, "method", "POST");
    cJSON_AddStringToObject(json, "body", "json");
    if (!provider_parse("second", json, &providers[1], &why))
        fail_msg("refused: %s", why.text);
    cJSON_Delete(json);
    providers[0] = house->guide;
    snprintf(providers[1].url, sizeof providers[1].url, "%.*s/v2", (int)strlen(house->url) - 4,
             house->url);
    settings.providers = providers;
    settings.provider_count = 2;
    settings.credentials = credentials;
    assert_true(upstream_set(house->upstream, &settings));
    memset(providers, 'x', sizeof providers);

    struct question first = question_of("b");
    struct question second = question_of("a");
    ask(house, &first);
    wait_for_requests(house, 1);
    answer_all(house);
    wait_for_end(house, &first);
    ask(house, &second);
    wait_for_requests(house, 2);
    answer_all(house);
    wait_for_end(house, &second);
    const char *post = house->requests[0];
    assert_int_equal(strncmp(post, "POST /v2 HTTP/1.1\r\n", 19), 0);
    assert_non_null(strstr(post, "\r\nX-Key: k-code-b\r\n"));
    assert_non_null(strstr(post, "\r\nContent-Type: application/json; charset=UTF-8\r\n"));
    assert_null(strstr(post, "Expect"));
    assert_null(strstr(post, "Authorization"));
    assert_non_null(strstr(post, "\r\n\r\n{\"realName\":\"某人\",\"certNo\":\"\",\"phone\":\"\"}"));
    assert_bears(house, 1, "code-a", "GET /old?");
    assert_null(strstr(house->requests[1], "Content-"));
    struct question neither = question_of("main");
    assert_false(upstream_start(house->upstream, &neither.call));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_house, close_house)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_call_bears_its_credentials_code),
        TEST(test_an_unknown_credential_is_not_sent),
        TEST(test_what_has_begun_keeps_its_code_and_address),
        TEST(test_codes_can_come_and_go),
        TEST(test_a_credential_decides_who_is_asked),
        TEST(test_a_call_may_have_a_time_of_its_own),
        TEST(test_other_times_are_taken),
        TEST(test_a_call_has_nothing_of_the_one_before),
        TEST(test_a_body_has_nothing_of_the_one_before),
        TEST(test_a_socket_that_never_connected_is_let_go),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
