#pragma once
/*
 * process_metrics: what the system knows of this process, under the names that all Prometheus
 * exporters use: process_cpu_seconds_total, process_resident_memory_bytes,
 * process_virtual_memory_bytes, process_open_fds, process_max_fds, process_start_time_seconds.
 * What cannot be read is left out. Linux. One thread.
 */
#include "runtime/text.h"

void process_metrics_print(struct text *text);
