#pragma once
/*
 * behaviour: what the control endpoint tells the sandbox to do instead of, or besides, answering.
 *
 * A behaviour is parsed strictly from JSON, lives in a list until it is used up or reset, and is
 * chosen for a call by what it is limited to. It is reference counted, since a call in flight needs
 * its reply after the list let go of it. The list and the matching belong to the owner's lock; a
 * behaviour itself does not change after parsing, but for its count of remaining calls (owner's
 * lock) and its references (atomic).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "sandbox/gateway.h"
#include "sandbox/reason.h"
#include "sandbox/text.h"

enum behaviour_cut {
    CUT_NOT,
    CUT_ACCEPT,      /* the connection is closed before anything is read */
    CUT_REQUEST,     /* the request is read, the connection closed without a reply */
    CUT_RESET,       /* the same, with a TCP reset */
    CUT_MID_HEADERS, /* in the middle of a header line */
    CUT_HEADERS,     /* after the headers */
    CUT_BODY,        /* after half the body */
};

enum behaviour_reply {
    REPLY_USUAL,
    REPLY_HTML,
    REPLY_EMPTY,
    REPLY_TRUNCATED,
    REPLY_NO_STATUS,
    REPLY_INTEGER_STATUS,
    REPLY_EXTRA_FIELDS,
    REPLY_GBK,
    REPLY_OVERSIZED,
    REPLY_BUSINESS_FAILURE,
};

enum { BEHAVIOUR_HEADERS_MAX = 32, BEHAVIOUR_STATUS_MAX = 8 };

struct behaviour_header {
    char *name;
    char *value;
};

struct behaviour {
    atomic_int references;
    struct behaviour *next; /* in the list */
    unsigned id;            /* from 1, in the order they were set */
    long remaining;         /* calls it is still good for; -1: until reset */

    char *only_mobile; /* NULL: any */
    char *only_appcode;

    long latency_ms; /* -1: the setting's */
    long jitter_ms;
    bool hang;
    enum behaviour_cut cut;
    enum behaviour_reply reply;
    char status[BEHAVIOUR_STATUS_MAX + 1]; /* "": as the seller finds */
    const struct gateway_refusal *gateway; /* NULL: none */
    long http;                             /* 0: no reply of its own */
    struct behaviour_header headers[BEHAVIOUR_HEADERS_MAX];
    size_t header_count;
    char *body; /* of its own reply, or the raw bytes; NULL: empty */
    size_t body_size;
    bool raw;   /* `body` is the whole reply, status line and all */
    int billed; /* -1: as usual, else 0 or 1 */
};

/*
 * Parses the members of one behaviour. `tls` says that the listener speaks TLS, where raw replies
 * and cuts within the headers are impossible. NULL, with the reason, when a member is unknown, of
 * the wrong type, out of range or at odds with another.
 */
struct behaviour *behaviour_parse(const cJSON *json, bool tls, struct reason *reason)
    __attribute__((warn_unused_result));

struct behaviour *behaviour_ref(struct behaviour *behaviour);
void behaviour_unref(struct behaviour *behaviour); /* NULL is fine */

/* Adds to the list, which takes the caller's reference. */
void behaviour_add(struct behaviour **list, struct behaviour *behaviour);

/* Empties the list. */
void behaviour_clear(struct behaviour **list);

/*
 * The behaviour for a call, with a reference for the caller, counted down and taken off the list
 * when used up. Those for this number or AppCode come before those for all, those for some calls
 * before those until reset; among equals the oldest of those for some calls, the newest of those
 * until reset. NULL when none fits. Cuts at accept are never chosen here.
 */
struct behaviour *behaviour_take(struct behaviour **list, struct text mobile, struct text appcode);

/* Is a connection to be refused? Counts the behaviour down. */
bool behaviour_take_accept(struct behaviour **list);

/* What the behaviour is, in a word, for people: "reply:html", "hang", "cut:body",
 * "gateway:throttled" … */
void behaviour_describe(const struct behaviour *behaviour, char *to, size_t capacity);
