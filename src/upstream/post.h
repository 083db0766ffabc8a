#pragma once
/*
 * post: one JSON body to somebody outside who is told something: a webhook.
 *
 * The certificate is always verified, no redirect is followed, no proxy taken from the environment,
 * and nothing is sent again. Blocks; any thread but a loop's own.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POST_REPLY_SIZE 4096 /* more of a reply is not read */

struct post {
    const char *url; /* a secret: it is in no text that comes from here */
    const char *body;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;     /* of it all */
    atomic_bool *cancelled; /* looked at about once a second */
    int http_status;        /* out; 0: no reply */
    char reply[POST_REPLY_SIZE];
    size_t reply_size;
    const char *cause; /* out, where there is no reply: libcurl's words; static */
};

/* False: there was no whole reply, or it was too long. */
bool post_send(struct post *post) __attribute__((warn_unused_result));
