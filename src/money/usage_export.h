#pragma once
/*
 * usage_export: the seller's own account of what was billed, as its console exports it.
 *
 * A CSV file in UTF-8 or GBK (GB 18030) with one row for each ten-minute window in which calls were
 * billed:
 *
 *     流水编号,处理时间,备注,消耗
 *     455784350650,2018-03-19 10:50:01 - 2018-03-19 11:00:01,套餐包消耗,7次
 *
 * The first row that is not blank has the headings; 处理时间 and 消耗 must be there once each, in
 * any place. Windows are in China Standard Time (UTC+8), begin one second past a ten-minute mark
 * and last ten minutes. Blanks around anything do not count. Pure; no threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/complaint.h"

#define USAGE_WINDOW_S   600 /* how long a window is */
#define USAGE_FAULTS_MAX 20

/* Calls within the ten minutes from `begin_s`, Unix seconds. */
struct usage_window {
    int64_t begin_s;
    int64_t count;
};

/* A row that was left out. */
struct usage_fault {
    size_t line;       /* where it begins, from 1 */
    const char *cause; /* "消耗 is not …"; a constant */
};

struct usage_export {
    struct usage_window *windows; /* owned; by time, each window once, no count 0 */
    size_t count;                 /* of the windows */
    int64_t calls;                /* in all windows */
    size_t fault_count;           /* of all rows left out; only the first are named */
    struct usage_fault faults[USAGE_FAULTS_MAX];
};

/*
 * Reads the file's bytes, which are left as they are. Rows of the same window add up. A row that is
 * malformed is a fault and does not keep the others from being read: whoever compares must look at
 * `fault_count`, since its calls are missing. False, with nothing to free, where the file cannot be
 * read as a whole: another encoding, a heading that is missing or stands twice, a quote never
 * closed.
 */
bool usage_export_read(const char *bytes, size_t size, struct usage_export *usage,
                       struct complaint *complaint) __attribute__((warn_unused_result));

void usage_export_free(struct usage_export *usage);
