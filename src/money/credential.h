#pragma once
/*
 * credential: what is known of an AppCode: may it be used, and if not, why.
 *
 * Its document is {"id","mark"|null,"since","appcode","left"|null}: the mark that upstream's
 * refusal left on it. `appcode` is a fingerprint (under the hash key) of the code that was refused:
 * another code is not marked by it. Value types.
 */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "money/ledger.h"

enum credential_mark {
    CREDENTIAL_GOOD,
    CREDENTIAL_UNKNOWN,      /* the gateway knows no such AppCode */
    CREDENTIAL_UNAUTHORIZED, /* it may not use this API */
    CREDENTIAL_ARREARS,      /* the account owes money */
    CREDENTIAL_EXHAUSTED,    /* "quota exhausted" */
    CREDENTIAL_EXPIRED,      /* "quota expired" */
    CREDENTIAL_MARKS
};

/* In documents, replies and logs: "unknown", … ; of a good one "good". */
extern const char *const credential_mark_name[CREDENTIAL_MARKS];

#define CREDENTIAL_FINGERPRINT_SIZE 17

struct credential {
    char id[LEDGER_NAME_SIZE];
    enum credential_mark mark;
    int64_t since_ms;
    char appcode[CREDENTIAL_FINGERPRINT_SIZE];
    int64_t left; /* what the packages still had by our books when it was marked; -1: unmetered */
};

char *credential_encode(const struct credential *credential);
bool credential_decode(const char *body, struct credential *credential)
    __attribute__((warn_unused_result));
