/*
 *   head ─ admit ─ body, whole ─ post ─→ 200 ──→ read ─┬─ begin some ──→ lines that are there
 *                                          ↑           └─ nothing there: suspended
 *                                          └── an answer, or a turn in the caller's rate: resumed
 *
 * Questions are begun while the library asks for more of the reply, and only then: a caller that
 * does not read has nothing new asked, and what an answer sets off in the verifier is not entered
 * again from within. A batch lives until its reply was released and nothing of it is under way.
 */
#include "http/batch.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <sodium.h>

#include "http/body.h"
#include "http/caller.h"
#include "http/inquiry.h"
#include "http/measure.h"
#include "http/problem.h"
#include "http/question.h"
#include "http/response.h"
#include "http/server.h"
#include "http/service.h"
#include "runtime/text.h"

/* On one worker: with what each may hold, about 100 MiB. */
#define BATCHES_MOST 64

/* So many are begun before the loop's other sources get their turn. */
#define BEGUN_MOST 64

/* What the kernel takes of a reply that nobody reads; by itself it would take megabytes. */
#define SEND_BUFFER (64 * 1024)

#define LINE_SIZE (INQUIRY_VERDICT_SIZE + QUESTION_ID_MAX + 256)

struct question;

struct batch {
    struct service *service;
    struct server *server;
    struct MHD_Connection *connection;
    struct caller caller;
    struct inquiry_terms terms;
    char request_id[REQUEST_ID_SIZE];
    char trace_id[REQUEST_TRACE_SIZE];
    char *body; /* owned; wiped line by line */
    size_t body_size;
    size_t next; /* byte of it */
    int64_t lines;
    int64_t under_way;
    int64_t answered;
    int64_t failed;
    int64_t billed;
    struct question *waiting; /* for a turn in the caller's rate; NULL: none */
    uv_timer_t turn;
    char *out; /* owned; lines that were not handed over */
    size_t out_size;
    size_t out_room;
    size_t out_sent;
    bool suspended;
    bool left;     /* the caller has: nothing more is begun */
    bool broken;   /* no memory for a line */
    bool ended;    /* the last line is written */
    bool released; /* nobody reads the reply any more */
};

struct question {
    struct asker asker; /* first: what the verifier gives back */
    struct batch *batch;
    int64_t line;
    int64_t since_ms; /* when it first wanted a turn; 0: not yet */
    struct measure measure;
    char id[QUESTION_ID_MAX + 3];
};

/* --- the end --- */

static void on_closed(uv_handle_t *turn) {
    free(turn->data);
}

static void free_question(struct question *question) {
    sodium_memzero(question, sizeof *question);
    free(question);
}

static void drop_rest(struct batch *batch) {
    if (batch->body != NULL)
        sodium_memzero(batch->body, batch->body_size);
    free(batch->body);
    batch->body = NULL;
    batch->next = batch->body_size;
    if (batch->waiting != NULL)
        free_question(batch->waiting);
    batch->waiting = NULL;
}

/* The ids in it are the caller's own. */
static void free_out(struct batch *batch) {
    if (batch->out != NULL)
        sodium_memzero(batch->out, batch->out_room);
    free(batch->out);
    batch->out = NULL;
}

static void free_when_done(struct batch *batch) {
    if (batch->released && batch->under_way == 0)
        uv_close((uv_handle_t *)&batch->turn, on_closed);
}

static void release(void *arg) {
    struct batch *batch = arg;
    batch->released = true;
    drop_rest(batch);
    free_out(batch);
    uv_timer_stop(&batch->turn);
    free_when_done(batch);
}

static void wake(struct batch *batch) {
    if (!batch->suspended)
        return;
    batch->suspended = false;
    MHD_resume_connection(batch->connection);
    server_poke(batch->server);
}

/* --- lines of the reply --- */

/* Room for `size` bytes more: what was handed over makes some, else there is more memory. */
static bool make_room(struct batch *batch, size_t size) {
    size_t left = batch->out_size - batch->out_sent;
    if (batch->out_sent > 0)
        memmove(batch->out, batch->out + batch->out_sent, left);
    batch->out_size = left;
    batch->out_sent = 0;
    if (left + size <= batch->out_room)
        return true;
    size_t room = 2 * (left + size);
    char *grown = malloc(room);
    if (grown == NULL)
        return false;
    if (left > 0)
        memcpy(grown, batch->out, left);
    free_out(batch);
    batch->out = grown;
    batch->out_room = room;
    return true;
}

static void send_line(struct batch *batch, const struct text *line) {
    if (batch->out_size + line->size > batch->out_room && !make_room(batch, line->size)) {
        batch->broken = true;
        return;
    }
    memcpy(batch->out + batch->out_size, line->bytes, line->size);
    batch->out_size += line->size;
}

static void begin_line(const struct question *question, struct text *json) {
    text_add(json, "{\"line\":");
    text_add_number(json, question->line);
    if (question->id[0] != '\0')
        text_addf(json, ",\"id\":%s", question->id);
    text_add(json, ",");
}

static void send_problem(struct question *question, const struct problem_report *report) {
    struct batch *batch = question->batch;
    char line[LINE_SIZE];
    struct text json = text_over(line, sizeof line);
    begin_line(question, &json);
    text_add(&json, "\"error\":{");
    problem_write(report, clock_unix_ms(batch->service->clock), &json);
    text_add(&json, "}}\n");
    batch->failed++;
    measure_batched_problem(batch->service->row, &question->measure, (int)report->problem);
    if (report->billed != BILLED_NO)
        batch->billed++;
    send_line(batch, &json);
}

static void send_answer(struct question *question, const struct verdict *verdict) {
    struct batch *batch = question->batch;
    char line[LINE_SIZE];
    struct text json = text_over(line, sizeof line);
    begin_line(question, &json);
    inquiry_write_verdict(&question->asker.triple, verdict, batch->request_id, &json);
    if (verdict->retry_after_s > 0) {
        text_add(&json, ",\"retryAfter\":");
        text_add_number(&json, verdict->retry_after_s);
    }
    text_add(&json, "}\n");
    batch->answered++;
    measure_batched_answer(batch->service->row, &question->measure, verdict);
    if (verdict->billed != BILLED_NO)
        batch->billed++;
    send_line(batch, &json);
}

static void send_end(struct batch *batch) {
    char line[256];
    struct text json = text_over(line, sizeof line);
    text_addf(&json,
              "{\"done\":true,\"lines\":%lld,\"answered\":%lld,\"failed\":%lld,\"billed\":%lld}\n",
              (long long)batch->lines, (long long)batch->answered, (long long)batch->failed,
              (long long)batch->billed);
    batch->ended = true;
    send_line(batch, &json);
}

/* --- one question --- */

static void conclude(struct question *question, const struct verdict *verdict) {
    if (verdict->failure == FAILURE_NONE) {
        send_answer(question, verdict);
    } else {
        const struct problem_report report =
            inquiry_report(question->batch->service->config, verdict);
        send_problem(question, &report);
    }
    free_question(question);
}

static void on_answered(struct asker *asker, const struct verdict *verdict) {
    struct question *question = (struct question *)asker;
    struct batch *batch = question->batch;
    batch->under_way--;
    if (batch->released) {
        free_question(question);
        free_when_done(batch);
        return;
    }
    conclude(question, verdict);
    wake(batch);
}

static void ask(struct question *question) {
    struct batch *batch = question->batch;
    struct verdict verdict;
    question->asker.answered = on_answered;
    question->asker.client = batch->caller.account;
    question->asker.request_id = batch->request_id;
    question->asker.trace_id = batch->trace_id;
    question->asker.wish = batch->terms.wish;
    question->asker.wait_ms = batch->terms.wait_ms;
    if (verifier_ask(batch->service->verifier, &question->asker, &verdict))
        conclude(question, &verdict);
    else
        batch->under_way++;
}

static void refuse(struct question *question, const struct problem_report *report) {
    send_problem(question, report);
    free_question(question);
}

static void on_turn(uv_timer_t *turn) {
    wake(turn->data);
}

/* Waits for a turn in the caller's rate, as long as a question may take. Who drains does not wait:
 * what is not known is refused. */
static void ask_in_turn(struct question *question) {
    struct batch *batch = question->batch;
    const struct service *service = batch->service;
    int64_t wait_ms = 0;
    if (!service_is_draining(service))
        wait_ms = caller_take_turn(service, &batch->caller);
    if (wait_ms == 0) {
        ask(question);
        return;
    }
    int64_t now_ms = clock_monotonic_ms(service->clock);
    if (question->since_ms == 0)
        question->since_ms = now_ms;
    if (now_ms + wait_ms - question->since_ms > batch->terms.wait_ms) {
        const struct budget_finding finding = caller_turn_away(service, &batch->caller);
        refuse(question,
               &(struct problem_report){.problem = PROBLEM_RATE_LIMITED, .finding = &finding});
        return;
    }
    batch->waiting = question;
    uv_timer_start(&batch->turn, on_turn, (uint64_t)wait_ms, 0);
}

static void begin(struct question *question) {
    struct batch *batch = question->batch;
    struct problem_report report = {.billed = BILLED_NO};
    if (caller_renew(batch->service, &batch->caller, &report.problem))
        ask_in_turn(question);
    else
        refuse(question, &report);
}

/* --- lines of the body --- */

static bool is_blank(struct json_span line) {
    size_t i = 0;
    while (i < line.size && strchr(" \t\r", line.at[i]) != NULL && line.at[i] != '\0')
        i++;
    return i == line.size;
}

/* The next one that is not blank, which is the caller's to wipe. False: there is none. */
static bool next_line(struct batch *batch, struct json_span *line) {
    while (batch->next < batch->body_size) {
        const char *at = batch->body + batch->next;
        size_t left = batch->body_size - batch->next;
        const char *end = memchr(at, '\n', left);
        *line = (struct json_span){at, end != NULL ? (size_t)(end - at) : left};
        batch->next += line->size + (end != NULL ? 1 : 0);
        batch->lines++;
        if (!is_blank(*line))
            return true;
    }
    return false;
}

static bool read_question(struct question *question, struct json_span line,
                          struct complaint *complaint) {
    struct json_span id = {NULL, 0};
    bool good = line.size <= BATCH_LINE_MAX;
    if (good)
        good = question_read_line(line.at, line.size, &question->asker.triple, &id, complaint);
    else
        complain(complaint, "A line has at most %zu KiB.", BATCH_LINE_MAX / 1024);
    if (id.size > 0)
        memcpy(question->id, id.at, id.size);
    return good;
}

/* False: there is none. */
static bool begin_next(struct batch *batch) {
    struct json_span line;
    struct complaint complaint = {""};
    if (!next_line(batch, &line))
        return false;
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL) {
        batch->broken = true;
        return false;
    }
    question->batch = batch;
    question->line = batch->lines;
    question->measure.began_ns = metrics_now_ns();
    question->measure.client = batch->caller.account.meter->number;
    bool good = read_question(question, line, &complaint);
    sodium_memzero(batch->body + (line.at - batch->body), line.size);
    if (good)
        begin(question);
    else
        refuse(question, &(struct problem_report){.problem = PROBLEM_MALFORMED_REQUEST,
                                                  .detail = complaint.text});
    return true;
}

static int fd_of(const struct batch *batch) {
    return MHD_get_connection_info(batch->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
}

/* Also one that has closed its half alone counts as gone: the two look alike, and what is asked for
 * nobody is paid for. */
static bool has_left(const struct batch *batch) {
    struct pollfd caller = {.fd = fd_of(batch), .events = POLLRDHUP};
    return poll(&caller, 1, 0) > 0;
}

static bool may_begin(const struct batch *batch) {
    return batch->under_way < batch->service->config->batch_concurrency && batch->waiting == NULL &&
           batch->out_size - batch->out_sent < BATCH_OUT_MOST && !batch->broken;
}

static void begin_some(struct batch *batch) {
    if (batch->ended || batch->broken)
        return;
    if (!batch->left && has_left(batch)) {
        batch->left = true;
        drop_rest(batch);
    }
    struct question *waited = batch->waiting;
    batch->waiting = NULL;
    if (waited != NULL && may_begin(batch))
        begin(waited);
    else
        batch->waiting = waited;
    for (int i = 0; i < BEGUN_MOST && may_begin(batch); i++) {
        if (!begin_next(batch))
            break;
    }
    if (batch->next == batch->body_size && batch->waiting == NULL && batch->under_way == 0 &&
        !batch->left)
        send_end(batch);
}

/* --- the reply --- */

static size_t hand_over(struct batch *batch, char *buffer, size_t room) {
    size_t left = batch->out_size - batch->out_sent;
    size_t size = left < room ? left : room;
    if (size > 0)
        memcpy(buffer, batch->out + batch->out_sent, size);
    batch->out_sent += size;
    if (batch->out_sent == batch->out_size)
        batch->out_sent = batch->out_size = 0;
    return size;
}

static ssize_t read_stream(void *arg, uint64_t position, char *buffer, size_t room) {
    (void)position;
    struct batch *batch = arg;
    begin_some(batch);
    size_t size = batch->broken ? 0 : hand_over(batch, buffer, room);
    if (size > 0)
        return (ssize_t)size;
    if (batch->ended)
        return batch->broken ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    if (batch->broken || (batch->left && batch->under_way == 0))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    batch->suspended = true;
    MHD_suspend_connection(batch->connection);
    return 0;
}

/* --- the request --- */

static bool is_batch(const char *content_type) {
    return body_is_type(content_type, "application/x-ndjson") ||
           body_is_type(content_type, "application/ndjson") ||
           body_is_type(content_type, "application/jsonl");
}

static void on_request_ended(struct request *request) {
    server_service(request->server)->batches--;
}

bool batch_admit(struct request *request, const struct service *service) {
    struct caller caller;
    if (!caller_identify(request, service, &caller))
        return false;
    if (!is_batch(request->content_type)) {
        problem_answer(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                       "Send Content-Type: application/x-ndjson in UTF-8.", BILLED_NO);
        return false;
    }
    if (service->batches >= BATCHES_MOST) {
        problem_answer(request, PROBLEM_OVERLOADED, "Too many batches are under way.", BILLED_NO);
        return false;
    }
    server_service(request->server)->batches++;
    request->ended = on_request_ended;
    return true;
}

/* With a last one that does not end. */
static int64_t count_lines(const char *body, size_t size) {
    int64_t lines = size > 0 && body[size - 1] != '\n' ? 1 : 0;
    for (size_t i = 0; i < size; i++)
        lines += body[i] == '\n';
    return lines;
}

static void refuse_length(struct request *request, int64_t most) {
    char detail[64];
    struct text text = text_over(detail, sizeof detail);
    text_addf(&text, "A batch has at most %lld lines.", (long long)most);
    problem_answer(request, PROBLEM_BODY_TOO_LARGE, detail, BILLED_NO);
}

static struct batch *new_batch(struct request *request, struct service *service) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        problem_answer(request, PROBLEM_OVERLOADED, NULL, BILLED_NO);
        return NULL;
    }
    batch->service = service;
    batch->server = request->server;
    batch->connection = request->connection;
    memcpy(batch->request_id, request->id, sizeof batch->request_id);
    memcpy(batch->trace_id, request->trace_id, sizeof batch->trace_id);
    batch->body = request->body;
    batch->body_size = request->body_size;
    request->body = NULL;
    request->body_size = 0;
    uv_timer_init(server_loop(request->server), &batch->turn);
    batch->turn.data = batch;
    return batch;
}

void batch_post(struct request *request, struct service *service) {
    struct caller caller;
    struct inquiry_terms terms;
    if (!caller_identify(request, service, &caller) ||
        !inquiry_read_terms(request, service->config, caller.refresh, &terms))
        return;
    int64_t most = service->config->batch_most_lines;
    if (count_lines(request->body, request->body_size) > most) {
        refuse_length(request, most);
        return;
    }
    struct batch *batch = new_batch(request, service);
    if (batch == NULL)
        return;
    batch->caller = caller;
    batch->terms = terms;
    setsockopt(fd_of(batch), SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER}, sizeof(int));
    struct MHD_Response *response =
        response_new_stream(request, "application/x-ndjson", read_stream, batch, release);
    if (response == NULL)
        release(batch);
    else
        inquiry_tell_terms(response, &terms);
    request_answer(request, MHD_HTTP_OK, response);
}
