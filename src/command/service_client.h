#pragma once
/*
 * service_client: asks the running service's own API (not the admin API), for commands.
 *
 * Where it is, is the first address of `listen` in the same settings that the service has, or what
 * --url says. A request is sent once at most: where libcurl would send it again by itself, on a
 * connection that turned out dead, the second sending is refused. What was sent and received is
 * wiped. Main thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "command/options.h"
#include "runtime/complaint.h"
#include "runtime/config.h"
#include "runtime/json_scan.h"

#define SERVICE_REPLY_SIZE ((size_t)16 * 1024) /* a longer reply is none of the service's */

struct service_client {
    char *url;         /* "http://127.0.0.1:8080", without a path */
    char *socket_path; /* NULL: no Unix socket */
    char *key;         /* the client's; guarded; NULL: none */
};

/* The options (rows of an options_row table) by which a command is told the key and the place. */
#define SERVICE_KEY_FILE_ROW                                                                       \
    {                                                                                              \
        .name = "key-file", .argument = "FILE",                                                    \
        .help = "the client key, where the service asks for one; without it SANYAO_KEY",           \
        .kind = OPTIONS_TEXT                                                                       \
    }
#define SERVICE_URL_ROW                                                                            \
    {                                                                                              \
        .name = "url", .argument = "URL",                                                          \
        .help = "the service: http://…, https://… or unix:PATH; without it the\n"              \
                "first address of the setting listen",                                             \
        .kind = OPTIONS_TEXT                                                                       \
    }

/* `url` NULL: by `listen`. */
bool service_client_find(struct service_client *client, const struct config *config,
                         const char *url, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* The client key of the file, or, where it is NULL, of SANYAO_KEY; there may be none. */
bool service_client_take_key(struct service_client *client, const char *file,
                             struct complaint *complaint) __attribute__((warn_unused_result));

void service_client_free(struct service_client *client);

struct service_request {
    const char *path;
    const char *body; /* JSON, sent by POST; NULL: a GET. It must stay until the reply is there */
    size_t size;
    const char *cache_control; /* NULL: none */
    const char *prefer;        /* NULL: none */
    long timeout_ms;           /* for all of it */
};

enum service_outcome {
    SERVICE_REPLIED,
    SERVICE_UNREACHABLE, /* certainly not sent */
    SERVICE_FOREIGN,     /* refused (4xx) by something else than sanyao, so it went no further */
    SERVICE_LOST,        /* sent, and no whole reply came */
};

/* One request and its reply. May be used again, one after the other; its address must not change
 * while one is under way. */
struct service_ask {
    CURL *easy; /* with CURLOPT_PRIVATE for its user */
    struct curl_slist *headers;
    bool sent;
    long status;
    int64_t retry_after_s; /* 0: the reply does not say */
    size_t size;           /* of the reply's body */
    char body[SERVICE_REPLY_SIZE];
};

/* Everything set, so that `easy` can be performed or added to a multi handle. */
bool service_ask_prepare(struct service_ask *ask, const struct service_client *client,
                         const struct service_request *request, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* After the transfer ended with `code`: status and body, which is strict JSON, are there when it
 * replied. */
enum service_outcome service_ask_end(struct service_ask *ask, CURLcode code);

/* The whole of it, and in the complaint why there is no reply. */
enum service_outcome service_ask_perform(struct service_ask *ask,
                                         const struct service_client *client,
                                         const struct service_request *request,
                                         struct complaint *complaint);

struct json_span service_ask_body(const struct service_ask *ask);

/* A string's text without escapes ("" where there is none, or it is longer). */
void service_ask_text(const struct service_ask *ask, const char *member, char *text, size_t room);

/* Where it was asked, for a person to read. */
const char *service_client_place(const struct service_client *client);

/* Wipes the reply. */
void service_ask_free(struct service_ask *ask);

/* What is wrong and what to do, of a reply that is no answer. Returns false. */
bool service_complain(const struct service_ask *ask, struct complaint *complaint);

/* How long a question may take: a call's time and some more. */
long service_timeout_ms(const struct config *config);
