#include "runtime/process_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "runtime/metrics.h"

#define START_FIELD 22 /* of /proc/self/stat, from 1 */

/* False: it cannot be read. */
static bool read_file(const char *path, char *bytes, size_t room) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, bytes, room - 1) : -1;
    if (fd >= 0)
        close(fd);
    bytes[size > 0 ? size : 0] = '\0';
    return size > 0;
}

static void print_cpu(struct text *text) {
    static const char family[] = "process_cpu_seconds_total";
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    metrics_print_head(family, "counter", "Time that the process has computed", text);
    text_addf(text, "%s %.6f\n", family, seconds);
}

static void print_memory(struct text *text) {
    char bytes[128];
    char *end = NULL;
    if (!read_file("/proc/self/statm", bytes, sizeof bytes))
        return;
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t all = strtoll(bytes, &end, 10);
    int64_t resident = strtoll(end, NULL, 10);
    metrics_print_number("process_resident_memory_bytes", "gauge", "Memory that is in use",
                         resident * page, text);
    metrics_print_number("process_virtual_memory_bytes", "gauge", "Addresses that are in use",
                         all * page, text);
}

/* Less the one that reads it, "." and "..". */
static void print_files(struct text *text) {
    DIR *directory = opendir("/proc/self/fd");
    int64_t count = -3;
    struct rlimit limit;
    if (directory != NULL) {
        while (readdir(directory) != NULL)
            count++;
        closedir(directory);
        metrics_print_number("process_open_fds", "gauge", "Open file descriptors", count, text);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_print_number("process_max_fds", "gauge", "File descriptors that may be open",
                             (int64_t)limit.rlim_cur, text);
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Behind the name, which may hold anything but ends with the last bracket. 0: it cannot be read. */
static double find_start(void) {
    char bytes[1024];
    char *field = read_file("/proc/self/stat", bytes, sizeof bytes) ? strrchr(bytes, ')') : NULL;
    for (int i = 2; field != NULL && i < START_FIELD; i++)
        field = strchr(field + 1, ' ');
    if (field == NULL)
        return 0;
    double since_boot = (double)strtoull(field, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
    return seconds_of(CLOCK_REALTIME) - (seconds_of(CLOCK_BOOTTIME) - since_boot);
}

/* Once: it must stay as it is when the clock does not. */
static void print_start(struct text *text) {
    static const char family[] = "process_start_time_seconds";
    static double start;
    if (start == 0)
        start = find_start();
    if (start == 0)
        return;
    metrics_print_head(family, "gauge", "When the process began, since 1970", text);
    text_addf(text, "%s %.2f\n", family, start);
}

void process_metrics_print(struct text *text) {
    print_cpu(text);
    print_memory(text);
    print_files(text);
    print_start(text);
}
