#pragma once
/* trace_id: a trace id as the seller makes them, for answers that are made up. */
#include <stdio.h>
#include <time.h>

#include <sodium.h>

#include "core/answer.h"

/* 20201208001535_9a45ph_5e392391 */
static inline void trace_id_make(int64_t unix_s, char trace_id[ANSWER_TRACE_ID_SIZE]) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char when[24];
    char mark[7] = "";
    struct tm china;
    time_t shifted = (time_t)unix_s + 8 * 3600;
    gmtime_r(&shifted, &china);
    strftime(when, sizeof when, "%Y%m%d%H%M%S", &china);
    for (size_t i = 0; i < sizeof mark - 1; i++)
        mark[i] = digits[randombytes_uniform(sizeof digits - 1)];
    snprintf(trace_id, ANSWER_TRACE_ID_SIZE, "%s_%s_%08x", when, mark, randombytes_random());
}
