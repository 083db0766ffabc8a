#pragma once
/*
 * access: the line that the log has of an answered request.
 *
 * Routes note in it what they find out; request_answer has it written. Level debug for all, but for
 * questions as the setting `log.requests` says: info, and warn for those that failed. The route is
 * named by its row in the table and never by the address, in which a person may stand. One thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/digest.h"
#include "core/failure.h"
#include "core/result.h"
#include "money/ledger.h"

struct request;

struct access {
    bool question; /* of the service API */
    bool called;   /* a call was made for it, or for another one that asks the same */
    bool failed;   /* it should have had an answer */
    enum billed billed;
    const char *source; /* the words of the reply; NULL: it has none */
    const char *result;
    const char *code;
    char status[RESULT_STATUS_SIZE];
    char client[LEDGER_NAME_SIZE]; /* empty: not known yet */
    struct digest digest;          /* zero: not known */
};

/* It was answered. */
void access_log(const struct request *request);
