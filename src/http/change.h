#pragma once
/*
 * change: a document is changed for the admin API, together with its line in the audit.
 *
 *   apply ──→ write ──┬─→ in force in this process ──→ written
 *     ↑               ├─→ 503: the store is away
 *     └── refreshed ←─┴── somebody else was faster; the second time 409
 *
 * What is answered is what is in force here. On the main loop; the change lies in the request's
 * work.
 */
#include <stdbool.h>

#include <cjson/cJSON.h>

#include "http/request.h"
#include "http/service.h"
#include "store/records.h"

enum change_step {
    CHANGE_WRITE,     /* the members "owned" say what */
    CHANGE_UNCHANGED, /* it is so already: `written` is called at once */
    CHANGE_REFUSED    /* it was answered */
};

struct change {
    struct store_write_document write; /* first: what the store gives back */
    struct service *service;
    struct request *request;
    enum store_document_kind kind;
    char id[STORE_DOCUMENT_ID_SIZE]; /* empty: no document, only a line in the audit */
    const char *action;              /* of the audit; NULL: no line */
    const char *audit_kind;          /* where it is not the document's */
    cJSON *wish_owned;               /* what the caller sent; freed by the engine */

    /* What was asked for is done without it: that it could not be written is only logged. */
    bool optional;

    /* What the document becomes; NULL: there is none. Called once more when somebody else was
     * faster. With CHANGE_WRITE it has set what follows, which the engine frees. */
    enum change_step (*apply)(struct change *change, const struct store_document *document);
    char *body_owned;
    cJSON *before_owned; /* as shown; NULL: there was none */
    cJSON *after_owned;

    /* It is in force (`changed`), or was so before. Answers, now or later. */
    void (*written)(struct change *change, bool changed);

    char *audit_owned; /* the engine's own, as what follows */
    bool again;
};

void change_begin(struct change *change);
