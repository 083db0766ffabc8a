#include "command/batch_results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "money/csv.h"
#include "money/export.h"
#include "runtime/json_scan.h"
#include "runtime/text.h"

#define ROW_SIZE    2048
#define SYNC_MS     1000
#define PART_ENDING ".part"
#define BITS        8

/* The members of a row, in their order; of JSON, whether they are strings. */
static const struct member {
    const char *name;
    size_t offset;
    size_t room;
} members[] = {
#define MEMBER(name, member)                                                                       \
    { name, offsetof(struct batch_result, member), sizeof(((struct batch_result *)NULL)->member) }
    MEMBER("id", id),         MEMBER("status", status), MEMBER("result", result),
    MEMBER("source", source), MEMBER("billed", billed), MEMBER("checkedAt", checked_at),
    MEMBER("code", code),
#undef MEMBER
};

#define MEMBERS (sizeof members / sizeof members[0])

static char *member_of(struct batch_result *result, const struct member *member) {
    return (char *)result + member->offset;
}

/* --- rows as text --- */

static void make_heading(const struct batch_results *results, const struct batch_input *input,
                         struct text *text) {
    if (results->format == BATCH_NDJSON) {
        text_addf(text, "{\"input\":{\"bytes\":%lld,\"rows\":%lld}}\n", (long long)input->size,
                  (long long)input->rows);
        return;
    }
    text_add(text, "line");
    for (size_t i = 0; i < MEMBERS; i++)
        text_addf(text, ",%s", members[i].name);
    text_addf(text, ",input of %lld bytes and %lld rows\n", (long long)input->size,
              (long long)input->rows);
}

static void add_csv_row(struct text *text, struct batch_result *result) {
    text_add_number(text, result->line);
    for (size_t i = 0; i < MEMBERS; i++) {
        text_add(text, ",");
        export_csv_text(text, member_of(result, &members[i]));
    }
    text_add(text, "\n");
}

static void add_json_row(struct text *text, struct batch_result *result) {
    text_add(text, "{\"line\":");
    text_add_number(text, result->line);
    for (size_t i = 0; i < MEMBERS; i++) {
        const char *value = member_of(result, &members[i]);
        text_addf(text, ",\"%s\":", members[i].name);
        if (value[0] == '\0')
            text_add(text, "null");
        else
            text_add_json(text, value);
    }
    text_add(text, "}\n");
}

static bool read_number(const char *text, size_t size, int64_t *number) {
    char digits[24];
    char *end;
    if (size == 0 || size >= sizeof digits)
        return false;
    memcpy(digits, text, size);
    digits[size] = '\0';
    *number = strtoll(digits, &end, 10);
    return *end == '\0';
}

static bool read_text(const struct member *member, const char *text, size_t size,
                      struct batch_result *result) {
    if (size >= member->room)
        return false;
    memcpy(member_of(result, member), text, size);
    member_of(result, member)[size] = '\0';
    return true;
}

static bool read_csv_row(char *row, size_t size, struct batch_result *result) {
    struct csv csv = csv_over(row, size);
    struct csv_row fields;
    struct complaint ignored;
    if (csv_next(&csv, &fields, &ignored) != CSV_ROW || fields.count != MEMBERS + 1 ||
        !read_number(fields.fields[0].at, fields.fields[0].size, &result->line))
        return false;
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!read_text(&members[i], fields.fields[i + 1].at, fields.fields[i + 1].size, result))
            return false;
    }
    return true;
}

/* An id's escapes do not matter here: only line and code do. */
static bool read_json_row(const char *row, size_t size, struct batch_result *result) {
    struct json_span object = {row, size};
    if (!json_scan_strict(row, size))
        return false;
    struct json_span line = json_scan_find(object, "line");
    if (!read_number(line.at, line.size, &result->line))
        return false;
    for (size_t i = 1; i < MEMBERS; i++) {
        struct json_span value = json_scan_find(object, members[i].name);
        if (value.size >= 2 && value.at[0] == '"' &&
            !read_text(&members[i], value.at + 1, value.size - 2, result))
            return false;
    }
    return true;
}

static bool read_row(const struct batch_results *results, const char *row, size_t size,
                     struct batch_result *result) {
    char copy[ROW_SIZE];
    *result = (struct batch_result){0};
    if (size >= sizeof copy)
        return false;
    memcpy(copy, row, size);
    bool good = results->format == BATCH_CSV ? read_csv_row(copy, size, result)
                                             : read_json_row(copy, size, result);
    return good && result->line > 0 && result->line <= results->lines;
}

/* --- counting --- */

void batch_tally_add(struct batch_tally *tally, const char *word) {
    int at = 0;
    while (at < tally->count && strcmp(tally->rows[at].word, word) != 0)
        at++;
    if (at == BATCH_TALLY_ROWS) {
        tally->others++;
        return;
    }
    if (at == tally->count)
        snprintf(tally->rows[tally->count++].word, BATCH_WORD_SIZE, "%s", word);
    tally->rows[at].count++;
}

bool batch_results_has(const struct batch_results *results, int64_t line) {
    return (results->done[line / BITS] & 1 << line % BITS) != 0;
}

static bool was_paid(const struct batch_result *result) {
    return strcmp(result->billed, "false") != 0;
}

static void count(struct batch_results *results, const struct batch_result *result) {
    bool failed = result->code[0] != '\0';
    results->done[result->line / BITS] |= (uint8_t)(1 << result->line % BITS);
    results->doubtful += failed && was_paid(result);
    results->failed += failed;
    results->answered += !failed;
    if (failed) {
        batch_tally_add(&results->by_code, result->code);
        return;
    }
    batch_tally_add(&results->by_result, result->result);
    batch_tally_add(&results->by_source, result->source);
}

/* Is the line not to be asked again? One that cannot be asked cannot be asked again either. */
static bool stays(const struct batch_results *results, const struct batch_result *result) {
    if (result->code[0] == '\0' || strcmp(result->code, BATCH_MALFORMED) == 0)
        return true;
    return was_paid(result) && !results->retry_unknown;
}

/* --- the file --- */

static bool write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static bool complain_of_writing(const struct batch_results *results, struct complaint *complaint) {
    return complain(complaint, "%s cannot be written: %s", results->path, strerror(errno));
}

static bool is_at_path(int fd, const char *path) {
    struct stat here;
    struct stat there;
    return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

/* Another one may have put a new file in its place between opening and locking. */
static bool open_locked(struct batch_results *results, struct complaint *complaint) {
    for (;;) {
        results->fd = open(results->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
                           S_IRUSR | S_IWUSR);
        if (results->fd < 0)
            return complain(complaint, "%s cannot be opened: %s", results->path, strerror(errno));
        if (flock(results->fd, LOCK_EX | LOCK_NB) != 0)
            return complain(complaint, "%s is being written by another batch", results->path);
        if (is_at_path(results->fd, results->path))
            return true;
        close(results->fd);
    }
}

/* A row that is not whole, or that a loss of power left as zeroes, is the file's end. */
static bool is_torn(const char *row, size_t size) {
    return row[size - 1] != '\n' || memchr(row, '\0', size) != NULL;
}

/* What reading the file finds. */
struct reading {
    FILE *file;
    FILE *part; /* where the rows that stay are written; NULL: nowhere */
    char *row;
    size_t room;
    int64_t kept; /* bytes of whole rows */
    bool dropped; /* a row is to be taken out */
};

/* One that is torn, too, is ours as far as it goes. */
static bool read_heading(struct reading *reading, const struct batch_results *results,
                         const char *heading, struct complaint *complaint) {
    ssize_t size = getline(&reading->row, &reading->room, reading->file);
    if (size <= 0 || strncmp(heading, reading->row, (size_t)size) == 0) {
        reading->kept = size == (ssize_t)strlen(heading) ? size : 0;
        return true;
    }
    return complain(complaint,
                    "%s is there already, and holds no results of this input (of this size and "
                    "number of rows): give another --output, or the input that it began with",
                    results->path);
}

static bool copy_row(const struct reading *reading, size_t size) {
    return reading->part == NULL || fwrite(reading->row, 1, size, reading->part) == size;
}

/* The first time through nothing is written. */
static bool take_row(struct batch_results *results, struct reading *reading, size_t size,
                     struct complaint *complaint) {
    struct batch_result result;
    if (!read_row(results, reading->row, size, &result))
        return complain(complaint,
                        "%s: the row behind byte %lld is none of batch's own: give "
                        "another --output",
                        results->path, (long long)reading->kept);
    reading->kept += (int64_t)size;
    if (!stays(results, &result)) {
        reading->dropped = true;
        return true;
    }
    if (reading->part == NULL)
        count(results, &result);
    return copy_row(reading, size) || complain_of_writing(results, complaint);
}

static bool read_rows(struct batch_results *results, struct reading *reading, const char *heading,
                      struct complaint *complaint) {
    rewind(reading->file);
    reading->kept = 0;
    if (!read_heading(reading, results, heading, complaint))
        return false;
    if (reading->kept == 0)
        return true;
    if (!copy_row(reading, (size_t)reading->kept))
        return complain_of_writing(results, complaint);
    ssize_t size;
    while ((size = getline(&reading->row, &reading->room, reading->file)) > 0 &&
           !is_torn(reading->row, (size_t)size)) {
        if (!take_row(results, reading, (size_t)size, complaint))
            return false;
    }
    return !ferror(reading->file) ||
           complain(complaint, "%s cannot be read: %s", results->path, strerror(errno));
}

/* The directory's own record of the new name. */
static void sync_directory(const char *path) {
    const char *slash = strrchr(path, '/');
    char *directory = slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(directory);
}

/* The new file is locked before it has the name. */
static bool put_in_place(struct batch_results *results, int fd, const char *part,
                         struct complaint *complaint) {
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fsync(fd) != 0 || rename(part, results->path) != 0)
        return complain_of_writing(results, complaint);
    sync_directory(results->path);
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (kept < 0)
        return complain_of_writing(results, complaint);
    close(results->fd);
    results->fd = kept;
    return true;
}

static FILE *open_part(const char *part) {
    unlink(part);
    int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    FILE *file = fd >= 0 ? fdopen(fd, "a") : NULL;
    if (fd >= 0 && file == NULL)
        close(fd);
    return file;
}

/* Without the rows that are to be asked again, so that each line has one. */
static bool rewrite(struct batch_results *results, struct reading *reading, const char *heading,
                    struct complaint *complaint) {
    char *part = NULL;
    if (asprintf(&part, "%s" PART_ENDING, results->path) < 0)
        return complain(complaint, "no memory for a name");
    reading->part = open_part(part);
    bool good = reading->part != NULL || complain_of_writing(results, complaint);
    good = good && read_rows(results, reading, heading, complaint);
    if (good && fflush(reading->part) != 0)
        good = complain_of_writing(results, complaint);
    good = good && put_in_place(results, fileno(reading->part), part, complaint);
    if (reading->part != NULL)
        fclose(reading->part);
    if (!good)
        unlink(part);
    free(part);
    return good;
}

static bool go_on(struct batch_results *results, struct reading *reading, const char *heading,
                  struct complaint *complaint) {
    if (!read_rows(results, reading, heading, complaint))
        return false;
    if (reading->dropped)
        return rewrite(results, reading, heading, complaint);
    if (ftruncate(results->fd, reading->kept) != 0)
        return complain_of_writing(results, complaint);
    return reading->kept > 0 || write_all(results->fd, heading, strlen(heading)) ||
           complain_of_writing(results, complaint);
}

static bool resume(struct batch_results *results, const struct batch_input *input,
                   struct complaint *complaint) {
    char heading[ROW_SIZE];
    struct text text = text_over(heading, sizeof heading);
    struct reading reading = {.file = fopen(results->path, "re")};
    make_heading(results, input, &text);
    bool good = reading.file != NULL
                    ? go_on(results, &reading, heading, complaint)
                    : complain(complaint, "%s cannot be read: %s", results->path, strerror(errno));
    if (reading.file != NULL)
        fclose(reading.file);
    free(reading.row);
    return good;
}

bool batch_results_open(struct batch_results *results, const char *path,
                        const struct batch_input *input, bool retry_unknown,
                        struct complaint *complaint) {
    *results = (struct batch_results){.fd = -1,
                                      .path = path,
                                      .format = input->format,
                                      .retry_unknown = retry_unknown,
                                      .lines = input->lines};
    results->done = calloc((size_t)(input->lines / BITS + 1), 1);
    bool good = results->done != NULL || complain(complaint, "no memory for the lines' state");
    good = good && open_locked(results, complaint) && resume(results, input, complaint);
    if (!good) {
        if (results->fd >= 0)
            close(results->fd);
        free(results->done);
    }
    return good;
}

bool batch_results_add(struct batch_results *results, const struct batch_result *result,
                       struct complaint *complaint) {
    char row[ROW_SIZE];
    struct batch_result copy = *result;
    struct text text = text_over(row, sizeof row);
    if (results->format == BATCH_CSV)
        add_csv_row(&text, &copy);
    else
        add_json_row(&text, &copy);
    if (results->broken)
        return complain(complaint, "%s could not be written before", results->path);
    results->broken = !write_all(results->fd, row, text.size);
    if (results->broken)
        return complain_of_writing(results, complaint);
    count(results, result);
    results->unsynced = true;
    return true;
}

bool batch_results_sync(struct batch_results *results, int64_t now_ms,
                        struct complaint *complaint) {
    if (!results->unsynced || now_ms - results->synced_ms < SYNC_MS)
        return true;
    results->unsynced = false;
    results->synced_ms = now_ms;
    return fdatasync(results->fd) == 0 || complain_of_writing(results, complaint);
}

bool batch_results_close(struct batch_results *results, struct complaint *complaint) {
    bool good = fdatasync(results->fd) == 0 || complain_of_writing(results, complaint);
    close(results->fd);
    free(results->done);
    results->fd = -1;
    results->done = NULL;
    return good;
}
