#pragma once
/*
 * audit: one line of the audit: who changed what, from what to what.
 *
 * {"at","token","action","kind","id","before"|null,"after"|null}; `before` and `after` as the admin
 * API shows them, so that no key, no hash and no person is in it. Pure.
 */
#include <stdint.h>

#include <cjson/cJSON.h>

struct audit_entry {
    int64_t at_ms;     /* Unix */
    const char *token; /* 8 hex of the admin token's hash; "signal"; "file"; "service": by itself */
    const char *action;  /* "create", "change", "remove", "rotate", "reload", "forget", … */
    const char *kind;    /* of document, or "settings", "answers" */
    const char *id;      /* of the document; empty: none */
    const cJSON *before; /* NULL: null */
    const cJSON *after;
};

/* The JSON text for store_write_document. NULL without memory; the caller frees it. */
char *audit_encode(const struct audit_entry *entry);
