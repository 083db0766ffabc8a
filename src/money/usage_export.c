#include "money/usage_export.h"

#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "money/csv.h"
#include "runtime/utf8.h"

#define HEADING_WINDOW "处理时间"
#define HEADING_COUNT  "消耗"

/* More calls than any window can have, and few enough that no file's sum overflows. */
enum { COUNT_DIGITS_MAX = 9 };

enum { CHINA_OFFSET_S = 8 * 60 * 60 };

static const char cause_short[] = "has fewer columns than the headings";
static const char cause_form[] =
    HEADING_WINDOW " is not of the form 2018-03-19 10:50:01 - 2018-03-19 11:00:01";
static const char cause_mark[] = HEADING_WINDOW " does not begin one second past a ten-minute mark";
static const char cause_length[] = HEADING_WINDOW " does not last ten minutes";
static const char cause_count[] = HEADING_COUNT " is not a number of calls, such as 7 or 7次";

/* The file as UTF-8. */
struct content {
    char *bytes; /* owned */
    size_t size;
    const char *encoding; /* it was in, as a person calls it */
};

static bool convert(iconv_t converter, const char *bytes, size_t size, struct content *content) {
    /* iconv() does not write to its input, only its type says so. */
    union {
        const char *read;
        char *given;
    } in = {.read = bytes};
    size_t room = 2 * size;
    size_t left = room;
    char *out = content->bytes;
    if (iconv(converter, &in.given, &size, &out, &left) == (size_t)-1 ||
        iconv(converter, NULL, NULL, &out, &left) == (size_t)-1)
        return false;
    content->size = room - left;
    return utf8_valid(content->bytes, content->size);
}

static bool take_gb18030(const char *bytes, size_t size, struct content *content,
                         struct complaint *complaint) {
    iconv_t converter = iconv_open("UTF-8", "GB18030");
    if (converter == (iconv_t)-1)
        return complain(complaint, "the file is not UTF-8, and this system's C library has no "
                                   "GB 18030 to read it as GBK: save it as UTF-8");
    bool converted = convert(converter, bytes, size, content);
    iconv_close(converter);
    content->encoding = "GBK";
    return converted || complain(complaint, "the file is neither UTF-8 nor GBK text: export it "
                                            "again as CSV, or save it as UTF-8");
}

/* UTF-8 first: the headings in GBK are no UTF-8, so no good file in GBK is taken for it. */
static bool take_content(const char *bytes, size_t size, struct content *content,
                         struct complaint *complaint) {
    /* Two bytes of GB 18030 become three of UTF-8, four become at most four. */
    content->bytes = malloc(2 * size + 1);
    if (content->bytes == NULL)
        return complain(complaint, "there is no memory to read a file of %zu bytes", size);
    if (!utf8_valid(bytes, size))
        return take_gb18030(bytes, size, content, complaint);
    if (size > 0)
        memcpy(content->bytes, bytes, size);
    content->size = size;
    content->encoding = "UTF-8";
    return true;
}

/* The skippers and readers take what they name from the beginning of `rest`, or leave it. */

static bool skip_word(struct csv_field *rest, const char *word) {
    size_t size = strlen(word);
    if (rest->size < size || memcmp(rest->at, word, size) != 0)
        return false;
    rest->at += size;
    rest->size -= size;
    return true;
}

static const char *const blanks[] = {" ", "\t", "\r", "\n", "\xc2\xa0" /* no-break space */, "　"};
enum { BLANKS = sizeof blanks / sizeof *blanks };

static bool skip_blank(struct csv_field *rest) {
    for (size_t i = 0; i < BLANKS; i++) {
        if (skip_word(rest, blanks[i]))
            return true;
    }
    return false;
}

static bool skip_blanks(struct csv_field *rest) {
    bool any = false;
    while (skip_blank(rest))
        any = true;
    return any;
}

static bool cut_blank(struct csv_field *field) {
    for (size_t i = 0; i < BLANKS; i++) {
        size_t size = strlen(blanks[i]);
        if (field->size < size || memcmp(field->at + field->size - size, blanks[i], size) != 0)
            continue;
        field->size -= size;
        return true;
    }
    return false;
}

static struct csv_field trimmed(struct csv_field field) {
    (void)skip_blanks(&field);
    while (cut_blank(&field)) {
    }
    return field;
}

static bool read_digits(struct csv_field *rest, size_t digits, int *number) {
    if (rest->size < digits)
        return false;
    int sum = 0;
    for (size_t i = 0; i < digits; i++) {
        if (rest->at[i] < '0' || rest->at[i] > '9')
            return false;
        sum = sum * 10 + (rest->at[i] - '0');
    }
    *number = sum;
    rest->at += digits;
    rest->size -= digits;
    return true;
}

static bool read_date(struct csv_field *rest, struct tm *civil) {
    return read_digits(rest, 4, &civil->tm_year) && skip_word(rest, "-") &&
           read_digits(rest, 2, &civil->tm_mon) && skip_word(rest, "-") &&
           read_digits(rest, 2, &civil->tm_mday);
}

static bool read_time(struct csv_field *rest, struct tm *civil) {
    return read_digits(rest, 2, &civil->tm_hour) && skip_word(rest, ":") &&
           read_digits(rest, 2, &civil->tm_min) && skip_word(rest, ":") &&
           read_digits(rest, 2, &civil->tm_sec);
}

/* "2018-03-19 10:50:01" in China Standard Time. */
static bool read_moment(struct csv_field *rest, int64_t *unix_s) {
    struct tm written = {0};
    if (!read_date(rest, &written) || !skip_blanks(rest) || !read_time(rest, &written))
        return false;
    written.tm_year -= 1900;
    written.tm_mon -= 1;
    struct tm real = written;
    *unix_s = (int64_t)timegm(&real) - CHINA_OFFSET_S;
    /* timegm() makes the 1st of March of a 30th of February. */
    return real.tm_mon == written.tm_mon && real.tm_mday == written.tm_mday &&
           real.tm_hour == written.tm_hour && real.tm_min == written.tm_min &&
           real.tm_sec == written.tm_sec;
}

static bool skip_hyphen(struct csv_field *rest) {
    (void)skip_blanks(rest);
    if (!skip_word(rest, "-") && !skip_word(rest, "－"))
        return false;
    (void)skip_blanks(rest);
    return true;
}

/* NULL, or why it is none. */
static const char *read_window(struct csv_field field, int64_t *begin_s) {
    int64_t end_s;
    struct csv_field rest = trimmed(field);
    if (!read_moment(&rest, begin_s) || !skip_hyphen(&rest) || !read_moment(&rest, &end_s) ||
        rest.size > 0)
        return cause_form;
    /* The offset is a multiple of ten minutes, so the marks are those of Unix time. */
    if (*begin_s % USAGE_WINDOW_S != 1)
        return cause_mark;
    return end_s - *begin_s == USAGE_WINDOW_S ? NULL : cause_length;
}

static const char *read_count(struct csv_field field, int64_t *count) {
    struct csv_field rest = trimmed(field);
    size_t digits = 0;
    int number;
    while (digits < rest.size && rest.at[digits] >= '0' && rest.at[digits] <= '9')
        digits++;
    if (digits == 0 || digits > COUNT_DIGITS_MAX || !read_digits(&rest, digits, &number))
        return cause_count;
    *count = number;
    (void)skip_blanks(&rest);
    (void)skip_word(&rest, "次");
    return rest.size == 0 ? NULL : cause_count;
}

static size_t kept_fields(const struct csv_row *row) {
    return row->count < CSV_FIELDS_MAX ? row->count : CSV_FIELDS_MAX;
}

/* Spreadsheet programs write rows of nothing but commas. */
static bool is_blank(const struct csv_row *row) {
    for (size_t i = 0; i < kept_fields(row); i++) {
        if (trimmed(row->fields[i]).size > 0)
            return false;
    }
    return row->count <= CSV_FIELDS_MAX;
}

static enum csv_step next_row(struct csv *csv, struct csv_row *row, struct complaint *complaint) {
    enum csv_step step;
    do
        step = csv_next(csv, row, complaint);
    while (step == CSV_ROW && is_blank(row));
    return step;
}

static bool find_column(const struct csv_row *row, const char *heading, size_t *column,
                        const char *encoding, struct complaint *complaint) {
    bool found = false;
    for (size_t i = 0; i < kept_fields(row); i++) {
        struct csv_field name = trimmed(row->fields[i]);
        if (!skip_word(&name, heading) || name.size > 0)
            continue;
        if (found)
            return complain(complaint, "line %zu: the heading %s stands there twice", row->line,
                            heading);
        found = true;
        *column = i;
    }
    return found || complain(complaint,
                             "line %zu, read as %s, has no heading %s: it is not the seller's "
                             "usage export",
                             row->line, encoding, heading);
}

struct columns {
    size_t window, count;
};

static bool read_headings(struct csv *csv, const char *encoding, struct columns *columns,
                          struct complaint *complaint) {
    struct csv_row row;
    switch (next_row(csv, &row, complaint)) {
    case CSV_ROW:
        break;
    case CSV_END:
        return complain(complaint, "the file is empty");
    case CSV_BROKEN:
        return false;
    }
    return find_column(&row, HEADING_WINDOW, &columns->window, encoding, complaint) &&
           find_column(&row, HEADING_COUNT, &columns->count, encoding, complaint);
}

static const char *read_row(const struct csv_row *row, const struct columns *columns,
                            struct usage_window *window) {
    size_t kept = kept_fields(row);
    if (columns->window >= kept || columns->count >= kept)
        return cause_short;
    const char *cause = read_window(row->fields[columns->window], &window->begin_s);
    return cause != NULL ? cause : read_count(row->fields[columns->count], &window->count);
}

static void note_fault(struct usage_export *usage, size_t line, const char *cause) {
    if (usage->fault_count < USAGE_FAULTS_MAX)
        usage->faults[usage->fault_count] = (struct usage_fault){line, cause};
    usage->fault_count++;
}

static bool add_window(struct usage_export *usage, size_t *room, struct usage_window window) {
    if (usage->count == *room) {
        size_t wanted = *room == 0 ? 256 : 2 * *room;
        struct usage_window *grown = realloc(usage->windows, wanted * sizeof *grown);
        if (grown == NULL)
            return false;
        usage->windows = grown;
        *room = wanted;
    }
    usage->windows[usage->count++] = window;
    usage->calls += window.count;
    return true;
}

static bool read_rows(struct csv *csv, const struct columns *columns, struct usage_export *usage,
                      struct complaint *complaint) {
    struct csv_row row;
    enum csv_step step;
    size_t room = 0;
    while ((step = next_row(csv, &row, complaint)) == CSV_ROW) {
        struct usage_window window;
        const char *cause = read_row(&row, columns, &window);
        if (cause != NULL)
            note_fault(usage, row.line, cause);
        else if (window.count > 0 && !add_window(usage, &room, window))
            return complain(complaint, "there is no memory for %zu windows", usage->count);
    }
    return step == CSV_END;
}

static int by_time(const void *a, const void *b) {
    const struct usage_window *left = a;
    const struct usage_window *right = b;
    return (left->begin_s > right->begin_s) - (left->begin_s < right->begin_s);
}

static void sort_and_sum(struct usage_export *usage) {
    struct usage_window *windows = usage->windows;
    if (usage->count == 0)
        return;
    qsort(windows, usage->count, sizeof *windows, by_time);
    size_t last = 0;
    for (size_t i = 1; i < usage->count; i++) {
        if (windows[i].begin_s == windows[last].begin_s)
            windows[last].count += windows[i].count;
        else
            windows[++last] = windows[i];
    }
    usage->count = last + 1;
}

static bool read_content(const struct content *content, struct usage_export *usage,
                         struct complaint *complaint) {
    struct csv csv = csv_over(content->bytes, content->size);
    struct columns columns = {0};
    if (!read_headings(&csv, content->encoding, &columns, complaint) ||
        !read_rows(&csv, &columns, usage, complaint))
        return false;
    sort_and_sum(usage);
    return true;
}

bool usage_export_read(const char *bytes, size_t size, struct usage_export *usage,
                       struct complaint *complaint) {
    struct content content = {0};
    *usage = (struct usage_export){0};
    bool good =
        take_content(bytes, size, &content, complaint) && read_content(&content, usage, complaint);
    free(content.bytes);
    if (!good)
        usage_export_free(usage);
    return good;
}

void usage_export_free(struct usage_export *usage) {
    free(usage->windows);
    *usage = (struct usage_export){0};
}
