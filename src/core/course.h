#pragma once
/*
 * course: what follows from how a call ended. One table, pure.
 *
 * What decides is whether the call can have been billed. One that certainly was not may be made
 * again: by the same provider where it may go better in a moment (never sent, or throttled by the
 * gateway before the seller saw it), with another AppCode where this one is refused, and by another
 * provider in any case. One that was billed, or of which nobody knows, is never followed by
 * another. The one exception is in the seller's own words: 207, "segment not supported", of which
 * another provider may know more.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/failure.h"
#include "money/credential.h"
#include "upstream/breaker.h"
#include "upstream/call.h"

enum course_next {
    COURSE_END,
    COURSE_AGAIN,            /* the same provider, after a wait */
    COURSE_OTHER_CREDENTIAL, /* at once: this one is of no use */
    COURSE_OTHER_PROVIDER,
};

struct course {
    enum failure failure;      /* what the caller is told if nothing better comes */
    enum credential_mark mark; /* what it says about the AppCode */
    enum course_next next;
    enum breaker_vote of_provider;
    enum breaker_vote of_credential;
};

/* `slow_ms`: a call that took longer is a failure of the provider, whatever came. */
struct course course_of(const struct upstream_outcome *outcome, int64_t slow_ms);
