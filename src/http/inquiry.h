#pragma once
/*
 * inquiry: what all ways of asking have in common: the terms that a request sets, and how a verdict
 * reads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/freshness.h"
#include "core/triple.h"
#include "core/verdict.h"
#include "http/problem.h"
#include "http/request.h"
#include "runtime/config.h"
#include "runtime/text.h"

/* Of Cache-Control and Prefer. */
struct inquiry_terms {
    struct freshness_wish wish;
    int64_t wait_ms;          /* how long each question may take */
    int64_t preferred_wait_s; /* -1: none was preferred */
};

/* `refresh`: may the caller force a new call? False: it was answered. */
bool inquiry_read_terms(struct request *request, const struct config *config, bool refresh,
                        struct inquiry_terms *terms) __attribute__((warn_unused_result));

/* Preference-Applied, where a wait was preferred. */
void inquiry_tell_terms(struct MHD_Response *response, const struct inquiry_terms *terms);

/* All members at their longest, with every byte escaped. */
#define INQUIRY_VERDICT_SIZE ((size_t)8 * 1024)

/* An answer as members of a JSON object; the id is the traceId where nobody was asked. */
void inquiry_write_verdict(const struct triple *triple, const struct verdict *verdict,
                           const char *request_id, struct text *json);

/* The same in upstream's own seven fields and its own order, then what it sent beyond them. */
void inquiry_write_drop_in(const struct triple *triple, const struct verdict *verdict,
                           const char *request_id, struct text *json);

/* What is told of a verdict without an answer; it borrows from the verdict. */
struct problem_report inquiry_report(const struct config *config, const struct verdict *verdict);
