#pragma once
/*
 * terms: whom the calls of an upstream go to, with which codes, and how long they may take.
 *
 * Calls under way keep the terms that they began with when there are others: libcurl copies no
 * headers, and no parsed address. Counted, by one thread.
 */
#include <curl/curl.h>

#include "upstream/call.h"

struct transfer;

struct terms_seller {
    struct provider provider;
    CURLU *address; /* NULL: libcurl cannot read it, which the calls' cause will say */
    char *path;     /* of the address, by libcurl's memory; NULL as that is */
};

struct terms_code {
    char *id;
    const struct terms_seller *seller;
    struct curl_slist *headers; /* the first bears the AppCode */
    /* That have ended, and can be used again as they are: upstream/call's. */
    struct transfer *spares;
    int spare_count;
};

struct terms {
    int refs;
    struct terms_seller *sellers;
    int seller_count;
    long connect_timeout_ms;
    long timeout_ms;
    long keepalive_s;
    bool refuse_contradiction;
    int code_count;
    struct terms_code codes[];
};

/* With one reference. NULL: no memory. */
struct terms *terms_new(const struct upstream_settings *settings);

/* One reference less; the last one must leave no spares. */
void terms_release(struct terms *terms);

/* NULL: there is none of that id. NULL or an empty one is the first. */
struct terms_code *terms_find(struct terms *terms, const char *id);
