#pragma once
/*
 * table: JSON objects as lines of a table, for a person's eyes.
 *
 * A column names a member, perhaps of an inner object ("usage.day.used"). Numbers are printed as
 * they stand in the JSON, digit by digit. Widths are those of a terminal, where a Han character
 * takes two columns; what could command a terminal or turn its writing round is shown as '?'.
 * Spans hold strict JSON (json_scan_strict). Main thread.
 */
#include <stdbool.h>
#include <stdio.h>

#include "runtime/json_scan.h"

#define TABLE_COLUMNS_MOST 16

enum table_kind {
    TABLE_TEXT,
    TABLE_NUMBER, /* to the right */
    TABLE_TIME,   /* RFC 3339 in UTC, shown in the process's time zone */
};

struct table_column {
    const char *title;
    const char *member;
    enum table_kind kind;
    int width; /* at least */
};

/* Columns end with one without a title; borrowed. */
struct table {
    const struct table_column *columns;
    char **cells; /* line by line */
    int count;
    int room;
    bool failed; /* there was no memory for a line */
};

struct table table_of(const struct table_column *columns);

void table_add(struct table *table, struct json_span object);
void table_add_all(struct table *table, struct json_span array);

/* A single cell, behind the last. */
void table_put(struct table *table, const char *text);
void table_put_value(struct table *table, enum table_kind kind, struct json_span value);

int table_lines(const struct table *table);

/* Titles and lines, each column as wide as it must be; then the table is freed. False: there was no
 * memory for all of it. */
bool table_print(struct table *table, FILE *out) __attribute__((warn_unused_result));

/* Of lines that are printed as they come: only as wide as the columns say. */
void table_print_titles(const struct table_column *columns, FILE *out);
bool table_print_line(const struct table_column *columns, struct json_span object, FILE *out)
    __attribute__((warn_unused_result));

/* One object, a member in each line behind its title. */
bool table_print_members(const struct table_column *columns, struct json_span object, FILE *out)
    __attribute__((warn_unused_result));

/* What stands at a path in an object; empty: nothing. */
struct json_span table_find(struct json_span object, const char *path);

/* The cell of a value; the caller frees it. NULL: no memory. */
char *table_cell(enum table_kind kind, struct json_span value);
