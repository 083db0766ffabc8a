#pragma once
/*
 * records: what a store keeps for money beside the ledger: documents, counters, the audit.
 *
 * Documents are what money is arranged by: a client, a package, a credential's mark, an alert; JSON
 * text under an id. One number, the version, counts all writings of documents in a store; each
 * document bears the number of its last writing. A document is replaced only by who knows the
 * version that it replaces, and in one step with its line in the audit. None is ever deleted.
 *
 * Counters are kept with the ledger's rows, in the same step as these, so that they are the rows'
 * sums at any time: of the rows that count (reserved, unknown, or answered and billed),
 *   "package"         by package
 *   "day:2026-11-25"  by client, of the day (money/period) of the moment in the call's id
 *   "month:2026-11"   by client
 * and beside them, added by hand, since a hit has no row:
 *   "hits:2026-11"    by "client/package": answers that needed no call, and the package that one
 *                     would have been drawn from
 *
 * Operations are as in store.h: the caller's, in place until `done`, which is called later and
 * never before the function returns.
 */
#include "store/store.h"

enum store_document_kind {
    STORE_CLIENT,
    STORE_PACKAGE,
    STORE_CREDENTIAL,
    STORE_ALERT,
    STORE_REPORT, /* what came of a comparison: "reconciled" */
    STORE_DOCUMENT_KINDS
};

/* As it stands in stores: "client", "package", "credential", "alert", "report". */
extern const char *const store_document_kind_name[STORE_DOCUMENT_KINDS];

/* False: it is none of these. */
bool store_document_kind_read(const char *name, enum store_document_kind *kind)
    __attribute__((warn_unused_result));

#define STORE_DOCUMENT_ID_SIZE   160
#define STORE_DOCUMENT_BODY_MOST 16384

struct store_document {
    enum store_document_kind kind;
    char id[STORE_DOCUMENT_ID_SIZE];
    int64_t version;
    char *body_owned; /* JSON text; whoever owns the document frees it */
};

/* Those written after version `since`, in the order of their versions; 0: all. */
struct store_read_documents {
    struct store_op op;
    int64_t since;
    struct store_document *documents_owned; /* out: freed with store_documents_free */
    int count;                              /* out */
    int64_t version;            /* out: the store's; below `since`: it has lost what it had */
    enum store_outcome outcome; /* out: STORE_DONE, STORE_AWAY */
};

void store_read_documents(struct store_client *client, struct store_read_documents *read);
void store_documents_free(struct store_document *documents, int count); /* NULL is accepted */

/*
 * Writes a document, a line of the audit, or both at once.
 *
 * `expected` is the version that is replaced, 0: there is no such document yet; with another one
 * nothing is written (STORE_CONFLICT, with `version` that of the document found, 0: none).
 * `restore`: the document is given back to a store that lost it: it is written with the version
 * `expected`, and only where the store has none or an older one, and the store's version becomes at
 * least that.
 */
struct store_write_document {
    struct store_op op;
    enum store_document_kind kind;
    const char *id;   /* NULL: no document, only the audit */
    const char *body; /* JSON text */
    int64_t expected;
    bool restore;
    const char *audit;          /* JSON text; NULL: none */
    int64_t version;            /* out: the document's */
    enum store_outcome outcome; /* out: STORE_DONE, STORE_CONFLICT, STORE_AWAY: not known whether
                                   it was written */
};

void store_write_document(struct store_client *client, struct store_write_document *write);

/* Some document was written, by anybody; or notices may have been missed. `call` NULL: no more. On
 * the client's loop; one watcher a client. */
void store_watch_documents(struct store_client *client, void (*call)(void *arg), void *arg);

/* Lines of the audit in the order in which they were written, behind line `after` (0: from the
 * first; they are numbered from 1). `newest`: the last `most` of them instead. */
#define STORE_AUDIT_MOST 256

struct store_audit_line {
    int64_t line;
    char *body_owned;
};

struct store_read_audit {
    struct store_op op;
    int64_t after;
    bool newest;
    int most;                             /* at most STORE_AUDIT_MOST */
    struct store_audit_line *lines_owned; /* out: freed with store_audit_free */
    int count;                            /* out */
    enum store_outcome outcome;           /* out: STORE_DONE, STORE_AWAY */
};

void store_read_audit(struct store_client *client, struct store_read_audit *read);
void store_audit_free(struct store_audit_line *lines, int count); /* NULL is accepted */

#define STORE_SCOPE_SIZE        24
#define STORE_COUNTER_NAME_SIZE (2 * LEDGER_NAME_SIZE)

struct store_counter {
    char name[STORE_COUNTER_NAME_SIZE];
    int64_t value; /* 0: it may also be absent */
};

/* All of a scope, in no order. */
struct store_read_counters {
    struct store_op op;
    char scope[STORE_SCOPE_SIZE];
    struct store_counter *counters_owned; /* out: free(); NULL: none */
    int count;                            /* out */
    enum store_outcome outcome;           /* out: STORE_DONE, STORE_AWAY */
};

void store_read_counters(struct store_client *client, struct store_read_counters *read);

/* Adds to counters of a scope "hits:…". After STORE_AWAY nobody knows whether it was done. */
struct store_add_counters {
    struct store_op op;
    char scope[STORE_SCOPE_SIZE];
    const struct store_counter *counters; /* `value` is added */
    int count;
    enum store_outcome outcome; /* out: STORE_DONE, STORE_AWAY */
};

void store_add_counters(struct store_client *client, struct store_add_counters *add);

/*
 * Forgets answers: of one triple, or of all questions about a number; and who is proven to be the
 * number's owner. All clients drop what they remember of them. Ledger, window and closing stay:
 * they hold no answer, and money and the seller's limit need them.
 */
struct store_forget {
    struct store_op op;
    struct digest number;
    bool whole_number;
    struct digest triple;       /* where not `whole_number` */
    int64_t answers;            /* out: how many were there */
    enum store_outcome outcome; /* out: STORE_DONE, STORE_AWAY */
};

void store_forget(struct store_client *client, struct store_forget *forget);
