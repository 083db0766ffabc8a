#pragma once
/*
 * batch_dry_run: what a batch would cost, found out without spending anything. Main thread.
 *
 * Every distinct question is asked with only-if-cached. Duplicates are found by digests under a key
 * that is made for it and forgotten.
 */
#include "command/batch_input.h"
#include "command/batch_price.h"
#include "command/batch_run.h"
#include "command/run.h"

/* `asking` says whom and how fast. Returns an exit code. */
int batch_dry_run(struct run *run, struct batch_input *input, const struct batch_price *price,
                  struct batch_run *asking);
