#pragma once
/*
 * export: lines of the ledger, for spreadsheets (CSV, RFC 4180) and programs (NDJSON).
 *
 * Both name the same members. What is not known is an empty field, or null; `billed` is not known
 * while a call is under way and when its answer was never seen. Text that a spreadsheet might take
 * for a formula is quoted. Pure.
 */
#include <stdbool.h>

#include "money/window.h"
#include "runtime/text.h"
#include "store/store.h"

enum export_format { EXPORT_CSV, EXPORT_NDJSON, EXPORT_FORMATS };

/* What tells a spreadsheet that UTF-8 follows. */
#define EXPORT_BYTE_ORDER_MARK "\xef\xbb\xbf"

/* No line is longer, whatever is in its row. */
#define EXPORT_LINE_SIZE 4096

/* Before the first line: of CSV the names, behind a byte order mark when `bom`; of NDJSON nothing.
 */
void export_row_names(enum export_format format, bool bom, struct text *text);
void export_window_names(enum export_format format, bool bom, struct text *text);

void export_row(enum export_format format, const struct store_row *row, struct text *text);
void export_window(enum export_format format, const struct window *window, struct text *text);

/* One field, quoted where it must be. */
void export_csv_text(struct text *text, const char *value);
