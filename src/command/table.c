#include "command/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <utf8proc.h>

#define GAP       "  "
#define TIME_SIZE 32

/* --- what is shown of a value --- */

/* Does it print as itself? */
static bool is_harmless(utf8proc_int32_t character) {
    switch (utf8proc_category(character)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return true;
    }
}

/* In place: nothing grows. */
static void make_harmless(char *text) {
    const char *from = text;
    const char *end = text + strlen(text);
    char *to = text;
    while (from < end) {
        utf8proc_int32_t character;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)from, end - from, &character);
        if (size < 1 || !is_harmless(character)) {
            *to++ = '?';
        } else {
            memmove(to, from, (size_t)size);
            to += size;
        }
        from += size < 1 ? 1 : size;
    }
    *to = '\0';
}

static char *copy_string(struct json_span value) {
    cJSON *string = cJSON_ParseWithLength(value.at, value.size);
    const char *text = cJSON_GetStringValue(string);
    char *copy = text != NULL ? strdup(text) : NULL;
    cJSON_Delete(string);
    return copy;
}

static bool read_utc(const char *text, time_t *at) {
    struct tm utc = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (rest != NULL && rest[0] == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    *at = timegm(&utc);
    return rest != NULL && strcmp(rest, "Z") == 0;
}

/* To the second, in the process's zone; what is no time in UTC stays as it is. */
static char *show_time(char *text) {
    struct tm here;
    char shown[TIME_SIZE];
    time_t at;
    if (text == NULL || !read_utc(text, &at))
        return text;
    if (localtime_r(&at, &here) == NULL)
        return text;
    size_t size = strftime(shown, sizeof shown, "%Y-%m-%dT%H:%M:%S%z", &here);
    if (size < 5)
        return text;
    memmove(shown + size - 1, shown + size - 2, 3); /* +0800 becomes +08:00 */
    shown[size - 2] = ':';
    free(text);
    return strdup(shown);
}

char *table_cell(enum table_kind kind, struct json_span value) {
    if (value.size == 0 || value.at[0] == 'n')
        return strdup("-");
    if (value.at[0] == 't')
        return strdup("yes");
    if (value.at[0] == 'f')
        return strdup("no");
    char *text = value.at[0] == '"' ? copy_string(value) : strndup(value.at, value.size);
    if (text != NULL)
        make_harmless(text);
    return kind == TABLE_TIME ? show_time(text) : text;
}

struct json_span table_find(struct json_span object, const char *path) {
    char name[64];
    for (;;) {
        size_t size = strcspn(path, ".");
        if (size >= sizeof name)
            return (struct json_span){"", 0};
        memcpy(name, path, size);
        name[size] = '\0';
        object = json_scan_find(object, name);
        if (path[size] == '\0')
            return object;
        path += size + 1;
    }
}

/* --- how it stands --- */

static int width_of(const char *text) {
    const char *end = text + strlen(text);
    int width = 0;
    while (text < end) {
        utf8proc_int32_t character;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)text, end - text, &character);
        width += size < 1 ? 1 : utf8proc_charwidth(character);
        text += size < 1 ? 1 : size;
    }
    return width;
}

static void print_padding(int count, FILE *out) {
    for (int i = 0; i < count; i++)
        fputc(' ', out);
}

/* Nothing stands behind a line's last text. */
static void print_cell(const struct table_column *column, const char *text, int width, FILE *out) {
    int padding = width - width_of(text);
    bool last = column[1].title == NULL;
    if (column->kind == TABLE_NUMBER)
        print_padding(padding, out);
    fputs(text, out);
    if (column->kind != TABLE_NUMBER && !last)
        print_padding(padding, out);
    fputs(last ? "\n" : GAP, out);
}

static int count_columns(const struct table_column *columns) {
    int count = 0;
    while (count < TABLE_COLUMNS_MOST && columns[count].title != NULL)
        count++;
    return count;
}

/* --- lines that are kept --- */

struct table table_of(const struct table_column *columns) {
    return (struct table){.columns = columns};
}

static void put_owned(struct table *table, char *cell_owned) {
    if (table->count == table->room) {
        int room = 2 * table->room + 64;
        char **cells = realloc(table->cells, (size_t)room * sizeof *cells);
        if (cells == NULL) {
            free(cell_owned);
            cell_owned = NULL;
        } else {
            table->cells = cells;
            table->room = room;
        }
    }
    if (cell_owned != NULL)
        table->cells[table->count++] = cell_owned;
    else
        table->failed = true;
}

void table_put_value(struct table *table, enum table_kind kind, struct json_span value) {
    put_owned(table, table_cell(kind, value));
}

void table_put(struct table *table, const char *text) {
    char *cell = strdup(text);
    if (cell != NULL)
        make_harmless(cell);
    put_owned(table, cell);
}

void table_add(struct table *table, struct json_span object) {
    for (const struct table_column *column = table->columns; column->title != NULL; column++)
        table_put_value(table, column->kind, table_find(object, column->member));
}

void table_add_all(struct table *table, struct json_span array) {
    struct json_span element;
    while (json_scan_element(&array, &element))
        table_add(table, element);
}

int table_lines(const struct table *table) {
    return table->count / count_columns(table->columns);
}

static int widest(const struct table *table, int column, int columns) {
    int width = width_of(table->columns[column].title);
    for (int i = column; i < table->count; i += columns) {
        int one = width_of(table->cells[i]);
        width = one > width ? one : width;
    }
    return width;
}

static void print_lines(const struct table *table, const int *widths, int columns, FILE *out) {
    for (int i = 0; i < columns; i++)
        print_cell(&table->columns[i], table->columns[i].title, widths[i], out);
    for (int i = 0; i < table->count; i++)
        print_cell(&table->columns[i % columns], table->cells[i], widths[i % columns], out);
}

static void empty(struct table *table) {
    for (int i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = table_of(table->columns);
}

bool table_print(struct table *table, FILE *out) {
    int widths[TABLE_COLUMNS_MOST] = {0};
    int columns = count_columns(table->columns);
    bool good = !table->failed && columns > 0;
    for (int i = 0; i < columns && good; i++)
        widths[i] = widest(table, i, columns);
    if (good)
        print_lines(table, widths, columns, out);
    empty(table);
    return good;
}

/* --- lines as they come --- */

void table_print_titles(const struct table_column *columns, FILE *out) {
    for (const struct table_column *column = columns; column->title != NULL; column++)
        print_cell(column, column->title, column->width, out);
}

bool table_print_line(const struct table_column *columns, struct json_span object, FILE *out) {
    for (const struct table_column *column = columns; column->title != NULL; column++) {
        char *cell = table_cell(column->kind, table_find(object, column->member));
        if (cell == NULL)
            return false;
        print_cell(column, cell, column->width, out);
        free(cell);
    }
    return true;
}

bool table_print_members(const struct table_column *columns, struct json_span object, FILE *out) {
    int width = 0;
    for (const struct table_column *column = columns; column->title != NULL; column++) {
        int one = width_of(column->title);
        width = one > width ? one : width;
    }
    for (const struct table_column *column = columns; column->title != NULL; column++) {
        char *cell = table_cell(column->kind, table_find(object, column->member));
        if (cell == NULL)
            return false;
        fputs(column->title, out);
        print_padding(width - width_of(column->title), out);
        fprintf(out, GAP "%s\n", cell);
        free(cell);
    }
    return true;
}
