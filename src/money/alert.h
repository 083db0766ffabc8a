#pragma once
/*
 * alert: what an operator should know of, as a document that fires and is resolved.
 *
 *   package/<id>/<threshold>  so many percent of a package, or less, are left; 0: nothing is
 *   credential/<id>           upstream refuses its AppCode
 *   contradiction/<id>        upstream says that a credential is spent; our books had calls left
 *   status/<status>           upstream answered with a status that is not in its guide
 *   store/<instance>          a process could not reach its store for a while
 *   breaker/<instance>/provider/<name>
 *                             a process has stopped asking a provider for a while
 *
 *   (none) ──→ firing ──→ resolved ──→ firing …
 *
 * A package's alert is resolved by a top-up (its number of calls is another one, and more is left
 * than the threshold), or when the package is not in force any more; not by calls that were given
 * back, so that it fires once per crossing. A credential's is resolved when its mark is gone, a
 * status's a day later. A breaker's is resolved by its own process when it has been closed for a
 * minute, and a day later by any other, since that process may be gone. Of AppCodes' breakers
 * nothing is told: upstream's refusals leave marks. Which of several processes fires is decided by
 * the store: each document is written by compare-and-set.
 *
 * Besides, a document says how far it was delivered: which webhooks have it, and who is at it until
 * when. Pure; value types.
 */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "money/credential.h"
#include "money/ledger.h"
#include "store/records.h"
#include "upstream/breaker.h"

enum alert_kind {
    ALERT_PACKAGE,
    ALERT_CREDENTIAL,
    ALERT_CONTRADICTION,
    ALERT_STATUS,
    ALERT_STORE,
    ALERT_BREAKER,
    ALERT_KINDS
};

extern const char *const alert_kind_name[ALERT_KINDS];

#define ALERT_SUBJECT_SIZE 152 /* with its kind it is a document's id */
#define ALERT_HOLDER_SIZE  20
#define ALERT_REACHED_SIZE 1024
#define ALERT_DETAIL_SIZE  384

#define ALERT_STATUS_MS  (INT64_C(24) * 60 * 60 * 1000) /* then a status's alert is resolved */
#define ALERT_CLOSED_MS  (INT64_C(60) * 1000)           /* closed for so long: it is over */
#define ALERT_GONE_MS    (INT64_C(24) * 60 * 60 * 1000) /* then another process may say so */
#define ALERT_DELIVER_MS (INT64_C(24) * 60 * 60 * 1000) /* then nobody tries any more */

struct alert {
    enum alert_kind kind;
    /* A package's, credential's or instance's id; a status; "<instance>/provider/<name>". */
    char subject[ALERT_SUBJECT_SIZE];
    int threshold; /* percent, of a package; else -1 */
    bool firing;
    int64_t since_ms;       /* when it fired; of a store, since when it was away */
    int64_t resolved_at_ms; /* 0: not yet */
    int64_t calls;          /* of a package, when it fired; else -1 */
    int64_t left;           /* of a package or credential, when it fired; -1: not metered */
    enum credential_mark mark;

    bool delivered;                   /* all webhooks have it */
    int64_t attempts;                 /* at delivering it */
    char holder[ALERT_HOLDER_SIZE];   /* the process that delivers it; empty: none */
    int64_t held_until_ms;            /* then another one may */
    char reached[ALERT_REACHED_SIZE]; /* names of webhooks that have it, each followed by a comma */
};

/* "package/p-1/20". */
void alert_id(const struct alert *alert, char id[STORE_DOCUMENT_ID_SIZE]);

/* The document. NULL without memory; the caller frees it. */
char *alert_encode(const struct alert *alert);
bool alert_decode(const char *body, struct alert *alert) __attribute__((warn_unused_result));

/* What it says, in English, for the admin API and the log: never a secret or a person. */
void alert_detail(const struct alert *alert, char detail[ALERT_DETAIL_SIZE]);

/* Of a breaker's: the provider's name, borrowed. */
const char *alert_provider(const struct alert *alert);

/* A document as the admin API shows it: {"id","kind","subject","threshold"|null,"state","since",
 * "resolvedAt"|null,"detail","delivered"}. NULL: it is none, or there is no memory. */
cJSON *alert_show(const char *body);

/* The line of the audit for a change; `before` NULL: there was none. NULL without memory. */
char *alert_audit(const struct alert *before, const struct alert *after, int64_t now_ms);

/* Has somebody still to deliver it? */
bool alert_is_wanted(const struct alert *alert, int64_t now_ms);

/* Which webhooks have it. False, and nothing noted: there is no room. */
bool alert_has_reached(const struct alert *alert, const char *webhook);
bool alert_note_reached(struct alert *alert, const char *webhook);

/* --- the state machine --- */

struct alert_package {
    const char *id;
    int64_t calls;
    int64_t used;
    bool in_force; /* neither removed nor expired */
};

/* A document as it was read. */
struct alert_known {
    struct alert alert;
    int64_t version;
};

struct alert_figures {
    const struct alert_package *packages;
    int package_count;
    const int *thresholds; /* percent */
    int threshold_count;
    const struct credential *credentials; /* marks that were ever written */
    int credential_count;
    const char (*statuses)[RESULT_STATUS_SIZE]; /* unheard of, that came since the last time */
    int status_count;
    const struct breaker_view *breakers; /* this process's */
    int breaker_count;
    const char *instance; /* this process's name */
    const struct alert_known *known;
    int known_count;
    int64_t now_ms;
};

/* A document to be written: `alert` in the place of `before`. */
struct alert_change {
    struct alert alert;
    const struct alert_known *before; /* borrowed of the figures; NULL: there is none */
};

/* How many changes there can be at most. */
int alert_changes_most(const struct alert_figures *figures);

/* Fills `changes` and returns how many there are. */
int alert_judge(const struct alert_figures *figures, struct alert_change *changes);
