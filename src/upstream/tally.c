#include "upstream/tally.h"

#include "core/result.h"

/* BILLED_NO, BILLED_YES, BILLED_UNKNOWN */
static const char *const billed_name[] = {"no", "yes", "unknown"};

#define BILLS ((int)(sizeof billed_name / sizeof billed_name[0]))

/* Statuses, then replies that are no answer, then ends without a reply. */
#define REPLIES RESULT_KINDS
#define ENDS    (REPLIES + (int)REPLY_CLASSES)

static const char *const end_name[] = {
    [UPSTREAM_REPLIED] = NULL,
    [UPSTREAM_NOT_SENT] = "not_sent",
    [UPSTREAM_TIMED_OUT] = "timed_out",
    [UPSTREAM_BROKEN] = "broken",
};

#define STATUSES (ENDS + (int)(sizeof end_name / sizeof end_name[0]))

_Static_assert((RESULT_KINDS + REPLY_CLASSES + sizeof end_name / sizeof end_name[0]) *
                       sizeof billed_name / sizeof billed_name[0] <=
                   METRICS_CALL_CELLS,
               "a credential's block has room for every cell");

static int status_of(const struct upstream_outcome *outcome) {
    if (outcome->end != UPSTREAM_REPLIED)
        return ENDS + (int)outcome->end;
    if (outcome->reply.class != REPLY_ANSWER)
        return REPLIES + (int)outcome->reply.class;
    return (int)result_of(outcome->reply.answer.status);
}

void tally_call(struct metrics_row *row, const char *credential,
                const struct upstream_outcome *outcome, enum billed billed) {
    bool sent = outcome->end != UPSTREAM_NOT_SENT;
    metrics_count_call(row, metrics_credential_number(credential),
                       status_of(outcome) * BILLS + (int)billed, sent ? outcome->latency_ms : -1);
}

static const char *name_of(int status) {
    if (status >= ENDS)
        return end_name[status - ENDS];
    if (status >= REPLIES)
        return reply_class_name[status - REPLIES];
    return status == RESULT_UNKNOWN ? "unknown" : result_table[status].status;
}

bool tally_read_cell(int cell, struct tally_labels *labels) {
    int status = cell / BILLS;
    if (status >= STATUSES || name_of(status) == NULL)
        return false;
    labels->status = name_of(status);
    labels->billed = billed_name[cell % BILLS];
    return true;
}
